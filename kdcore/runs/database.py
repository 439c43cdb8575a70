"""The database that the store is in: opened, and what goes wrong with it said in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from kdcore.errors import StoreError
from kdcore.settings import Settings


def opened(settings: Settings) -> Engine:
    """The database of these settings. Raises StoreError where it is none."""
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
def plain_errors(engine: Engine) -> Iterator[None]:
    """Whatever keeps us from the database, as StoreError, in a sentence."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
        raise StoreError(
            f"the database {engine.url.render_as_string(hide_password=True)} cannot be used: "
            f"{reason}. Check that it is running, writable and not out of space, "
            "or set KDCORE_DATABASE_URL to another one."
        ) from error
