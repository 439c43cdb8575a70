"""The pages without a browser: streamlit's AppTest, and a runner that works in this process."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test, local_script_runner

from kdcore import Recipe
from kdcore.catalogue import Catalogue, read_catalogue
from kdcore.experiment import steps
from kdcore.runs.runner import Runner
from kdcore.runs.store import Run, Store
from kdcore.runs.worker import execute
from kdcore.settings import Settings
from kdcore.shelf import Shelf

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """A server reads once what packages say of themselves, and compiles a page once.

    AppTest does both anew, the latter at every run of a page.
    """
    compiled = ScriptCache()
    with pytest.MonkeyPatch.context() as patched:
        for module in (app_test, local_script_runner):
            patched.setattr(module, "ScriptCache", lambda: compiled)
        scan = lru_cache(maxsize=1)(manifest_scanner.scan_component_manifests)
        patched.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def definitions() -> Catalogue:
    return read_catalogue()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path) -> Settings:
    monkeypatch.setenv("KDCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KDCORE_DATA", str(tmp_path / "home" / "data"))  # own data is kept there
    monkeypatch.delenv("KDCORE_DATABASE_URL", raising=False)
    monkeypatch.delenv("KDCORE_SCHEDULER", raising=False)
    found = Settings.from_environment()
    shutil.copy(empty_database, found.ready_home())
    return found


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings)


@pytest.fixture
def open_app(
    settings: Settings, definitions: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Open a page of the app, with a query, against a cluster that takes runs and does nothing."""

    def nothing(*_: object) -> None: ...

    monkeypatch.setattr(Runner, "_connect_early", nothing)
    monkeypatch.setattr(Runner, "_connected", nothing)
    monkeypatch.setattr(Runner, "_cluster", nothing)
    monkeypatch.setattr(Runner, "_hand_over", lambda self, client, run: run)
    monkeypatch.setattr(Runner, "catalogue", lambda self: definitions)
    st.cache_resource.clear()
    st.cache_data.clear()

    def open_page(page: str = "pages/distill.py", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=20)
        for name, value in query.items():
            app.query_params[name] = value
        if page != "pages/distill.py":
            app.switch_page(page)  # at once, as a visitor with a link: Distill is not drawn before
        app.run()
        assert not app.exception
        return app

    return open_page


@pytest.fixture
def quick() -> Recipe:
    """A recipe that is done in a second."""
    return Recipe(
        teacher={"architecture": "mlp", "options": {"widths": [16]}},
        student={"architecture": "mlp", "options": {"widths": [4]}},
        teacher_training={"steps": 20},
        training={"steps": 20},
        transfer={"labelled": 50, "unlabelled": 100},
        seeds=(0, 1, 2),
    )


@pytest.fixture(scope="session")
def once_run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[object], Path]]:
    """What each recipe told, and its files: the same again for every test that asks for it."""
    return {}


@pytest.fixture
def finished(
    store: Store,
    settings: Settings,
    quick: Recipe,
    once_run: dict[str, tuple[list[object], Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Run]:
    """Runs that were really run, in this process."""

    def finish(name: str = "a run", **changes: object) -> Run:
        recipe = Recipe(**{**quick.model_dump(), **changes})
        if recipe.id not in once_run:
            kept = tmp_path_factory.mktemp("artifacts")
            once_run[recipe.id] = (list(steps(recipe, Shelf(kept))), kept)
        told, files = once_run[recipe.id]
        shutil.copytree(files, settings.home / "artifacts", dirs_exist_ok=True)
        run = store.submit(recipe, name)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("kdcore.experiment.steps", lambda *_: iter(told))
            execute(run.id, settings)
        return store.get(run.id)

    return finish


@pytest.fixture
def logits(settings: Settings) -> Callable[[Run], dict[str, np.ndarray]]:
    """A run's kept answers."""

    def read(run: Run) -> dict[str, np.ndarray]:
        assert run.result is not None
        path = settings.home / "artifacts" / run.result.artifacts["logits"]
        return dict(np.load(io.BytesIO(path.read_bytes())))

    return read
