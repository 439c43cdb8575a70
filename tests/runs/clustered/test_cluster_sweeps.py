"""Sweeps in a real cluster: no member is lost, whatever is killed."""

import pytest

from kdcore.runs import runner
from kdcore.sweep import Sweep
from tests.processes import eventually, kill_cluster, kill_workers


@pytest.fixture
def grid(quick) -> Sweep:
    return Sweep(recipe=quick, axes=[{"field": "temperature", "values": list(range(1, 8))}])


def test_every_member_of_a_sweep_is_done_once_in_the_cluster(run_it, grid):
    submitted = run_it.submit_sweep(grid, "mine")
    assert eventually(lambda: run_it.sweeps.get(submitted.id).counts == {"done": 7})
    attempts = [run_it.store.get(row.run_id).attempt for row in run_it.sweeps.members(submitted.id)]
    assert attempts == [1] * 7


@pytest.mark.slow
def test_a_killed_worker_loses_no_member_of_a_sweep(run_it, quick, monkeypatch):
    slow = quick.model_copy(update={"training": quick.training.model_copy(update={"steps": 3000})})
    monkeypatch.setattr(runner, "SIDE_BY_SIDE", 2)
    sweep = Sweep(recipe=slow, axes=[{"field": "temperature", "values": [1, 2, 3, 4, 5]}])
    submitted = run_it.submit_sweep(sweep, "mine")
    assert eventually(lambda: run_it.sweeps.get(submitted.id).counts.get("done", 0) >= 2)
    before = {row.run_id: row for row in run_it.sweeps.members(submitted.id) if row.summary}
    kill_workers(run_it.settings.home)
    assert eventually(lambda: run_it.sweeps.get(submitted.id).counts == {"done": 5})
    after = {row.run_id: row for row in run_it.sweeps.members(submitted.id)}
    assert {run_id: after[run_id] for run_id in before} == before


def test_how_long_a_sweep_takes_is_known_soon_and_what_its_students_cost_after_it(run_it, grid):
    assert eventually(lambda: run_it.forecast(grid) is not None)
    assert run_it.forecast(grid).students > 0
    submitted = run_it.submit_sweep(grid, "mine")
    assert eventually(lambda: run_it.sweeps.get(submitted.id).costs)


@pytest.mark.slow
def test_after_the_cluster_died_a_sweep_goes_on_with_what_is_left(run_it, quick, monkeypatch):
    monkeypatch.setattr(runner, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(runner, "SILENT_SECONDS", 1.0)
    slow = quick.model_copy(update={"training": quick.training.model_copy(update={"steps": 3000})})
    sweep = Sweep(recipe=slow, axes=[{"field": "temperature", "values": [1, 2, 3, 4]}])
    submitted = run_it.submit_sweep(sweep, "mine")

    def counts():
        return run_it.sweeps.get(submitted.id).counts

    assert eventually(lambda: counts().get("done", 0) >= 1)
    kill_cluster(run_it.settings.home)
    done = counts()["done"]

    def noticed():
        run_it._reconcile_quietly()  # as the app does: the line to it may break any moment now
        return counts() == {"done": done, "interrupted": 4 - done}

    assert eventually(noticed)
    kept = {row.run_id: row for row in run_it.sweeps.members(submitted.id) if row.summary}
    run_it.restart_sweep(submitted.id)
    assert eventually(lambda: counts() == {"done": 4})
    after = {row.run_id: row for row in run_it.sweeps.members(submitted.id)}
    assert {run_id: after[run_id] for run_id in kept} == kept


@pytest.mark.parametrize(
    ("count", "workers", "expected"),
    [(1, 4, [1]), (72, 1, [32, 32, 8]), (6, 4, [2, 2, 2]), (0, 1, [])],
)
def test_parts_keep_all_workers_at_work_and_are_not_too_large(count, workers, expected):
    cut = runner.parts(count, workers)
    assert [len(part) for part in cut] == expected
    assert [place for part in cut for place in part] == list(range(count))
