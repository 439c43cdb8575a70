"""The runner: hands runs to the cluster, and notices the ones that nobody works on any more."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from math import ceil

from kdcore.catalogue import Catalogue
from kdcore.code import code_id
from kdcore.errors import KdError, RunError
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.runs.asking import Asking
from kdcore.runs.dispatching import Dispatching
from kdcore.runs.line import workers_of
from kdcore.runs.pipelines import PipelineRun
from kdcore.runs.processes import said_by
from kdcore.runs.searches import TESTED_ANOTHER, SearchRun
from kdcore.runs.store import Run, Silent
from kdcore.runs.sweeps import SweepRun
from kdcore.search import Search, recipe_for_test
from kdcore.settings import Settings
from kdcore.shelf import Shelf
from kdcore.sweep import Sweep

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 2.0

SILENT_SECONDS = 10.0
"""A run that gave no sign of life for so long is looked for on the scheduler."""

SWEEP_SECONDS = 24 * 3600.0
"""Files of that age which no run needs are deleted."""

SIDE_BY_SIDE = 32
"""Members of a sweep in one part, at most."""


class Runner(Asking, Dispatching):
    """One per app: its store, its shelf, and its line to the cluster.

    Made in milliseconds; the cluster is started and connected to in the background.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.shelf = Shelf(settings.ready_home() / "artifacts")
        self._reading = threading.Lock()
        self._reconciling = threading.Lock()
        self._reconciled = 0.0
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
        cuts = parts(len(sweep), workers_of(client))
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
                text = said_by(self.settings, "catalogue", timeout=120)
                self.store.keep_catalogue(key, text)
        return Catalogue.from_json(text)

    def reconcile_soon(self) -> None:
        """Look, in the background and not too often, for runs that nobody works on."""
        recently = time.monotonic() - self._reconciled < RECONCILE_SECONDS
        if recently or self._reconciling.locked():
            return
        self._reconciled = time.monotonic()
        threading.Thread(target=self._reconcile_quietly, daemon=True).start()

    def reconcile(self) -> None:
        """Mark unfinished runs as interrupted that are silent and unknown to their scheduler.

        Waits for a look that another thread has begun, and looks again: that one may have been
        too early to see what the caller knows of.
        """
        with self._reconciling:
            since = time.time() - SILENT_SECONDS
            silent: list[tuple[Callable[..., bool], Silent]] = []
            for kept in (self.store, self.searches, self.pipelines):
                silent += [(kept.interrupt, each) for each in kept.silent(since)]
            known = {cluster: self._keys(cluster) for cluster in {r.cluster for _, r in silent}}
            for interrupt, run in silent:
                keys = known[run.cluster]
                if keys is not None and not any(key.startswith(f"{run.task}-") for key in keys):
                    interrupt(run.run_id, silent_since=since)

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


def parts(count: int, workers: int) -> list[range]:
    """The places of a sweep's members that are worked on together, in their order.

    So few at a time that no worker stays idle, and that the first results come soon.
    """
    size = max(1, min(SIDE_BY_SIDE, ceil(count / workers)))
    return [range(start, min(start + size, count)) for start in range(0, count, size)]
