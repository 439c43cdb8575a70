"""What a worker does with its work: claim it, do it, write what happens, stop on request.

Importing this module imports no torch; working does.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import lru_cache
from typing import TypeVar

from kdcore.errors import KdError, StoreError
from kdcore.outcome import student_key
from kdcore.result import Event, Phase, Progress, Result
from kdcore.runs.pipelines import Heard, Member, PipelineRun, Pipelines
from kdcore.runs.searches import Searches, SearchRun, optuna_plainly
from kdcore.runs.store import Ended, Run, State, Store
from kdcore.runs.sweeps import Sweeps
from kdcore.search import Tried
from kdcore.settings import Settings
from kdcore.shelf import Shelf
from kdcore.waterfall import Lap

R = TypeVar("R")
S = TypeVar("S")

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
"""Between two writes of progress: soon enough to look live, seldom enough to cost nothing."""

PART_FLUSH_SECONDS = 0.5
"""Of a part, where each of a dozen members is written."""

HEARTBEAT_SECONDS = 2.0
LAST_WORD_SECONDS = 30.0

TURN_SECONDS = 5.0
"""So long a search keeps a worker; then runs that wait are let in."""

AT_WORK = threading.Lock()
"""Held by whoever uses torch: its exporter patches global state, so that two threads must not."""


def execute(run_id: str, settings: Settings) -> None:
    """Work on a run until it is done, stopped, or has failed with a sentence."""
    store = _store(settings)
    run = store.claim(run_id)
    if run is None:
        return
    with _heartbeat(store, run), AT_WORK:
        state, sentence = _outcome(
            lambda: (_work(store, run, _shelf(settings)), None), f"run {run_id}"
        )
    _persistently(lambda: store.finish(run, state, sentence))


def execute_part(run_ids: Sequence[str], task: str, settings: Settings) -> None:
    """Work on members of a sweep side by side, each until it is done, stopped or has failed.

    task: under which they were handed over; those that were handed over anew since are left alone.

    Those that are done already, as where a killed worker's part is taken up by another, are left
    as they are.
    """
    store = _store(settings)
    claimed = store.claim_all(run_ids, task)
    if not claimed:
        return
    with _heartbeat(store, *claimed), AT_WORK:
        part = _Part(store, claimed)
        try:
            part.work(_shelf(settings))
        except Exception as error:
            log.exception("a part of a sweep failed")
            part.fail(_sentence(error))


def measure_costs(sweep_id: str, settings: Settings) -> None:
    """Measure what the students of a sweep cost, and write it down."""
    from kdcore.costs import student_costs

    sweeps = Sweeps(_store(settings))
    try:
        run, members = sweeps.get(sweep_id), sweeps.members(sweep_id)
        recipes = run.sweep.members()
        done = [recipes[member.place] for member in members if member.state == "done"]
        if {student_key(recipe) for recipe in done} <= set(run.costs):
            return
        with AT_WORK:
            costs = student_costs(done)
        sweeps.keep_costs(sweep_id, costs)
    except KdError as error:  # deleted since, or no such student: its members say why
        log.info("no costs of sweep %s: %s", sweep_id, error)


def execute_search(search_id: str, handed: int, settings: Settings) -> int | None:
    """Work on a search for a turn; the number of its next turn, once runs that wait had theirs, or
    None where there is nothing more to do.

    handed: the number of this turn. It ends by itself where its budget is used up, it is stopped,
    or it fails with a sentence.
    """
    searches = _searches(settings)
    search = searches.claim(search_id, handed)
    if search is None:
        return None

    def beat() -> None:
        searches.record(search)

    with _beating(beat, f"search {search_id}"), AT_WORK:
        state, sentence = _outcome(
            lambda: (_turn(searches, search, _shelf(settings)), None), f"search {search_id}"
        )
    if state is None:
        return _persistently(lambda: searches.end_turn(search))
    _persistently(lambda: searches.finish(search, state, sentence))
    return None


def _turn(searches: Searches, search: SearchRun, shelf: Shelf) -> State | None:
    """Try settings until the turn is over; how the search ended, None where it goes on."""
    from kdcore.studies import explore

    began = flushed = time.monotonic()
    study = searches.study(search.id)
    with optuna_plainly(), closing(explore(search.search, study, shelf, search.seconds)) as told:
        for happening in told:
            now = time.monotonic()
            seconds = search.seconds + now - began
            if isinstance(happening, Tried):
                if now - began > TURN_SECONDS:
                    return None if searches.record(search, None, seconds) else "cancelled"
            elif happening.phase is None or now - flushed > FLUSH_SECONDS:
                flushed = now
                if not searches.record(search, happening, seconds):
                    return "cancelled"
    searches.record(search, None, search.seconds + time.monotonic() - began)
    return "done"


def execute_pipeline(pipeline_id: str, settings: Settings) -> None:
    """Work on a pipeline until it is done, stopped, or has failed with a sentence."""
    pipelines = Pipelines(_store(settings))
    run = pipelines.claim(pipeline_id)
    if run is None:
        return

    def beat() -> None:
        pipelines.record(run)

    with _beating(beat, f"pipeline {pipeline_id}"), AT_WORK:
        state, sentence = _outcome(
            lambda: _compressed(pipelines, run, _shelf(settings)), f"pipeline {pipeline_id}"
        )
    _persistently(lambda: pipelines.finish(run, state, sentence))


def _compressed(pipelines: Pipelines, run: PipelineRun, shelf: Shelf) -> tuple[State, str | None]:
    """Run all members, writing as they go; how that ended."""
    from kdcore.stages import run_members

    members = [Member()] * len(run.pipeline)
    phase, flushed = None, 0.0
    heard: dict[int, list[Heard]] = {}
    with closing(run_members(run.pipeline.members(), shelf)) as told:
        for place, happening in told:
            if isinstance(happening, Event | Lap):
                heard.setdefault(place, []).append(happening)
                continue
            if isinstance(happening, Progress):
                if happening.phase == phase and time.monotonic() - flushed < FLUSH_SECONDS:
                    continue
                phase, flushed = happening.phase, time.monotonic()
                wanted = pipelines.record(run, (place, happening), heard=heard)
            else:
                members[place] = members[place].after(happening)
                wanted = pipelines.record(run, members=members, heard=heard)
            heard = {}
            if not wanted and not all(member.ended for member in members):
                return "cancelled", None
    errors = [member.error for member in members if member.error is not None]
    return ("failed", errors[0]) if len(errors) == len(members) else ("done", None)


class _Part:
    """Members of a sweep that are worked on: what is known of each, and who is left."""

    def __init__(self, store: Store, claimed: Sequence[Run]) -> None:
        self.store = store
        self.left = dict(enumerate(claimed))
        self.progress: dict[int, Progress] = {}
        self.ended: list[Ended] = []
        self.flushed = time.monotonic()

    def work(self, shelf: Shelf) -> None:
        from kdcore.experiment import fetched
        from kdcore.group import run_sweep

        for place, run in list(self.left.items()):
            try:
                for _ in fetched(run.recipe):
                    pass
            except KdError as error:
                self._end(place, "failed", str(error))
        places = list(self.left)
        recipes = [run.recipe for run in self.left.values()]
        for number, happening in run_sweep(recipes, shelf):
            place = places[number]
            if place not in self.left:
                continue  # it was stopped; what it shares with others goes on
            if isinstance(happening, Progress):
                self.progress[place] = happening
            elif isinstance(happening, Result):
                self._end(place, "done", result=happening)
            elif isinstance(happening, KdError):
                self._end(place, "failed", str(happening))
            self._flush()
            if not self.left:
                break
        self._write_ends()

    def fail(self, sentence: str) -> None:
        """End all that are left."""
        for place in list(self.left):
            self._end(place, "failed", sentence)
        self._write_ends()

    def _end(
        self, place: int, state: State, sentence: str | None = None, result: Result | None = None
    ) -> None:
        self.ended.append(Ended(self.left.pop(place), state, sentence, result))

    def _flush(self) -> None:
        """Write what there is to tell, all at once, for each time the disk is waited for."""
        if self.left and time.monotonic() - self.flushed < PART_FLUSH_SECONDS:
            return
        self._write_ends()
        told = [(run, self.progress.get(place), None) for place, run in self.left.items()]
        wanted = self.store.record_all(told)
        for place, run in list(self.left.items()):
            if run.id not in wanted:
                self._end(place, "cancelled")
        self.flushed = time.monotonic()

    def _write_ends(self) -> None:
        ended, self.ended = self.ended, []
        _persistently(lambda: self.store.finish_all(ended))


def _outcome(work: Callable[[], tuple[S, str | None]], whose: str) -> tuple[S | State, str | None]:
    """How work ended, and why where it failed."""
    try:
        return work()
    except Exception as error:
        if not isinstance(error, KdError | MemoryError):
            log.exception("%s failed", whose)
        return "failed", _sentence(error)


def _sentence(error: Exception) -> str:
    """Why a run failed, in words."""
    if isinstance(error, KdError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory for this run; choose smaller models or batches"
    return f"an unexpected error ended the run ({type(error).__name__}: {error})"


def _work(store: Store, run: Run, shelf: Shelf) -> State:
    """Run the recipe, writing as it goes; whether it was told to stop."""
    from kdcore.experiment import traced_steps

    waiting: list[Event] = []
    progress: Progress | None = None
    phase: Phase | None = None
    flushed = 0.0
    for happening in traced_steps(run.recipe, shelf):
        result = happening if isinstance(happening, Result) else None
        if isinstance(happening, Event):
            waiting.append(happening)
        elif isinstance(happening, Progress):
            progress = happening
        due = time.monotonic() - flushed >= FLUSH_SECONDS
        due |= progress is not None and progress.phase != phase
        if result is not None or (due and isinstance(happening, Progress)):
            if not store.record(run, waiting, progress, result):
                # once all is measured there is nothing left to stop
                return "done" if result is not None and result.measured else "cancelled"
            phase = phase if progress is None else progress.phase
            waiting, flushed = [], time.monotonic()
    return "done"


def _heartbeat(store: Store, *working: Run) -> AbstractContextManager[None]:
    def beat() -> None:
        store.record_all([(run, None, None) for run in working])

    return _beating(beat, f"run {working[0].id}")


@contextmanager
def _beating(beat: Callable[[], None], whose: str) -> Iterator[None]:
    """A sign of life every few seconds, also while a long phase has nothing to tell."""
    over = threading.Event()

    def beats() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                beat()
            except StoreError as error:
                log.warning("no heartbeat for %s: %s", whose, error)

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _persistently(write: Callable[[], R]) -> R:
    """Write a last word, trying for a while: the disk that filled up may clear."""
    deadline = time.monotonic() + LAST_WORD_SECONDS
    while True:
        try:
            return write()
        except StoreError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _shelf(settings: Settings) -> Shelf:
    return Shelf(settings.ready_home() / "artifacts")


@lru_cache(maxsize=1)
def _store(settings: Settings) -> Store:
    return Store(settings)


@lru_cache(maxsize=1)
def _searches(settings: Settings) -> Searches:
    """Kept, with the trials that were read: reading thousands anew takes longer than trying one."""
    return Searches(_store(settings), settings)
