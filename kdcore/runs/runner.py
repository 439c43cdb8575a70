"""The runner: hands runs to the cluster, and notices the ones that nobody works on any more."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from kdcore.catalogue import Catalogue
from kdcore.code import code_id
from kdcore.errors import KdError, RunError
from kdcore.forecast import UNTOLD, Forecast
from kdcore.pipeline import Pipeline
from kdcore.recipe import ModelChoice, Recipe
from kdcore.runs.cluster import address, answers
from kdcore.runs.pipelines import PipelineRun, Pipelines
from kdcore.runs.searches import TESTED_ANOTHER, Searches, SearchRun
from kdcore.runs.store import Run, Silent, Store
from kdcore.runs.sweeps import Part, SweepRun, Sweeps
from kdcore.samples import Samples
from kdcore.search import Search, recipe_for_test
from kdcore.settings import Settings
from kdcore.shelf import Shelf
from kdcore.sweep import Sweep
from kdcore.trial import Trial
from kdcore.waterfall import Foreseen

log = logging.getLogger(__name__)

START_SECONDS = 30.0
CONNECT_SECONDS = 10.0
RECONCILE_SECONDS = 2.0
SIZES_SECONDS = 0.5
"""So long a page waits at most for what it can do without."""

SILENT_SECONDS = 10.0
"""A run that gave no sign of life for so long is looked for on the scheduler."""

SWEEP_SECONDS = 24 * 3600.0
"""Files of that age which no run needs are deleted."""

FORECASTS = 256
"""That are remembered."""

SIDE_BY_SIDE = 32
"""Members of a sweep in one part, at most."""

_HERE = f"{platform.node()} "

ROOT = Path(__file__).parents[2]
LOG = "cluster.log"


class Runner:
    """One per app: its store, its shelf, and its line to the cluster.

    Made in milliseconds; the cluster is started and connected to in the background.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        self.sweeps = Sweeps(self.store)
        self.searches = Searches(self.store, settings)
        self.pipelines = Pipelines(self.store)
        self.shelf = Shelf(settings.ready_home() / "artifacts")
        self._client: Any = None
        self._futures: dict[str, Any] = {}
        self._reading = threading.Lock()
        self._connecting = threading.Lock()
        self._reconciling = threading.Lock()
        self._reconciled = 0.0
        self._forecasts: dict[str, Forecast] = {}
        self._foreseeing = threading.Lock()
        self._aside = ThreadPoolExecutor(2, "sizes")
        threading.Thread(target=self._connect_early, daemon=True).start()

    def submit(self, recipe: Recipe, name: str) -> Run:
        """Queue a recipe and hand it to the cluster."""
        client = self._connected()
        return self._hand_over(client, self.store.submit(recipe, name, self._cluster(client)))

    def restart(self, run_id: str) -> Run:
        """Start a run again that was cancelled, failed or interrupted."""
        client = self._connected()
        return self._hand_over(client, self.store.restart(run_id, self._cluster(client)))

    def submit_sweep(self, sweep: Sweep, name: str) -> SweepRun:
        """Queue all members of a sweep, and hand them to the cluster in parts."""
        client = self._connected()
        cuts = parts(len(sweep), _workers(client))
        submitted, handed = self.sweeps.submit(sweep, name, cuts, self._cluster(client))
        self._hand_over_parts(client, submitted.id, handed)
        return submitted

    def restart_sweep(self, sweep_id: str) -> SweepRun:
        """Go on with the members that were cancelled, failed or interrupted."""
        client = self._connected()
        again, handed = self.sweeps.restart(sweep_id, self._cluster(client), size=SIDE_BY_SIDE)
        self._hand_over_parts(client, sweep_id, handed)
        return again

    def submit_search(self, search: Search, name: str) -> SearchRun:
        """Queue a search, and hand it to the cluster."""
        client = self._connected()
        submitted = self.searches.submit(search, name, self._cluster(client))
        return self._hand_over_search(client, submitted)

    def resume_search(self, search_id: str, *, trials: int = 0, minutes: float = 0.0) -> SearchRun:
        """Go on with a search that has ended, where it left off; with more of a budget, if any."""
        client = self._connected()
        cluster = self._cluster(client)
        resumed = self.searches.resume(search_id, cluster, trials=trials, minutes=minutes)
        return self._hand_over_search(client, resumed)

    def take_test(self, search_id: str, trial: int) -> Run:
        """Take the test figure of a trial's setting: an ordinary run of it, with its control.

        A run of the same recipe that is done or on its way is taken as it is. Raises RunError
        where the figure of another setting was taken: the test split would choose between them.
        """
        search = self.searches.get(search_id)
        taken = self.searches.test_of(search)
        if search.tested not in (None, trial):
            raise RunError(TESTED_ANOTHER)
        tried = {each.number: each for each in self.searches.tried(search_id)}
        if trial not in tried:
            raise RunError(f"the search {search.name!r} has no trial {trial} that was tried")
        recipe = recipe_for_test(search.search, tried[trial])
        run = taken or self.searches.run_of(recipe)
        if run is None or run.state not in ("queued", "running", "done"):
            run = self.submit(recipe, f"{search.name}: trial {trial}"[:200])
        self.searches.took_test(search_id, trial, run.id)
        return run

    def submit_pipeline(self, pipeline: Pipeline, name: str) -> PipelineRun:
        """Queue a pipeline, and hand it to the cluster."""
        client = self._connected()
        submitted = self.pipelines.submit(pipeline, name, self._cluster(client))
        return self._hand_over_pipeline(client, submitted)

    def restart_pipeline(self, pipeline_id: str) -> PipelineRun:
        """Start a pipeline again that was stopped, failed or interrupted."""
        client = self._connected()
        again = self.pipelines.restart(pipeline_id, self._cluster(client))
        return self._hand_over_pipeline(client, again)

    def delete_pipeline(self, pipeline_id: str) -> None:
        """Delete an ended pipeline with the files that only it needed."""
        self._remove(self.pipelines.delete(pipeline_id))

    def cancel(self, run_id: str) -> Run:
        """Ask a run to stop: at once if it is queued, else at its next progress event."""
        return self.store.request_stop(run_id)

    def delete(self, run_id: str) -> None:
        """Delete an ended run with the artifacts that only it needed."""
        self._remove(self.store.delete(run_id))

    def _remove(self, orphans: Sequence[str]) -> None:
        """Delete files that nothing needs, unless something may be about to say that it does."""
        if not self.store.unfinished() and not self.pipelines.unfinished():
            for name in orphans:
                self.shelf.remove(name)

    def catalogue(self) -> Catalogue:
        """What there is to choose from; read off the definitions once after they changed."""
        key = code_id()
        with self._reading:
            text = self.store.catalogue(key)
            if text is None:
                text = _python(self.settings, "catalogue", timeout=120)
                self.store.keep_catalogue(key, text)
        return Catalogue.from_json(text)

    def sizes(
        self, choice: ModelChoice, input_shape: tuple[int, ...], classes: int
    ) -> tuple[int, int] | None:
        """Parameters and multiply-accumulates before anything is trained; None while the engine
        is not there yet, or busy. Raises RecipeError on options the architecture does not take.
        """
        client = self._client
        if client is None or client.status != "running":
            return None

        def measure(text: str) -> tuple[int, int] | None:
            from kdcore.recipe import ModelChoice
            from kdcore.runs.worker import sizes

            return sizes(ModelChoice.model_validate_json(text), input_shape, classes)

        workers = list(client.scheduler_info(n_workers=1)["workers"])
        if not workers:
            return None
        asked = self._aside.submit(client.run, measure, choice.model_dump_json(), workers=workers)
        try:
            answers = asked.result(SIZES_SECONDS)
        except KdError:
            raise
        except Exception as error:  # a nicety: whatever is wrong with it, the page goes on
            log.warning("no sizes from the engine: %s", error)
            return None
        found: tuple[int, int] | None = next(iter(answers.values()))
        return found

    def samples(self, task: str) -> Samples | None:
        """A task's samples to look at, downloaded first where need be; None while the engine is
        not there yet, or busy. Raises DataError where the data cannot be had.
        """

        async def look(environment: dict[str, str]) -> Any:
            # beside the worker's own thread: a download takes minutes, and must stop no run
            from asyncio import to_thread

            from kdcore.runs.worker import samples
            from kdcore.settings import Settings

            return await to_thread(samples, task, Settings.from_environment(environment))

        found: Samples | None = self._asked_aside(look)
        return found

    def trial(self, own_teacher: str, task: str) -> Trial | None:
        """An own teacher tried on a task whose files are there; None while the engine is not
        there yet, or busy. Raises KdError, a sentence, where it does not fit or fails.
        """

        async def look(environment: dict[str, str]) -> Any:
            from asyncio import to_thread

            from kdcore.runs.worker import trial
            from kdcore.settings import Settings

            settings = Settings.from_environment(environment)
            return await to_thread(trial, own_teacher, task, settings)

        found: Trial | None = self._asked_aside(look)
        return found

    def foresee(self, pipeline: Pipeline) -> tuple[Foreseen, ...] | None:
        """What shapes tell of a pipeline without axes, empty where its data are not there yet; None
        while the engine is not there yet, or busy. Raises RecipeError where a stage cannot be done.
        """

        async def look(environment: dict[str, str]) -> Any:
            from asyncio import to_thread

            from kdcore.runs.worker import foresee
            from kdcore.settings import Settings

            return await to_thread(foresee, pipeline, Settings.from_environment(environment))

        found: tuple[Foreseen, ...] | None = self._asked_aside(look)
        return found

    def forecast(self, work: Sweep | Pipeline) -> Forecast | None:
        """How long a sweep will take, or what a pipeline trains; None while nobody has had the
        time to try: ask again soon, this never waits.
        """
        key = work.training_id if isinstance(work, Pipeline) else work.id
        found = self._forecasts.get(key)
        if found is None and self._client is not None and self._foreseeing.acquire(blocking=False):
            threading.Thread(target=self._foresee, args=(work, key), daemon=True).start()
        return found

    def _foresee(self, work: Sweep | Pipeline, key: str) -> None:
        async def look(environment: dict[str, str]) -> Any:
            from asyncio import to_thread

            from kdcore.runs.worker import forecast
            from kdcore.settings import Settings

            return await to_thread(forecast, work, Settings.from_environment(environment))

        try:
            found = self._asked_aside(look)
        except KdError as error:  # it is said again where the sweep is run
            log.info("no forecast: %s", error)
            found = UNTOLD
        try:
            if found is not None:
                while len(self._forecasts) >= FORECASTS:
                    self._forecasts.pop(next(iter(self._forecasts)))
                self._forecasts[key] = found
        finally:
            self._foreseeing.release()

    @property
    def workers(self) -> int:
        """How many tasks are worked on at a time; 1 while the engine is not there yet."""
        client = self._client
        return _workers(client) if client is not None and client.status == "running" else 1

    def _asked_aside(self, look: Callable[[dict[str, str]], Any]) -> Any:
        """What the first worker answers that is not at work; None where there is none."""
        client = self._client
        if client is None or client.status != "running":
            return None
        environment = self.settings.environment()
        for worker in client.scheduler_info(n_workers=-1)["workers"]:
            try:
                (found,) = client.run(look, environment, workers=[worker]).values()
            except KdError:
                raise
            except Exception as error:  # a worker that is gone; the page asks again
                log.warning("no answer from %s: %s", worker, error)
                continue
            if found is not None:
                return found
        return None

    def reconcile_soon(self) -> None:
        """Look, in the background and not too often, for runs that nobody works on."""
        if time.monotonic() - self._reconciled < RECONCILE_SECONDS:
            return
        self._reconciled = time.monotonic()
        threading.Thread(target=self._reconcile_quietly, daemon=True).start()

    def reconcile(self) -> None:
        """Mark unfinished runs as interrupted that are silent and unknown to their scheduler."""
        if not self._reconciling.acquire(blocking=False):
            return  # another thread is at it
        try:
            since = time.time() - SILENT_SECONDS
            silent: list[tuple[Callable[..., bool], Silent]] = []
            for kept in (self.store, self.searches, self.pipelines):
                silent += [(kept.interrupt, each) for each in kept.silent(since)]
            known = {cluster: self._keys(cluster) for cluster in {r.cluster for _, r in silent}}
            for interrupt, run in silent:
                keys = known[run.cluster]
                if keys is not None and not any(key.startswith(f"{run.task}-") for key in keys):
                    interrupt(run.run_id, silent_since=since)
        finally:
            self._reconciling.release()

    def close(self) -> None:
        """Let go of the cluster; it and its runs go on."""
        with self._connecting:
            self._drop_client()

    def _hand_over(self, client: Any, run: Run) -> Run:
        from distributed import fire_and_forget

        def work(run_id: str, environment: dict[str, str]) -> None:
            # nested, so that it travels by value: a cluster without kdcore fails in its worker,
            # and we hear of it, rather than in the line between worker and scheduler
            from kdcore.runs.worker import execute
            from kdcore.settings import Settings

            execute(run_id, Settings.from_environment(environment))

        key = f"{run.id}-{run.attempt}"
        environment = self.settings.environment()
        future = client.submit(work, run.id, environment, key=key, pure=False)
        fire_and_forget(future)  # goes on without us: a run belongs to no session
        self._futures[key] = future  # held, so that we hear of a task that never got to its run
        future.add_done_callback(lambda done: self._returned(key, run.id, done))
        return run

    def _hand_over_parts(self, client: Any, sweep_id: str, handed: Sequence[Part]) -> None:
        from distributed import fire_and_forget

        def measure(_: list[None], environment: dict[str, str]) -> None:
            from kdcore.runs.worker import measure_costs
            from kdcore.settings import Settings

            measure_costs(sweep_id, Settings.from_environment(environment))

        def work(run_ids: tuple[str, ...], task: str, environment: dict[str, str]) -> None:
            from kdcore.runs.worker import execute_part
            from kdcore.settings import Settings

            execute_part(run_ids, task, Settings.from_environment(environment))

        environment = self.settings.environment()
        futures = []
        for part in handed:
            key = f"{part.task}-0"
            future = client.submit(work, part.run_ids, part.task, environment, key=key, pure=False)
            fire_and_forget(future)
            self._futures[key] = future
            future.add_done_callback(partial(self._part_returned, key, part))
            futures.append(future)
        # once all are there: a latency that is taken while others train is none
        fire_and_forget(client.submit(measure, futures, environment, pure=False))

    def _hand_over_search(self, client: Any, search: SearchRun) -> SearchRun:
        from distributed import fire_and_forget

        def work(search_id: str, handed: int, environment: dict[str, str]) -> None:
            from secrets import token_hex

            from distributed import fire_and_forget, get_client

            from kdcore.runs.worker import execute_search
            from kdcore.settings import Settings

            following = execute_search(search_id, handed, Settings.from_environment(environment))
            if following is not None:
                # handed on rather than held: what waits with the usual priority goes first
                key = f"{search_id}-{token_hex(4)}"
                once = {"key": key, "pure": False, "priority": -1}
                client = get_client()
                fire_and_forget(client.submit(work, search_id, following, environment, **once))

        key = f"{search.id}-{search.attempt}.{secrets.token_hex(2)}"
        environment = self.settings.environment()
        told = (search.id, search.handed, environment)
        future = client.submit(work, *told, key=key, pure=False, priority=-1)
        fire_and_forget(future)
        self._futures[key] = future
        future.add_done_callback(lambda done: self._search_returned(key, search, done))
        return search

    def _hand_over_pipeline(self, client: Any, run: PipelineRun) -> PipelineRun:
        from distributed import fire_and_forget

        def work(pipeline_id: str, environment: dict[str, str]) -> None:
            from kdcore.runs.worker import execute_pipeline
            from kdcore.settings import Settings

            execute_pipeline(pipeline_id, Settings.from_environment(environment))

        key = f"{run.id}-{run.attempt}.{secrets.token_hex(2)}"
        future = client.submit(work, run.id, self.settings.environment(), key=key, pure=False)
        fire_and_forget(future)
        self._futures[key] = future
        future.add_done_callback(lambda done: self._pipeline_returned(key, run, done))
        return run

    def _pipeline_returned(self, key: str, run: PipelineRun, future: Any) -> None:
        self._futures.pop(key, None)
        if future.status == "error":
            try:
                self.pipelines.fail(run.id, _why(_innermost(future.exception())))
            except KdError as sentence:
                log.warning("pipeline %s failed unheard: %s", run.id, sentence)

    def _search_returned(self, key: str, search: SearchRun, future: Any) -> None:
        self._futures.pop(key, None)
        if future.status == "error":
            try:
                why = _why(_innermost(future.exception()))
                self.searches.fail(search.id, why, search.handed)
            except KdError as sentence:
                log.warning("search %s failed unheard: %s", search.id, sentence)

    def _part_returned(self, key: str, part: Part, future: Any) -> None:
        for run_id in part.run_ids:
            self._returned(key, run_id, future, part.task)

    def _returned(self, key: str, run_id: str, future: Any, task: str | None = None) -> None:
        """`execute` writes every end itself; only where it could not is there an error here."""
        self._futures.pop(key, None)
        if future.status != "error":
            return
        error = _innermost(future.exception())
        try:
            self.store.fail(run_id, _why(error), task)
        except KdError as sentence:
            log.warning("run %s failed unheard: %s", run_id, sentence)

    def _connected(self) -> Any:
        with self._connecting:
            if self._client is not None and self._client.status == "running":
                return self._client
            self._drop_client()
            self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        from distributed import Client

        external = self.settings.scheduler
        scheduler = external or self._local_cluster()
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            advice = "check KDCORE_SCHEDULER, or unset it to use this machine"
            raise RunError(
                f"no Dask scheduler answers at {scheduler} ({error}); "
                f"{advice if external else 'try again in a moment'}"
            ) from None
        if external:
            _warm_all(client)
        return client

    def _local_cluster(self) -> str:
        home = self.settings.home
        found = address(home)
        if found is not None:
            return found
        process = _spawn(self.settings, "cluster")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = address(home)
            if found is not None:
                return found
            if process.poll() not in (None, 0):
                break
            time.sleep(0.1)
        raise RunError(
            f"the engine did not start within {START_SECONDS:.0f} s; its log is {home / LOG}"
        )

    def _cluster(self, client: Any) -> str:
        """How a run remembers the cluster it was handed to: one of ours, by machine and address."""
        return self.settings.scheduler or f"{_HERE}{client.scheduler.address}"

    def _keys(self, cluster: str | None) -> set[str] | None:
        """Keys of all tasks that a cluster's scheduler has, none where there is no scheduler; None
        where it is not for us to say: another machine's, or one we have not been told to use.
        """
        if cluster is None:
            return set()
        if cluster != self.settings.scheduler and not cluster.startswith(_HERE):
            return None
        scheduler = cluster.removeprefix(_HERE)
        if not answers(scheduler):
            return set()
        if scheduler == self._cluster(self._connected()).removeprefix(_HERE):
            return _keys_of(self._connected())
        from distributed import Client

        # one of an older state of the code, that finishes what it has
        with Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False) as older:
            return _keys_of(older)

    def _reconcile_quietly(self) -> None:
        try:
            self.reconcile()
        except (KdError, OSError, TimeoutError) as error:
            log.warning("could not look after unfinished runs: %s", error)

    def _connect_early(self) -> None:
        try:
            self.catalogue()  # first: a page waits for it, and for nothing else of ours
            self._connected()
            self.reconcile()
            self.shelf.sweep(self.store.artifacts(), older_than=SWEEP_SECONDS)
        except (KdError, OSError, TimeoutError) as error:
            log.warning("the engine is not there yet: %s", error)

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close(timeout=1)
            self._client = None


def parts(count: int, workers: int) -> list[range]:
    """The places of a sweep's members that are worked on together, in their order.

    So few at a time that no worker stays idle, and that the first results come soon.
    """
    size = max(1, min(SIDE_BY_SIDE, ceil(count / workers)))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _workers(client: Any) -> int:
    return max(1, len(client.scheduler_info(n_workers=-1)["workers"]))


def _keys_of(client: Any) -> set[str]:
    def tasks(dask_scheduler: Any = None) -> list[str]:
        # nested, so that it travels by value: the scheduler need not have kdcore
        alive = ("waiting", "no-worker", "queued", "processing")
        return [str(k) for k, task in dask_scheduler.tasks.items() if task.state in alive]

    return set(client.run_on_scheduler(tasks))


def _innermost(error: BaseException) -> BaseException:
    """What an error came from: Dask wraps one of unpacking a task into its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _why(error: BaseException) -> str:
    """What became of a run that the cluster gave up, in a sentence."""
    if type(error).__name__ == "KilledWorker":
        return (
            "it ended its worker several times over, most likely for lack of memory; choose "
            "smaller models, batches or pictures"
        )
    return f"the cluster could not work on it ({type(error).__name__}: {error})"


def _warm_all(client: Any) -> None:
    from distributed import fire_and_forget

    def warm_up() -> None:
        from kdcore.runs.worker import warm_up

        warm_up()

    for worker in client.scheduler_info(n_workers=-1)["workers"]:
        fire_and_forget(client.submit(warm_up, workers=[worker], pure=False))


def _python(settings: Settings, command: str, timeout: float) -> str:
    """What `python -m kdcore COMMAND` prints. Raises RunError with its last words if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "kdcore", command],
            env=_environment(settings),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(
            f"reading the definitions took more than {timeout:.0f} s; try again"
        ) from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RunError(f"reading the definitions failed: {reason}")
    return done.stdout


def _spawn(settings: Settings, command: str) -> subprocess.Popen[bytes]:
    """Start `python -m kdcore COMMAND` as a process that lives on without us."""
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    with (settings.home / LOG).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "kdcore", command],
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **apart,
        )
    # waited for as long as we live, so that no dead process stays behind in the table
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, with the settings spelled out, and kdcore importable from any folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **settings.environment(), "PYTHONPATH": os.pathsep.join(paths)}
