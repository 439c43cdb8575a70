"""The tables, and how a database is brought to the version this code was written for."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    text,
)
from sqlalchemy.schema import SchemaItem

from kdcore.errors import StoreError

metadata = MetaData()

sweeps = Table(
    "sweeps",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("sweep", Text, nullable=False),
    Column("name", String(200), nullable=False),
    Column("created", Float, nullable=False),
    Column("costs", Text),
    Index("sweeps_by_age", "created"),
)


def _work(name: str, what: str, *more: SchemaItem) -> Table:
    """A table of what is worked on: what is to be done, the columns that `rows` reads and writes,
    and more of its own.
    """
    return Table(
        name,
        metadata,
        Column("id", String(16), primary_key=True),
        Column(what, Text, nullable=False),
        Column("name", String(200), nullable=False),
        Column("state", String(16), nullable=False),
        Column("attempt", Integer, nullable=False, default=0),
        Column("stop_requested", Boolean, nullable=False, default=False),
        Column("created", Float, nullable=False),
        Column("finished", Float),
        Column("heartbeat", Float, nullable=False),
        Column("error", Text),
        Column("cluster", String(200)),
        *more,
        Index(f"{name}_by_age", "created"),
        Index(f"{name}_by_state", "state"),
    )


searches = _work(
    "searches",
    "search",
    Column("seconds", Float, nullable=False, default=0.0),
    Column("standing", Text),
    Column("handed", Integer, nullable=False, default=0),
    Column("tested", Integer),
    Column("test_run", String(16)),
)

runs = _work(
    "runs",
    "recipe",
    Column("recipe_id", String(16), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("tags", Text, nullable=False, default="[]"),
    Column("started", Float),
    Column("progress", Text),
    Column("result", Text),
    Column("task", String(40)),
    Column("sweep_id", String(16), ForeignKey("sweeps.id", ondelete="CASCADE")),
    Column("place", Integer),
    Column("summary", Text),
    Index("runs_by_sweep", "sweep_id", "place"),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(16), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("events", Text, nullable=False),
    Index("events_by_run", "run_id", "number"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_id", String(16), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(64), primary_key=True),
    Column("name", String(64), nullable=False, index=True),
)

pipelines = _work(
    "pipelines",
    "pipeline",
    Column("place", Integer, nullable=False, default=0),
    Column("progress", Text),
    Column("members", Text),
)

pipeline_files = Table(
    "pipeline_files",
    metadata,
    Column(
        "pipeline_id",
        String(16),
        ForeignKey("pipelines.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", String(64), primary_key=True),
    Index("pipeline_files_by_name", "name"),
)

pipeline_events = Table(
    "pipeline_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column(
        "pipeline_id", String(16), ForeignKey("pipelines.id", ondelete="CASCADE"), nullable=False
    ),
    Column("place", Integer, nullable=False),
    Column("events", Text, nullable=False),
    Index("pipeline_events_by_member", "pipeline_id", "place", "number"),
)

catalogues = Table(
    "catalogues",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("catalogue", Text, nullable=False),
)

LOCK = "database.lock"
"""Under the home: whoever changes the tables holds it."""

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0007"
"""The newest revision under migrations/versions; a test holds the two together."""

VERSION_TABLE = "kdcore_version"
"""Where the database says its revision. Alembic's usual table is Optuna's here, which keeps the
trials of searches in the same database."""

FORMER_TABLE = "alembic_version"
FORMER = ("0001", "0002", "0003", "0004")
"""The revisions that stood in alembic's usual table, before there were searches."""


def upgrade(engine: Engine, home: Path) -> None:
    """Create the tables, or bring an older database up to date; one process at a time.

    Raises StoreError on a database from a newer version of this software.
    """
    if revision(engine) == HEAD:
        return
    # imported late: an up-to-date database, the usual case, never pays for alembic
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with FileLock(home / LOCK), engine.begin() as connection:
        _move_version(connection)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"the database is at revision {revision(engine)}, which this version of kdcore "
                f"(revision {HEAD}) does not know: update kdcore, or set KDCORE_DATABASE_URL to "
                "another database"
            ) from error


def revision(engine: Engine) -> str | None:
    """The database's schema revision, or None for an empty one."""
    with engine.connect() as connection:
        return _read(connection, VERSION_TABLE) or _former(connection)


def _former(connection: Connection) -> str | None:
    found = _read(connection, FORMER_TABLE)
    return found if found in FORMER else None


def _read(connection: Connection, table: str) -> str | None:
    if not inspect(connection).has_table(table):
        return None
    return connection.execute(text(f"SELECT version_num FROM {table}")).scalar()


def _move_version(connection: Connection) -> None:
    """Let a database from before searches say its revision where it is said now."""
    former = _former(connection)
    if former is None or _read(connection, VERSION_TABLE) is not None:
        return
    # not renamed: its key would keep a name that Postgres gives once, and Optuna's needs it
    version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
    version.create(connection)
    connection.execute(version.insert().values(version_num=former))
    connection.execute(text(f"DROP TABLE {FORMER_TABLE}"))
