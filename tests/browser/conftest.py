"""A real app in a process of its own, and a real Chromium to visit it with."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kdcore.recipe import Recipe
from kdcore.runs.store import Run, Store
from kdcore.runs.worker import execute
from kdcore.settings import Settings
from tests.processes import ROOT, kill_cluster

SHOTS = ROOT / "test-screenshots"
TABS: list = []
PATIENCE = 60_000
"""Milliseconds that a test waits for what has to come: a busy machine takes its time."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class App:
    """The app under a home of its own; start and kill it as often as a test likes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = Settings(home, home / "data", f"sqlite:///{home / 'kdcore.db'}")

    def start(self) -> float:
        """Start it; returns the seconds until it answers."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", "app.py"),
                *("--server.headless", "true", "--server.port", str(self.port)),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "KDCORE_HOME": str(self.home),
                "KDCORE_DATA": str(self.home / "data"),
                "KDCORE_GALLERY": str(self.home / "no gallery"),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while time.monotonic() - began < 60:
            with suppress(OSError):
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).close()
                return time.monotonic() - began
            time.sleep(0.05)
        raise TimeoutError("the app did not start within a minute")

    def kill(self) -> None:
        """End the app as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ran(self, name: str, widths: tuple[int, int], steps: int, **changes: object) -> Run:
        """A run of these widths of teacher and student, worked on here, and kept by the app."""
        store = Store(self.settings)
        recipe = Recipe(
            **{
                "teacher": {"options": {"widths": [widths[0]]}},
                "student": {"options": {"widths": [widths[1]]}},
                "teacher_training": {"steps": steps},
                "training": {"steps": steps},
                **changes,
            }
        )
        run = store.submit(recipe, name)
        execute(run.id, self.settings)
        return store.get(run.id)


@contextmanager
def serving(home: Path) -> Iterator[App]:
    """An app under that home, gone with its cluster at the end."""
    served = App(home)
    served.start()
    yield served
    served.kill()
    kill_cluster(home)


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One for all browser tests: it has its workers to warm up, and visitors share an app anyway.

    Gone after them, for even an idle cluster takes time from the tests of other folders.
    """
    with serving(tmp_path_factory.mktemp("browser") / "home") as served:
        yield served


@pytest.fixture
def store(app: App) -> Store:
    """What the app has kept."""
    return Store(app.settings)


@pytest.fixture(scope="package")
def chromium() -> Iterator[object]:
    from playwright.sync_api import Error, expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=QUIET
            )
        except Error as error:
            reason = "no Chromium: install Debian's chromium, or run `playwright install chromium`"
            if os.environ.get("CI"):
                pytest.fail(f"{reason} ({error})")
            pytest.skip(reason)
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test leaves pictures of all tabs that are open."""
    report = yield
    if report.failed:
        SHOTS.mkdir(exist_ok=True)
        for number, tab in enumerate(TABS):
            with suppress(Exception):  # the failure itself is what has to be told
                tab.screenshot(path=SHOTS / f"{item.name}-{number}.png")
    return report


@contextmanager
def visitors(chromium, app: App) -> Iterator[Callable[..., object]]:
    """Open a page of the app in a new tab of a new visitor; what it sends to the server, too."""
    before = len(TABS)

    def open_tab(path: str = "/", sent: list | None = None):
        tab = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
        TABS.append(tab)
        tab.set_default_timeout(PATIENCE)
        if sent is not None:  # before its first word: to load a page again takes seconds
            tab.on(
                "websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame))
            )
        tab.goto(app.url + path)
        tab.get_by_role("heading", level=1).wait_for()
        return tab

    yield open_tab
    for tab in TABS[before:]:
        tab.context.close()
    del TABS[before:]


@pytest.fixture
def visit(chromium, app: App) -> Iterator[Callable[..., object]]:
    """Tabs that are closed after the test."""
    with visitors(chromium, app) as open_tab:
        yield open_tab


@pytest.fixture(scope="module")
def stay(chromium, app: App) -> Iterator[Callable[..., object]]:
    """Tabs that a file's tests share: a page full of charts takes seconds to draw."""
    with visitors(chromium, app) as open_tab:
        yield open_tab
