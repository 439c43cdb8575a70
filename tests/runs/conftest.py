"""A store under a home of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kdcore.runs.store import Store
from kdcore.settings import Settings
from tests.processes import starting


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings.from_environment()


@pytest.fixture
def store(settings: Settings, empty_database: Path) -> Store:
    shutil.copy(empty_database, settings.ready_home())
    return Store(settings)


@pytest.fixture
def python() -> Iterator[Callable[..., object]]:
    """Start python processes that do not outlive the test."""
    with starting() as start:
        yield start
