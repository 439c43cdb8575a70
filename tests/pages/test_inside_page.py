"""The page Inside: what it shows of a run, and what it says where there is nothing to show."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kdcore import insides
from kdcore.result import ARMS
from pages.parts.saliency import SKETCHED, sketch
from tests.pages.seen import said

INSIDE = "pages/inside.py"
VIEWS = {
    "Embeddings": 0,
    "Boundaries": 0,
    "Saliency": 3,
    "Layers": 3,
    "Architecture": 2,
    "First weights": 3,
}
"""And how many charts each has for a run of pictures."""

POINTS = {"task": "moons", "transfer": {"labelled": 20, "unlabelled": 100}}


@pytest.fixture
def look(open_app):
    """Open the page by an address, and the view that is asked for by a click."""

    def open_page(view=None, **query):
        app = open_app(INSIDE, **query)
        if view is not None:
            control(app, "Look at").set_value(view).run()
        assert not app.exception
        assert not app.error
        return app

    return open_page


def control(app, label):
    return next(each for each in app.get("button_group") if each.label == label)


def told(app):
    """What the one component on the page is given."""
    (component,) = app.get("bidi_component")
    return json.loads(component.proto.json)


@pytest.fixture
def older(finished, store):
    """A run made before runs kept what is inside their models."""
    run = finished()
    bare = store.claim(store.submit(run.recipe, "older").id)
    kept = {role: name for role, name in run.result.artifacts.items() if role != insides.ROLE}
    store.record(bare, result=replace(run.result, artifacts=kept))
    store.finish(bare, "done")
    return bare


def test_without_a_finished_run_the_page_says_what_to_do_first(look):
    assert "no finished run yet" in look().info[0].value


def test_a_deleted_run_in_the_link_is_said(look, finished):
    finished()
    assert "not here" in look(run="0123456789").warning[0].value


def test_each_view_of_a_run_of_pictures_draws_its_charts(look, finished):
    finished()
    app = look()
    for view, charts in VIEWS.items():
        control(app, "Look at").set_value(view).run()
        assert not app.exception
        assert not app.error
        assert len(app.get("plotly_chart")) == charts, view
        assert "Models of seed 0, after the last step" in said(app)


def test_all_test_samples_of_the_three_models_go_to_the_browser(look, finished):
    finished()
    data = told(look())
    assert [panel["name"] for panel in data["panels"]] == list(ARMS)
    assert [panel["at"]["shape"] for panel in data["panels"]] == [[500, 2]] * 3
    assert len(data["colours"]) == len(data["classes"]) == 10


def test_tsne_is_made_when_it_is_asked_for(look, finished, monkeypatch):
    monkeypatch.setattr("kdcore.measure.tsne.STEPS", 250)  # the least that scikit-learn takes
    finished()
    app = look()
    before = told(app)
    control(app, "Laid out by").set_value("t-SNE").run()
    after = told(app)
    assert (before["name"], after["name"]) == ("pca", "tsne")
    assert before["panels"][0]["at"]["bytes"] != after["panels"][0]["at"]["bytes"]


def test_a_run_of_points_has_its_plane_at_many_moments_and_no_saliency(look, finished):
    finished(**POINTS)
    app = look(view="Boundaries")
    data = told(app)
    assert data["steps"][0] == 0
    assert data["steps"][-1] == 20
    shapes = {panel["name"]: panel["chosen"]["shape"] for panel in data["panels"]}
    assert shapes["teacher"][0] == 1
    assert shapes["control"] == shapes["distilled"] == [len(data["steps"]), *shapes["teacher"][1:]]
    control(app, "Look at").set_value("Saliency").run()
    assert "Saliency is drawn on pictures" in said(app)


def test_pictures_have_no_plane_and_the_page_says_what_has(look, finished):
    finished()
    assert "such as Two moons" in said(look(view="Boundaries"))


def test_a_link_names_its_sample_and_another_class_can_be_asked_for(look, finished):
    finished()
    app = look(view="Saliency", sample="7")
    assert app.number_input[0].value == 7
    before = [chart.proto.spec for chart in app.get("plotly_chart")]
    app.selectbox[1].set_value(3).run()
    after = [chart.proto.spec for chart in app.get("plotly_chart")]
    assert all("3, " in json.loads(spec)["layout"]["title"]["text"] for spec in after)
    assert before != after


def test_of_models_too_large_to_be_asked_so_often_the_page_says_so(look, finished, monkeypatch):
    monkeypatch.setattr("kdcore.saliency.MOST_WORK", 17)
    finished()
    app = look(view="Saliency")
    assert "would be asked 17 times: that would keep all visitors waiting" in said(app)
    assert not app.get("plotly_chart")


def test_of_an_older_run_the_page_says_what_to_do_and_draws_its_saliency(look, older):
    app = look(run=older.id)
    for view in VIEWS:
        control(app, "Look at").set_value(view).run()
        charts = len(app.get("plotly_chart"))
        assert ("before runs kept what is inside" in said(app), charts) in ((True, 0), (False, 3))
        assert (charts == 3) == (view == "Saliency")


def test_a_file_that_is_gone_is_a_sentence(open_app, finished, settings):
    run = finished()
    (settings.home / "artifacts" / run.result.artifacts[insides.ROLE]).unlink()
    app = open_app(INSIDE)
    assert not app.exception
    assert "is gone" in app.error[0].value


def test_a_sketch_leaves_the_ground_of_a_picture_empty_be_it_dark_or_bright():
    ink = np.zeros((1, 4, 4), np.uint8)
    ink[0, 1, 1:3] = 250, 125
    for picture in (ink, 255 - ink, np.repeat(ink, 3, 0)):
        grey, alpha = sketch(picture)
        assert (grey == 128).all()
        assert alpha[1].tolist() == [0, SKETCHED, SKETCHED // 2, 0]
        assert alpha.sum() == alpha[1].sum()
    assert not sketch(np.full((1, 2, 2), 7, np.uint8))[1].any()
