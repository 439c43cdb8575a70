"""The schema: brought up to date when a store is opened, whoever opens it first."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from kdcore.errors import StoreError
from kdcore.runs import schema
from kdcore.runs.store import Store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def engine(settings, store):
    engine = create_engine(settings.database_url)
    yield engine
    engine.dispose()


def test_a_new_database_is_at_the_newest_revision(engine):
    assert schema.revision(engine) == schema.HEAD


def test_the_code_knows_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_the_migrations_make_the_very_tables_that_the_code_uses(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE}
        )
        assert compare_metadata(context, schema.metadata) == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine, settings):
    with engine.begin() as connection:
        connection.execute(text("UPDATE kdcore_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="revision 9999, which this version of kdcore"):
        Store(settings)
    assert schema.revision(engine) == "9999"


def test_stores_opened_at_once_make_one_database(settings):
    failures = []

    def open_one():
        try:
            Store(settings)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    engine = create_engine(settings.database_url)
    assert {"runs", "events", "artifacts"} <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_a_database_that_is_up_to_date_is_opened_without_alembic(store, settings):
    code = (
        "import sys; from kdcore.runs.store import Store; from kdcore.settings import Settings; "
        "Store(Settings.from_environment()); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
