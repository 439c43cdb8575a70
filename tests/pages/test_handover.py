"""The buttons that hand a finished run over."""

import io
import zipfile
from threading import Lock

from kdcore.shelf import Shelf
from pages.parts.handover import bundle_of, report_of


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
