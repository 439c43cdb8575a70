"""A runner with a real cluster, started once for all files here."""

from __future__ import annotations

import pytest

from kdcore.recipe import Recipe
from kdcore.runs.runner import Runner
from kdcore.settings import Settings
from tests.processes import eventually, kill_cluster


@pytest.fixture(scope="package")
def lasting_home(tmp_path_factory):
    """One home for this folder, so that its cluster starts once."""
    folder = tmp_path_factory.mktemp("cluster") / "home"
    yield folder
    kill_cluster(folder)


@pytest.fixture
def home(lasting_home, monkeypatch):
    monkeypatch.setenv("KDCORE_HOME", str(lasting_home))
    return lasting_home


@pytest.fixture
def run_it(home):
    made = Runner(Settings.from_environment())
    yield made
    made.close()


@pytest.fixture
def long(quick) -> Recipe:
    """Half a minute of work, unless it is stopped."""
    return quick.model_copy(
        update={"training": quick.training.model_copy(update={"steps": 100_000})}
    )


@pytest.fixture
def scheduler(tmp_path, python):
    """A plain Dask scheduler's file, and what starts a worker for it."""
    file = tmp_path / "scheduler.json"
    quiet = ("--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    python("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", *quiet)
    assert eventually(file.exists)

    def worker(**where):
        plain = ("--scheduler-file", str(file), "--no-dashboard", "--nworkers", "1")
        return python("-m", "distributed.cli.dask_worker", *plain, "--nthreads", "1", **where)

    return file, worker
