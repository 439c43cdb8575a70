"""Somebody else's cluster: used, asked for its runs, and said where it does not answer."""

from functools import partial

import pytest
from distributed.scheduler import KilledWorker

from kdcore.errors import RunError
from kdcore.recipe import Recipe
from kdcore.runs import line, runner
from kdcore.runs.cluster import answers
from kdcore.runs.runner import Runner
from kdcore.settings import Settings
from kdcore.sweep import Sweep
from tests.processes import ROOT, eventually
from tests.runs.clustered.watched import address, state


def test_what_another_machine_works_on_is_not_for_us_to_judge(run_it, quick, monkeypatch):
    monkeypatch.setattr(runner, "SILENT_SECONDS", -1.0)
    elsewhere = [
        run_it.store.submit(quick, "theirs", cluster)
        for cluster in ("another-machine tcp://127.0.0.1:8786", "tcp://their-cluster:8786")
    ]
    run_it.reconcile()
    assert [state(run_it, run) for run in elsewhere] == ["queued", "queued"]
    for run in elsewhere:
        run_it.cancel(run.id)


def test_a_cluster_of_older_code_is_asked_for_its_runs(run_it, scheduler, quick, monkeypatch):
    from distributed import Client

    monkeypatch.setattr(runner, "SILENT_SECONDS", -1.0)
    file, _ = scheduler
    here = f"{line.HERE}{address(file)}"
    known, lost = (run_it.store.submit(quick, name, here) for name in ("known", "lost"))
    with Client(address(file), set_as_default=False) as client:
        future = client.submit(int, key=f"{known.id}-1")  # without a worker, it waits
        assert eventually(lambda: line.keys_of(client))
        run_it.reconcile()
        del future
    assert (state(run_it, known), state(run_it, lost)) == ("queued", "interrupted")
    run_it.cancel(known.id)


@pytest.mark.slow
def test_any_dask_cluster_will_do(scheduler, home, monkeypatch, quick):
    file, worker = scheduler
    worker(PYTHONPATH=str(ROOT))
    monkeypatch.setenv("KDCORE_SCHEDULER", address(file))
    away = Runner(Settings.from_environment())
    run = away.submit(quick, "away")
    assert eventually(lambda: state(away, run) == "done")
    away.close()


@pytest.mark.slow
def test_a_worker_that_cannot_run_our_code_fails_the_run_in_a_sentence(
    scheduler, home, monkeypatch, quick, tmp_path
):
    file, worker = scheduler
    worker(PYTHONPATH="", cwd=tmp_path)
    monkeypatch.setenv("KDCORE_SCHEDULER", address(file))
    away = Runner(Settings.from_environment())
    run = away.submit(quick, "away")
    assert eventually(lambda: away.store.get(run.id).ended, within=15)
    after = away.store.get(run.id)
    assert after.state == "failed"
    assert "No module named 'kdcore'" in after.error
    away.close()


def test_a_worker_that_is_killed_again_and_again_is_said_with_the_way_out(run_it, quick):
    class Future:
        status = "error"

        def exception(self):
            return KilledWorker("key", "worker", 4)

    run = run_it.store.submit(quick, "large", "another-machine tcp://127.0.0.1:8786")
    run_it._returned("key", partial(run_it.store.fail, run.id), Future())
    after = run_it.store.get(run.id)
    assert after.state == "failed"
    assert "lack of memory; choose smaller models" in after.error


@pytest.mark.slow
def test_workers_on_another_cluster_share_a_sweep_and_train_its_teacher_once(
    scheduler, home, monkeypatch, quick
):
    file, worker = scheduler
    worker(PYTHONPATH=str(ROOT))
    worker(PYTHONPATH=str(ROOT))
    monkeypatch.setenv("KDCORE_SCHEDULER", address(file))
    away = Runner(Settings.from_environment())
    client = away._connected()
    assert eventually(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2)
    recipe = Recipe(**{**quick.model_dump(), "teacher_seed": 77})
    axes = [{"field": "temperature", "values": [1, 2, 3, 4, 5, 6]}]
    submitted = away.submit_sweep(Sweep(recipe=recipe, axes=axes), "away")
    assert eventually(lambda: away.sweeps.get(submitted.id).counts == {"done": 6})
    made = [
        away.store.get(row.run_id).result.teacher_reused
        for row in away.sweeps.members(submitted.id)
    ]
    assert sorted([made[:3], made[3:]]) == [[False] * 3, [True] * 3]
    away.close()


def test_a_scheduler_that_does_not_answer_is_a_sentence(home, monkeypatch, quick):
    monkeypatch.setattr(line, "CONNECT_SECONDS", 1.0)
    monkeypatch.setenv("KDCORE_SCHEDULER", "tcp://127.0.0.1:9")
    lost = Runner(Settings.from_environment())
    before = lost.store.count()
    with pytest.raises(RunError, match="check KDCORE_SCHEDULER"):
        lost.submit(quick, "lost")
    assert lost.store.count() == before
    assert answers("tcp://127.0.0.1:9") is False
    lost.close()
