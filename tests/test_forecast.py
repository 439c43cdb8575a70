"""How long a sweep will take, told from a moment of the very work."""

import time
from itertools import pairwise
from math import isnan

import pytest

from kdcore import forecast as subject
from kdcore.costs import student_costs
from kdcore.errors import RecipeError
from kdcore.experiment import run
from kdcore.forecast import Forecast, forecast, pipeline_forecast, sampled
from kdcore.group import run_sweep, run_together
from kdcore.outcome import student_key
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.result import Progress
from kdcore.shelf import Shelf
from kdcore.sweep import Sweep
from kdcore.waterfall import PipelineResult


@pytest.fixture
def grid(quick) -> Sweep:
    return Sweep(
        recipe=quick,
        axes=[
            {"field": "temperature", "values": [1, 2, 4, 8]},
            {"field": "soft_share", "values": [0.1, 0.5, 0.9]},
        ],
    )


@pytest.fixture
def shelf(tmp_path) -> Shelf:
    return Shelf(tmp_path)


def test_work_that_ends_within_the_trial_takes_as_long_as_it_took():
    began = time.perf_counter()
    told = subject._drawn_on(iter([Progress("students", 0.5, None)]), "students")
    assert 0 < told <= time.perf_counter() - began


def test_where_nothing_is_heard_nothing_is_drawn_on():
    assert isnan(subject._drawn_on(iter([]), "students"))
    assert isnan(subject._drawn_on(iter([RecipeError("no")]), "students"))


def test_longer_work_is_drawn_on_from_how_far_it_comes(monkeypatch):
    clock = iter([0.0, 0.2, 1.0, 1.5, 2.5])  # begun; 1 %, 10 %, 15 % and 25 % done
    monkeypatch.setattr(subject.time, "perf_counter", lambda: next(clock))
    shares = (0.01, 0.1, 0.15, 0.25)
    told = subject._drawn_on((Progress("students", s, None) for s in shares), "students")
    assert told == pytest.approx(1.0 + 10.0 * 0.9)  # 1.5 s for 15 %, from where it is warm


def test_workers_share_the_students_and_wait_for_the_teacher():
    assert Forecast(teachers=2.0, students=30.0).seconds(workers=3) == 12.0


def test_members_are_taken_evenly_from_all_over_a_sweep():
    recipes = [Recipe(seeds=(seed,)) for seed in range(40)]
    seeds = [recipe.seeds[0] for recipe in sampled(recipes)]
    assert len(seeds) == subject.SAMPLED
    assert seeds[0] == 0
    assert {later - sooner for sooner, later in pairwise(seeds)} == {1, 2}
    assert sampled(recipes[:3]) == recipes[:3]


def test_a_teacher_that_is_there_takes_no_time_and_none_is_left_behind(grid, shelf, quick):
    before = forecast(grid.members(), shelf)
    assert before.teachers > 0
    assert before.students > 0
    assert shelf.teachers() == []
    run(quick, shelf=shelf)
    assert forecast(grid.members(), shelf).teachers == 0


def test_the_forecast_is_of_the_order_of_what_it_then_takes(grid, shelf, monkeypatch):
    """In time of this process, which is all that works: the machine may be busy with others'."""
    monkeypatch.setattr(subject.time, "perf_counter", time.process_time)
    recipes = grid.members()
    for _ in run_sweep(recipes[:1], shelf):  # the first ever loads what the others find loaded
        pass
    told = forecast(recipes, shelf)
    began = time.perf_counter()
    for _ in run_sweep(recipes, shelf):
        pass
    taken = time.perf_counter() - began
    assert taken / 5 < told.seconds(workers=1) < 5 * taken


def test_of_a_chain_nothing_is_told(quick):
    chain = Recipe(**{**quick.model_dump(), "scheme": {"assistants": [{"architecture": "mlp"}]}})
    assert not forecast([chain], Shelf).told


def test_of_what_cannot_be_run_nothing_is_told(quick, shelf):
    wrong = Recipe(**{**quick.model_dump(), "method": {"name": "attention"}})
    assert not forecast([wrong], shelf).told


def test_steps_that_vary_are_drawn_on_by_the_work_that_is_left(quick, shelf, monkeypatch):
    """While all learn, a round is more work than when only the longest are left."""
    monkeypatch.setattr("kdcore.group.PROGRESS_SECONDS", 0.0)
    grid = Sweep(recipe=quick, axes=[{"field": "training.steps", "values": [10, 90]}])
    told = [
        happening.done
        for place, happening in run_together(grid.members(), shelf)
        if place == 0 and isinstance(happening, Progress) and happening.phase == "students"
        if happening.done > 0
    ]
    shares = [(min(step, 10) + step) / 100 for step in range(1, 91)]
    assert told[:90] == pytest.approx(shares)


def test_each_kind_of_student_is_measured_once(quick):
    sweep = Sweep(
        recipe=quick,
        axes=[
            {"field": "student.width", "values": [1, 2]},
            {"field": "temperature", "values": [1, 4]},
        ],
    )
    costs = student_costs(sweep.members())
    small, large = costs.values()
    assert list(costs) == [student_key(sweep.members()[0]), student_key(sweep.members()[2])]
    assert small.onnx_bytes < large.onnx_bytes
    assert all(cost.latency_ms > 0 for cost in costs.values())


def test_a_student_of_another_task_is_another_kind_and_one_that_is_none_is_left_out(quick):
    other = Recipe(**{**quick.model_dump(), "task": "moons"})
    wrong = Recipe(**{**quick.model_dump(), "student": {"options": {"widths": ["a"]}}})
    costs = student_costs([wrong, quick, other])
    assert set(costs) == {student_key(quick), student_key(other)}
    assert costs[student_key(quick)].onnx_bytes > costs[student_key(other)].onnx_bytes


TUNED = [
    {"kind": "fine-tune", "steps": 100},
    {"kind": "quantize", "how": "aware", "tune": {"steps": 50}},
]


def test_each_training_on_counts_for_the_student_that_is_compressed_and_the_one_beside(
    quick, shelf, monkeypatch
):
    """Three seeds: 2 x 100 steps and 50 as they are, 50 with rounding, at 1 and 3 ms a step; each
    of the three begins after 0.1 s, the one that rounds after 1 s.
    """
    monkeypatch.setattr(subject, "forecast", lambda *_: Forecast(2.0, 5.0))
    paces = {False: (0.1, 0.001), True: (1.0, 0.003)}
    monkeypatch.setattr(subject, "_pace", lambda *_, rounding: paces[rounding])
    three = Recipe(**{**quick.model_dump(), "seeds": (0, 1, 2)})
    found = pipeline_forecast(Pipeline(recipe=three, stages=TUNED), shelf)
    assert found.teachers == 2.0
    assert found.students == pytest.approx(5.0 + 3 * (1.3 + 250 * 0.001 + 50 * 0.003))
    axes = [{"field": "stages.0.steps", "values": [100, 300]}]
    varied = pipeline_forecast(Pipeline(recipe=three, stages=TUNED, axes=axes), shelf)
    more = 3 * (1.3 + 650 * 0.001 + 50 * 0.003)  # students are trained once for both
    assert varied.students == pytest.approx(found.students + more)


def test_the_pace_of_a_training_on_is_that_of_the_very_work(quick, shelf, tmp_path):
    plain = Pipeline(recipe=quick, stages=TUNED[:1])
    assert pipeline_forecast(plain, shelf).told
    assert shelf.teachers() == []
    start, step = subject._pace(plain, Shelf(tmp_path / "scratch"), rounding=False)
    assert start > 0
    assert step > 0


def earlier(aside, **changes) -> PipelineResult:
    recipe = {"student": {"options": {"widths": [8]}}, "seeds": [0, 1, 2]} | changes
    pipeline = Pipeline(recipe=recipe, stages=[{"kind": "prune"}])
    return PipelineResult(pipeline, (None,) * 4, {}, 100.0, aside=aside)


def test_what_is_no_training_takes_as_long_for_each_model_as_it_took_earlier_ones():
    """Four models took 2, 4 and 12 s: 1 s each is the median."""
    known = [earlier(2.0), earlier(4.0), earlier(12.0)]
    stages = [{"kind": "prune"}, *TUNED]
    several = Pipeline(
        recipe=known[0].pipeline.recipe,
        stages=stages,
        axes=[{"field": "stages.0.share", "values": [0.5, 0.9]}],
    )
    # teacher, two students, the one trained on as long, three stages; two settings
    assert subject.aside(several, known) == pytest.approx(14.0)
    assert subject.aside(known[0].pipeline, known) == pytest.approx(4.0)


def test_without_an_earlier_pipeline_of_that_student_nobody_knows_the_rest():
    pipeline = earlier(2.0).pipeline
    others = [earlier(None), earlier(2.0, seeds=[0]), earlier(2.0, task="moons")]
    assert subject.aside(pipeline, others) is None
