"""python -m kdcore report and bundle: finished runs by id or folder, and what is wrong with one."""

import json
import zipfile

import pytest

from kdcore.cli import _write, main
from kdcore.measure import here
from kdcore.runs.store import Store
from kdcore.settings import Settings
from kdcore.shelf import Shelf
from tests.handed import RECIPE, handed


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def of(shelf):
    return handed(shelf)


@pytest.fixture(scope="module")
def folder(of, shelf, tmp_path_factory):
    """What `run --out` writes of it."""
    out = tmp_path_factory.mktemp("out")
    _write(out, of.result, [], Shelf(shelf))
    return out


def test_a_folder_is_handed_over_as_a_report_and_as_a_bundle(folder, of, tmp_path):
    page, zipped = tmp_path / "report.html", tmp_path / "bundle.zip"
    more = f"smaller={folder / 'control.onnx'}"
    assert main(["report", str(folder), "--out", str(page), "--with", more]) == 0
    assert of.result.verdict.split()[0] in page.read_text(encoding="utf-8")
    assert "smaller" in page.read_text(encoding="utf-8")
    assert main(["bundle", str(folder), "--out", str(zipped), "--with", more]) == 0
    with zipfile.ZipFile(zipped) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert {"model.onnx", "smaller.onnx", "predict.py", "MODEL_CARD.md"} <= names


def test_models_are_measured_here_where_that_is_asked_for(folder, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(here, "grid", lambda models: seen.append(set(models)) or [])
    monkeypatch.setattr(here, "memory", lambda model: here.Memory(40_000_000, 1_234_000))
    page = tmp_path / "report.html"
    assert main(["report", str(folder), "--measure", "--out", str(page)]) == 0
    assert seen == [{"teacher", "control", "distilled"}]
    assert "Student, distilled 1.2\u00a0MB" in page.read_text(encoding="utf-8")


def test_what_a_device_measured_stands_in_the_report(folder, of, tmp_path):
    found = tmp_path / "measured.json"
    told = here.report({"model": of.files["distilled"]}, [], name="my board")
    found.write_text(json.dumps(told))
    page = tmp_path / "report.html"
    assert main(["report", str(folder), "--measured", str(found), "--out", str(page)]) == 0
    assert "Measured on my board" in page.read_text(encoding="utf-8")


def test_a_run_of_the_store_is_named_by_its_id(of, capsys, tmp_path):
    settings = Settings.from_environment()
    store = Store(settings)
    waiting = store.submit(RECIPE, "waiting")
    assert main(["bundle", waiting.id, "--out", str(tmp_path / "a.zip")]) == 1
    assert "'waiting' is queued, not done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "nobody"], "no run"),
        (["report", "{folder}", "{folder}", "--with", "a=b.onnx"], "name one RUN alone"),
        (["bundle", "{folder}", "--with", "a"], "such as int8=student.onnx, not 'a'"),
        (["bundle", "{folder}", "--with", "a=nowhere.onnx"], "cannot read nowhere.onnx"),
        (["report", "{folder}", "--measured", "nowhere.json"], "cannot read the measurement"),
        (["report", "{folder}", "--out", "/nowhere/a.html"], "give --out another file"),
        (["report", "{empty}"], "is no folder that `python -m kdcore run --out` wrote"),
    ],
)
def test_what_cannot_be_handed_over_is_a_sentence(folder, tmp_path, capsys, arguments, says):
    told = [each.format(folder=folder, empty=tmp_path) for each in arguments]
    assert main(told) in (1, 2)
    assert says in capsys.readouterr().err
