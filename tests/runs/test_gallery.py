"""Finished runs that come with the project: kept in a folder, brought into the store."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from kdcore.cli import main
from kdcore.errors import DivergedError, RunError
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.runs.exhibits import PipelineExhibit, RunExhibit
from kdcore.runs.gallery import (
    FILES,
    LARGEST_FILE,
    bring_in,
    exhibits,
    keep,
    keep_pipeline,
    pack,
)
from kdcore.runs.pipelines import Member, Pipelines
from kdcore.settings import GALLERY, Settings
from kdcore.waterfall import ORIGINAL, Lap
from tests import piped
from tests.runs.test_store import event, result

PRESETS = sorted((Path(__file__).parents[2] / "assets" / "recipes").glob("*.json"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "gallery"


@pytest.fixture
def add(folder, shelf):
    """Keep a run of that title in the folder's gallery."""

    def added(title: str, content: bytes = b"answers") -> None:
        found = result(logits=shelf.put(content, "npz"))
        found = replace(found, recipe=Recipe(title=title))
        keep(folder, title, 1e9, found, [event(1), event(2)], shelf)

    return added


LAPS = [Lap(None, 0, 20, 0.96), Lap(1, 0, 10, 0.94)]


@pytest.fixture
def add_pipeline(folder, shelf):
    """Keep a pipeline of that title in the folder's gallery; returns what came of it."""

    def added(title: str, axes=(), **files: bytes):
        pipeline = Pipeline(
            **{**piped.PIPELINE.model_dump(exclude={"title", "axes"})}, title=title, axes=axes
        )
        found = piped.finished(shelf, pipeline)
        first = found.rows[0]
        kinds = {"onnx": "onnx", "weights": "safetensors"}
        named = {kind: shelf.put(content, kinds[kind]) for kind, content in files.items()}
        rows = (replace(first, file=replace(first.file, **named)), *found.rows[1:])
        results = [replace(found, rows=rows)] * len(pipeline)
        heard = [[event(1), *LAPS]] * len(pipeline)
        keep_pipeline(folder, title, 1e9, pipeline, results, heard, shelf)
        return results[0]

    return added


@pytest.fixture
def pipelines(store) -> Pipelines:
    return Pipelines(store)


@pytest.fixture
def visit(store, tmp_path, folder):
    """Bring the gallery in as an app does that starts; gives the shelf of that app."""
    from kdcore.shelf import Shelf

    def visited() -> Shelf:
        own = Shelf(tmp_path / "own")
        bring_in(store, own, folder)
        return own

    return visited


def test_a_run_that_was_kept_is_found_with_its_result_curves_and_files(add, visit, store):
    add("Few labels")
    shelf = visit()
    (run,) = store.find()
    assert (run.name, run.state, run.created, run.shown) == ("Few labels", "done", 1e9, True)
    assert run.recipe == run.result.recipe == Recipe(title="Few labels")
    assert store.events(run.id)[0] == [event(1), event(2)]
    assert shelf.get(run.result.artifacts["logits"]) == b"answers"
    assert store.artifacts() == set(run.result.artifacts.values())
    assert store.exhibit(Recipe().id) == run


def test_an_app_that_starts_again_finds_the_same_runs(add, visit, store):
    add("Few labels")
    visit()
    before = store.find()
    visit()
    assert store.find() == before


def test_a_newer_gallery_takes_the_place_of_the_older_one(add, visit, store):
    add("Few labels", b"of the older code")
    add("All labels")
    visit()
    add("Few labels", b"of the newer code")
    shelf = visit()
    assert sorted(run.name for run in store.find()) == ["All labels", "Few labels"]
    answers = {shelf.get(run.result.artifacts["logits"]) for run in store.find()}
    assert answers == {b"answers", b"of the newer code"}


def test_ones_own_runs_stay_and_come_first(add, visit, store):
    add("Few labels")
    own = store.submit(Recipe(), "mine")
    visit()
    assert store.find()[0].id == own.id
    assert not store.get(own.id).shown


def test_a_run_of_the_gallery_cannot_be_deleted(add, visit, store):
    add("Few labels")
    visit()
    with pytest.raises(RunError, match="comes with the project; set KDCORE_GALLERY"):
        store.delete(store.find()[0].id)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08"])
def test_a_file_that_cannot_be_read_is_left_out(add, visit, store, folder, content):
    add("Few labels")
    (folder / "runs" / "other.json.gz").write_bytes(content)
    visit()
    assert [run.name for run in store.find()] == ["Few labels"]


def test_a_run_whose_files_are_missing_is_left_out(add, visit, store, folder):
    add("Few labels")
    for path in (folder / "files").iterdir():
        path.unlink()
    add("All labels", b"other answers")
    visit()
    assert [run.name for run in store.find()] == ["All labels"]


def test_without_a_gallery_there_is_nothing_to_bring_in(visit, store):
    visit()
    assert store.find() == []


def test_files_that_are_large_are_left_out(add, folder):
    add("Few labels", bytes(LARGEST_FILE + 1))
    assert exhibits(folder)[0].result.artifacts == {}


def test_a_packed_gallery_is_one_archive_without_the_files_of_nobody(add, visit, store, folder):
    add("Few labels", b"older")
    add("Few labels", b"newer")
    add("All labels")
    pack(folder)
    assert sorted(path.name for path in folder.iterdir()) == [FILES, "runs"]
    with tarfile.open(folder / FILES) as archive:
        assert len(archive.getnames()) == 2
    shelf = visit()
    found = {shelf.get(run.result.artifacts["logits"]) for run in store.find()}
    assert found == {b"newer", b"answers"}


def test_packing_again_keeps_what_was_packed_and_makes_the_same_archive(add, folder):
    add("Few labels")
    pack(folder)
    before = (folder / FILES).read_bytes()
    add("All labels", b"others")
    pack(folder)
    (folder / "runs" / "All labels.json.gz").unlink()
    (folder / "files").mkdir()
    pack(folder)
    assert (folder / FILES).read_bytes() == before


def test_a_damaged_archive_is_no_reason_not_to_start(add, visit, store, folder):
    add("Few labels")
    pack(folder)
    (folder / FILES).write_bytes((folder / FILES).read_bytes()[:40])
    visit()
    assert store.find() == []


# pipelines


def test_a_pipeline_that_was_kept_is_found_with_its_models_curves_and_files(
    add_pipeline, visit, pipelines, store
):
    kept = add_pipeline("half")
    shelf = visit()
    (run,) = pipelines.find()
    assert (run.name, run.state, run.created, run.shown) == ("half", "done", 1e9, True)
    assert run.finished == 1e9 + kept.seconds
    assert (run.pipeline, run.members) == (kept.pipeline, (Member(kept.rows, kept),))
    assert pipelines.heard(run.id, 0) == ([event(1)], LAPS)
    assert pipelines.results(run.id) == [("half", kept, 0)]
    assert shelf.get(kept.rows[0].file.onnx) == b"onnx of teacher"
    assert store.artifacts() >= {row.file.onnx for row in kept.rows}
    visit()
    assert pipelines.find() == [run]


def test_each_setting_of_a_pipeline_is_kept(add_pipeline, visit, pipelines):
    add_pipeline("half", axes=[{"field": "stages.0.share", "values": [0.5, 0.75]}])
    visit()
    (run,) = pipelines.find()
    assert [each.name for each in pipelines.results(run.id)] == [
        *("half: stages.0.share 0.5", "half: stages.0.share 0.75")
    ]
    assert pipelines.heard(run.id, 1)[1] == LAPS


def test_runs_and_pipelines_of_a_newer_gallery_take_the_place_of_the_older_ones(
    add, add_pipeline, visit, pipelines, store
):
    add("Few labels")
    add_pipeline("half", onnx=b"of the older code")
    add_pipeline("all")
    visit()
    older = next(run for run in pipelines.find() if run.name == "half")
    kept = add_pipeline("half", onnx=b"of the newer code")
    visit()
    assert sorted(run.name for run in pipelines.find()) == ["all", "half"]
    newer = next(run for run in pipelines.find() if run.name == "half")
    assert newer.members == (Member(kept.rows, kept),)
    assert pipelines.heard(older.id, 0) == ([], [])
    assert older.members[0].rows[0].file.onnx not in store.artifacts()
    assert [run.name for run in store.find()] == ["Few labels"]


def test_a_pipeline_of_the_gallery_cannot_be_deleted(add_pipeline, visit, pipelines):
    add_pipeline("half")
    visit()
    with pytest.raises(RunError, match="comes with the project; set KDCORE_GALLERY"):
        pipelines.delete(pipelines.find()[0].id)


def test_a_pipelines_onnx_files_are_kept_however_large_its_other_files_are_not(
    add_pipeline, folder
):
    large = bytes(LARGEST_FILE + 1)
    kept = add_pipeline("half", onnx=large, weights=b"large" + large)
    (found,) = exhibits(folder)
    file = found.results[0].rows[0].file
    assert (file.onnx, file.weights) == (kept.rows[0].file.onnx, "")
    assert found.results[0].rows[1:] == kept.rows[1:]


def test_a_pipeline_that_cannot_be_read_or_lacks_a_file_is_left_out(
    add, add_pipeline, visit, pipelines, folder
):
    add("Few labels")
    run = folder / "runs" / "Few labels.json.gz"
    add_pipeline("half")
    (folder / "pipelines" / "no pipeline.json.gz").write_bytes(run.read_bytes())
    lost = add_pipeline("lost", onnx=b"to be lost")
    (folder / "files" / lost.rows[0].file.onnx).unlink()
    visit()
    assert [run.name for run in pipelines.find()] == ["half"]


def test_packing_keeps_the_files_of_pipelines(add_pipeline, visit, pipelines, folder):
    add_pipeline("half", onnx=b"older")
    kept = add_pipeline("half", onnx=b"newer")
    pack(folder)
    assert sorted(path.name for path in folder.iterdir()) == [FILES, "pipelines"]
    with tarfile.open(folder / FILES) as archive:
        assert set(archive.getnames()) == exhibits(folder)[0].files
    assert visit().get(kept.rows[0].file.onnx) == b"newer"
    assert len(pipelines.find()) == 1


# the command


@pytest.fixture
def trained(monkeypatch, settings):
    """Let every pipeline of the command come to this, member after member."""
    from kdcore.shelf import Shelf

    own = Shelf(settings.ready_home() / "artifacts")

    def members(found, shelf):
        for place, pipeline in enumerate(found):
            if pipeline.stages[0].share == 0.9:
                yield place, DivergedError("a student diverged")
            else:
                yield place, event(1)
                yield from ((place, lap) for lap in LAPS)
                yield place, piped.finished(own, pipeline)

    monkeypatch.setattr("kdcore.stages.run_members", members)
    monkeypatch.setattr("kdcore.experiment.default_shelf", lambda: own)


def test_the_command_line_makes_a_gallery_of_pipelines(
    trained, tmp_path, folder, capsys, visit, pipelines
):
    path = tmp_path / "mine.json"
    axes = [{"field": "stages.0.share", "values": [0.5, 0.75]}]
    path.write_text(Pipeline(**piped.PIPELINE.model_dump(exclude={"axes"}), axes=axes).to_json())
    assert main(["gallery", str(path), "--out", str(folder)]) == 0
    assert "1 of 1, mine: 1,000 bytes, 1,000 bytes" in capsys.readouterr().err
    visit()
    (run,) = pipelines.find()
    assert (run.name, run.state, len(run.members)) == ("mine", "done", 2)
    assert pipelines.heard(run.id, 1) == ([event(1)], LAPS)


def test_of_a_pipeline_that_fails_the_command_line_keeps_nothing(trained, tmp_path, folder, capsys):
    path = tmp_path / "mine.json"
    axes = [{"field": "stages.0.share", "values": [0.5, 0.9]}]
    path.write_text(Pipeline(**piped.PIPELINE.model_dump(exclude={"axes"}), axes=axes).to_json())
    assert main(["gallery", str(path), "--out", str(folder)]) == 1
    assert capsys.readouterr().err == "kdcore: a student diverged\n"
    assert exhibits(folder) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the recipe is not valid JSON"),
        ("[]", "the recipe must be a JSON object"),
        ('{"stages": []}', "stages is []; give at least one"),
        ('{"stage": []}', "a recipe has no field 'stage'"),
    ],
)
def test_what_is_neither_recipe_nor_pipeline_is_refused_in_a_sentence(
    tmp_path, folder, capsys, text, said
):
    path = tmp_path / "mine.json"
    path.write_text(text)
    assert main(["gallery", str(path), "--out", str(folder)]) == 2
    assert said in capsys.readouterr().err


def test_the_command_line_makes_a_gallery_of_recipes(quick, tmp_path, folder, capsys, visit, store):
    path = tmp_path / "mine.json"
    path.write_text(Recipe(**{**quick.model_dump(), "title": "Mine"}).to_json())
    assert main(["gallery", str(path), "--out", str(folder)]) == 0
    (found,) = exhibits(folder)
    assert f"1 of 1, mine: {found.result.verdict}" in capsys.readouterr().err
    shelf = visit()
    run = store.get(found.id)
    assert run.name == "Mine"
    assert run.result.measured
    assert {"logits", "distilled.onnx"} <= set(run.result.artifacts)
    assert all(shelf.get(name) for name in run.result.artifacts.values())


def test_the_gallery_that_comes_along_has_every_preset_and_is_a_few_megabytes():
    found = exhibits(GALLERY)
    shown = {each.result.recipe.id: each for each in found if isinstance(each, RunExhibit)}
    assert {Recipe.load(path).id for path in PRESETS} <= set(shown)
    files = [path for path in GALLERY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 9e6
    needed = {name for each in found for name in each.files}
    with tarfile.open(GALLERY / FILES) as archive:
        assert set(archive.getnames()) == needed
    assert all(len(each.result.recipe.seeds) >= 3 for each in shown.values())


def test_its_pipelines_were_made_of_its_runs_and_timed_on_a_machine_at_rest():
    found = exhibits(GALLERY)
    own = {
        each.result.artifacts["distilled.onnx"] for each in found if isinstance(each, RunExhibit)
    }
    pipelines = [each for each in found if isinstance(each, PipelineExhibit)]
    sources = (GALLERY / "pipelines").glob("*.json")
    assert {Pipeline.load(path).id for path in sources} == {each.pipeline.id for each in pipelines}
    assert any(not each.pipeline.axes for each in pipelines)
    for came in (came for each in pipelines for came in each.results):
        assert next(row.file.onnx for row in came.rows if row.name == ORIGINAL) in own
        assert not any(timed.noisy for row in came.rows for timed in row.latency)


def test_settings_name_the_gallery(tmp_path):
    told = {"KDCORE_HOME": str(tmp_path), "KDCORE_GALLERY": str(tmp_path / "mine")}
    settings = Settings.from_environment(told)
    assert settings.gallery == tmp_path / "mine"
    assert Settings.from_environment(settings.environment()) == settings
    assert Settings.from_environment({}).gallery == GALLERY
