"""The buttons that hand a finished run over."""

import io
import zipfile
from threading import Lock

from kdcore.shelf import Shelf
from pages.parts.handover import bundle_of, report_of
from tests.devices import measurement


def buttons(app):
    return {each.label: each for each in app.get("download_button")}


def test_a_finished_run_hands_out_its_report_and_its_bundle(open_app, finished, settings):
    run = finished("to hand over")
    found = buttons(open_app(run=run.id))
    assert {"Report", "Bundle"} <= set(found)
    assert not found["Report"].proto.disabled
    shelf, turn = Shelf(settings.home / "artifacts"), Lock()
    assert b"<h1>to hand over</h1>" in report_of(run, shelf, turn)
    with zipfile.ZipFile(io.BytesIO(bundle_of(run, shelf, turn))) as archive:
        assert archive.testzip() is None
    assert not turn.locked()


def test_where_a_file_is_gone_the_buttons_say_so(open_app, finished, settings):
    run = finished("without its student")
    Shelf(settings.home / "artifacts").remove(run.result.artifacts["distilled.onnx"])
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
