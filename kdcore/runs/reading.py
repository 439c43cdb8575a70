"""What can be read of the runs in the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, or_, select

from kdcore.result import Event
from kdcore.runs import rows
from kdcore.runs.database import plain_errors
from kdcore.runs.records import (
    GALLERY,
    LISTED,
    UNFINISHED,
    Listed,
    Run,
    Silent,
    State,
    run_of,
)
from kdcore.runs.schema import artifacts, catalogues, events, pipeline_files, pipelines, runs


class Readers:
    """The store, as far as it is read; it is opened, and written to, in `Store`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, run_id: str) -> Run:
        """One run. Raises RunError where there is none of that id."""
        with self.begin() as connection:
            return run_of(rows.row_of(connection, runs, run_id, "run"))

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
            query = query.where(runs.c.tags.contains(tags_text(tag), autoescape=True))
        with self.begin() as connection:
            return rows.readable(connection.execute(query), run_of)

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
            return next(iter(rows.readable(connection.execute(query), run_of)), None)

    def unfinished(self) -> list[Run]:
        """Queued and running runs, oldest first: the order in which they are worked on."""
        alone = (runs.c.sweep_id.is_(None), runs.c.state.in_(UNFINISHED))
        query = select(runs).where(*alone).order_by(runs.c.created)
        with self.begin() as connection:
            return rows.readable(connection.execute(query), run_of)

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
        with self.begin() as connection:
            return rows.silent(connection, runs, since, func.coalesce(runs.c.task, runs.c.id))

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
            told = connection.execute(query).all()
        found = [Event(**each) for row in told for each in json.loads(row.events)]
        return found, told[-1].number if told else after

    def catalogue(self, catalogue_id: str) -> str | None:
        """The catalogue text kept under that content hash, or None."""
        query = select(catalogues.c.catalogue).where(catalogues.c.id == catalogue_id)
        with self.begin() as connection:
            return connection.scalar(query)

    def artifacts(self) -> set[str]:
        """Names of all files that some run or pipeline needs."""
        every = select(artifacts.c.name).union(select(pipeline_files.c.name))
        with self.begin() as connection:
            return set(connection.scalars(every))

    # inside, and for the stores of sweeps, searches and pipelines in the same database

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: all of it happens, or nothing."""
        with plain_errors(self._engine), self._engine.begin() as connection:
            yield connection


def _done(limit: int) -> Select[Any]:
    """Id, name and time of done runs, newest first, members of sweeps aside."""
    return (
        select(runs.c.id, runs.c.name, runs.c.created)
        .where(runs.c.state == "done", runs.c.sweep_id.is_(None))
        .order_by(runs.c.created.desc(), runs.c.id)
        .limit(limit)
    )


def tags_text(tags: list[str] | str) -> str:
    """Tags as they are kept: as typed, so that a text filter finds them."""
    return json.dumps(tags, ensure_ascii=False)
