"""Finished runs that come with the project: kept in a folder, brought into the store."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from kdcore.cli import main
from kdcore.errors import RunError
from kdcore.recipe import Recipe
from kdcore.runs.gallery import FILES, LARGEST_FILE, bring_in, exhibits, keep, pack
from kdcore.settings import GALLERY, Settings
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
    shown = {each.result.recipe.id: each for each in exhibits(GALLERY)}
    assert {Recipe.load(path).id for path in PRESETS} <= set(shown)
    files = [path for path in GALLERY.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 9e6
    needed = {name for each in shown.values() for name in each.result.artifacts.values()}
    with tarfile.open(GALLERY / FILES) as archive:
        assert set(archive.getnames()) == needed
    assert all(len(each.result.recipe.seeds) >= 3 for each in shown.values())


def test_settings_name_the_gallery(tmp_path):
    told = {"KDCORE_HOME": str(tmp_path), "KDCORE_GALLERY": str(tmp_path / "mine")}
    settings = Settings.from_environment(told)
    assert settings.gallery == tmp_path / "mine"
    assert Settings.from_environment(settings.environment()) == settings
    assert Settings.from_environment({}).gallery == GALLERY
