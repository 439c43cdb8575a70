"""Runs handed to a real cluster: they end, whatever is killed, and nothing hangs."""

import json
import os
import signal
import threading
import time
from contextlib import suppress
from functools import partial

import psutil
import pytest
from distributed.scheduler import KilledWorker

from kdcore.errors import RecipeError, RunError
from kdcore.recipe import ModelChoice, Recipe
from kdcore.result import ARMS
from kdcore.runs import asking, line, runner, worker
from kdcore.runs.cluster import answers
from kdcore.runs.runner import Runner
from kdcore.search import Search, ranked, recipe_for_test
from kdcore.settings import Settings
from kdcore.sweep import Sweep
from tests.processes import ROOT, cluster_pid, eventually, kill_cluster
from tests.runs.test_store import ended
from tests.test_experiment import verdict_of


@pytest.fixture(scope="module")
def lasting_home(tmp_path_factory):
    """One home for this file, so that its cluster starts once."""
    folder = tmp_path_factory.mktemp("cluster") / "home"
    yield folder
    kill_cluster(folder)


@pytest.fixture
def home(lasting_home, monkeypatch):
    monkeypatch.setenv("KDCORE_HOME", str(lasting_home))
    return lasting_home


@pytest.fixture
def run_it(home):
    made = Runner(Settings.from_environment())
    yield made
    made.close()


@pytest.fixture
def long(quick) -> Recipe:
    """Half a minute of work, unless it is stopped."""
    return quick.model_copy(
        update={"training": quick.training.model_copy(update={"steps": 100_000})}
    )


def state(run_it, run) -> str:
    return run_it.store.get(run.id).state


def begun(run_it, run, attempt=1):
    """Wait until the run has told of its first steps."""

    def told():
        now = run_it.store.get(run.id)
        return now.attempt == attempt and now.progress and now.progress.phase == "students"

    assert eventually(told)


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
    assert eventually(lambda: state(run_it, run) == "cancelled", within=5)


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
    for process in psutil.Process(cluster_pid(run_it.settings.home)).children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
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


def test_what_no_cluster_was_ever_given_is_interrupted(run_it, quick, monkeypatch):
    monkeypatch.setattr(runner, "SILENT_SECONDS", -1.0)
    lost = run_it.store.submit(quick, "lost")
    run_it.reconcile()
    assert state(run_it, lost) == "interrupted"


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


# somebody else's cluster


@pytest.fixture
def scheduler(tmp_path, python):
    """A plain Dask scheduler's file, and what starts a worker for it."""
    file = tmp_path / "scheduler.json"
    quiet = ("--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    python("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", *quiet)
    assert eventually(file.exists)

    def worker(**where):
        plain = ("--scheduler-file", str(file), "--no-dashboard", "--nworkers", "1")
        return python("-m", "distributed.cli.dask_worker", *plain, "--nthreads", "1", **where)

    return file, worker


def address(file) -> str:
    return json.loads(file.read_text())["address"]


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


def test_a_page_waits_but_a_moment_for_sizes(run_it, quick, monkeypatch):
    assert eventually(lambda: run_it.sizes(quick.student, (1, 8, 8), 10))
    monkeypatch.setattr(asking, "SIZES_SECONDS", 0.2)
    monkeypatch.setattr(run_it._client, "run", lambda *_, **__: time.sleep(1.5))
    began = time.monotonic()
    assert run_it.sizes(quick.student, (1, 8, 8), 10) is None
    assert time.monotonic() - began < 1.0


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


# sweeps


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
    for process in psutil.Process(cluster_pid(run_it.settings.home)).children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
    assert eventually(lambda: run_it.sweeps.get(submitted.id).counts == {"done": 5})
    after = {row.run_id: row for row in run_it.sweeps.members(submitted.id)}
    assert {run_id: after[run_id] for run_id in before} == before


def test_how_long_a_sweep_takes_is_known_soon_and_what_its_students_cost_after_it(run_it, grid):
    assert eventually(lambda: run_it.forecast(grid) is not None)
    assert run_it.forecast(grid).students > 0
    submitted = run_it.submit_sweep(grid, "mine")
    assert eventually(lambda: run_it.sweeps.get(submitted.id).costs)


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


# searches


@pytest.fixture
def hunt(quick) -> Search:
    """Some seconds of work."""
    quick = quick.model_copy(update={"seeds": (0, 1)})
    return Search(recipe=quick, space=[{"field": "temperature", "low": 1, "high": 9}], trials=25)


def search_state(run_it, search) -> str:
    return run_it.searches.get(search.id).state


def test_a_search_in_the_cluster_lets_a_run_in_that_came_later(run_it, quick, hunt):
    endless = hunt.model_copy(update={"trials": None, "minutes": 30.0})
    searching = [
        run_it.submit_search(endless, "mine") for _ in range(max(1, (os.cpu_count() or 2) - 1))
    ]
    assert eventually(lambda: all(run_it.searches.tried(each.id) for each in searching))
    run = run_it.submit(quick, "later")
    assert eventually(lambda: state(run_it, run) == "done")
    assert {search_state(run_it, each) for each in searching} <= {"queued", "running"}
    for each in searching:
        run_it.searches.request_stop(each.id)
    assert eventually(
        lambda: {search_state(run_it, each) for each in searching} == {"cancelled"}, within=20
    )


@pytest.mark.slow
def test_a_killed_workers_search_goes_on_and_loses_no_trial(run_it, hunt):
    searching = run_it.submit_search(hunt, "mine")
    assert eventually(lambda: len(run_it.searches.tried(searching.id)) >= 3)
    before = run_it.searches.tried(searching.id)[:3]
    for process in psutil.Process(cluster_pid(run_it.settings.home)).children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
    assert eventually(lambda: search_state(run_it, searching) == "done")
    tried = run_it.searches.tried(searching.id)
    assert len(tried) == 25
    assert [each.setting for each in tried[:3]] == [each.setting for each in before]


@pytest.mark.slow
def test_a_killed_clusters_search_is_interrupted_and_goes_on(run_it, hunt, monkeypatch):
    monkeypatch.setattr(runner, "SILENT_SECONDS", 0.5)
    searching = run_it.submit_search(hunt, "mine")
    assert eventually(lambda: len(run_it.searches.tried(searching.id)) >= 3)
    kill_cluster(run_it.settings.home)
    time.sleep(1)
    run_it.reconcile()
    assert search_state(run_it, searching) == "interrupted"
    again = Runner(Settings.from_environment())  # as after a restart of the app
    again.resume_search(searching.id)
    assert eventually(lambda: search_state(again, searching) == "done")
    assert len(again.searches.tried(searching.id)) == 25
    again.close()


# the test figure of a search


@pytest.fixture
def tried_out(run_it, hunt, monkeypatch):
    """A search that is done, worked on here; and runs that are only queued."""
    monkeypatch.setattr(run_it, "_connected", lambda: None)
    monkeypatch.setattr(run_it, "_cluster", lambda client: "elsewhere tcp://127.0.0.1:1")
    monkeypatch.setattr(run_it, "_hand_over", lambda client, run: run)
    short = hunt.model_copy(update={"trials": 3})
    search = run_it.searches.submit(short, "mine", "elsewhere tcp://127.0.0.1:1")
    while worker.execute_search(search.id, run_it.searches.get(search.id).handed, run_it.settings):
        pass
    yield search
    for run in run_it.store.unfinished():
        run_it.cancel(run.id)


def test_the_test_figure_is_taken_by_an_ordinary_run_with_its_control(run_it, tried_out):
    best = ranked(run_it.searches.tried(tried_out.id))[0]
    run = run_it.take_test(tried_out.id, best.number)
    assert run.recipe.temperature == best.setting["temperature"]
    assert len(run.recipe.seeds) == 5
    search = run_it.searches.get(tried_out.id)
    assert (search.tested, run_it.searches.test_of(search).id) == (best.number, run.id)


def test_a_run_of_the_same_recipe_is_taken_as_it_is(run_it, tried_out):
    best = ranked(run_it.searches.tried(tried_out.id))[0]
    there = run_it.store.submit(recipe_for_test(tried_out.search, best), "there already")
    assert run_it.take_test(tried_out.id, best.number).id == there.id


def test_the_test_figure_of_a_second_setting_is_refused(run_it, tried_out):
    best, second = ranked(run_it.searches.tried(tried_out.id))[:2]
    run = run_it.take_test(tried_out.id, best.number)
    with pytest.raises(RunError, match="the test split itself would choose"):
        run_it.take_test(tried_out.id, second.number)
    assert run_it.take_test(tried_out.id, best.number).id == run.id


def test_a_trial_that_there_is_not_has_no_test_figure(run_it, tried_out):
    with pytest.raises(RunError, match="has no trial 99"):
        run_it.take_test(tried_out.id, 99)
