"""What a whole run tells and leaves, what stops it, and what goes wrong."""

import io

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch

from kdcore import answers, experiment
from kdcore.classroom import room
from kdcore.errors import DivergedError, RecipeError
from kdcore.experiment import check, run, steps
from kdcore.recipe import Recipe
from kdcore.result import ARMS, SHARE, Event, Progress, Result
from kdcore.setting import Setting
from kdcore.shelf import Shelf
from kdcore.train.loop import logits
from tests.verdicts import accuracies, changed, steps_to_the_verdict, verdict_of


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All that one whole run tells, and the shelf it filled."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    recipe = Recipe(
        teacher={"options": {"widths": [8]}},
        student={"options": {"widths": [4]}},
        teacher_training={"steps": 60},
        training={"steps": 60},
        transfer={"labelled": 50, "unlabelled": 100},
        seeds=(0, 1, 2),
    )
    told = list(steps(recipe, shelf))
    return told, told[-1], shelf


# what a run tells


def test_events_tell_of_every_arm_and_seed_up_to_the_last_step(everything):
    told, _, _ = everything
    events = [each for each in told if isinstance(each, Event)]
    last = {(e.arm, e.seed): e.step for e in events}
    students = {(arm, seed): 60 for arm in ("control", "distilled") for seed in (0, 1, 2)}
    assert last == {("teacher", 0): 60, **students}
    shares = {SHARE + "hard", SHARE + "soft"}
    assert set(events[-1].metrics) == {"hard", "soft", "accuracy", *shares}
    assert sum(events[-1].metrics[share] for share in shares) == pytest.approx(1)
    seconds = [e.seconds for e in events]
    assert seconds == sorted(seconds)


def test_progress_rises_to_the_end_of_each_phase(everything):
    told, _, _ = everything
    progress = [each for each in told if isinstance(each, Progress)]
    assert list(dict.fromkeys(p.phase for p in progress)) == ["teacher", "students", "measuring"]
    for phase in ("teacher", "students", "measuring"):
        done = [p.done for p in progress if p.phase == phase]
        assert done == sorted(done)
        assert done[-1] == 1
        left = [p.seconds_left for p in progress if p.phase == phase][-1]
        assert left == (None if phase == "measuring" else 0)


def test_progress_rises_once_over_all_teachers_of_a_phase(quick, shelf, monkeypatch):
    # a step that takes long, as on a busy machine, is told of beside the reports
    monkeypatch.setattr(room, "PROGRESS_SECONDS", float("inf"))
    told = list(steps_to_the_verdict(changed(quick, teachers="per seed"), shelf))
    done = [p.done for p in told if isinstance(p, Progress) and p.phase == "teacher"]
    assert done == pytest.approx([step / 60 for step in range(4, 61, 4)])


def test_the_verdict_comes_before_the_costs(everything):
    told, final, _ = everything
    first, last = (each for each in told if isinstance(each, Result))
    assert last is final
    assert (first.verdict, first.difference) == (final.verdict, final.difference)
    assert first.seconds < final.seconds
    assert first.artifacts == {}
    for arm in ARMS:
        assert (first.arms[arm].onnx_bytes, first.arms[arm].latency_ms) == (None, None)
        assert first.arms[arm].accuracy == final.arms[arm].accuracy
        assert final.arms[arm].onnx_bytes > 4 * final.arms[arm].parameters
        assert [latency.batch for latency in final.arms[arm].latency] == [1, 32]
        assert final.arms[arm].latency_ms == final.arms[arm].latency[0].median_ms
    assert final.arms["control"].latency == final.arms["distilled"].latency  # one network


def test_a_result_reads_back_from_its_json(everything):
    _, final, _ = everything
    assert Result.from_json(final.to_json()) == final


def test_parameters_and_macs_are_those_of_the_networks(everything):
    _, final, _ = everything
    assert final.arms["teacher"].parameters == 65 * 8 + 9 * 10
    assert final.arms["control"].parameters == 65 * 4 + 5 * 10
    assert final.arms["distilled"].macs == 64 * 4 + 4 * 10


# what a run leaves


def test_every_file_that_a_result_names_is_on_the_shelf(everything):
    _, final, shelf = everything
    assert set(final.artifacts) == {
        *("logits", "scale", "insides"),
        *(f"{arm}.onnx" for arm in ARMS),
        *(f"{arm}.safetensors" for arm in ARMS),
    }
    assert all(shelf.get(name) for name in final.artifacts.values())
    for arm in ARMS:
        assert len(shelf.get(final.artifacts[f"{arm}.onnx"])) == final.arms[arm].onnx_bytes


def test_the_kept_logits_are_those_of_every_seed_with_their_pictures(everything, digits):
    _, final, shelf = everything
    kept = np.load(io.BytesIO(shelf.get(final.artifacts["logits"])))
    assert set(kept) == {"labels", "tested", "images", "class_names", *ARMS}
    for arm, seeds in (("teacher", 1), ("control", 3), ("distilled", 3)):
        assert kept[arm].dtype == np.float32
        assert kept[arm].shape == (seeds, 500, 10)
    assert kept["images"].dtype == np.uint8
    assert np.array_equal(kept["images"], digits.test.inputs.numpy())
    assert np.array_equal(kept["labels"], digits.test.labels.numpy())


def test_of_a_larger_test_set_the_answers_to_all_samples_are_kept(quick, shelf):
    *_, final = steps(changed(quick, task="moons"), shelf)
    files = answers.names(final.artifacts)
    kept = answers.read(*map(shelf.get, files))
    assert (len(files), len(kept), kept.tested) == (2, 800, 800)
    for arm in ARMS:
        right = (kept.logits[arm].argmax(-1) == kept.labels).mean(1)
        assert tuple(right) == pytest.approx(final.arms[arm].accuracy)
    assert len(answers.read(shelf.get(final.artifacts["logits"]))) == answers.PROBE


@pytest.mark.parametrize("arm", ARMS)
def test_the_kept_weights_are_the_trained_ones(everything, arm, digits):
    _, final, shelf = everything
    choice = final.recipe.teacher if arm == "teacher" else final.recipe.student
    network = Setting(final.recipe).build(choice, seed=99)
    weights = shelf.get(final.artifacts[f"{arm}.safetensors"])
    network.load_state_dict(safetensors.torch.load(weights))
    kept = np.load(io.BytesIO(shelf.get(final.artifacts["logits"])))
    outputs = logits(network, digits.normalise(digits.test.inputs))
    np.testing.assert_allclose(outputs.numpy(), kept[arm][0], atol=1e-4)


def test_the_kept_logits_give_the_accuracies_that_are_shown(everything):
    _, final, shelf = everything
    kept = np.load(io.BytesIO(shelf.get(final.artifacts["logits"])))
    for arm in ARMS:
        right = (kept[arm].argmax(-1) == kept["labels"]).mean(1)
        assert tuple(right) == pytest.approx(final.arms[arm].accuracy)
    assert list(kept["class_names"]) == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("batch", [1, 7])
def test_the_exported_model_answers_as_the_trained_one(everything, arm, batch, digits):
    _, final, shelf = everything
    kept = np.load(io.BytesIO(shelf.get(final.artifacts["logits"])))
    session = onnxruntime.InferenceSession(shelf.get(final.artifacts[f"{arm}.onnx"]))
    inputs = digits.normalise(torch.from_numpy(kept["images"][:batch])).numpy()
    (outputs,) = session.run(None, {"input": inputs})
    np.testing.assert_allclose(outputs, kept[arm][0, :batch], atol=1e-4)


# what cannot be run is said before anything is trained


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"task": "digit"}, "no task 'digit'; did you mean 'digits'"),
        ({"method": {"name": "kdd"}}, "no method 'kdd'"),
        ({"student": {"architecture": "mpl"}}, "no architecture 'mpl'"),
        ({"teacher": {"architecture": "mpl"}}, "no architecture 'mpl'"),
        ({"student": {"options": {"width": 3}}}, "has no option 'width'"),
        ({"teacher": {"options": {"widths": [0]}}}, "widths holds 0"),
        ({"method": {"options": {"tau": 3}}}, "method 'kd' has no option 'tau'"),
        ({"transfer": {"labelled": 5000}}, "has 1,097 training samples; choose up to 1,097"),
        ({"transfer": {"labelled": 1000, "unlabelled": 98}}, "only 97 are left"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused_before_anything_happens(
    quick, shelf, values, sentence
):
    recipe, heard = changed(quick, **values), []
    with pytest.raises(RecipeError, match=sentence):
        check(recipe)
    with pytest.raises(RecipeError, match=sentence):
        run(recipe, heard.append, shelf)
    assert heard == []
    assert shelf.teachers() == []


# running to the end, and stopping before it


def test_run_hears_everything_and_returns_the_last_result(quick, home, monkeypatch, everything):
    told, final, _ = everything
    shelves, heard = [], []

    def retold(recipe, shelf):
        shelves.append(shelf.folder)
        return iter(told)

    monkeypatch.setattr(experiment, "steps", retold)
    assert run(quick, heard.append) is final
    assert heard == told
    assert shelves == [home / "artifacts"]


def test_a_run_closed_in_the_middle_of_its_teacher_keeps_none(quick, shelf):
    told = steps(quick, shelf)
    next(told)
    told.close()
    assert shelf.teachers() == []
    assert not verdict_of(quick, shelf).teacher_reused


def test_a_run_closed_among_its_students_keeps_its_teacher_alone(quick, shelf):
    told = steps(quick, shelf)
    while next(told) != Progress("teacher", 1.0, 0.0):
        pass
    next(told)
    told.close()
    assert {path.parent.name for path in shelf.folder.rglob("*") if path.is_file()} == {"teachers"}
    (teacher,) = shelf.teachers()
    assert teacher.part == quick.teacher_part(0)
    assert 0 < teacher.accuracy < 1
    assert verdict_of(quick, shelf).teacher_reused


# what goes wrong


@pytest.mark.parametrize(
    ("where", "who"),
    [
        ("teacher_training", "the teacher of seed 0"),
        ("training", "student on labels alone of seed 0"),
    ],
)
def test_a_network_that_diverges_is_named_and_nothing_is_claimed(quick, shelf, where, who):
    hot = {**getattr(quick, where).model_dump(), "learning_rate": 10.0, "optimizer": "sgd"}
    recipe = changed(quick, **{where: {**hot, "weight_decay": 1.0, "steps": 400}})
    with pytest.raises(DivergedError, match=f"{who} diverged.*lower its learning rate"):
        verdict_of(recipe, shelf)


@pytest.mark.parametrize("content", [b"", b"no weights", safetensors.torch.save({})])
def test_a_damaged_teacher_is_trained_anew(quick, shelf, content):
    first = verdict_of(quick, shelf)
    (teacher,) = shelf.teachers()
    (shelf.folder / "teachers" / f"{teacher.key}.safetensors").write_bytes(content)
    again = verdict_of(quick, shelf)
    assert not again.teacher_reused
    assert accuracies(again) == accuracies(first)
    assert verdict_of(quick, shelf).teacher_reused


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_batch_of_one_is_refused_where_batch_norm_needs_two(quick, role):
    part = {"teacher": "teacher_training", "student": "training"}[role]
    training = {**getattr(quick, part).model_dump(), "batch_size": 1}
    check(changed(quick, **{part: training}))
    with pytest.raises(RecipeError, match=f"{part}.batch_size is 1, but the {role}'s batch norm"):
        check(changed(quick, **{part: training, role: {"architecture": "vgg"}}))
