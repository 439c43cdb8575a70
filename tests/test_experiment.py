"""The protocol: one teacher, and for each seed the same student without it and with it."""

import io
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch
from filelock import FileLock

from kdcore import answers, classroom, experiment, methods
from kdcore.classroom import Classroom
from kdcore.errors import DivergedError, RecipeError
from kdcore.experiment import check, run, steps
from kdcore.methods import UNLABELLED, Method
from kdcore.recipe import Recipe, content_hash
from kdcore.result import ARMS, SHARE, Event, Progress, Result
from kdcore.seeds import derive
from kdcore.setting import Setting
from kdcore.shelf import Shelf
from kdcore.train.loop import logits
from kdcore.train.order import batches
from kdcore.train.together import rounds

SMALL = {"mlp": {"widths": [4]}, "cnn": {"channels": [2], "hidden": []}}
PRESETS = Path(__file__).parents[1] / "assets" / "recipes"


def changed(recipe: Recipe, **values) -> Recipe:
    return Recipe(**{**recipe.model_dump(), **values})


def steps_to_the_verdict(recipe: Recipe, shelf: Shelf):
    """All that is told up to the first result, before anything is exported or timed."""
    for each in steps(recipe, shelf):
        yield each
        if isinstance(each, Result):
            return


def verdict_of(recipe: Recipe, shelf: Shelf) -> Result:
    return list(steps_to_the_verdict(recipe, shelf))[-1]


def accuracies(result: Result):
    return {arm: result.arms[arm].accuracy for arm in ARMS}


@pytest.fixture
def trained(monkeypatch):
    """The weights each network starts from, and its batches' indices: the teachers' come first."""
    begun = []

    def spy(pupils):
        for pupil in pupils:
            weights = torch.nn.utils.parameters_to_vector(pupil.network.parameters()).detach()
            drawn = islice(batches(pupil.lesson.orders()), pupil.lesson.training.steps)
            begun.append((weights.clone(), [batch.indices for batch in drawn]))
        return rounds(pupils)

    monkeypatch.setattr(classroom, "rounds", spy)
    return begun


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def preset_shelf(tmp_path_factory):
    """The presets share one teacher."""
    return Shelf(tmp_path_factory.mktemp("presets"))


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


# the three presets: what the project claims about itself


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("digits-few-labels", "better"),
        ("digits-all-labels", "no clear difference"),
        ("digits-too-cold", "worse"),
        ("digits-missing-class", "better"),
        ("digits-noisy-labels", "better"),
    ],
)
def test_a_preset_gives_the_verdict_it_is_named_for(preset, expected, preset_shelf):
    result = verdict_of(Recipe.load(PRESETS / f"{preset}.json"), preset_shelf)
    assert result.verdict == expected


def test_a_student_reads_a_class_it_never_saw_only_through_a_warm_teacher(preset_shelf):
    warm = Recipe.load(PRESETS / "digits-missing-class.json")
    result = verdict_of(changed(warm, seeds=(0,)), preset_shelf)
    cold = verdict_of(changed(warm, seeds=(0,), temperature=1.0), preset_shelf)
    assert result.arms["control"].left_out == (0.0,)
    assert result.arms["distilled"].left_out[0] > 0.8
    assert cold.arms["distilled"].left_out[0] < 0.4
    assert result.arms["teacher"].left_out[0] > 0.9


# the same numbers again


def test_the_same_recipe_gives_the_same_numbers(quick, tmp_path):
    one, two = (verdict_of(quick, Shelf(tmp_path / name)) for name in "ab")
    assert accuracies(one) == accuracies(two)
    assert one.difference == two.difference


@pytest.mark.parametrize("student", ["mlp", "cnn"])
def test_a_run_that_is_broken_off_and_begun_again_gives_what_an_unbroken_one_gives(
    quick, tmp_path, student
):
    recipe = changed(quick, student={"architecture": student, "options": SMALL[student]})
    unbroken = verdict_of(recipe, Shelf(tmp_path / "unbroken"))
    shelf = Shelf(tmp_path / "broken")
    cut = steps(recipe, shelf)
    next(each for each in cut if isinstance(each, Event) and each.arm == "distilled")
    cut.close()
    resumed = verdict_of(recipe, shelf)
    assert resumed.teacher_reused
    assert accuracies(resumed) == accuracies(unbroken)
    assert resumed.difference == unbroken.difference


def test_a_teacher_from_the_shelf_gives_the_same_numbers_and_is_said_to_be_reused(quick, shelf):
    fresh, again = verdict_of(quick, shelf), verdict_of(quick, shelf)
    assert (fresh.teacher_reused, again.teacher_reused) == (False, True)
    assert accuracies(fresh) == accuracies(again)
    best = [result.arms["teacher"].best_on_validation for result in (fresh, again)]
    assert best[0] == best[1]


@pytest.mark.parametrize(
    "values",
    [
        {"teacher": {"options": {"widths": [9]}}},
        {"teacher_training": {"steps": 21}},
        {"teacher_seed": 1},
        {"teacher_labelled": 500},
    ],
)
def test_a_teacher_that_would_be_trained_otherwise_is_not_reused(quick, shelf, values):
    verdict_of(quick, shelf)
    assert not verdict_of(changed(quick, **values), shelf).teacher_reused


@pytest.mark.parametrize(
    "values",
    [
        {"student": {"options": {"widths": [5]}}},
        {"training": {"steps": 5}},
        {"transfer": {"labelled": 30, "unlabelled": 5}},
        {"method": {"name": "hard"}},
        {"temperature": 9.0},
        {"seeds": (4,)},
    ],
)
def test_a_teacher_is_reused_whatever_its_students_do(quick, shelf, values):
    verdict_of(quick, shelf)
    assert verdict_of(changed(quick, **values), shelf).teacher_reused


def test_a_teacher_that_another_process_trains_is_waited_for_and_not_trained_again(
    quick, shelf, tmp_path
):
    elsewhere, key = Shelf(tmp_path / "elsewhere"), content_hash(quick.teacher_part(0))
    run(quick, shelf=elsewhere)
    others = FileLock(shelf.teacher_lock(key).lock_file)  # no relation of this process's own
    with others:
        room = Classroom(quick, shelf)
        training = room.train_teachers()
        assert [next(training), next(training)] == [Progress("teacher", 0.0, None)] * 2
        shelf.put_teacher(key, elsewhere.get_teacher(key), quick.teacher_part(0), 0.9)
    (standing,) = training
    assert standing.step == quick.teacher_training.steps
    assert room.reused


def test_a_teacher_from_the_shelf_is_drawn_at_its_last_step(quick, shelf):
    fresh = [each for each in steps_to_the_verdict(quick, shelf) if isinstance(each, Event)]
    again = [each for each in steps_to_the_verdict(quick, shelf) if isinstance(each, Event)]
    last = [each for each in fresh if each.arm == "teacher"][-1]
    (recalled,) = [each for each in again if each.arm == "teacher"]
    assert (recalled.seed, recalled.step) == (last.seed, last.step) == (0, 20)
    assert recalled.metrics["accuracy"] == last.metrics["accuracy"]


def test_another_seed_leaves_the_numbers_of_the_others_alone(quick, shelf):
    few = verdict_of(quick, shelf)
    more = verdict_of(changed(quick, seeds=(7, 0, 1, 2)), shelf)
    for arm in ("control", "distilled"):
        assert more.arms[arm].accuracy[1:] == few.arms[arm].accuracy


@pytest.mark.usefixtures("two_threads")
def test_a_run_uses_one_thread_and_leaves_their_number_as_it_was(quick, shelf):
    counts = {torch.get_num_threads() for _ in steps_to_the_verdict(quick, shelf)}
    assert counts == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_run_that_is_closed_or_refused_leaves_the_number_of_threads_as_it_was(quick, shelf):
    told = steps(quick, shelf)
    next(told)
    told.close()
    assert torch.get_num_threads() == 2
    with pytest.raises(RecipeError):
        next(steps(changed(quick, task="digit"), shelf))
    assert torch.get_num_threads() == 2


# the control


@pytest.mark.parametrize("hard_weight", [0.1, 1.0])
def test_without_a_soft_term_both_students_are_the_very_same(quick, shelf, hard_weight):
    method = {"name": "hard"}
    result = verdict_of(changed(quick, method=method, hard_weight=hard_weight), shelf)
    assert result.arms["distilled"] == result.arms["control"]
    assert result.difference.per_seed == (0.0, 0.0, 0.0)


DROPPING = {"architecture": "mlp", "options": {"widths": [16], "dropout": 0.5}}


def test_networks_that_draw_by_themselves_give_the_same_numbers_again(quick, tmp_path):
    recipe = changed(quick, teacher=DROPPING, student=DROPPING)
    first, second = (accuracies(verdict_of(recipe, Shelf(tmp_path / n))) for n in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("unlabelled", [0, "rest"])
def test_both_students_of_a_seed_drop_the_same_units(quick, shelf, unlabelled):
    recipe = changed(
        quick,
        student=DROPPING,
        method={"name": "hard"},
        transfer={"labelled": 40, "unlabelled": unlabelled},
    )
    result = verdict_of(recipe, shelf)
    assert result.arms["distilled"].accuracy == result.arms["control"].accuracy


@pytest.mark.parametrize("unlabelled", [0, "rest"])
def test_a_soft_weight_of_zero_leaves_what_the_labels_teach(quick, shelf, unlabelled):
    recipe = changed(
        quick,
        soft_weight=0.0,
        hard_weight=1.0,
        transfer={"labelled": 40, "unlabelled": unlabelled},
    )
    result = verdict_of(recipe, shelf)
    assert result.arms["distilled"].accuracy == result.arms["control"].accuracy


def test_both_students_of_a_seed_start_alike_and_see_the_same_labelled_batches(
    quick, shelf, trained
):
    recipe = changed(
        quick,
        transfer={"labelled": 40, "unlabelled": "rest"},
        training={"steps": 9, "batch_size": 8},
    )
    verdict_of(recipe, shelf)
    students = trained[1:]
    for seed in range(3):
        (control, labelled), (distilled, both) = students[seed], students[3 + seed]
        assert torch.equal(control, distilled)
        assert torch.equal(torch.stack(labelled), torch.stack(both)[:, :8])
        assert {len(batch) for batch in both} == {16}
    assert not torch.equal(students[0][0], students[1][0])
    assert not torch.equal(students[0][1][0], students[1][1][0])


def test_without_unlabelled_samples_both_students_see_the_very_same_batches(quick, shelf, trained):
    verdict_of(changed(quick, transfer={"labelled": 40}, seeds=(0,)), shelf)
    _, (_, control), (_, distilled) = trained
    assert torch.equal(torch.stack(control), torch.stack(distilled))


def test_a_method_is_shown_the_labels_of_the_labelled_samples_and_of_no_other(
    quick, shelf, monkeypatch, digits
):
    seen = {}

    def spy(student, teacher, labels):
        seen.update(zip(student.indices.tolist(), labels.tolist(), strict=True))
        return {"nothing": 0 * student.logits.sum()}

    monkeypatch.setitem(methods._methods._items, "spy", Method("spy", "", "", "0", "", (), spy))
    transfer = {"labelled": 40, "unlabelled": 60}
    recipe = changed(quick, method={"name": "spy"}, transfer=transfer, seeds=(3,))
    verdict_of(recipe, shelf)
    labelled, shown = (part.tolist() for part in Setting(recipe).transfer_set(3))
    told = {index: digits.train.labels[index].item() for index in labelled}
    assert seen == dict.fromkeys(shown, UNLABELLED) | told


@pytest.mark.parametrize("widths", [[7], [5, 5]])
def test_without_any_term_both_students_are_the_same_to_the_last_digit(quick, shelf, widths):
    told = steps_to_the_verdict(
        changed(quick, method={"name": "hard"}, student={"options": {"widths": widths}}), shelf
    )
    curves = {arm: [] for arm in ARMS}
    for each in told:
        if isinstance(each, Event):
            curves[each.arm].append((each.seed, each.step, dict(each.metrics)))
    assert curves["control"] == curves["distilled"]


def test_the_transfer_set_makes_no_difference_to_the_control(quick, shelf):
    with_more = changed(quick, transfer={"labelled": 40, "unlabelled": 500})
    without = changed(quick, transfer={"labelled": 40})
    one, two = verdict_of(with_more, shelf), verdict_of(without, shelf)
    assert one.arms["control"] == two.arms["control"]
    assert one.arms["distilled"] != two.arms["distilled"]


# seeds and samples


def test_more_labels_keep_the_ones_there_were(quick):
    few = Setting(changed(quick, transfer={"labelled": 30})).transfer_set(5)[0]
    more = Setting(changed(quick, transfer={"labelled": 90})).transfer_set(5)[0]
    assert torch.equal(more[:30], few)


def test_labelled_samples_are_drawn_by_the_seed_with_as_many_of_each_class(quick, digits):
    setting = Setting(changed(quick, transfer={"labelled": 30}))
    one, two = (setting.transfer_set(seed)[0] for seed in (0, 1))
    assert set(one.tolist()) != set(two.tolist())
    for drawn in (one, two):
        assert torch.bincount(digits.train.labels[drawn]).tolist() == [3] * 10


def test_all_and_the_rest_are_all_training_samples(quick):
    recipe = changed(quick, transfer={"labelled": "all", "unlabelled": "rest"})
    labelled, transfer = Setting(recipe).transfer_set(0)
    assert sorted(labelled.tolist()) == list(range(1097))
    assert torch.equal(labelled, transfer)
    recipe = changed(quick, transfer={"labelled": 97, "unlabelled": "rest"})
    labelled, transfer = Setting(recipe).transfer_set(0)
    assert (len(labelled), len(transfer)) == (97, 1097)


def test_unlabelled_samples_are_others_than_the_labelled(quick):
    recipe = changed(quick, transfer={"labelled": 30, "unlabelled": 60})
    labelled, transfer = Setting(recipe).transfer_set(0)
    assert (len(labelled), len(transfer)) == (30, 90)
    assert len(set(transfer.tolist())) == 90


def test_each_purpose_draws_a_seed_of_its_own():
    seeds = {derive(seed, purpose) for seed in range(50) for purpose in ("weights", "batches")}
    assert len(seeds) == 100


def test_one_teacher_serves_all_seeds_or_each_seed_has_its_own(quick, shelf):
    one = verdict_of(quick, shelf)
    each = verdict_of(changed(quick, teachers="per seed"), shelf)
    assert len(one.arms["teacher"].accuracy) == 1
    assert len(each.arms["teacher"].accuracy) == 3
    assert one.arms["control"] == each.arms["control"]


def test_with_a_teacher_per_seed_each_student_learns_from_its_own(quick, shelf, tmp_path):
    each = verdict_of(changed(quick, teachers="per seed"), shelf)
    for seed in (0, 1, 2):
        alone = verdict_of(changed(quick, teacher_seed=seed), Shelf(tmp_path / str(seed)))
        assert each.arms["teacher"].accuracy[seed] == alone.arms["teacher"].accuracy[0]
        assert each.arms["distilled"].accuracy[seed] == alone.arms["distilled"].accuracy[seed]


def test_teachers_of_other_seeds_start_from_other_weights_and_see_other_batches(
    quick, shelf, trained
):
    verdict_of(changed(quick, teachers="per seed", teacher_training={"steps": 1}), shelf)
    teachers = trained[:3]
    assert len({tuple(weights.tolist()) for weights, _ in teachers}) == 3
    assert len({tuple(batches[0].tolist()) for _, batches in teachers}) == 3


def test_the_teacher_learns_from_every_training_sample(quick, shelf, trained):
    recipe = changed(quick, transfer={"labelled": 30}, teacher_training={"steps": 18})
    verdict_of(recipe, shelf)
    _, batches = trained[0]
    assert set(torch.cat(batches).tolist()) == set(range(1097))  # 18 · 64 is a pass and a bit


# last and best


def test_the_accuracy_is_of_the_last_weights_and_the_best_beside_it_of_the_best(
    quick, shelf, monkeypatch, digits
):
    # in place of the best weights, zeros: such a network answers 0 to every picture
    def zeroed(pupils):
        yield from rounds(pupils)
        for pupil in pupils:
            names = pupil.network.state_dict()
            pupil.best.weights = {k: torch.zeros_like(v) for k, v in names.items()}

    zeros = (digits.test.labels == 0).double().mean().item()
    usual = verdict_of(quick, Shelf(shelf.folder / "usual"))
    with monkeypatch.context() as patched:
        patched.setattr(classroom, "rounds", zeroed)
        result = verdict_of(quick, shelf)
    assert accuracies(result) == accuracies(usual)
    for arm in ARMS:
        assert set(result.arms[arm].best_on_validation) == {zeros}
    again = verdict_of(quick, shelf)
    assert again.teacher_reused
    assert again.arms["teacher"].best_on_validation == (zeros,)
    assert again.arms["control"] == usual.arms["control"]


def test_fewer_than_three_seeds_give_no_verdict(quick, shelf):
    result = verdict_of(changed(quick, seeds=(0, 1)), shelf)
    assert result.verdict == "too few seeds"
    assert result.difference.low is None


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
    monkeypatch.setattr(classroom, "PROGRESS_SECONDS", float("inf"))
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
