"""What the rows of runs, searches and pipelines have in common: a state, an attempt, signs of life.

Plain statements, each within the transaction that a connection stands for. A table has the columns
id, state, attempt, stop_requested, heartbeat, finished, error, cluster and created.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, select, update

from kdcore.errors import RunError, StoreError
from kdcore.runs.records import UNFINISHED, Silent, State, Work

log = logging.getLogger(__name__)

T = TypeVar("T")


def mine(table: Table, of: Work) -> tuple[ColumnElement[bool], ...]:
    """Where the row is that this attempt is under way on; nowhere once a later one has begun."""
    return table.c.id == of.id, table.c.attempt == of.attempt, table.c.state == "running"


def row_of(connection: Connection, table: Table, row_id: str, what: str) -> Row[Any]:
    """One row. Raises RunError where there is none of that id."""
    row = connection.execute(select(table).where(table.c.id == row_id)).first()
    if row is None:
        raise RunError(f"there is no {what} {row_id!r}; it may have been deleted")
    return row


def stop(connection: Connection, table: Table, row_id: str) -> None:
    """Cancel what is queued at once, and ask what is under way to stop."""
    here = table.c.id == row_id
    connection.execute(update(table).where(here).values(stop_requested=True))
    connection.execute(
        update(table)
        .where(here, table.c.state == "queued")
        .values(state="cancelled", finished=time.time())
    )


def told(connection: Connection, table: Table, of: Work, values: dict[str, Any]) -> bool:
    """Write a sign of life and what is new; whether this attempt is still the one that counts."""
    heard = {"heartbeat": time.time(), **values}
    return bool(connection.execute(update(table).where(*mine(table, of)).values(heard)).rowcount)


def goes_on(connection: Connection, table: Table, row_id: str) -> bool:
    """Whether nobody asked it to stop."""
    return not connection.scalar(select(table.c.stop_requested).where(table.c.id == row_id))


def end(
    connection: Connection,
    table: Table,
    *where: ColumnElement[bool],
    state: State,
    error: str | None = None,
) -> bool:
    """End what is there; whether anything was."""
    ended = {"state": state, "error": error, "finished": time.time()}
    return bool(connection.execute(update(table).where(*where).values(ended)).rowcount)


def unfinished(
    table: Table, row_id: str, silent_since: float | None = None
) -> tuple[ColumnElement[bool], ...]:
    """Where it is, unless it has ended, or gave a sign of life after that time."""
    there = (table.c.id == row_id, table.c.state.in_(UNFINISHED))
    return there if silent_since is None else (*there, table.c.heartbeat <= silent_since)


def silent(
    connection: Connection, table: Table, since: float, task: ColumnElement[str] | None = None
) -> list[Silent]:
    """What is unfinished and gave no sign of life after that time; task: its key, if not its id."""
    key = table.c.id if task is None else task
    heard = (table.c.state.in_(UNFINISHED), table.c.heartbeat < since)
    query = select(table.c.id, key, table.c.cluster).where(*heard)
    return [Silent(*row) for row in connection.execute(query)]


def readable(rows: Iterable[Row[Any]], read: Callable[[Row[Any]], T]) -> list[T]:
    """Lists leave out what a newer version of this software may have written."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except StoreError as error:
            log.warning("%s", error)
    return found
