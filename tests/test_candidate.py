"""A setting is judged on validation alone, by students that learn as those of a run do."""

from dataclasses import fields, replace

import pytest

from kdcore import tasks
from kdcore.candidate import Candidates
from kdcore.classroom import Classroom
from kdcore.errors import DivergedError, RecipeError
from kdcore.recipe import ModelChoice
from kdcore.result import Event, Latency, Progress
from kdcore.train.loop import accuracy


class Sealed:
    """Test samples that fail whoever looks at them."""

    def __getattr__(self, name):
        raise AssertionError(f"the test split's {name} was looked at")


@pytest.fixture
def sealed(monkeypatch, digits):
    """The digits, whose test split must not be touched."""
    known = {field.name: getattr(digits, field.name) for field in fields(digits)}
    closed = object.__new__(type(digits))
    for name, value in {**known, "test": Sealed()}.items():
        object.__setattr__(closed, name, value)
    task = replace(tasks.get("digits"), load=lambda: closed)
    monkeypatch.setattr(tasks, "get", lambda name: task)
    return closed


def judged(candidates, recipe, **options):
    """What a candidate is worth, and all that it told."""
    told = []
    judging = candidates.judge(recipe, **options)
    while True:
        try:
            told.append(next(judging))
        except StopIteration as end:
            return end.value, told


def test_no_candidate_touches_the_test_split(sealed, quick, shelf):
    found, _ = judged(Candidates(shelf, quick.student), quick, costs=True)
    assert len(found.accuracy) == 3


def test_the_seal_holds(sealed, quick, shelf):
    room = Classroom(quick, shelf)
    with pytest.raises(AssertionError, match="test split"):
        room.split("test")


def test_a_candidates_figures_are_those_of_a_runs_students_on_validation(quick, shelf):
    found, _ = judged(Candidates(shelf, quick.student), quick)
    room = Classroom(quick, shelf)
    for _ in (*room.train_teachers(), *room.train_students()):
        pass
    held = room.split("validation")
    assert found.accuracy == tuple(accuracy(m.network, held) for m in room.members["distilled"])


def test_no_control_is_trained(quick, shelf):
    _, told = judged(Candidates(shelf, quick.student), quick)
    arms = {each.arm for each in told if isinstance(each, Event)}
    assert arms == {"teacher", "distilled"}
    assert any(isinstance(each, Progress) for each in told)


def test_teachers_are_trained_once_for_all_candidates(quick, shelf):
    candidates = Candidates(shelf, quick.student)
    judged(candidates, quick)
    _, told = judged(candidates, quick.model_copy(update={"temperature": 9.0}))
    phases = {each.phase for each in told if isinstance(each, Progress)}
    assert phases == {"students"}


def test_what_candidates_share_is_made_anew_from_time_to_time(quick, shelf, monkeypatch):
    monkeypatch.setattr("kdcore.candidate.SHARED_BY", 2)
    candidates = Candidates(shelf, quick.student)
    shared = []
    for _ in range(4):
        judged(candidates, quick)
        shared.append(candidates._shared)
    assert shared[0] is shared[1]
    assert shared[2] is shared[3]
    assert shared[0] is not shared[2]


def test_students_of_one_architecture_cost_the_same_however_they_learnt(quick, shelf):
    candidates = Candidates(shelf, quick.student)
    one, _ = judged(candidates, quick, costs=True)
    other, _ = judged(candidates, quick.model_copy(update={"temperature": 9.0}), costs=True)
    assert one.cost == other.cost
    assert one.cost.parameters == 65 * 4 + 5 * 10
    assert one.cost.bytes > 4 * one.cost.parameters
    assert one.cost.latency_ms > 0


def test_costs_that_are_known_are_not_measured_again(quick, shelf, monkeypatch):
    first = Candidates(shelf, quick.student)
    one, _ = judged(first, quick, costs=True)
    monkeypatch.setattr("kdcore.candidate.latencies", None)
    later = Candidates(shelf, quick.student, first.pace_ms, dict(first.costs))
    again, _ = judged(later, quick, costs=True)
    assert again.cost == one.cost


def test_a_busy_moment_of_the_machine_makes_no_student_look_slow(quick, shelf, monkeypatch):
    busy = iter((1, 5))

    def timed(models, *_, **__):
        slow = next(busy)
        took = {"student": 0.02 * slow, "yardstick": 0.01 * slow}
        return {name: Latency(1, took[name], 0, 0, 0) for name in models}

    monkeypatch.setattr("kdcore.candidate.latencies", timed)
    candidates = Candidates(shelf, quick.student)
    one, _ = judged(candidates, quick, costs=True)
    wide = quick.model_copy(update={"student": ModelChoice(options={"widths": [5]})})
    other, _ = judged(candidates, wide, costs=True)
    assert one.cost.latency_ms == pytest.approx(0.02)
    assert other.cost.latency_ms == pytest.approx(0.02)


def test_a_candidate_that_diverges_is_worth_nothing_and_says_so(quick, shelf):
    hot = {"learning_rate": 10.0, "optimizer": "sgd", "weight_decay": 1.0, "steps": 400}
    recipe = quick.model_copy(update={"training": quick.training.model_copy(update=hot)})
    with pytest.raises(DivergedError, match="diverged"):
        judged(Candidates(shelf, quick.student), recipe)


def test_a_recipe_that_cannot_be_run_is_refused_before_any_training(quick, shelf):
    with pytest.raises(RecipeError, match="did you mean 'digits'"):
        judged(Candidates(shelf, quick.student), quick.model_copy(update={"task": "digit"}))
