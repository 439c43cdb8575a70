"""The store: every run and what became of it, in one SQL database.

Snapshots out, commands in. Readers get frozen records. A page submits recipes, asks for a stop,
and writes names, tags and notes; a worker writes everything else. These hold:

* A run is claimed before it is worked on; each claim is a new attempt that starts from nothing.
* What an earlier attempt still writes after a later claim changes nothing.
* A run that has ended stays as it is, name, tags and note aside, until it is started again.
* No text or number is written in part: a method either happens whole or raises StoreError.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    create_engine,
    delete,
    event,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from kdcore.errors import RunError, StoreError
from kdcore.outcome import numbers
from kdcore.recipe import Recipe
from kdcore.result import Event, Progress, Result
from kdcore.runs import schema
from kdcore.runs.schema import artifacts, catalogues, events, pipeline_files, pipelines, runs
from kdcore.settings import Settings

State = Literal["queued", "running", "done", "cancelled", "failed", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
UNFINISHED: tuple[State, ...] = ("queued", "running")
RESTARTABLE: tuple[State, ...] = ("cancelled", "failed", "interrupted")

GALLERY = "g"
"""The ids of runs from the gallery begin with it, all others with a digit or a to f."""

LISTED = 200
"""A list holds so many runs at most; a filter finds the others."""

log = logging.getLogger(__name__)

INTERRUPTED = "the engine stopped while this run was under way; nothing is wrong with the recipe"


@dataclass(frozen=True)
class Run:
    """A snapshot of one run. Times are seconds since the epoch; `cluster` is the one it was handed
    to, None before; `sweep_id` and `place` say of which sweep it is which
    member, if it is one.
    """

    id: str
    recipe: Recipe
    name: str
    note: str
    tags: tuple[str, ...]
    state: State
    attempt: int
    stop_requested: bool
    created: float
    started: float | None
    finished: float | None
    heartbeat: float
    progress: Progress | None
    result: Result | None
    error: str | None
    cluster: str | None
    sweep_id: str | None = None
    place: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state not in UNFINISHED

    @property
    def shown(self) -> bool:
        """Whether it comes with the project, to be looked at, and was not run here."""
        return self.id.startswith(GALLERY)


class Silent(NamedTuple):
    """An unfinished run that is not heard of: its id, its task's key, and whom it was handed to."""

    run_id: str
    task: str
    cluster: str | None


class Ended(NamedTuple):
    """An attempt that is over: how it ended, why if it failed, and what came of it if anything."""

    run: Run
    state: State
    error: str | None = None
    result: Result | None = None


class Listed(NamedTuple):
    """A run in a list to choose from; created: seconds since the epoch."""

    id: str
    name: str
    created: float

    @property
    def shown(self) -> bool:
        """Whether it is from the gallery."""
        return self.id.startswith(GALLERY)


class Store:
    """Runs in a database that is brought up to date when it is opened.

    Every method raises StoreError, one sentence, where the database cannot be used, and RunError
    where there is no such run or its state forbids what is asked.
    """

    def __init__(self, settings: Settings) -> None:
        self._engine = _engine(settings)
        with _plain_errors(self._engine):
            schema.upgrade(self._engine, settings.ready_home())

    # commands of a page

    def submit(self, recipe: Recipe, name: str, cluster: str | None = None) -> Run:
        """Queue a recipe under a name for people, for that cluster; returns the new run."""
        now = time.time()
        run_id = secrets.token_hex(5)
        with self.begin() as connection:
            connection.execute(
                insert(runs).values(
                    id=run_id,
                    recipe_id=recipe.id,
                    recipe=recipe.model_dump_json(),
                    name=name[:200],
                    cluster=cluster,
                    state="queued",
                    created=now,
                    heartbeat=now,
                )
            )
        return self.get(run_id)

    def request_stop(self, run_id: str) -> Run:
        """Cancel a queued run at once, a running one at its next progress event."""
        with self.begin() as connection:
            mine = runs.c.id == run_id
            connection.execute(update(runs).where(mine).values(stop_requested=True))
            connection.execute(
                update(runs)
                .where(mine, runs.c.state == "queued")
                .values(state="cancelled", finished=time.time())
            )
        return self.get(run_id)

    def restart(self, run_id: str, cluster: str | None = None) -> Run:
        """Queue a run again that was cancelled, failed or interrupted, under its own id."""
        with self.begin() as connection:
            changed = connection.execute(
                update(runs)
                .where(runs.c.id == run_id, runs.c.state.in_(RESTARTABLE))
                .values(
                    state="queued",
                    cluster=cluster,
                    task=None,  # it goes on by itself, were it part of a sweep before
                    stop_requested=False,
                    heartbeat=time.time(),
                    started=None,
                    finished=None,
                    progress=None,
                    result=None,
                    summary=None,
                    error=None,
                )
            ).rowcount
        run = self.get(run_id)
        if not changed:
            raise RunError(f"run {run.name!r} is {run.state}; only an unfinished one starts again")
        return run

    def annotate(
        self,
        run_id: str,
        *,
        name: str | None = None,
        tags: Iterable[str] | None = None,
        note: str | None = None,
    ) -> Run:
        """Change a run's name, tags or note; None leaves one as it is."""
        values: dict[str, str] = {}
        if name is not None:
            if not name.strip():
                raise RunError("a run needs a name; type one, or keep the old one")
            values["name"] = name.strip()[:200]
        if tags is not None:
            values["tags"] = _tags_text(sorted({tag.strip() for tag in tags if tag.strip()}))
        if note is not None:
            values["note"] = note.strip()
        if values:
            with self.begin() as connection:
                connection.execute(update(runs).where(runs.c.id == run_id).values(**values))
        return self.get(run_id)

    def delete(self, run_id: str) -> tuple[str, ...]:
        """Delete an ended run; returns the names of files that no other run or pipeline needs."""
        run = self.get(run_id)
        if run.shown:
            raise RunError(
                f"run {run.name!r} is from the gallery, which comes with the project; set "
                "KDCORE_GALLERY to another folder to be without it"
            )
        if not run.ended:
            raise RunError(f"run {run.name!r} is {run.state}; cancel it before you delete it")
        with self.begin() as connection:
            mine = select(artifacts.c.name).where(artifacts.c.run_id == run_id)
            others = select(artifacts.c.name).where(artifacts.c.run_id != run_id)
            free = mine.where(
                artifacts.c.name.not_in(others),
                artifacts.c.name.not_in(select(pipeline_files.c.name)),
            )
            orphans = connection.scalars(free).all()
            for table in (artifacts, events):
                connection.execute(delete(table).where(table.c.run_id == run_id))
            connection.execute(delete(runs).where(runs.c.id == run_id))
        return tuple(orphans)

    # commands of a worker

    def claim(self, run_id: str) -> Run | None:
        """Begin a new attempt at a run, from nothing; None where it is no longer wanted."""
        return next(iter(self.claim_all([run_id])), None)

    def claim_all(self, run_ids: Sequence[str], task: str | None = None) -> list[Run]:
        """The same for several at once, in their order, without those no longer wanted.

        task: under which the runs were handed over; those that were handed over anew since are
        left to that task.
        """
        now = time.time()
        mine: list[ColumnElement[bool]] = [runs.c.id.in_(run_ids), runs.c.state.in_(UNFINISHED)]
        mine += [] if task is None else [runs.c.task == task]
        with self.begin() as connection:
            claimed = connection.scalars(
                update(runs)
                .where(*mine, runs.c.stop_requested.is_(False))
                .values(
                    **{"state": "running", "attempt": runs.c.attempt + 1},
                    **{"started": now, "heartbeat": now},
                    **{"progress": None, "result": None, "summary": None},
                )
                .returning(runs.c.id)
            ).all()
            unwanted = update(runs).where(*mine, runs.c.id.not_in(claimed))
            connection.execute(unwanted.values(state="cancelled", finished=now))
            for table in (events, artifacts):
                connection.execute(delete(table).where(table.c.run_id.in_(claimed)))
            rows = connection.execute(select(runs).where(runs.c.id.in_(claimed))).all()
        found = {row.id: _run(row) for row in rows}
        return [found[run_id] for run_id in run_ids if run_id in found]

    def record(
        self,
        run: Run,
        happened: Sequence[Event] = (),
        progress: Progress | None = None,
        result: Result | None = None,
    ) -> bool:
        """Write what happened since the last time, and a sign of life.

        Returns whether the attempt should go on: False once a stop is requested, or the attempt
        is over; then nothing is written.
        """
        with self.begin() as connection:
            return self._record(connection, run, happened, progress, result)

    def record_all(
        self, happened: Sequence[tuple[Run, Progress | None, Result | None]]
    ) -> set[str]:
        """The same for several runs at once; the ids of those that should go on."""
        with self.begin() as connection:
            return {
                run.id
                for run, progress, result in happened
                if self._record(connection, run, (), progress, result)
            }

    def _record(
        self,
        connection: Connection,
        run: Run,
        happened: Sequence[Event],
        progress: Progress | None,
        result: Result | None,
    ) -> bool:
        values: dict[str, Any] = {"heartbeat": time.time()}
        if progress is not None:
            values["progress"] = json.dumps(asdict(progress))
        if result is not None:
            values["result"] = result.to_json()
            values["summary"] = json.dumps(numbers(result))
        mine = connection.execute(update(runs).where(*_mine(run)).values(**values)).rowcount
        if not mine:
            return False
        if happened:
            text = json.dumps([asdict(each) for each in happened])
            connection.execute(insert(events).values(run_id=run.id, events=text))
        if result is not None:
            connection.execute(delete(artifacts).where(artifacts.c.run_id == run.id))
            for role, name in result.artifacts.items():
                kept = {"run_id": run.id, "role": role, "name": name}
                connection.execute(insert(artifacts).values(kept))
        stop = select(runs.c.stop_requested).where(runs.c.id == run.id)
        return not connection.scalar(stop)

    def finish(self, run: Run, state: State, error: str | None = None) -> None:
        """End this attempt, unless it is over already."""
        self.finish_all([Ended(run, state, error)])

    def finish_all(self, ended: Iterable[Ended]) -> None:
        """The same for several at once; what came of them, if anything, is written with it."""
        now = time.time()
        with self.begin() as connection:
            for each in ended:
                if each.result is not None:
                    self._record(connection, each.run, (), None, each.result)
                connection.execute(
                    update(runs)
                    .where(*_mine(each.run))
                    .values(state=each.state, error=each.error, finished=now)
                )

    def interrupt(self, run_id: str, silent_since: float) -> bool:
        """Mark an unfinished run as interrupted unless it gave a sign of life after that time."""
        with self.begin() as connection:
            changed = connection.execute(
                update(runs)
                .where(
                    runs.c.id == run_id,
                    runs.c.state.in_(UNFINISHED),
                    runs.c.heartbeat <= silent_since,
                )
                .values(state="interrupted", error=INTERRUPTED, finished=time.time())
            ).rowcount
        return bool(changed)

    def fail(self, run_id: str, error: str, task: str | None = None) -> None:
        """End a run that its worker could not end itself; task: as for `claim`."""
        mine = [runs.c.id == run_id, runs.c.state.in_(UNFINISHED)]
        mine += [] if task is None else [runs.c.task == task]
        with self.begin() as connection:
            connection.execute(
                update(runs).where(*mine).values(state="failed", error=error, finished=time.time())
            )

    # readers

    def get(self, run_id: str) -> Run:
        """One run. Raises RunError where there is none of that id."""
        with self.begin() as connection:
            return _run(self._row(connection, run_id))

    def find(
        self,
        *,
        text: str = "",
        states: Sequence[State] = (),
        tags: Sequence[str] = (),
        limit: int = LISTED,
    ) -> list[Run]:
        """Runs, newest first: with the text in name, note or tags, in any state, with all tags."""
        query = select(runs).order_by(runs.c.created.desc(), runs.c.id).limit(limit)
        query = query.where(runs.c.sweep_id.is_(None))
        if text.strip():
            columns = (runs.c.name, runs.c.note, runs.c.tags, runs.c.id)
            query = query.where(or_(*(c.icontains(text.strip(), autoescape=True) for c in columns)))
        if states:
            query = query.where(runs.c.state.in_(states))
        for tag in tags:
            query = query.where(runs.c.tags.contains(_tags_text(tag), autoescape=True))
        with self.begin() as connection:
            return _readable(connection.execute(query))

    def done(self, limit: int = LISTED) -> list[Listed]:
        """Done runs, newest first, members of sweeps aside: no recipe or result is read."""
        with self.begin() as connection:
            return [Listed(*row) for row in connection.execute(_done(limit))]

    def done_with(self, role: str, limit: int = LISTED) -> list[Listed]:
        """Those of the done runs that kept a file in that role."""
        query = _done(limit).join(artifacts, artifacts.c.run_id == runs.c.id)
        with self.begin() as connection:
            found = connection.execute(query.where(artifacts.c.role == role))
            return [Listed(*row) for row in found]

    def exhibit(self, recipe_id: str) -> Run | None:
        """The gallery's run of a recipe, if it has one."""
        query = select(runs).where(runs.c.recipe_id == recipe_id, runs.c.id.startswith(GALLERY))
        with self.begin() as connection:
            return next(iter(_readable(connection.execute(query))), None)

    def unfinished(self) -> list[Run]:
        """Queued and running runs, oldest first: the order in which they are worked on."""
        alone = (runs.c.sweep_id.is_(None), runs.c.state.in_(UNFINISHED))
        query = select(runs).where(*alone).order_by(runs.c.created)
        with self.begin() as connection:
            return _readable(connection.execute(query))

    def waiting(self, before: float | None = None) -> int:
        """How many tasks are queued or under way, parts of sweeps and pipelines included, made
        before a time.
        """
        task = func.coalesce(runs.c.task, runs.c.id)
        found = 0
        with self.begin() as connection:
            for table, each in ((runs, task), (pipelines, pipelines.c.id)):
                query = select(func.count(each.distinct())).where(table.c.state.in_(UNFINISHED))
                if before is not None:
                    query = query.where(table.c.created < before)
                found += connection.scalar(query) or 0
        return found

    def silent(self, since: float) -> list[Silent]:
        """Unfinished runs, members included, that gave no sign of life after that time."""
        columns = (runs.c.id, func.coalesce(runs.c.task, runs.c.id), runs.c.cluster)
        query = select(*columns).where(runs.c.state.in_(UNFINISHED), runs.c.heartbeat < since)
        with self.begin() as connection:
            return [Silent(*row) for row in connection.execute(query)]

    def count(self) -> int:
        """How many runs there are, members of sweeps aside."""
        with self.begin() as connection:
            alone = select(func.count()).where(runs.c.sweep_id.is_(None))
            return connection.scalar(alone) or 0

    def tags(self) -> list[str]:
        """Every tag in use, sorted."""
        with self.begin() as connection:
            texts = connection.scalars(select(runs.c.tags).distinct())
            return sorted({tag for text in texts for tag in json.loads(text)})

    def events(self, run_id: str, after: int = 0) -> tuple[list[Event], int]:
        """Events recorded after a mark, and the mark to go on from."""
        query = (
            select(events.c.number, events.c.events)
            .where(events.c.run_id == run_id, events.c.number > after)
            .order_by(events.c.number)
        )
        with self.begin() as connection:
            rows = connection.execute(query).all()
        found = [Event(**each) for row in rows for each in json.loads(row.events)]
        return found, rows[-1].number if rows else after

    # the catalogue

    def catalogue(self, catalogue_id: str) -> str | None:
        """The catalogue text kept under that content hash, or None."""
        query = select(catalogues.c.catalogue).where(catalogues.c.id == catalogue_id)
        with self.begin() as connection:
            return connection.scalar(query)

    def keep_catalogue(self, catalogue_id: str, text: str) -> None:
        """Keep a catalogue under its content hash; keeping it twice is fine."""
        with self.begin() as connection:
            connection.execute(delete(catalogues).where(catalogues.c.id == catalogue_id))
            connection.execute(insert(catalogues).values(id=catalogue_id, catalogue=text))

    # files

    def artifacts(self) -> set[str]:
        """Names of all files that some run or pipeline needs."""
        every = select(artifacts.c.name).union(select(pipeline_files.c.name))
        with self.begin() as connection:
            return set(connection.scalars(every))

    # inside, and for the stores of sweeps, searches and pipelines in the same database

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: all of it happens, or nothing."""
        with _plain_errors(self._engine), self._engine.begin() as connection:
            yield connection

    def _row(self, connection: Connection, run_id: str) -> Row[Any]:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
        if row is None:
            raise RunError(f"there is no run {run_id!r}; it may have been deleted")
        return row


def _done(limit: int) -> Select[Any]:
    """Id, name and time of done runs, newest first, members of sweeps aside."""
    return (
        select(runs.c.id, runs.c.name, runs.c.created)
        .where(runs.c.state == "done", runs.c.sweep_id.is_(None))
        .order_by(runs.c.created.desc(), runs.c.id)
        .limit(limit)
    )


def _tags_text(tags: list[str] | str) -> str:
    return json.dumps(tags, ensure_ascii=False)  # as typed, so that a text filter finds them


def _mine(run: Run) -> tuple[Any, ...]:
    return (runs.c.id == run.id, runs.c.attempt == run.attempt, runs.c.state == "running")


def _readable(rows: Iterable[Row[Any]]) -> list[Run]:
    """Lists leave out what a newer version of this software may have written."""
    found = []
    for row in rows:
        try:
            found.append(_run(row))
        except StoreError as error:
            log.warning("%s", error)
    return found


def _run(row: Row[Any]) -> Run:
    try:
        return _read(row)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"run {row.name!r} ({row.id}) cannot be read by this version of kdcore: {error}; "
            "update kdcore"
        ) from error


def _read(row: Row[Any]) -> Run:
    values = row._mapping
    progress = values["progress"]
    result = values["result"]
    return Run(
        **{
            name: values[name]
            for name in (
                *("id", "name", "note", "state", "attempt", "stop_requested", "created"),
                *("started", "finished", "heartbeat", "error", "cluster", "sweep_id", "place"),
            )
        },
        recipe=Recipe.from_json(values["recipe"]),
        tags=tuple(json.loads(values["tags"])),
        progress=Progress(**json.loads(progress)) if progress else None,
        result=Result.from_json(result) if result else None,
    )


def _engine(settings: Settings) -> Engine:
    try:
        engine = create_engine(settings.database_url)
    except (SQLAlchemyError, ImportError) as error:
        raise StoreError(
            f"KDCORE_DATABASE_URL is not a database that can be opened here: {error}. "
            "Unset it for the built-in SQLite, or give a URL whose driver is installed."
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_pragmas)
    return engine


def _sqlite_pragmas(connection: Any, _record: object) -> None:
    # WAL: readers never wait for the one writer; the timeout lets writers take turns
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "busy_timeout=10000",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


@contextmanager
def _plain_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
        raise StoreError(
            f"the database {engine.url.render_as_string(hide_password=True)} cannot be used: "
            f"{reason}. Check that it is running, writable and not out of space, "
            "or set KDCORE_DATABASE_URL to another one."
        ) from error
