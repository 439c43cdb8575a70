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
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from kdcore.errors import RunError
from kdcore.outcome import numbers
from kdcore.recipe import Recipe
from kdcore.result import Event, Progress, Result
from kdcore.runs import rows, schema
from kdcore.runs.database import opened, plain_errors
from kdcore.runs.reading import Readers, tags_text
from kdcore.runs.records import (
    GALLERY,
    LISTED,
    RESTARTABLE,
    STATES,
    UNFINISHED,
    Ended,
    Listed,
    Run,
    Silent,
    State,
    deletable,
    run_of,
)
from kdcore.runs.schema import artifacts, catalogues, events, pipeline_files, runs
from kdcore.settings import Settings

__all__ = [
    "GALLERY",
    "LISTED",
    "RESTARTABLE",
    "STATES",
    "UNFINISHED",
    "Ended",
    "Listed",
    "Run",
    "Silent",
    "State",
    "Store",
]

INTERRUPTED = "the engine stopped while this run was under way; nothing is wrong with the recipe"


class Store(Readers):
    """Runs in a database that is brought up to date when it is opened.

    Every method raises StoreError, one sentence, where the database cannot be used, and RunError
    where there is no such run or its state forbids what is asked.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(opened(settings))
        with plain_errors(self._engine):
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
            rows.stop(connection, runs, run_id)
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
            values["tags"] = tags_text(sorted({tag.strip() for tag in tags if tag.strip()}))
        if note is not None:
            values["note"] = note.strip()
        if values:
            with self.begin() as connection:
                connection.execute(update(runs).where(runs.c.id == run_id).values(**values))
        return self.get(run_id)

    def delete(self, run_id: str) -> tuple[str, ...]:
        """Delete an ended run; returns the names of files that no other run or pipeline needs."""
        deletable("run", self.get(run_id), "cancel")
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
            begun = connection.execute(select(runs).where(runs.c.id.in_(claimed))).all()
        found = {row.id: run_of(row) for row in begun}
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
        values: dict[str, Any] = {}
        if progress is not None:
            values["progress"] = json.dumps(asdict(progress))
        if result is not None:
            values["result"] = result.to_json()
            values["summary"] = json.dumps(numbers(result))
        if not rows.told(connection, runs, run, values):
            return False
        if happened:
            text = json.dumps([asdict(each) for each in happened])
            connection.execute(insert(events).values(run_id=run.id, events=text))
        if result is not None:
            connection.execute(delete(artifacts).where(artifacts.c.run_id == run.id))
            for role, name in result.artifacts.items():
                kept = {"run_id": run.id, "role": role, "name": name}
                connection.execute(insert(artifacts).values(kept))
        return rows.goes_on(connection, runs, run.id)

    def finish(self, run: Run, state: State, error: str | None = None) -> None:
        """End this attempt, unless it is over already."""
        self.finish_all([Ended(run, state, error)])

    def finish_all(self, ended: Iterable[Ended]) -> None:
        """The same for several at once; what came of them, if anything, is written with it."""
        with self.begin() as connection:
            for each in ended:
                if each.result is not None:
                    self._record(connection, each.run, (), None, each.result)
                mine = rows.mine(runs, each.run)
                rows.end(connection, runs, *mine, state=each.state, error=each.error)

    def interrupt(self, run_id: str, silent_since: float) -> bool:
        """Mark an unfinished run as interrupted unless it gave a sign of life after that time."""
        silent = rows.unfinished(runs, run_id, silent_since)
        with self.begin() as connection:
            return rows.end(connection, runs, *silent, state="interrupted", error=INTERRUPTED)

    def fail(self, run_id: str, error: str, task: str | None = None) -> None:
        """End a run that its worker could not end itself; task: as for `claim`."""
        mine = [*rows.unfinished(runs, run_id)]
        mine += [] if task is None else [runs.c.task == task]
        with self.begin() as connection:
            rows.end(connection, runs, *mine, state="failed", error=error)

    # the catalogue

    def keep_catalogue(self, catalogue_id: str, text: str) -> None:
        """Keep a catalogue under its content hash; keeping it twice is fine."""
        with self.begin() as connection:
            connection.execute(delete(catalogues).where(catalogues.c.id == catalogue_id))
            connection.execute(insert(catalogues).values(id=catalogue_id, catalogue=text))
