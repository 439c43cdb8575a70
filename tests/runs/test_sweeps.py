"""Sweeps in the store and in a worker: no member is lost, and none is counted twice."""

import time

import pytest

from kdcore.errors import DataError, RecipeError, RunError
from kdcore.outcome import NUMBERS, Cost
from kdcore.recipe import Recipe
from kdcore.result import Progress
from kdcore.runs import answering, worker
from kdcore.runs.sweeps import Headway, Sweeps, member_table
from kdcore.sweep import Sweep
from tests.runs.test_store import result


@pytest.fixture
def sweeps(store) -> Sweeps:
    return Sweeps(store)


@pytest.fixture
def grid(quick) -> Sweep:
    """Six members."""
    axes = [
        {"field": "temperature", "values": [1, 4, 9]},
        {"field": "soft_share", "values": [0.1, 0.9]},
    ]
    return Sweep(recipe=quick, axes=axes)


@pytest.fixture
def queued(sweeps, grid):
    """A sweep in two parts, of four members and of two."""
    return sweeps.submit(grid, "mine", [range(4), range(4, 6)], "a cluster")


def finished(store, part):
    for run_id in part.run_ids:
        run = store.claim(run_id)
        store.record(run, result=result())
        store.finish(run, "done")


# the store


def test_a_sweep_is_stored_with_all_its_members_queued(sweeps, store, grid, queued):
    submitted, parts = queued
    assert submitted.sweep == grid
    assert submitted.counts == {"queued": 6}
    assert [len(part.run_ids) for part in parts] == [4, 2]
    ids = [run_id for part in parts for run_id in part.run_ids]
    assert [store.get(run_id).recipe for run_id in ids] == grid.members()
    assert [member.place for member in sweeps.members(submitted.id)] == list(range(6))


def test_a_sweep_that_is_none_is_not_stored_at_all(sweeps, store, quick):
    wrong = Sweep(recipe=quick, axes=[{"field": "temperature", "values": [4, -1]}])
    with pytest.raises(RecipeError, match="temperature is -1"):
        sweeps.submit(wrong, "mine", [range(2)])
    assert sweeps.find() == []
    assert store.waiting() == 0


def test_members_are_in_no_list_of_runs(store, quick, queued):
    alone = store.submit(quick, "alone")
    assert [run.id for run in store.find()] == [alone.id]
    assert [run.id for run in store.unfinished()] == [alone.id]
    assert store.count() == 1


def test_a_part_waits_as_one(store, quick, queued):
    assert store.waiting() == 2
    alone = store.submit(quick, "alone")
    assert store.waiting() == 3
    assert store.waiting(before=alone.created) == 2


def test_what_a_member_gave_stands_in_a_row_beside_its_place(sweeps, store, queued):
    submitted, (_, part) = queued
    finished(store, part)
    rows = sweeps.members(submitted.id)
    assert [row.state for row in rows] == ["queued"] * 4 + ["done"] * 2
    assert [row.summary is not None for row in rows] == [False] * 4 + [True] * 2
    assert rows[5].summary["verdict"] == "too few seeds"
    assert sweeps.get(submitted.id).counts == {"queued": 4, "done": 2}
    assert sweeps.get(submitted.id).left == 4


def test_members_are_read_a_page_at_a_time(sweeps, queued):
    submitted, _ = queued
    assert [row.place for row in sweeps.members(submitted.id, start=2, limit=3)] == [2, 3, 4]


def test_cancelling_keeps_what_is_done(sweeps, store, queued):
    submitted, (first, part) = queued
    finished(store, part)
    under_way = store.claim(first.run_ids[0])
    stopped = sweeps.request_stop(submitted.id)
    assert stopped.counts == {"cancelled": 3, "running": 1, "done": 2}
    assert store.record(under_way) is False


def test_what_was_not_done_starts_again_and_what_was_stays(sweeps, store, queued):
    submitted, (_, part) = queued
    finished(store, part)
    sweeps.request_stop(submitted.id)
    again, parts = sweeps.restart(submitted.id, "another", size=3)
    assert again.counts == {"queued": 4, "done": 2}
    assert [len(each.run_ids) for each in parts] == [3, 1]
    assert len({each.task for each in parts} | {part.task}) == 3


def test_sweeps_are_found_by_name_newest_first(sweeps, grid, queued):
    later, _ = sweeps.submit(grid, "another one", [range(6)])
    assert [each.id for each in sweeps.find()] == [later.id, queued[0].id]
    assert [each.id for each in sweeps.find("MINE")] == [queued[0].id]
    assert sweeps.rename(later.id, " better ").name == "better"
    with pytest.raises(RunError, match="needs a name"):
        sweeps.rename(later.id, " ")


def test_a_sweep_goes_with_all_its_members_once_none_is_left_to_do(sweeps, store, queued):
    submitted, parts = queued
    with pytest.raises(RunError, match="under way; cancel it before you delete it"):
        sweeps.delete(submitted.id)
    sweeps.request_stop(submitted.id)
    sweeps.delete(submitted.id)
    assert sweeps.find() == []
    with pytest.raises(RunError):
        store.get(parts[0].run_ids[0])
    with pytest.raises(RunError, match="there is no sweep"):
        sweeps.get(submitted.id)


def test_a_silent_member_is_looked_for_under_its_parts_key(store, queued):
    _, (first, second) = queued
    silent = store.silent(since=store.get(first.run_ids[0]).heartbeat + 1)
    assert {each.run_id: each.task for each in silent} == {
        run_id: part.task for part in (first, second) for run_id in part.run_ids
    }
    assert {each.cluster for each in silent} == {"a cluster"}


def test_how_far_a_sweep_is_counts_what_its_members_under_way_have_learned(sweeps, store, queued):
    submitted, (first, second) = queued
    assert sweeps.headway(submitted.id) == Headway(0.0, None)
    finished(store, second)
    under_way = store.claim(first.run_ids[0])
    store.record(under_way, progress=Progress("teacher", 0.9, None))
    assert sweeps.headway(submitted.id).share == pytest.approx(2 / 6)
    store.record(under_way, progress=Progress("students", 0.5, 1.0))
    headway = sweeps.headway(submitted.id)
    assert headway.share == pytest.approx(2.5 / 6)
    assert headway.seconds_left > 0
    sweeps.request_stop(submitted.id)
    store.finish(under_way, "cancelled")
    assert sweeps.headway(submitted.id) == Headway(1.0, 0.0)


def test_the_time_left_is_told_by_the_pace_of_what_was_started_again(
    sweeps, store, queued, monkeypatch
):
    submitted, (first, second) = queued
    now = time.time()
    finished(store, second)
    sweeps.request_stop(submitted.id)
    monkeypatch.setattr("time.time", lambda: now + 3600)  # an hour later
    sweeps.restart(submitted.id)
    under_way = store.claim(first.run_ids[0])
    monkeypatch.setattr("time.time", lambda: now + 3610)
    store.record(under_way, progress=Progress("students", 0.5, None))
    headway = sweeps.headway(submitted.id)
    assert headway.share == pytest.approx(2.5 / 6)
    assert headway.seconds_left == pytest.approx(10 * (1 / (0.5 / 4) - 1))


def test_a_member_that_is_started_again_by_itself_is_looked_for_under_its_own_key(store, queued):
    _, (first, _) = queued
    member = store.claim(first.run_ids[0])
    store.finish(member, "failed", "no")
    store.restart(member.id)
    (silent,) = [each for each in store.silent(time.time() + 1) if each.run_id == member.id]
    assert silent.task == member.id


def test_members_make_a_table_of_what_they_set_gave_and_cost(sweeps, store, queued):
    submitted, (_, second) = queued
    finished(store, second)
    kind = sweeps.members(submitted.id)[5].summary["student.key"]
    sweeps.keep_costs(submitted.id, {kind: Cost(6492, 0.017)})
    table = member_table(sweeps.get(submitted.id), sweeps.members(submitted.id))
    assert list(table["temperature"]) == [1, 1, 4, 4, 9, 9]
    assert list(table["soft_share"]) == [0.1, 0.9] * 3
    assert list(table["state"]) == ["queued"] * 4 + ["done"] * 2
    assert table["distilled.mean"].isna().tolist() == [True] * 4 + [False] * 2
    assert table["onnx_bytes"].tolist()[4:] == [6492, 6492]


def test_a_table_has_all_its_columns_before_anything_is_measured(sweeps, queued):
    submitted, _ = queued
    table = member_table(submitted, sweeps.members(submitted.id))
    assert {*NUMBERS, "onnx_bytes", "latency_ms"} <= set(table.columns)


# a worker


def test_a_part_is_done_member_by_member(sweeps, settings, queued, grid):
    submitted, (first, second) = queued
    worker.execute_part(first.run_ids, first.task, settings)
    assert sweeps.get(submitted.id).counts == {"done": 4, "queued": 2}
    worker.execute_part(second.run_ids, second.task, settings)
    rows = sweeps.members(submitted.id)
    assert [row.state for row in rows] == ["done"] * 6
    assert len({row.summary["control.mean"] for row in rows}) == 1
    assert all(row.summary["pairs"] == 3 for row in rows)


def test_a_part_that_is_taken_up_again_does_only_what_is_left(store, settings, queued):
    _, (first, _) = queued
    done, under_way, *_ = first.run_ids
    finished(store, type(first)(first.task, (done,)))
    before = store.get(done)
    store.claim(under_way)  # by a worker that was killed
    worker.execute_part(first.run_ids, first.task, settings)
    assert store.get(done) == before
    assert store.get(under_way).state == "done"
    assert [store.get(run_id).attempt for run_id in first.run_ids] == [1, 2, 1, 1]


def test_a_member_that_fails_says_why_and_ends_no_other(sweeps, settings, quick):
    sweep = Sweep(recipe=quick, axes=[{"field": "method.name", "values": ["kd", "attention"]}])
    submitted, (part,) = sweeps.submit(sweep, "mine", [range(2)])
    worker.execute_part(part.run_ids, part.task, settings)
    fine, wrong = sweeps.members(submitted.id)
    assert (fine.state, wrong.state) == ("done", "failed")
    assert "attention" in wrong.error


def test_an_unexpected_error_fails_the_part_in_a_sentence(sweeps, settings, queued, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("of all things")
        yield

    monkeypatch.setattr("kdcore.group.run_sweep", broken)
    submitted, (first, _) = queued
    worker.execute_part(first.run_ids, first.task, settings)
    rows = sweeps.members(submitted.id, limit=4)
    assert {row.state for row in rows} == {"failed"}
    assert "ZeroDivisionError: of all things" in rows[0].error


def test_members_that_are_stopped_end_and_the_others_go_on(
    sweeps, store, settings, queued, monkeypatch
):
    submitted, (first, _) = queued
    monkeypatch.setattr(worker, "PART_FLUSH_SECONDS", 0.0)
    record_all = store.record_all
    store.request_stop(first.run_ids[1])

    def stop_one(self, happened):
        store.request_stop(first.run_ids[2])
        return record_all(happened)

    monkeypatch.setattr(type(store), "record_all", stop_one)
    worker.execute_part(first.run_ids, first.task, settings)
    states = [row.state for row in sweeps.members(submitted.id, limit=4)]
    assert states == ["done", "cancelled", "cancelled", "done"]


def test_what_the_students_cost_is_measured_and_kept(sweeps, settings, queued):
    submitted, (first, _) = queued
    worker.measure_costs(submitted.id, settings)
    assert sweeps.get(submitted.id).costs == {}  # none is done
    worker.execute_part(first.run_ids, first.task, settings)
    worker.measure_costs(submitted.id, settings)
    (cost,) = sweeps.get(submitted.id).costs.values()
    assert cost.onnx_bytes > 0
    assert cost.latency_ms > 0
    worker.measure_costs("deleted since", settings)


def test_how_long_a_sweep_takes_is_told_unless_the_worker_is_at_work(settings, grid):
    assert answering.forecast(grid, settings).students > 0
    with worker.AT_WORK:
        assert answering.forecast(grid, settings) is None


def test_nothing_is_foretold_of_data_that_is_not_there_yet(settings, quick):
    wanted = Recipe(**{**quick.model_dump(), "task": "cifar10"})
    axes = [{"field": "temperature", "values": [1, 4]}]
    assert not answering.forecast(Sweep(recipe=wanted, axes=axes), settings).told


def test_a_part_that_was_handed_over_anew_is_left_to_whom_it_was_handed_last(
    sweeps, store, settings, queued
):
    submitted, (first, _) = queued
    sweeps.request_stop(submitted.id)
    _, (again,) = sweeps.restart(submitted.id)
    worker.execute_part(first.run_ids, first.task, settings)
    assert sweeps.get(submitted.id).counts == {"queued": 6}
    store.fail(first.run_ids[0], "its worker is gone", first.task)
    assert sweeps.get(submitted.id).counts == {"queued": 6}
    worker.execute_part(again.run_ids, again.task, settings)
    assert sweeps.get(submitted.id).counts == {"done": 6}


def test_what_a_member_gave_before_is_gone_once_it_starts_again(sweeps, store, queued):
    submitted, (first, _) = queued
    member = store.claim(first.run_ids[0])
    store.record(member, result=result())
    store.finish(member, "failed", "no disk")
    sweeps.restart(submitted.id)
    assert sweeps.members(submitted.id)[0].summary is None


def test_data_that_cannot_be_had_fail_their_members_alone(sweeps, settings, quick, monkeypatch):
    def fetched(recipe):
        if recipe.temperature == 1:
            raise DataError("no internet")
        yield from ()

    monkeypatch.setattr("kdcore.experiment.fetched", fetched)
    sweep = Sweep(recipe=quick, axes=[{"field": "temperature", "values": [1, 4]}])
    submitted, (part,) = sweeps.submit(sweep, "mine", [range(2)])
    worker.execute_part(part.run_ids, part.task, settings)
    rows = sweeps.members(submitted.id)
    assert [(row.state, row.error) for row in rows] == [("failed", "no internet"), ("done", None)]
