"""Searches and pipelines in the store, as far as they are alike: queued, stopped, ended, found."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Table, insert, select

from kdcore.runs import rows
from kdcore.runs.records import LISTED, Silent, State, Work
from kdcore.runs.store import Store

J = TypeVar("J", bound=Work)


class Jobs(Generic[J]):
    """The jobs of one kind in a store, a row for each.

    what: the kind, which is also the column that says what is to be done; read: the snapshot of a
    row. Every method raises StoreError where the database cannot be used, and RunError where there
    is no such job or its state forbids what is asked.
    """

    def __init__(self, store: Store, table: Table, what: str, read: Callable[[Row[Any]], J]):
        self._store, self._table, self._what, self._read = store, table, what, read

    # commands of a page

    def request_stop(self, job_id: str) -> J:
        """Stop a queued one at once, one under way as soon as it tells of itself."""
        with self._store.begin() as connection:
            rows.stop(connection, self._table, job_id)
        return self.get(job_id)

    def _queue(self, job_id: str, spelled: str, name: str, cluster: str | None) -> J:
        now = time.time()
        values = {
            **{"id": job_id, self._what: spelled, "name": name[:200], "state": "queued"},
            **{"created": now, "heartbeat": now, "cluster": cluster},
        }
        with self._store.begin() as connection:
            connection.execute(insert(self._table).values(values))
        return self.get(job_id)

    # commands of a worker

    def finish(self, job: J, state: State, error: str | None = None) -> None:
        """End this attempt, unless it is over already."""
        self._end(*rows.mine(self._table, job), state=state, error=error)

    def interrupt(self, job_id: str, silent_since: float) -> bool:
        """Mark it as interrupted unless it gave a sign of life after that time."""
        silent = rows.unfinished(self._table, job_id, silent_since)
        why = f"the engine stopped while it was under way; nothing is wrong with the {self._what}"
        return self._end(*silent, state="interrupted", error=why)

    def _end(self, *where: ColumnElement[bool], state: State, error: str | None) -> bool:
        with self._store.begin() as connection:
            return rows.end(connection, self._table, *where, state=state, error=error)

    # readers

    def get(self, job_id: str) -> J:
        """One of them. Raises RunError where there is none of that id."""
        with self._store.begin() as connection:
            return self._read(rows.row_of(connection, self._table, job_id, self._what))

    def find(self, limit: int = LISTED, state: State | None = None) -> list[J]:
        """All, or those in a state, newest first; one that this version cannot read is left out."""
        newest = (self._table.c.created.desc(), self._table.c.id)
        query = select(self._table).order_by(*newest).limit(limit)
        if state is not None:
            query = query.where(self._table.c.state == state)
        with self._store.begin() as connection:
            return rows.readable(connection.execute(query).all(), self._read)

    def silent(self, since: float) -> list[Silent]:
        """Unfinished ones that gave no sign of life after that time."""
        with self._store.begin() as connection:
            return rows.silent(connection, self._table, since)
