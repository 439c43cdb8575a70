"""Runs handed to a real cluster: they end, whatever is killed, and nothing hangs."""

import os
import threading
import time
from contextlib import suppress

import pytest

from kdcore.errors import RecipeError
from kdcore.recipe import ModelChoice
from kdcore.result import ARMS
from kdcore.runs import asking, runner
from tests.processes import eventually, kill_cluster, kill_workers
from tests.runs.clustered.watched import begun, state
from tests.runs.test_store import ended
from tests.verdicts import verdict_of


def test_a_run_gives_the_same_numbers_in_the_cluster_as_here(run_it, quick, shelf):
    run = run_it.submit(quick, "mine")
    assert eventually(lambda: state(run_it, run) == "done")
    there, here = run_it.store.get(run.id).result, verdict_of(quick, shelf)
    for arm in ARMS:
        assert there.arms[arm].accuracy == here.arms[arm].accuracy


def test_a_run_under_way_stops_when_it_is_cancelled(run_it, long):
    run = run_it.submit(long, "long")
    begun(run_it, run)
    run_it.cancel(run.id)
    assert eventually(lambda: state(run_it, run) == "cancelled")  # else it would be done


def test_a_queued_run_is_cancelled_at_once_and_never_begins(run_it, long, monkeypatch):
    workers = max(1, (os.cpu_count() or 2) - 1)
    busy = [run_it.submit(long, "busy") for _ in range(workers)]
    begun(run_it, busy[-1])
    waiting = run_it.submit(long, "waiting")
    assert run_it.cancel(waiting.id).state == "cancelled"
    for run in busy:
        run_it.cancel(run.id)
    assert eventually(lambda: all(state(run_it, run) == "cancelled" for run in busy))
    assert run_it.store.get(waiting.id).attempt == 0


def test_a_run_outlives_the_process_that_submitted_it(run_it, quick, tmp_path, python):
    (tmp_path / "quick.json").write_text(quick.to_json())
    code = (
        "import os, time; from kdcore.recipe import Recipe; "
        "from kdcore.runs.runner import Runner; "
        "from kdcore.settings import Settings; "
        f"recipe = Recipe.load({str(tmp_path / 'quick.json')!r}); "
        "Runner(Settings.from_environment()).submit(recipe, 'orphan'); "
        "time.sleep(0.5); os._exit(9)"
    )
    process = python("-c", code)
    assert process.wait() == 9
    (run,) = run_it.store.find(text="orphan")
    assert eventually(lambda: state(run_it, run) == "done")


def test_a_run_that_the_scheduler_knows_is_not_taken_for_lost(run_it, long, monkeypatch):
    run = run_it.submit(long, "long")
    begun(run_it, run)
    monkeypatch.setattr(runner, "SILENT_SECONDS", -1.0)
    run_it.reconcile()
    assert state(run_it, run) == "running"
    run_it.cancel(run.id)
    assert eventually(lambda: state(run_it, run) == "cancelled")


@pytest.mark.slow
def test_a_killed_workers_run_is_done_again_from_its_start(run_it, quick):
    slow = quick.model_copy(update={"training": quick.training.model_copy(update={"steps": 4000})})
    run = run_it.submit(slow, "slow")
    begun(run_it, run)
    kill_workers(run_it.settings.home)
    assert eventually(lambda: run_it.store.get(run.id).ended, within=60)
    after = run_it.store.get(run.id)
    assert (after.state, after.attempt) == ("done", 2)


@pytest.mark.slow
def test_a_killed_clusters_run_is_interrupted_and_starts_again(run_it, long, monkeypatch):
    monkeypatch.setattr(runner, "SILENT_SECONDS", 0.5)
    run = run_it.submit(long, "long")
    begun(run_it, run)
    kill_cluster(run_it.settings.home)
    time.sleep(1)
    run_it.reconcile()
    assert state(run_it, run) == "interrupted"
    run_it.restart(run.id)
    begun(run_it, run, attempt=2)
    run_it.cancel(run.id)
    assert eventually(lambda: state(run_it, run) == "cancelled")


def test_what_no_cluster_was_ever_given_is_interrupted(run_it, quick, monkeypatch):
    monkeypatch.setattr(runner, "SILENT_SECONDS", -1.0)
    lost = run_it.store.submit(quick, "lost")
    run_it.reconcile()
    assert state(run_it, lost) == "interrupted"


def test_a_file_is_kept_that_a_run_under_way_may_need_as_well(run_it, quick):
    logits = run_it.shelf.put(b"of one run", "npz")
    run = ended(run_it.store, logits=logits)
    waiting = run_it.store.submit(quick, "waiting", "another-machine tcp://127.0.0.1:8786")
    run_it.delete(run.id)
    assert (run_it.shelf.folder / logits).exists()
    run_it.cancel(waiting.id)


def test_deleting_a_run_deletes_the_files_that_only_it_needed(run_it, quick):
    run = run_it.submit(quick.model_copy(update={"seeds": (7, 8, 9)}), "mine")
    assert eventually(lambda: state(run_it, run) == "done")
    logits = run_it.store.get(run.id).result.artifacts["logits"]
    assert (run_it.shelf.folder / logits).exists()
    run_it.delete(run.id)
    assert not (run_it.shelf.folder / logits).exists()


def test_the_catalogue_is_read_once_for_each_state_of_the_code(run_it, monkeypatch):
    known, reads = run_it.catalogue(), []
    monkeypatch.setattr(runner, "said_by", lambda *a, **k: reads.append(1) or known.to_json())
    assert run_it.catalogue() == known
    assert reads == []
    monkeypatch.setattr(runner, "code_id", lambda: "other")
    assert [run_it.catalogue() for _ in range(2)] == [known, known]
    assert reads == [1]


def test_sizes_are_known_before_anything_is_trained(run_it, quick):
    def sizes():
        return run_it.sizes(quick.student, (1, 8, 8), 10)

    assert eventually(lambda: sizes() == (65 * 4 + 5 * 10, 64 * 4 + 4 * 10))


def test_options_that_a_network_does_not_take_have_no_size(run_it):
    def refused():
        with suppress(RecipeError):
            return run_it.sizes(ModelChoice(options={"width": 3}), (1, 8, 8), 10) and False
        return True

    assert eventually(refused)


def test_a_worker_that_is_at_work_is_not_asked_for_sizes(run_it, quick, long):
    run = run_it.submit(long, "long")
    begun(run_it, run)
    assert run_it.sizes(quick.student, (1, 8, 8), 10) is None
    run_it.cancel(run.id)
    assert eventually(lambda: state(run_it, run) == "cancelled")


def test_a_page_waits_but_a_moment_for_sizes(run_it, quick, monkeypatch):
    assert eventually(lambda: run_it.sizes(quick.student, (1, 8, 8), 10))
    monkeypatch.setattr(asking, "SIZES_SECONDS", 0.2)
    busy = threading.Event()
    monkeypatch.setattr(run_it._client, "run", lambda *_, **__: busy.wait(60))
    assert run_it.sizes(quick.student, (1, 8, 8), 10) is None  # what comes later is no sizes
    busy.set()


def test_who_asks_for_lost_runs_waits_for_a_look_that_has_begun_and_looks_again(run_it, quick):
    lost = run_it.store.submit(quick, "lost while another looked")
    with run_it._reconciling, pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "SILENT_SECONDS", -1.0)
        asked = threading.Thread(target=run_it.reconcile)
        asked.start()
        asked.join(0.2)
        assert asked.is_alive()
        run_it._reconciling.release()
        asked.join(30)
        run_it._reconciling.acquire()
    assert state(run_it, lost) == "interrupted"


def test_no_look_for_lost_runs_begins_in_the_background_while_one_goes_on(run_it, monkeypatch):
    looks = []
    monkeypatch.setattr(run_it, "_reconcile_quietly", lambda: looks.append(1))
    run_it._reconciled = 0.0
    with run_it._reconciling:
        run_it.reconcile_soon()
    assert looks == []
    assert eventually(lambda: run_it.reconcile_soon() or looks == [1])
