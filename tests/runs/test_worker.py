"""What a worker does with a run, to its very end."""

import errno
import os
from functools import partial

import pytest

from kdcore import experiment
from kdcore.errors import StoreError
from kdcore.result import Event, Progress, Result
from kdcore.runs import preload, worker
from kdcore.runs.store import Store
from kdcore.shelf import Shelf
from tests.processes import eventually
from tests.runs.acted import acted

acting = partial(acted, "kdcore.experiment.steps")


@pytest.fixture(scope="module")
def whole_run(quick, tmp_path_factory):
    """All that the quick recipe tells, to the last word."""
    return list(experiment.steps(quick, Shelf(tmp_path_factory.mktemp("shelf"))))


@pytest.fixture
def work(store, settings, quick):
    """Submit the quick recipe, work on it here, and return the run as it then stands."""

    def do(recipe=quick):
        run = store.submit(recipe, "mine")
        worker.execute(run.id, settings)
        return store.get(run.id)

    return do


EVENT = Event("control", 0, 1, {"accuracy": 0.5}, 0.1)
PROGRESS = Progress("students", 0.5, 1.0)


def test_a_run_is_done_with_its_result_events_and_artifacts(work, store, home):
    run = work()
    assert (run.state, run.attempt, run.error) == ("done", 1, None)
    events, _ = store.events(run.id)
    assert {event.arm for event in events} == {"teacher", "control", "distilled"}
    for name in run.result.artifacts.values():
        assert (home / "artifacts" / name).exists()
    assert set(store.delete(run.id)) == set(run.result.artifacts.values())


def test_a_requested_stop_ends_it_at_the_next_progress_and_keeps_what_it_told(
    work, store, monkeypatch
):
    acting(
        monkeypatch,
        *(EVENT, PROGRESS),
        lambda: store.request_stop(store.unfinished()[0].id),
        *(EVENT, PROGRESS, EVENT, PROGRESS),
    )
    run = work()
    assert (run.state, run.error) == ("cancelled", None)
    assert len(store.events(run.id)[0]) == 2


def test_each_phase_is_told_as_soon_as_it_begins(work, store, monkeypatch):
    seen = []

    def look():
        seen.append(store.unfinished()[0].progress)

    measuring = Progress("measuring", 0.0, None)
    later = Progress("students", 0.9, 1.0)
    acting(monkeypatch, PROGRESS, look, later, look, measuring, look, flush=1e9)
    work()
    assert seen == [PROGRESS, PROGRESS, measuring]


def test_a_stop_that_comes_with_the_last_result_leaves_a_run_that_is_done(
    work, store, whole_run, monkeypatch
):
    *happenings, last = whole_run
    stop = [lambda: store.request_stop(store.unfinished()[0].id)]
    acting(monkeypatch, *happenings, *stop, last)
    run = work()
    assert run.state == "done"
    assert run.result.measured


def test_a_run_is_stopped_while_it_is_measured_and_keeps_its_verdict(
    work, store, whole_run, monkeypatch
):
    first = next(i for i, each in enumerate(whole_run) if isinstance(each, Result))
    stop = [lambda: store.request_stop(store.unfinished()[0].id)]
    acting(monkeypatch, *whole_run[: first + 2], *stop, *whole_run[first + 2 :])
    run = work()
    assert run.state == "cancelled"
    assert run.result.verdict == whole_run[first].verdict
    assert not run.result.measured


def test_a_recipe_that_cannot_be_run_fails_with_its_sentence(work, quick):
    run = work(quick.model_copy(update={"task": "digit"}))
    assert run.state == "failed"
    assert run.error.startswith("no task 'digit'; did you mean 'digits'?")


def test_an_unexpected_error_is_named(work, monkeypatch):
    acting(monkeypatch, EVENT, PROGRESS, ZeroDivisionError("by zero"))
    run = work()
    assert run.state == "failed"
    assert run.error == "an unexpected error ended the run (ZeroDivisionError: by zero)"


def test_too_little_memory_is_said_with_the_way_out(work, monkeypatch):
    acting(monkeypatch, MemoryError())
    assert "choose smaller models or batches" in work().error


def test_a_disk_that_fills_up_fails_the_run_and_keeps_what_it_had(work, store, monkeypatch):
    replace = os.replace

    def full(source, target):
        if str(target).endswith(".onnx"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    run = work()
    assert run.state == "failed"
    assert "No space left on device" in run.error
    assert run.result.verdict
    assert store.events(run.id)[0]


def test_a_run_that_was_deleted_or_cancelled_is_left_alone(store, settings, quick):
    cancelled = store.submit(quick, "mine")
    store.request_stop(cancelled.id)
    worker.execute(cancelled.id, settings)
    worker.execute("deleted", settings)
    assert store.get(cancelled.id).attempt == 0
    assert store.count() == 1


def test_a_run_shows_signs_of_life_while_it_has_nothing_to_tell(work, store, monkeypatch):
    beats = []
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.05)

    def wait():
        for _ in range(2):
            beats.append(store.unfinished()[0].heartbeat)
            assert eventually(lambda: store.unfinished()[0].heartbeat > beats[-1])

    acting(monkeypatch, wait)
    work()
    assert beats[1] > beats[0]


def test_the_last_word_is_tried_again_while_the_database_is_away(work, whole_run, monkeypatch):
    finish, failures = Store.finish, [StoreError("away")]

    def sometimes(self, *args):
        if failures:
            raise failures.pop()
        finish(self, *args)

    monkeypatch.setattr(Store, "finish", sometimes)
    acting(monkeypatch, *whole_run)
    assert work().state == "done"


def test_warming_up_leaves_nothing_behind(home):
    preload.warm_up()
    assert not home.exists()
