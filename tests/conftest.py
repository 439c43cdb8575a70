"""What many tests share: a home of their own, a shelf, the digits, and a recipe of a moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path

import pytest

from kdcore.recipe import ModelChoice, Recipe, Training
from kdcore.shelf import Shelf
from kdcore.uploads import bring
from tests.groups import turn

# before torch is imported: threads of two test processes wait for each other's cores
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from tests.groups import scheduler

    return scheduler(config, log)


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Iterator[int]]:
    """Where each test has its home, and the next one's number."""
    return tmp_path_factory.mktemp("homes"), count()


@pytest.fixture(autouse=True)
def home(homes: tuple[Path, Iterator[int]]) -> Iterator[Path]:
    """No test reads or writes what the user keeps.

    The folder is not made: most tests write nothing, and making it took them longer than they do.
    """
    folder = homes[0] / str(next(homes[1]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KDCORE_HOME", str(folder))
        patched.setenv("KDCORE_GALLERY", f"{folder}, no gallery")
        for variable in ("KDCORE_DATABASE_URL", "KDCORE_SCHEDULER", "KDCORE_TRACE"):
            patched.delenv(variable, raising=False)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def look_once() -> Iterator[None]:
    """The same ONNX model is looked at once, in a process of its own as ever."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bring, "inspect_onnx", lru_cache(maxsize=None)(bring.inspect_onnx))
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which nothing is yet: to copy, for its making takes all the migrations."""
    from kdcore.runs.store import Store
    from kdcore.settings import Settings

    home = tmp_path_factory.mktemp("empty")
    path = home / "kdcore.db"
    Store(Settings(home, home / "data", f"sqlite:///{path}"))._engine.dispose()
    return path


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """The README's method, registered as its file would be, and forgotten afterwards."""
    from kdcore import methods

    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    code = next(each for each in readme.split("```python\n") if "@method" in each.split("```")[0])
    monkeypatch.setattr(methods._methods, "_items", dict(methods._methods._items))
    exec(compile(code.split("```")[0], "logit_match.py", "exec", dont_inherit=True), {})
    return methods.get("logit_match")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture(scope="session")
def digits():
    from kdcore import tasks

    return tasks.get("digits").load()


@pytest.fixture(scope="session")
def quick() -> Recipe:
    """Three seeds of tiny networks: a tenth of a second up to the verdict."""
    return Recipe(
        teacher=ModelChoice(options={"widths": [8]}),
        student=ModelChoice(options={"widths": [4]}),
        teacher_training=Training(steps=20),
        training=Training(steps=20),
        seeds=(0, 1, 2),
    )
