"""A run whose teacher was brought along: the same protocol, and nothing of it is trained."""

import psutil
import pytest

from kdcore import uploads
from kdcore.errors import RecipeError, UploadError
from kdcore.experiment import check, run, steps
from kdcore.forecast import pipeline_forecast
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.result import Event, Result
from kdcore.shelf import Shelf
from kdcore.trial import try_out
from tests.uploads.onnx_models import linear


@pytest.fixture(scope="module")
def trained(quick, tmp_path_factory):
    """A run with a teacher trained here, and that teacher's two files."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    result = run(quick, shelf=shelf)
    files = {
        kind: shelf.get(result.artifacts[f"teacher.{kind}"]) for kind in ("onnx", "safetensors")
    }
    return result, files


@pytest.fixture(scope="module")
def taught(trained, quick, tmp_path_factory):
    """A run taught by that teacher's ONNX file, and all that it told."""
    home, content, told = tmp_path_factory.mktemp("taught"), trained[1]["onnx"], []
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KDCORE_HOME", str(home))
        own = uploads.keep(uploads.look(content, "Net"), content, home)
        return run(taught_by(quick, own), told.append, Shelf(home / "shelf")), told


@pytest.fixture
def onnx(trained, home):
    content = trained[1]["onnx"]
    return uploads.keep(uploads.look(content, "Net"), content, home)


def changed(recipe: Recipe, **values) -> Recipe:
    return Recipe(**{**recipe.model_dump(), **values})


def taught_by(recipe: Recipe, own, **more) -> Recipe:
    teacher = {"architecture": own.architecture, "options": own.options, "weights": own.name}
    return changed(recipe, teacher=teacher, **more)


def hosts() -> list[int]:
    """The processes in which own models answer, by their numbers."""
    children = psutil.Process().children(recursive=True)
    return [each.pid for each in children if "onnx_host" in " ".join(each.cmdline())]


def test_an_onnx_teacher_teaches_as_the_network_it_was_exported_from(trained, taught):
    result, events = taught
    before = trained[0]
    for arm in ("teacher", "control", "distilled"):
        assert result.arms[arm].accuracy == before.arms[arm].accuracy
    teacher = result.arms["teacher"]
    assert (teacher.parameters, teacher.macs) == (before.arms["teacher"].parameters, None)
    assert teacher.onnx_bytes == len(trained[1]["onnx"])
    assert [each.batch for each in teacher.latency] == [1, 32]
    assert teacher.latency_ms > 0
    assert result.teacher_reused
    assert [each.arm for each in events if isinstance(each, Event)].count("teacher") == 1


def test_an_own_model_is_not_kept_twice(taught):
    result, _ = taught
    assert not [role for role in result.artifacts if role.startswith("teacher")]


def test_weights_teach_as_the_network_they_are_of(trained, quick, home, shelf):
    content = trained[1]["safetensors"]
    found = uploads.look(content, "W", architecture="mlp", options={"widths": [8]})
    result = run(taught_by(quick, uploads.keep(found, content, home)), shelf=shelf)
    before = trained[0]
    for arm, ours in result.arms.items():
        theirs = before.arms[arm]
        assert (ours.accuracy, ours.macs, ours.onnx_bytes) == (
            *(theirs.accuracy, theirs.macs, theirs.onnx_bytes),
        )
    assert {"teacher.onnx", "teacher.safetensors"} <= set(result.artifacts)


def test_weights_on_another_scale_are_exported_with_it(trained, quick, home, shelf):
    content = trained[1]["safetensors"]
    found = uploads.look(content, "W", architecture="mlp", options={"widths": [8]}, scale="0 to 1")
    result = run(taught_by(quick, uploads.keep(found, content, home)), shelf=shelf)
    assert result.arms["teacher"].parameters == trained[0].arms["teacher"].parameters
    assert result.arms["teacher"].onnx_bytes > 0


def test_augmented_views_are_asked_about_as_they_are(onnx, quick, shelf, trained):
    training = {**quick.training.model_dump(), "augmentation": {"shift": 1}}
    recipes = taught_by(quick, onnx, training=training), changed(quick, training=training)
    ours, theirs = (
        next(each for each in steps(r, shelf) if isinstance(each, Result)) for r in recipes
    )
    assert ours.arms["distilled"].accuracy == theirs.arms["distilled"].accuracy


def test_a_trial_tells_how_much_is_read_on_each_scale(onnx):
    trial = try_out(onnx, "digits")
    assert trial.pictures == 200
    assert set(trial.accuracy) == set(uploads.SCALES)
    assert trial.accuracy[trial.best] == max(trial.accuracy.values())
    assert len(set(trial.accuracy.values())) > 1


def test_what_does_not_go_with_a_recipe_is_said_before_anything_is_trained(onnx, quick, home):
    for recipe, said in [
        (taught_by(quick, onnx, teachers="per seed"), "one for all seeds"),
        (taught_by(quick, onnx, task="moons"), "it takes pictures, and the task gives"),
        (changed(quick, student={"weights": onnx.name}), "only a teacher"),
        (changed(quick, teacher={"architecture": "onnx"}), "must name an own"),
        (
            changed(quick, teacher={"architecture": "mlp", "weights": onnx.name}),
            "architecture 'onnx'",
        ),
    ]:
        with pytest.raises(RecipeError, match=said):
            check(recipe)
    uploads.delete(onnx.name, home)
    with pytest.raises(UploadError, match="bring it again"):
        check(taught_by(quick, onnx))


def test_a_model_of_other_classes_is_said_before_anything_is_trained(quick, home):
    content = linear(classes=7).SerializeToString()
    own = uploads.keep(uploads.look(content, "Seven"), content, home)
    with pytest.raises(RecipeError, match="answers 7 numbers a picture, but the task has 10"):
        check(taught_by(quick, own))


def test_a_model_that_fails_leaves_no_process_behind(quick, home, shelf):
    table_of_other_size = linear(("N", 1, 9, 9))  # resized to, so that it runs
    content = table_of_other_size.SerializeToString()
    own = uploads.keep(uploads.look(content, "Nine"), content, home)
    run(taught_by(quick, own), shelf=shelf)
    assert hosts() == []


def test_a_forecast_leaves_no_process_behind(quick, onnx, shelf):
    tuned = [{"kind": "fine-tune", "steps": 20}]
    pipeline = Pipeline(recipe=taught_by(quick, onnx), stages=tuned)
    assert pipeline_forecast(pipeline, shelf).told
    assert hosts() == []


def test_a_run_that_is_stopped_at_its_first_word_leaves_no_process_behind(quick, onnx, shelf):
    happenings = steps(taught_by(quick, onnx), shelf)
    assert next(happenings).arm == "teacher"
    assert len(hosts()) == 1
    happenings.close()
    assert hosts() == []
