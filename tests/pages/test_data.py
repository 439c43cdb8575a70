"""The page Data: what there is to look at, and own data looked at, kept, renamed and deleted."""

import numpy as np
import pytest

from kdcore import ingest
from kdcore.errors import DataError
from kdcore.runs.runner import Runner
from kdcore.samples import Samples, samples
from tests.drawn import class_folders, zipped

PAGE = "pages/data.py"


@pytest.fixture
def pets(tmp_path):
    """A zip of class folders, as bytes."""
    return zipped(class_folders(), tmp_path / "pets.zip").read_bytes()


@pytest.fixture
def kept(settings, tmp_path):
    """Own data that is there already."""
    preview = ingest.inspect(zipped(class_folders(), tmp_path / "kept.zip"), "My pets")
    return ingest.keep(preview, settings.data)


@pytest.fixture
def shown(monkeypatch):
    """What the engine answers when it is asked for samples; None while it is busy."""
    answers = {"digits": samples("digits")}

    def answer(self, task):
        found = answers.get(task)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(Runner, "samples", answer)
    return answers


def upload(app, name, content):
    return app.file_uploader[0].set_value((name, content, "application/zip")).run()


def texts(app):
    found = [*app.markdown, *app.caption, *app.success, *app.info, *app.warning, *app.error]
    return [each.value.replace("\\", "") for each in found]


def says(app, text):
    return any(text in each for each in texts(app))


def html(app):
    return " ".join(each.proto.body for each in app.get("html"))


def test_a_data_set_is_shown_with_its_facts_pictures_and_counts(open_app, shown):
    app = open_app(PAGE)
    assert "1,097" in html(app)
    assert "8×8 grey" in html(app)
    assert html(app).count("data:image/png") == 10 * 8
    assert len(app.get("plotly_chart")) == 1
    assert not app.exception


def test_points_of_the_plane_are_drawn_as_points(open_app, shown):
    shown["moons"] = samples("moons")
    app = open_app(PAGE)
    app.selectbox(key="data.task").set_value("moons").run()
    assert "2 numbers" in html(app)
    assert "data:image/png" not in html(app)
    assert len(app.get("plotly_chart")) == 2


def test_while_the_engine_is_busy_the_samples_are_waited_for(open_app, shown):
    shown["digits"] = None
    assert says(open_app(PAGE), "the samples come in a moment")


def test_what_would_have_to_be_downloaded_is_asked_about_first(open_app, shown):
    app = open_app(PAGE)
    app.selectbox(key="data.task").set_value("mnist").run()
    assert says(app, "Not downloaded yet")
    shown["mnist"] = DataError("MNIST could not be downloaded: connect this machine")
    next(each for each in app.button if each.label == "Download and show").click().run()
    assert says(app, "MNIST could not be downloaded")
    assert not app.exception


def test_own_pictures_are_looked_at_kept_and_distilled_on(open_app, shown, pets, settings):
    app = upload(open_app(PAGE), "pets.zip", pets)
    assert says(app, "pictures of")
    assert "data:image/png" in html(app)
    table = app.dataframe[0].value
    assert list(table.columns) == ["train", "validation", "test"]
    app.text_input[0].set_value("All my pets").run()
    app.button(key="data.keep").click().run()
    (kept,) = ingest.kept(settings.data)
    assert kept.name == "All my pets"
    assert says(app, "Kept: All my pets")
    app.button(key="data.distill").click().run()
    assert app.session_state["form.task"] == kept.task
    assert not app.exception


def test_an_upload_is_read_once_whatever_is_typed(open_app, shown, pets, monkeypatch):
    reads = []
    real = ingest.inspect
    monkeypatch.setattr(ingest, "inspect", lambda *a, **k: reads.append(1) or real(*a, **k))
    app = upload(open_app(PAGE), "pets.zip", pets)
    app.text_input[0].set_value("Other").run()
    assert len(reads) == 1
    app.selectbox(key="data.side").set_value(16).run()
    assert len(reads) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("pets.zip", b"no zip at all"), ("pets.csv", b"1,2\n"), ("pets.npz", b"nothing")],
)
def test_what_is_no_data_is_said_and_cannot_be_kept(open_app, shown, name, content):
    app = upload(open_app(PAGE), name, content)
    assert len(app.error) == 1
    assert "data.keep" not in [each.key for each in app.button]
    assert not app.exception


def test_a_name_with_nothing_in_it_keeps_nothing(open_app, shown, pets, settings):
    app = upload(open_app(PAGE), "pets.zip", pets)
    app.text_input[0].set_value("  ").run()
    app.button(key="data.keep").click().run()
    assert says(app, "needs a name")
    assert ingest.kept(settings.data) == []


def test_what_is_kept_is_renamed(open_app, shown, kept, settings):
    app = open_app(PAGE)
    app.text_input(key=f"name.{kept.task}").set_value("Cats and dogs")
    next(each for each in app.button if each.label == "Save").click().run()
    (renamed,) = ingest.kept(settings.data)
    assert (renamed.task, renamed.name) == (kept.task, "Cats and dogs")


def test_own_data_is_offered_on_distill_and_distilled_on(open_app, shown, kept):
    app = open_app(PAGE)
    app.button(key=f"distill.{kept.task}").click().run()
    assert app.session_state["form.task"] == kept.task
    assert "My pets" in app.selectbox(key="form.task").options
    assert not app.exception


def test_a_run_on_data_that_is_gone_says_so_and_shows_what_it_gave(
    open_app, shown, kept, settings, finished
):
    run = finished("on pets", task=kept.task, transfer={})
    assert run.state == "done"
    ingest.delete(kept.task, settings.data)
    app = open_app(run=run.id)
    assert says(app, "It cannot be run again")
    assert says(app, "Choose others")
    assert app.session_state["form.task"] != kept.task
    assert "data-arm" in html(app)
    assert not app.exception


# what is picked


def test_samples_are_the_first_of_each_class():
    found = samples("digits")
    assert isinstance(found, Samples)
    assert sum(found.counts) == 1097
    assert [len(row) for row in found.pictures] == [8] * 10
    assert found.pictures[0][0].shape == (8, 8)
    assert found.pictures[0][0].dtype == np.uint8


def test_points_come_with_their_labels():
    found = samples("spirals")
    assert found.points.shape[1] == 2
    assert len(found.points) == len(found.labels)
    assert found.pictures == ()
