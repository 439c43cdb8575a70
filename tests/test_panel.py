"""A finished run's models, asked from their files: they answer as they did on the test split."""

import numpy as np
import pytest

from kdcore import answers, panel
from kdcore.errors import HomeError
from kdcore.experiment import run
from kdcore.ingest import inspect, keep
from kdcore.panel import Reply, Scale
from kdcore.recipe import Recipe
from kdcore.result import ARMS
from kdcore.settings import Settings
from tests.drawn import class_folders, unpacked


@pytest.fixture
def own_pictures(tmp_path):
    """The name of a task of 28×28 pictures in colour."""
    folder = unpacked(class_folders(each=60, mode="RGB", size=(28, 28)), tmp_path / "pets")
    return keep(inspect(folder, "pets"), Settings.from_environment().data).task


def finish(shelf, quick, **changes):
    result = run(Recipe(**{**quick.model_dump(), **changes}), shelf=shelf)
    files = {role: shelf.get(name) for role, name in panel.names(result.artifacts).items()}
    models = panel.opened({arm: files[f"{arm}.onnx"] for arm in ARMS})
    return models, Scale.from_json(files["scale"]), result


CNN = {"architecture": "cnn", "options": {"channels": [4], "hidden": []}}


@pytest.mark.parametrize("task", ["digits", "moons", "own pictures"])
def test_a_test_sample_gives_the_very_logits_that_the_run_kept(
    request, shelf, quick, task, monkeypatch
):
    changes = {"task": task}
    if task == "own pictures":
        monkeypatch.delenv("KDCORE_DATA", raising=False)
        changes = {"task": request.getfixturevalue("own_pictures"), "student": CNN, "teacher": CNN}
    models, scale, result = finish(shelf, quick, **changes)
    kept = answers.read(shelf.get(result.artifacts["logits"]))
    for place in (0, 1, 7):
        replies = panel.ask(models, scale, kept.inputs[place])
        for arm in ARMS:
            np.testing.assert_allclose(
                replies[arm].logits, kept.logits[arm][0, place], rtol=1e-4, atol=1e-4
            )


def test_the_scale_is_the_tasks_own_to_the_last_digit(digits):
    mean, deviation = (each.numpy() for each in digits.moments)
    scale = Scale.from_json(Scale(mean, deviation).to_json())
    some = digits.test.inputs[:20]
    np.testing.assert_array_equal(scale(some.numpy()), digits.normalise(some).numpy())


def test_each_model_is_timed_over_a_few_calls(shelf, quick):
    models, scale, _ = finish(shelf, quick)
    replies = panel.ask(models, scale, np.zeros((1, 8, 8), np.uint8))
    for reply in replies.values():
        assert 0 < reply.milliseconds < 40
        assert 1 <= reply.calls <= panel.CALLS


def test_a_slow_model_is_asked_once(monkeypatch, shelf, quick):
    models, scale, _ = finish(shelf, quick)
    monkeypatch.setattr(panel, "SECONDS", 0.0)
    assert {r.calls for r in panel.ask(models, scale, np.zeros((1, 8, 8))).values()} == {1}


def test_models_disagree_as_soon_as_one_chooses_another_class():
    one, other = (Reply(np.array(row, np.float32), 1.0, 1) for row in ([2, 1], [1, 2]))
    assert panel.disagree({"teacher": one, "control": other, "distilled": one})
    assert not panel.disagree({"teacher": one, "control": one, "distilled": one})


def test_a_teacher_that_was_brought_along_as_onnx_leaves_the_two_students():
    kept = {"scale": "s", "control.onnx": "c", "distilled.onnx": "d", "logits": "l"}
    assert set(panel.names(kept)) == {"scale", "control.onnx", "distilled.onnx"}


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        ({"scale": "s"}, "kept no models; run its recipe again"),
        ({"control.onnx": "c", "distilled.onnx": "d"}, "before runs kept how their inputs are"),
    ],
)
def test_a_run_that_kept_too_little_says_what_to_do(kept, says):
    with pytest.raises(HomeError, match=says):
        panel.names(kept)


def test_damaged_files_are_a_sentence():
    with pytest.raises(HomeError, match="'teacher' cannot be read"):
        panel.opened({"teacher": b"no model"})
    with pytest.raises(HomeError, match="scale kept with this run cannot be read"):
        Scale.from_json(b'{"mean": 1}')
