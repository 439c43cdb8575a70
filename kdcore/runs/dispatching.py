"""Tasks handed to the cluster, and what becomes of one that never got to its run."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from kdcore.errors import KdError
from kdcore.runs.line import Line
from kdcore.runs.pipelines import PipelineRun, Pipelines
from kdcore.runs.searches import Searches, SearchRun
from kdcore.runs.store import Run, Store
from kdcore.runs.sweeps import Part, Sweeps
from kdcore.settings import Settings

log = logging.getLogger(__name__)


class Dispatching(Line):
    """A line over which runs, parts of sweeps, searches and pipelines are handed to workers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.store = Store(settings)
        self.sweeps = Sweeps(self.store)
        self.searches = Searches(self.store, settings)
        self.pipelines = Pipelines(self.store)
        self._futures: dict[str, Any] = {}

    def _hand_over(self, client: Any, run: Run) -> Run:
        def work(run_id: str, environment: dict[str, str]) -> None:
            # nested, so that it travels by value: a cluster without kdcore fails in its worker,
            # and we hear of it, rather than in the line between worker and scheduler
            from kdcore.runs.worker import execute
            from kdcore.settings import Settings

            execute(run_id, Settings.from_environment(environment))

        fail = partial(self.store.fail, run.id)
        self._dispatched(client, f"{run.id}-{run.attempt}", fail, work, run.id)
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

        futures = []
        for part in handed:
            fail = partial(self._fail_part, part)
            told = (part.run_ids, part.task)
            futures.append(self._dispatched(client, f"{part.task}-0", fail, work, *told))
        # once all are there: a latency that is taken while others train is none
        environment = self.settings.environment()
        fire_and_forget(client.submit(measure, futures, environment, pure=False))

    def _hand_over_search(self, client: Any, search: SearchRun) -> SearchRun:
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
        fail = partial(self.searches.fail, search.id, handed=search.handed)
        self._dispatched(client, key, fail, work, search.id, search.handed, priority=-1)
        return search

    def _hand_over_pipeline(self, client: Any, run: PipelineRun) -> PipelineRun:
        def work(pipeline_id: str, environment: dict[str, str]) -> None:
            from kdcore.runs.worker import execute_pipeline
            from kdcore.settings import Settings

            execute_pipeline(pipeline_id, Settings.from_environment(environment))

        key = f"{run.id}-{run.attempt}.{secrets.token_hex(2)}"
        self._dispatched(client, key, partial(self.pipelines.fail, run.id), work, run.id)
        return run

    def _dispatched(
        self,
        client: Any,
        key: str,
        fail: Callable[[str], None],
        work: Callable[..., None],
        *told: object,
        priority: int = 0,
    ) -> Any:
        """The future of work that is told so, and then our settings.

        fail: writes down why, where the work never began, or its worker was lost with it.
        """
        from distributed import fire_and_forget

        environment = self.settings.environment()
        once = {"key": key, "pure": False, "priority": priority}
        future = client.submit(work, *told, environment, **once)
        fire_and_forget(future)  # goes on without us: a run belongs to no session
        self._futures[key] = future  # held, so that we hear of a task that never got to its run
        future.add_done_callback(partial(self._returned, key, fail))
        return future

    def _returned(self, key: str, fail: Callable[[str], None], future: Any) -> None:
        """A worker writes every end itself; only where it could not is there an error here."""
        self._futures.pop(key, None)
        if future.status != "error":
            return
        _tell(key, fail, _why(_innermost(future.exception())))

    def _fail_part(self, part: Part, error: str) -> None:
        for run_id in part.run_ids:  # each by itself: one that cannot be told loses no other
            _tell(run_id, partial(self.store.fail, run_id, task=part.task), error)


def _tell(who: str, fail: Callable[[str], None], why: str) -> None:
    try:
        fail(why)
    except KdError as sentence:
        log.warning("%s failed unheard: %s", who, sentence)


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
