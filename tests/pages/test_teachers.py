"""The page Teachers, and the teachers that Distill offers."""

import pytest

from kdcore import uploads
from kdcore.errors import UploadError
from kdcore.runs.runner import Runner
from kdcore.shelf import Shelf
from kdcore.trial import Trial
from pages.parts import own_teacher
from tests.uploads.onnx_models import linear
from tests.uploads.test_weights import saved

ONNX = linear().SerializeToString()
PAGE = "pages/teachers.py"


@pytest.fixture
def mine(settings):
    return uploads.keep(uploads.look(ONNX, "Mine"), ONNX, settings.home)


@pytest.fixture
def tried(monkeypatch):
    """What the engine answers when a teacher is tried; by default, that it is busy."""
    answers = [None]

    def trial(self, name, task):
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    monkeypatch.setattr(Runner, "trial", trial)
    return answers


def upload(app, name, content):
    return app.file_uploader[0].set_value((name, content, "application/octet-stream")).run()


def shown(app):
    return [each.value for each in [*app.markdown, *app.caption, *app.success]]


def says(app, text):
    return any(text in each.replace("\\", "") for each in shown(app))


def test_an_onnx_model_is_looked_at_and_kept(open_app, settings):
    app = upload(open_app(PAGE), "net.onnx", ONNX)
    assert says(app, "gives 10 numbers a picture; 640 parameters")
    assert app.text_input[0].value == "net"
    app.text_input[0].set_value("My net").run()
    app.button(key="teachers.keep").click().run()
    (kept,) = uploads.kept(settings.home)
    assert (kept.title, kept.scale) == ("My net", "standardised")
    assert says(app, "Kept: My net")
    assert not app.exception


def test_weights_are_kept_for_the_network_that_is_chosen(open_app, settings):
    app = upload(open_app(PAGE), "net.safetensors", saved())
    app.selectbox(key="teachers.architecture").set_value("mlp").run()
    app.text_input(key="form.brought.mlp.widths").set_value("6").run()
    assert says(app, "460 parameters")
    app.button(key="teachers.keep").click().run()
    (kept,) = uploads.kept(settings.home)
    assert (kept.architecture, kept.options) == ("mlp", {"widths": [6]})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("net.onnx", b"hello", "no ONNX model, or is damaged"),
        ("net.onnx", b"PK\x03\x04", "a PyTorch file"),
        ("net.safetensors", b"\x80\x04", "a PyTorch file"),
        ("net.safetensors", b"hello", "no safetensors file"),
    ],
)
def test_what_is_no_teacher_is_said_in_a_sentence(open_app, settings, name, content, said):
    app = upload(open_app(PAGE), name, content)
    assert said in app.error[0].value.replace("\\", "")
    assert not app.exception
    assert "teachers.keep" not in [each.key for each in app.button]
    assert uploads.kept(settings.home) == []


def test_a_trial_waits_for_an_engine_that_is_starting(open_app, mine, monkeypatch):
    asked = []

    def trial(self, name, task):
        asked.append(name)
        return Trial(200, dict.fromkeys(uploads.SCALES, 0.9)) if len(asked) > 1 else None

    monkeypatch.setattr(Runner, "trial", trial)
    app = open_app(PAGE)
    app.button(key=f"try.{mine.name}").click().run()
    assert asked == [mine.name] * 2
    assert len(app.get("plotly_chart")) == 1


def test_a_teacher_is_tried_before_a_run_is_spent_on_it(
    open_app, mine, tried, settings, monkeypatch
):
    monkeypatch.setattr(own_teacher, "PATIENCE", 0.0)
    app = open_app(PAGE)
    app.button(key=f"try.{mine.name}").click().run()
    assert "try again in a moment" in app.info[0].value
    shares = dict.fromkeys(uploads.SCALES, 0.1)
    tried[0] = Trial(200, shares | {"standardised": 0.5, "0 to 1": 0.9})
    app.button(key=f"try.{mine.name}").click().run()
    assert len(app.get("plotly_chart")) == 1
    app.button(key=f"scale.{mine.name}").click().run()
    (other,) = uploads.kept(settings.home)
    assert (other.title, other.scale) == ("Mine", "0 to 1")
    assert len(app.get("plotly_chart")) == 1
    assert not app.exception


def test_a_scale_that_runs_have_used_stays(open_app, mine, tried, settings, store, quick):
    store.submit(
        quick.model_copy(update={"teacher": quick.teacher.model_copy(update=mine.choice)}), "it"
    )
    tried[0] = Trial(200, dict.fromkeys(uploads.SCALES, 0.1) | {"0 to 1": 0.9})
    app = open_app(PAGE)
    app.button(key=f"try.{mine.name}").click().run()
    app.button(key=f"scale.{mine.name}").click().run()
    assert len(uploads.kept(settings.home)) == 2


def test_a_teacher_that_only_guesses_is_doubted(open_app, mine, tried):
    tried[0] = Trial(200, dict.fromkeys(uploads.SCALES, 0.12))
    app = open_app(PAGE)
    app.button(key=f"try.{mine.name}").click().run()
    assert "hardly more than guessing" in app.warning[0].value


def test_a_teacher_that_fails_when_it_is_tried_says_why(open_app, mine, tried):
    tried[0] = UploadError("the model is broken")
    app = open_app(PAGE)
    app.button(key=f"try.{mine.name}").click().run()
    assert "the model is broken" in app.error[0].value


def test_a_teacher_is_renamed(open_app, mine, settings):
    app = open_app(PAGE)
    app.text_input(key=f"title.{mine.name}").set_value("Better")
    next(each for each in app.button if each.label == "Save").click().run()
    assert uploads.get(mine.name, settings.home).title == "Better"


def test_distill_offers_an_own_teacher_and_makes_its_recipe(open_app, mine, store):
    app = open_app()
    app.selectbox(key="form.teacher.architecture").set_value(mine.name).run()
    assert says(app, "ONNX model, 640 parameters")
    assert "Teacher's training" not in [each.label for each in app.expander]
    app.button(key="distill").click().run()
    (run,) = store.find()
    assert run.recipe.teacher.model_dump() == mine.choice
    assert run.recipe.teachers == "one"
    assert not app.exception


def test_distill_offers_no_teacher_that_does_not_fit(open_app, settings):
    content = linear(classes=7).SerializeToString()
    uploads.keep(uploads.look(content, "Seven"), content, settings.home)
    picker = open_app().selectbox(key="form.teacher.architecture")
    assert not any("Seven" in each for each in picker.options)
    assert "Seven: it answers 7 numbers a picture" in picker.help


def test_a_run_whose_teacher_is_gone_says_so_and_its_form_takes_another(
    open_app, mine, settings, store, quick
):
    recipe = quick.model_copy(update={"teacher": quick.teacher.model_copy(update=mine.choice)})
    run = store.submit(recipe, "it")
    store.fail(run.id, "it failed")
    uploads.delete(mine.name, settings.home)
    app = open_app(run=run.id)
    assert any("is not here" in each.value for each in app.warning)
    assert says(app, "It cannot be run again")
    assert not app.exception


def test_a_trained_teacher_is_listed_and_taken_again(open_app, finished):
    run = finished("first")
    app = open_app(PAGE)
    assert says(app, "mlp-16, 20 steps, trained")
    next(each for each in app.button if each.label == "Distill with it").click().run()
    assert app.session_state["form.teacher.mlp.widths"] == "16"
    assert app.session_state["form.teacher_training.steps"] == run.recipe.teacher_training.steps


def test_distill_says_that_a_teacher_is_trained_already(open_app, finished):
    finished("first")
    app = open_app()
    assert not says(app, "it is used again")
    next(each for each in app.button if "mlp-16" in each.label).click().run()
    assert says(app, "on validation: it is used again")


def test_a_forgotten_teacher_is_off_the_shelf(open_app, finished, settings):
    finished("first")
    shelf = Shelf(settings.home / "artifacts")
    (teacher,) = shelf.teachers()
    app = open_app(PAGE)
    app.button(key=f"forget.{teacher.key}").click().run()
    assert shelf.teachers() == []
    assert says(app, "None yet")
