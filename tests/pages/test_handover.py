"""The buttons that hand a finished run over."""

import io
import re
import zipfile
from math import inf
from threading import Lock

import pytest

from kdcore.handover import facts, measured, timing
from kdcore.handover.elsewhere import Timed
from kdcore.handover.made import Made
from kdcore.measure import latency
from kdcore.pipeline import Pipeline
from kdcore.runs.pipelines import Member, Pipelines
from kdcore.shelf import Shelf
from kdcore.stages import run_pipeline
from pages.parts.devices import MOST_KEPT, _kit
from pages.parts.handover import (
    MOST_BYTES,
    PipelineRow,
    bundle_of,
    bundle_of_row,
    report_of,
    report_of_row,
)
from tests.devices import measurement


@pytest.fixture
def shelf(settings):
    return Shelf(settings.home / "artifacts")


@pytest.fixture
def made():
    return Made(MOST_BYTES)


@pytest.fixture
def untimed(monkeypatch):
    """Models are too large to be timed for a report."""
    monkeypatch.setattr(timing, "MOST_MACS", 0)


def buttons(app):
    return {each.label: each for each in app.get("download_button")}


def test_a_finished_run_hands_out_its_report_and_its_bundle(
    open_app, store, finished, shelf, made, untimed
):
    run = finished("to hand over")
    found = buttons(open_app(run=run.id))
    assert {"Report", "Bundle"} <= set(found)
    assert not found["Report"].proto.disabled
    page = report_of(run, shelf, Pipelines(store), made)
    assert b"<h1>to hand over</h1>" in page
    assert b"Measured on" not in page
    assert b"measure_here.py measures both" in page  # how to know after all
    with zipfile.ZipFile(io.BytesIO(bundle_of(run, shelf, made))) as archive:
        assert archive.testzip() is None


def test_a_second_visitor_gets_the_report_that_is_there_and_a_new_name_makes_a_new_one(
    store, finished, shelf, made, untimed
):
    run, pipelines = finished("to hand over"), Pipelines(store)
    page = report_of(run, shelf, pipelines, made)
    assert report_of(store.get(run.id), shelf, pipelines, made) is page
    store.annotate(run.id, name="another name")
    assert b"<h1>another name</h1>" in report_of(store.get(run.id), shelf, pipelines, made)


def test_the_report_times_the_models_here_and_holds_what_a_pipeline_made_of_the_student(
    store, finished, shelf, made, monkeypatch
):
    monkeypatch.setattr(timing, "SECONDS", 0.3)
    monkeypatch.setattr(latency, "ROUNDS", 2)
    run, pipelines = finished("to hand over"), Pipelines(store)
    before = report_of(run, shelf, pipelines, made).decode()
    pipeline = Pipeline(recipe=run.recipe, stages=[{"kind": "quantize", "how": "static"}])
    result = run_pipeline(pipeline, shelf=shelf)
    begun = pipelines.claim(pipelines.submit(pipeline, "in int8").id)
    pipelines.record(begun, members=[Member(result.rows, result)])
    pipelines.finish(begun, "done")
    page = report_of(run, shelf, pipelines, made).decode()
    assert "static int8" not in before
    bounds = page[page.index("How fast could it be elsewhere") :]
    assert re.search(r">static int8</th>.*Coral USB accelerator", bounds, re.DOTALL)
    for report, models in ((before, 3), (page, 4)):
        measured = report[report.index("<p>Measured on ") : report.index("How fast could it be")]
        one_sample = re.findall(r'<td class="left">([^<]+)</td><td>1</td><td>1</td>', measured)
        assert len(one_sample) == models
        assert "Memory of one answer" in measured


def test_a_pipelines_model_is_handed_over_with_what_its_stages_began_from(
    quick, shelf, made, untimed, monkeypatch
):
    monkeypatch.setattr(latency, "ROUNDS", 2)
    result = run_pipeline(
        Pipeline(recipe=quick, stages=[{"kind": "quantize", "how": "static"}]), shelf=shelf
    )
    of = PipelineRow("p-1-3", "in int8", result, len(result.rows) - 1)
    page = report_of_row(of, shelf, made)
    assert b"<h1>in int8</h1>" in page
    assert b"Made of the distilled student since. static int8" in page
    with zipfile.ZipFile(io.BytesIO(bundle_of_row(of, shelf, made))) as archive:
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert {"model.onnx", "static-int8.onnx", "pipeline.json"} <= names


@pytest.mark.parametrize("failed", [True, False])
def test_a_report_whose_timing_was_disturbed_or_failed_is_made_anew_after_a_while(
    failed, store, finished, shelf, monkeypatch
):
    run, pipelines, made = finished("to hand over"), Pipelines(store), Made(MOST_BYTES)
    student = shelf.get(run.result.artifacts["distilled.onnx"])
    found = measured.read(measurement({"distilled": student}, [("distilled", 1, 1, 0.2)]))
    noisy = tuple(cell.model_copy(update={"noisy": True}) for cell in found.latency)
    first = timing.FAILED if failed else found.model_copy(update={"latency": noisy})
    taken = [first, found]
    monkeypatch.setattr(timing, "timed_here", lambda of, wait: taken.pop(0))
    monkeypatch.setattr(facts, "PAGE_MACS", 1.0)
    page = report_of(run, shelf, pipelines, made)
    assert report_of(run, shelf, pipelines, made) is page  # who asks together gets the same
    monkeypatch.setattr("kdcore.handover.made.monotonic", lambda: inf)
    again = report_of(run, shelf, pipelines, made)
    assert b"<p>Measured on a board" in again
    assert b'<td class="left">noisy' not in again
    assert taken == []


def test_where_a_file_is_gone_the_buttons_say_so(open_app, finished, shelf):
    run = finished("without its student")
    shelf.remove(run.result.artifacts["distilled.onnx"])
    found = buttons(open_app(run=run.id))
    assert found["Report"].proto.disabled
    assert "repeat it" in found["Bundle"].proto.help


def test_a_run_that_has_not_ended_hands_out_nothing(open_app, store, quick):
    waiting = store.submit(quick, "waiting")
    assert not {"Report", "Bundle"} & set(buttons(open_app(run=waiting.id)))


def test_a_finished_runs_models_are_held_against_what_another_device_took(
    open_app, finished, settings
):
    run = finished("to be measured elsewhere")
    shelf = Shelf(settings.home / "artifacts")
    student = shelf.get(run.result.artifacts["distilled.onnx"])
    app = open_app(run=run.id)
    (uploader,) = app.file_uploader
    content = measurement({"model": student}, [("model", 1, 1, 5.0)])
    uploader.set_value([("measured.json", content.encode(), "application/json")]).run()
    drawn = [each.proto.spec for each in app.get("plotly_chart")]
    assert sum("How fast is it there?" in spec for spec in drawn) == 1
    table = next(each.value for each in app.dataframe if "Times as long" in each.value)
    assert table["Model"].tolist() == ["Student, distilled"]  # as the bundle calls it: model
    assert table["There"].tolist() == ["5 ms"]


def test_of_more_measurements_than_are_kept_the_last_ones_stay_at_every_click(
    open_app, finished, settings
):
    run = finished("to be measured elsewhere")
    student = Shelf(settings.home / "artifacts").get(run.result.artifacts["distilled.onnx"])
    cells, files = [("model", 1, 1, 5.0)], {"model": student}
    names = [f"board {number}" for number in range(MOST_KEPT + 1)]
    told = [measurement(files, cells, name).encode() for name in names]
    app = open_app(run=run.id)
    (uploader,) = app.file_uploader
    app = uploader.set_value([("measured.json", each, "application/json") for each in told]).run()
    for _ in range(2):
        assert "The last 8 of these files are shown, and no more." in [i.value for i in app.info]
        shown = [each.value for each in app.markdown if each.value.startswith("**board")]
        assert [each.partition(" \\(")[0] for each in shown] == [f"**{name}" for name in names[1:]]
        app = app.run()


def test_the_kit_has_a_file_for_each_model_also_where_a_pipeline_does_the_same_twice(shelf):
    first, second = shelf.put(b"trained on", "onnx"), shelf.put(b"trained on again", "onnx")
    models = [Timed("train on", "distilled", file, {1: 0.02}) for file in (first, second, first)]
    made = _kit("measure-me", models, shelf, Lock())
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        files = [name for name in archive.namelist() if name.endswith(".onnx")]
        assert [archive.read(name) for name in files] == [b"trained on", b"trained on again"]
