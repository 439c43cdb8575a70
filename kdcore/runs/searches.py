"""Searches in the store: a row for each, and its trials in Optuna's tables of the same database.

Snapshots out, commands in, as for runs. Beyond the store's contract:

* The seconds that a search has used outlast its worker: whoever goes on starts from there.
* A search is worked on in turns, so that runs that wait are let in between; each turn is claimed,
  as it was handed over last: what was handed over before a stop claims nothing.
* The test figure is taken for one setting, by one run; where that run is gone, once more.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from kdcore.errors import RunError, StoreError
from kdcore.recipe import Recipe
from kdcore.runs import rows
from kdcore.runs.jobs import Jobs
from kdcore.runs.records import RESTARTABLE, UNFINISHED, Run, State, Work, deletable, unreadable
from kdcore.runs.schema import LOCK, runs, searches
from kdcore.runs.store import Store
from kdcore.search import Search, Standing, Tried
from kdcore.settings import Settings

if TYPE_CHECKING:
    import optuna

WAIT_SECONDS = 10

TESTED_ANOTHER = (
    "the test figure of another setting was taken; of several, the test split itself would choose, "
    "and its figure would mean no more than validation's"
)

STUDIES = 16
"""Kept open, as each keeps the trials it has read."""


@dataclass(frozen=True)
class SearchRun(Work):
    """A snapshot of a search. Times are seconds since the epoch; seconds: of its budget, used up;
    tested: the trial whose test figure was taken, by the run `test_run`; handed: how often it was
    handed over to a worker.
    """

    id: str
    search: Search
    name: str
    state: State
    attempt: int
    stop_requested: bool
    created: float
    finished: float | None
    heartbeat: float
    seconds: float
    standing: Standing | None
    error: str | None
    cluster: str | None
    tested: int | None
    test_run: str | None
    handed: int


class Searches(Jobs[SearchRun]):
    """The searches of a store."""

    def __init__(self, store: Store, settings: Settings) -> None:
        super().__init__(store, searches, "search", _search)
        self._settings = settings
        self._studies: dict[str, optuna.Study] = {}

    # commands of a page

    def submit(self, search: Search, name: str, cluster: str | None = None) -> SearchRun:
        """Queue a search; its study is made with it."""
        from kdcore.studies import new_study

        search_id = secrets.token_hex(5)
        with optuna_plainly():
            new_study(search, search_id, self._storage)
        return self._queue(search_id, search.to_json(), name, cluster)

    def resume(
        self,
        search_id: str,
        cluster: str | None = None,
        *,
        trials: int = 0,
        minutes: float = 0.0,
    ) -> SearchRun:
        """Go on with a search that was stopped, failed or interrupted; or, with so much more of a
        budget, with one that is done.
        """
        found = self.get(search_id)
        more = bool(trials or minutes)
        states: tuple[State, ...] = (*RESTARTABLE, "done") if more else RESTARTABLE
        search = found.search.extended(trials, minutes) if more else found.search
        with self._store.begin() as connection:
            changed = connection.execute(
                update(searches)
                .where(searches.c.id == search_id, searches.c.state.in_(states))
                .values(
                    **{"search": search.to_json(), "state": "queued", "cluster": cluster},
                    **{"stop_requested": False, "heartbeat": time.time()},
                    **{"finished": None, "error": None, "handed": searches.c.handed + 1},
                )
            ).rowcount
        if not changed:
            raise RunError(
                f"search {found.name!r} is {found.state}; only one that has ended goes on"
                + ", one that is done with more of a budget" * (found.state == "done")
            )
        return self.get(search_id)

    def took_test(self, search_id: str, trial: int, run_id: str) -> SearchRun:
        """Note the run that takes the test figure of a trial's setting.

        Raises RunError where that of another setting was taken.
        """
        free = or_(searches.c.tested.is_(None), searches.c.tested == trial)
        with self._store.begin() as connection:
            mine = update(searches).where(searches.c.id == search_id, free)
            noted = connection.execute(mine.values(tested=trial, test_run=run_id)).rowcount
        if not noted:
            raise RunError(TESTED_ANOTHER)
        return self.get(search_id)

    def delete(self, search_id: str) -> None:
        """Delete it with its trials; the run of its test figure stays."""
        import optuna

        deletable("search", self.get(search_id))
        self._studies.pop(search_id, None)
        with suppress(KeyError), optuna_plainly():
            optuna.delete_study(study_name=search_id, storage=self._storage)
        with self._store.begin() as connection:
            connection.execute(delete(searches).where(searches.c.id == search_id))

    # commands of a worker

    def claim(self, search_id: str, handed: int) -> SearchRun | None:
        """Begin a turn; None where the search is no longer wanted, or was handed over anew.

        handed: how often it had been handed over, this turn included.
        """
        now = time.time()
        last = searches.c.handed == handed
        mine = (searches.c.id == search_id, searches.c.state.in_(UNFINISHED), last)
        with self._store.begin() as connection:
            claimed = connection.execute(
                update(searches)
                .where(*mine, searches.c.stop_requested.is_(False))
                .values(state="running", attempt=searches.c.attempt + 1, heartbeat=now)
            ).rowcount
            if claimed:
                return _search(rows.row_of(connection, searches, search_id, "search"))
            connection.execute(
                update(searches).where(*mine).values(state="cancelled", finished=now)
            )
        return None

    def record(
        self, search: SearchRun, standing: Standing | None = None, seconds: float | None = None
    ) -> bool:
        """Write how far it is, and a sign of life; whether it should go on."""
        values: dict[str, Any] = {}
        if standing is not None:
            values["standing"] = json.dumps(asdict(standing))
        if seconds is not None:
            values["seconds"] = seconds
        with self._store.begin() as connection:
            if not rows.told(connection, searches, search, values):
                return False
            return rows.goes_on(connection, searches, search.id)

    def end_turn(self, search: SearchRun) -> int:
        """Let it wait for its next turn, where whoever stops it stops it at once; returns the
        number of that turn.
        """
        values = {"state": "queued", "handed": search.handed + 1}
        with self._store.begin() as connection:
            connection.execute(
                update(searches).where(*rows.mine(searches, search)).values(**values)
            )
        return search.handed + 1

    def fail(self, search_id: str, error: str, handed: int) -> None:
        """End a search that its worker could not end itself; handed: as for `claim`."""
        last = searches.c.handed == handed
        self._end(*rows.unfinished(searches, search_id), last, state="failed", error=error)

    # readers

    def run_of(self, recipe: Recipe) -> Run | None:
        """The newest run of a recipe that is done or on its way, members of sweeps aside."""
        query = (
            select(runs.c.id)
            .where(runs.c.recipe_id == recipe.id, runs.c.sweep_id.is_(None))
            .where(runs.c.state.in_((*UNFINISHED, "done")))
            .order_by(runs.c.created.desc())
            .limit(1)
        )
        with self._store.begin() as connection:
            run_id = connection.scalar(query)
        return None if run_id is None else self._store.get(run_id)

    def test_of(self, search: SearchRun) -> Run | None:
        """The run that takes its test figure; None where there is none, or none any more."""
        if search.test_run is None:
            return None
        with self._store.begin() as connection:
            there = select(func.count()).where(runs.c.id == search.test_run)
            if not connection.scalar(there):
                return None
        return self._store.get(search.test_run)

    def study(self, search_id: str) -> optuna.Study:
        """Its study, to be read or gone on with. Raises RunError where it is gone."""
        from kdcore.studies import open_study

        with optuna_plainly():
            if search_id not in self._studies:
                if len(self._studies) == STUDIES:
                    self._studies.pop(next(iter(self._studies)))
                try:
                    self._studies[search_id] = open_study(search_id, self._storage)
                except KeyError:
                    raise RunError(
                        "the trials of this search are gone; it may have been deleted"
                    ) from None
            return self._studies[search_id]

    def tried(self, search_id: str) -> list[Tried]:
        """What came of its settings, in their order."""
        from kdcore.studies import all_tried

        study = self.study(search_id)
        with optuna_plainly():
            return all_tried(study)

    # inside

    @cached_property
    def _storage(self) -> Any:
        """Optuna's own tables, made if need be."""
        from optuna.storages import RDBStorage

        url = self._settings.database_url
        waits = {"connect_args": {"timeout": WAIT_SECONDS}} if url.startswith("sqlite") else {}
        try:
            with FileLock(self._settings.ready_home() / LOCK):
                return RDBStorage(url, engine_kwargs=waits)
        except RuntimeError as error:
            raise StoreError(f"Optuna cannot use the trials in the database: {error}") from error


@contextmanager
def optuna_plainly() -> Iterator[None]:
    """Whatever keeps Optuna from its tables, in a sentence."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
        raise StoreError(
            f"the trials of a search cannot be read or written: {reason}. Check that the database "
            "is running, writable and not out of space."
        ) from error


def _search(row: Row[Any]) -> SearchRun:
    values = dict(row._mapping)
    try:
        standing = values["standing"]
        values["standing"] = Standing(**json.loads(standing)) if standing else None
        values["search"] = Search.from_json(values["search"])
    except (ValueError, TypeError, KeyError) as error:
        raise unreadable("search", row, error) from error
    return SearchRun(**values)
