"""A pipeline that is run: its rows, what they stand on, and what they are held against."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import numpy_helper

from kdcore import experiment, insides, models
from kdcore.classroom import Classroom
from kdcore.compress.channels import load_pruned
from kdcore.compress.sensitivity import answers
from kdcore.compress.sharing import unpacked
from kdcore.errors import DivergedError, RecipeError
from kdcore.measure import latency
from kdcore.pipeline import FineTune, Pipeline
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Event, Progress
from kdcore.shelf import Shelf
from kdcore.stages import run_members, run_pipeline
from kdcore.stages.judging import model_of
from kdcore.stages.tuning import lesson_of, retold
from kdcore.stages.work import calibration_samples
from kdcore.statistics import paired_difference
from kdcore.train.loop import logits
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, Lap, PipelineResult, Row

RECIPE = {
    "teacher": {"options": {"widths": [32]}},
    "student": {"options": {"widths": [16, 16]}},
    "teacher_training": {"steps": 60},
    "training": {"steps": 60},
    "seeds": [0, 1, 2],
}
TUNE = {"kind": "fine-tune", "steps": 30}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module", autouse=True)
def few_rounds():
    """Latencies are taken as ever, but fewer times."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(latency, "ROUNDS", 2)
        yield


@pytest.fixture(scope="module")
def run(kept):
    """Runs stages on the recipe, and gives all that happened."""

    def run(*stages, **changed) -> tuple[PipelineResult, list]:
        told = []
        pipeline = Pipeline(recipe=RECIPE | changed, stages=stages)
        return run_pipeline(pipeline, told.append, kept), told

    return run


@pytest.fixture(scope="module")
def smaller(run):
    """Half the channels, trained on, static int8 with the most sensitive layer in float32."""
    quantize = {"kind": "quantize", "samples": 64, "keep": "sensitive"}
    return run({"kind": "prune"}, TUNE, quantize)


@pytest.fixture(scope="module")
def ticket(run):
    """Two rounds to a fifth of the weights, from where they began; shared at last."""
    prune = {
        **{"kind": "prune", "what": "weights", "share": 0.8, "rounds": 2, "rewind": True},
        "between": {"steps": 20},
    }
    return run(prune, TUNE, {"kind": "share", "bits": 3})[0]


@pytest.fixture(scope="module")
def room(kept) -> Classroom:
    return Classroom(Recipe(**RECIPE), kept)


def named(result: PipelineResult) -> dict[str, Row]:
    return {row.name: row for row in result.rows}


def weights(kept: Shelf, row: Row) -> dict[str, torch.Tensor]:
    return safetensors.torch.load(kept.get(row.file.weights))


# the run that the stages begin from


def test_it_is_that_of_the_recipe_to_the_byte(smaller, kept):
    result, alone = smaller[0], experiment.run(Recipe(**RECIPE), shelf=kept)
    for arm in ARMS:
        here, there = result.run.arms[arm], alone.arms[arm]
        assert replace(here, latency_ms=None, latency=()) == replace(
            there, latency_ms=None, latency=()
        )
    assert result.run.difference == alone.difference
    inside = {insides.ROLE}  # of that a pipeline keeps nothing
    assert result.run.artifacts == {k: v for k, v in alone.artifacts.items() if k not in inside}


def test_its_models_are_the_first_rows_with_the_latencies_taken_there(smaller):
    result = smaller[0]
    for arm, row in zip(ARMS, result.rows, strict=False):
        assert result.run.arms[arm].accuracy == row.accuracy
        assert result.run.arms[arm].onnx_bytes == row.bytes
        assert result.run.arms[arm].latency == row.latency
        assert result.run.artifacts[f"{arm}.onnx"] == row.file.onnx


def test_all_its_files_are_on_the_shelf(smaller, kept):
    assert smaller[0].files >= set(smaller[0].run.artifacts.values())
    assert all((kept.folder / name).is_file() for name in smaller[0].files)


# rows


def test_the_ends_come_first_then_the_student_trained_on_then_each_stage(smaller):
    result, told = smaller
    assert [row.name for row in result.rows] == [
        *(TEACHER, CONTROL, ORIGINAL, TRAINED_ON),
        "prune 50 % of the channels",
        "train on with the teacher, 30 steps",
        "static int8, 1 most sensitive in float32",
    ]
    assert [each.name for each in told if isinstance(each, Row)] == [r.name for r in result.rows]


def test_a_row_has_a_figure_for_each_seed_and_latency_at_both_batch_sizes(smaller):
    for row in smaller[0].rows:
        assert len(row.accuracy) == (1 if row.name == TEACHER else 3)
        assert [each.batch for each in row.latency] == [1, 32]
        assert row.nonzeros <= row.parameters
    rows = named(smaller[0])
    assert rows[CONTROL].latency == rows[ORIGINAL].latency  # one network


def test_what_is_like_itself_is_alike_throughout(smaller):
    rows = named(smaller[0])
    assert rows[TEACHER].like_teacher == (1.0,)
    assert rows[ORIGINAL].like_original == (1.0, 1.0, 1.0)
    assert len(rows[TEACHER].like_original) == 3


def test_half_the_channels_leave_the_parameters_counted_by_hand(smaller):
    before, after = smaller[0].rows[2], smaller[0].rows[4]
    assert before.parameters == 65 * 16 + 17 * 16 + 17 * 10
    assert after.parameters == 65 * 8 + 9 * 8 + 9 * 10
    assert after.macs == 64 * 8 + 8 * 8 + 8 * 10
    assert after.bytes < before.bytes


def test_the_file_of_a_row_answers_as_the_row_says(smaller, kept, digits):
    images = digits.normalise(digits.test.inputs).numpy()
    for row in smaller[0].rows:
        found = answers(kept.get(row.file.onnx), images).argmax(1)
        assert (found == digits.test.labels.numpy()).mean() == row.accuracy[0]
        assert row.bytes == len(kept.get(row.file.onnx))


def test_a_stages_network_comes_back_from_its_weights(smaller, kept, digits):
    row = smaller[0].rows[5]
    network = models.get("mlp").build((1, 8, 8), 10, {"widths": [16, 16]}, seed=7)
    load_pruned(network, weights(kept, row))
    found = logits(network, digits.normalise(digits.test.inputs)).argmax(1)
    assert (found == digits.test.labels).double().mean().item() == row.accuracy[0]
    assert not smaller[0].rows[6].file.weights


def test_each_stage_is_paired_with_the_student_that_was_trained_on_as_long(smaller):
    rows = smaller[0].rows
    assert [row.difference for row in rows[:4]] == [None] * 4
    for row in rows[4:]:
        assert row.difference == paired_difference(rows[3].accuracy, row.accuracy, samples=500)


def test_progress_never_goes_back(smaller):
    done = [e.done for e in smaller[1] if isinstance(e, Progress) and e.phase == "compressing"]
    assert done == sorted(done)
    assert 0 < done[0] < done[-1] <= 1


# training on


def test_the_student_trained_on_takes_the_very_steps_of_the_pipeline(run):
    rows = run(TUNE)[0].rows
    alone, stage = rows[3], rows[4]
    assert (alone.accuracy, alone.like_original) == (stage.accuracy, stage.like_original)
    assert alone.file.onnx == stage.file.onnx


def test_what_is_held_against_one_that_rounds_is_trained_on_in_float32_as_that_one(
    kept, monkeypatch
):
    """Up to the row that is held against it; before the last training, the recipe's precision."""
    work = import_module("kdcore.stages.work")  # its package has a function of that name
    lessons, tune = [], work.tune

    def noting(network, lesson, masks=None):
        lessons.append((lesson.training.steps, lesson.precision))
        return tune(network, lesson, masks)

    monkeypatch.setattr(work, "tune", noting)
    small = {"recipe": RECIPE | {"training": {"steps": 60, "precision": "bfloat16"}, "seeds": [0]}}
    to_int8 = {"kind": "quantize", "how": "aware", "tune": {"steps": 3}}
    for last in (to_int8, {"kind": "fine-tune", "steps": 3}):
        pipeline = Pipeline(**small, stages=[{"kind": "fine-tune", "steps": 2}, last])
        members = run_members([pipeline], kept)
        next(row for _, row in members if isinstance(row, Row) and row.name == TRAINED_ON)
        members.close()
    assert lessons == [(2, "bfloat16"), (3, "float32"), (2, "bfloat16"), (3, "bfloat16")]


def test_without_training_on_there_is_no_such_row(run):
    rows = run({"kind": "quantize", "how": "float16"})[0].rows
    assert TRAINED_ON not in [row.name for row in rows]
    assert rows[3].difference == paired_difference(rows[2].accuracy, rows[3].accuracy, samples=500)


def test_the_same_pipeline_gives_the_same_numbers(ticket, run):
    again = run(*ticket.pipeline.model_dump(mode="json")["stages"])[0]
    assert [r.accuracy for r in again.rows] == [r.accuracy for r in ticket.rows]
    assert [r.file for r in again.rows] == [r.file for r in ticket.rows]


def test_whom_it_learns_from_makes_a_difference(room):
    room.setting.transfer_set(0)
    teacher = room.setting.teacher(seed=0)
    lessons = [lesson_of(room, FineTune(), each, 0, 0) for each in (teacher, None)]
    assert [each.teaching is None for each in lessons] == [False, True]
    assert lessons[0].seed == lessons[1].seed
    assert lesson_of(room, FineTune(), None, 0, 1).seed != lessons[0].seed


def test_a_training_on_is_the_recipes_own_but_for_steps_and_rate_and_learns_by_kd():
    training = {"optimizer": "sgd", "batch_size": 16, "warm_up": 9, "patience": 3}
    recipe = Recipe(training=training, method={"name": "dkd"}, temperature=7.0, soft_weight=2.0)
    found = retold(recipe, FineTune(steps=5, learning_rate=0.5))
    assert (found.training.optimizer, found.training.batch_size) == ("sgd", 16)
    assert (found.training.steps, found.training.learning_rate) == (5, 0.5)
    assert (found.training.warm_up, found.training.patience) == (0, 0)
    assert (found.method.name, found.temperature, found.soft_weight) == ("kd", 7.0, None)


def test_the_weights_of_a_recipe_by_kd_stay():
    found = retold(Recipe(soft_weight=0.3, hard_weight=0.7), FineTune())
    assert (found.soft_weight, found.hard_weight) == (0.3, 0.7)


def test_each_report_of_a_training_on_is_told_with_its_stage_and_step(smaller):
    result, told = smaller
    laps = [each for each in told if isinstance(each, Lap)]
    seeds = list(result.pipeline.recipe.seeds)
    last = {(lap.stage, lap.seed): lap.step for lap in laps}
    assert last == {(stage, seed): 30 for stage in (None, 1) for seed in seeds}
    row = next(
        place
        for place, each in enumerate(told)
        if isinstance(each, Row) and "train on" in each.name
    )
    tuning = [place for place, each in enumerate(told) if isinstance(each, Lap) and each.stage == 1]
    assert max(tuning) < row  # live, not afterwards
    assert all(0 <= lap.accuracy <= 1 for lap in laps)


def test_what_is_no_training_is_told_apart_from_all_the_seconds(smaller):
    result, _ = smaller
    assert 0 < result.aside < result.seconds


# single weights


def test_what_was_pruned_stays_zero_through_training_on(ticket):
    pruned, tuned = ticket.rows[4], ticket.rows[5]
    gone = round(0.8 * (64 * 16 + 16 * 16 + 16 * 10))
    assert pruned.parameters - pruned.nonzeros == gone
    assert tuned.parameters - tuned.nonzeros == gone
    assert pruned.bytes == ticket.rows[2].bytes
    assert pruned.gzip_bytes < 0.6 * ticket.rows[2].gzip_bytes


def test_a_rewound_student_has_the_weights_with_which_it_began(ticket, kept, room):
    first = room.setting.build(room.recipe.student, seed=0).state_dict()
    for name, value in weights(kept, ticket.rows[4]).items():
        assert torch.equal(value[value != 0], first[name][value != 0])


def test_shared_weights_are_weighed_packed_and_judged_unpacked(ticket, kept):
    row = ticket.rows[6]
    packed, model = kept.get(row.file.packed), kept.get(row.file.onnx)
    assert row.bytes == len(packed) < ticket.rows[5].bytes
    assert unpacked(packed) == model
    held = onnx.load_from_string(model).graph.initializer
    assert all(len(np.unique(numpy_helper.to_array(w))) <= 8 for w in held if len(w.dims) == 2)


# quantizing


def test_ranges_are_found_on_samples_that_the_student_learnt_from(room, digits):
    found = calibration_samples(room, seed=1, count=50)
    train = digits.normalise(digits.train.inputs[room.setting.transfer_set(1)[0][:50]])
    np.testing.assert_array_equal(found, train.numpy())
    classes = digits.train.labels[room.setting.transfer_set(1)[0][:50]]
    assert classes.bincount().tolist() == [5] * 10


def test_samples_from_elsewhere_serve_for_no_ranges(kept):
    noise = {"labelled": 40, "unlabelled": 100, "source": "noise"}
    room = Classroom(Recipe(**RECIPE | {"transfer": noise}), kept)
    assert len(calibration_samples(room, seed=0, count=64)) == 40


def test_unlabelled_samples_of_the_task_serve_as_well(kept):
    room = Classroom(Recipe(**RECIPE | {"transfer": {"labelled": 40, "unlabelled": "rest"}}), kept)
    assert len(calibration_samples(room, seed=0, count=64)) == 64


def test_the_layers_that_were_compared_are_told_and_the_worst_is_kept(smaller, kept):
    result = smaller[0]
    assert len(result.sensitivity) == 3
    model = onnx.load_from_string(kept.get(result.rows[6].file.onnx))
    worst = max(result.sensitivity, key=lambda each: each.drift).layer
    floats = {each.name for each in model.graph.initializer if each.data_type == 1}
    (node,) = [each for each in model.graph.node if each.name == worst]
    assert node.input[1] in floats


# what cannot be done


@pytest.mark.parametrize(
    ("student", "stages", "said"),
    [
        ({"options": {"widths": []}}, [{"kind": "prune"}], "no channels can be taken out"),
        (
            {"options": {"widths": [8]}},
            [{"kind": "quantize", "keep": "ends"}],
            "leaves nothing to quantize",
        ),
        (
            {"options": {"widths": [8]}},
            [{"kind": "prune"}, {"kind": "prune", "what": "weights", "rewind": True}],
            "cannot be rewound once channels are gone",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_trained(student, stages, said, kept):
    told = []
    with pytest.raises(RecipeError, match=said) as caught:
        run_pipeline(
            Pipeline(recipe=RECIPE | {"student": student}, stages=stages), told.append, kept
        )
    assert "\n" not in str(caught.value)
    assert told == []


def test_a_student_that_diverged_is_told_with_the_way_out(room):
    network = room.setting.build(room.recipe.student, seed=0)
    network[1].bias.data[0] = torch.inf
    with pytest.raises(DivergedError, match="lower the learning_rate"):
        model_of("trained on", [network], room.split("test"), (1, 8, 8))


# many


def test_members_of_one_recipe_train_its_students_once_and_one_that_fails_stops_no_other(kept):
    bad = [{"field": "stages.0.keep", "values": ["ends", "none"]}]
    quantize = {"kind": "quantize", "how": "weights"}
    one = RECIPE | {"student": {"options": {"widths": [9]}}, "seeds": [5]}
    axes = [*bad, {"field": "stages.0.how", "values": ["weights", "float16"]}]
    members = Pipeline(recipe=one, stages=[quantize], axes=axes).members()
    happened = list(run_members(members, kept))
    failed = [(place, str(each)) for place, each in happened if isinstance(each, RecipeError)]
    assert [place for place, _ in failed] == [0, 1]
    assert [place for place, each in happened if isinstance(each, PipelineResult)] == [2, 3]
    assert {place for place, each in happened if isinstance(each, Event)} == {2}
