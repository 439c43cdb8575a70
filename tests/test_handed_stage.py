"""A pipeline's model, handed over with the run that its stages began from."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from kdcore.errors import HomeError
from kdcore.handover import predict
from kdcore.handover.bundle import bundle
from kdcore.handover.facts import all_answers, facts
from kdcore.handover.report import report
from kdcore.handover.stage import file_stem, of_row
from kdcore.measure import intervals, latency
from kdcore.pipeline import Pipeline
from kdcore.shelf import Shelf
from kdcore.stages import run_pipeline
from kdcore.waterfall import ORIGINAL
from tests.handed import RECIPE

STAGES = (
    {"kind": "prune", "share": 0.25},
    {"kind": "fine-tune", "steps": 30},
    {"kind": "quantize", "how": "static"},
)
INT8, TRAINED_ON, PRUNED = 6, 3, 4


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module")
def result(shelf):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(latency, "ROUNDS", 2)
        return run_pipeline(Pipeline(recipe=RECIPE, stages=STAGES), shelf=shelf)


@pytest.fixture(scope="module")
def folder(result, shelf, tmp_path_factory):
    """The bundle of the last stage's model, unpacked."""
    content = bundle(of_row("smaller", result, INT8, shelf, as_file=True))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(root := tmp_path_factory.mktemp("bundle"))
    return next(root.iterdir())


def test_its_bundle_holds_the_student_in_float32_and_what_the_stage_made(folder, result, shelf):
    files = {row.name: shelf.get(row.file.onnx) for row in result.rows}
    assert (folder / "model.onnx").read_bytes() == files[ORIGINAL]
    assert (folder / "static-int8.onnx").read_bytes() == files["static int8"]
    assert Pipeline.load(folder / "pipeline.json") == result.pipeline


def test_of_an_earlier_stage_the_pipeline_and_its_words_end_there(result, shelf):
    of = of_row("smaller", result, PRUNED, shelf)
    assert of.pipeline.pipeline.stages == result.pipeline.stages[:1]
    (how,) = of.made.values()
    assert "After these stages, the student has gone" in how


def test_shared_weights_are_told_to_be_small_in_another_file(result, shelf):
    row = result.rows[INT8]
    packed = replace(row, file=replace(row.file, packed="0.packed"))
    of = of_row("packed", replace(result, rows=(*result.rows[:-1], packed)), INT8, shelf)
    (how,) = of.made.values()
    assert how.endswith("That is its packed file; the ONNX file here is not smaller.")


def test_its_script_asks_the_model_that_the_bundle_was_made_for(folder, result, shelf):
    session, told = predict.load(folder=folder)
    assert told["model"] == "static-int8.onnx"
    of = of_row("smaller", result, INT8, shelf)
    with np.load(folder / "check.npz") as kept:
        given = predict.logits(session, predict.prepare(kept["samples"], told))
    expected = all_answers(of)["static int8"][: len(given)]
    np.testing.assert_allclose(given, expected, atol=1e-5)
    assert predict.check(session, told, folder).endswith("are answered as they were")


def test_arithmetic_that_rounds_otherwise_passes_the_check_as_long_as_the_classes_stay(folder):
    session, told = predict.load(folder=folder)
    path = folder / "check.npz"
    before = path.read_bytes()
    with np.load(path) as found:
        kept = dict(found)
    name = told["model"]
    np.savez(path, **{**kept, name: kept[name] * 1.05})
    assert "get the class that they got; logits move by" in predict.check(session, told, folder)
    np.savez(path, **{**kept, name: -kept[name]})
    with pytest.raises(predict.CannotPredictError, match="answers otherwise"):
        predict.check(session, told, folder)
    np.savez(path, **{**kept, "model.onnx": kept["model.onnx"] * 1.05})
    with pytest.raises(predict.CannotPredictError, match="answers otherwise"):
        predict.check(*predict.load("model.onnx", folder), folder)
    assert told["rounds"] == [name]
    path.write_bytes(before)


def test_its_card_tells_every_stage_and_what_they_cost_over_the_seeds(folder, result):
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "`predict.py` asks `static-int8.onnx`" in card
    assert "prune 25 % of the channels; train on with the teacher, 30 steps; static int8" in card
    accuracy = intervals.over_seeds(result.rows[INT8].accuracy)
    (line,) = (line for line in card.splitlines() if line.startswith("| Accuracy over the seeds"))
    assert f"{100 * accuracy.value:.1f}" in line.split("|")[-2]
    (line,) = (line for line in card.splitlines() if line.startswith("| Median time of one"))
    assert "–" not in line  # all were timed in turns


def test_what_is_known_of_it_is_of_all_seeds(result, shelf):
    of = of_row("smaller", result, PRUNED, shelf)
    *_, found = facts(of, all_answers(of))
    row = result.rows[PRUNED]
    assert found.over_seeds == intervals.over_seeds(row.accuracy)
    assert found.quality.accuracy.value == pytest.approx(row.accuracy[0])
    assert found.latency == row.latency


def test_its_report_says_how_it_was_made_and_holds_it_against_all_seeds_students(result, shelf):
    page = report([of_row("smaller", result, INT8, shelf)]).decode()
    assert "Made of the distilled student since. static int8: prune 25 % of the channels" in page
    assert "Models made since are of the first seed" not in page
    for each in ("How small does it get?", "What does it cost in accuracy?"):
        assert each in page


def test_the_ends_are_the_run_itself_and_one_trained_on_as_long_is_told_so(result, shelf):
    for place in range(3):
        assert of_row("smaller", result, place, shelf).further == ()
    of = of_row("smaller", result, TRAINED_ON, shelf)
    assert of.made == {of.further[0]: "as many further steps as in all stages, and nothing else"}


def test_stages_have_the_last_rows(result):
    assert list(result.stages) == [PRUNED, PRUNED + 1, INT8]


def test_a_pipeline_that_kept_no_run_says_so(result, shelf):
    with pytest.raises(HomeError, match="run by an older version, which kept too little"):
        of_row("older", replace(result, run=None), INT8, shelf)
    told = json.loads(result.to_json())
    del told["run"]
    assert type(result).from_json(json.dumps(told)).run is None


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("static int8", "static-int8"),
        ("prune 50 % of the channels", "prune-50-of-the-channels"),
        ("static int8, 1 most sensitive in float32", "static-int8-1-most-sensitive-in-float32"),
    ],
)
def test_a_files_name_has_letters_and_digits_alone(name, stem):
    assert file_stem(name) == stem
