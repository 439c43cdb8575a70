"""The same recipe gives the same numbers, whatever ran before, was broken off or was kept."""

import pytest
import torch
from filelock import FileLock

from kdcore.classroom import Classroom
from kdcore.errors import RecipeError
from kdcore.experiment import run, steps
from kdcore.recipe import content_hash
from kdcore.result import Event, Progress
from kdcore.shelf import Shelf
from tests.verdicts import accuracies, changed, steps_to_the_verdict, verdict_of

SMALL = {"mlp": {"widths": [4]}, "cnn": {"channels": [2], "hidden": []}}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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
