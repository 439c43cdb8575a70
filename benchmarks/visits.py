"""What a change of view costs the server, and what a visitor costs it in memory, page by page.

`python benchmarks/visits.py` starts the app with runs of the gallery, of MNIST with its 10,000 test
pictures (where KDCORE_DATA holds it) and of a made-up task of 100 classes, visits every page that
looks at runs in a real browser, and presses all the buttons there are to choose a view, in turn.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import psutil
from clicks import ROOT, answers_health, engines, free_port, until
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from tables import HERE, Job, Kept, Table, main, markdown
from turns import machine, machine_lines

from kdcore import ingest
from kdcore.recipe import Recipe
from kdcore.runs.gallery import bring_in, exhibits
from kdcore.runs.store import Store
from kdcore.runs.worker import execute
from kdcore.settings import Settings
from kdcore.shelf import Shelf

MOVES = 50
VISITORS = 5
TARGET = 100.0
"""Milliseconds of server time, for 95 of 100 changes of view."""

PAGES = {
    "Soft targets": "soft_targets?run={run}",
    "Where they differ": "differences?run={run}",
    "Inside": "inside?run={run}",
    "Try it": "try_it?run={run}",
    "Compare, two runs": "compare?runs={run},{other}",
    "Decide": "decide",
}
SLOW = ("t-SNE",)
"""Views that are computed when asked for, and say so."""

VIEWS = "[data-testid=stButtonGroup] button"

CLASSES = 100


def serve(port: str, log: str) -> None:
    """Be the app, and write down how long each run of a page took: seconds, processor seconds."""
    from streamlit.runtime.scriptrunner import script_runner
    from streamlit.web.cli import main as streamlit

    began = threading.local()
    first = script_runner.ScriptRunner.__init__

    def heard(_: object, event: script_runner.ScriptRunnerEvent, **__: object) -> None:
        if event == script_runner.ScriptRunnerEvent.SCRIPT_STARTED:
            began.at = time.perf_counter(), time.thread_time()
        elif "STOPPED" in event.name and event.name != "SCRIPT_STOPPED_FOR_RERUN":
            took = time.perf_counter() - began.at[0], time.thread_time() - began.at[1]
            with Path(log).open("a") as file:
                file.write(f"{took[0]} {took[1]}\n")

    def listened_to(self: script_runner.ScriptRunner, *args: Any, **named: Any) -> None:
        first(self, *args, **named)
        self.heard = heard  # a signal forgets whom nobody else holds
        self.on_event.connect(heard)

    script_runner.ScriptRunner.__init__ = listened_to
    sys.argv = ["streamlit", "run", str(ROOT / "app.py"), "--server.headless", "true"]
    sys.argv += ["--server.port", port]
    streamlit()


@contextmanager
def watched(settings: Settings) -> Iterator[tuple[str, int, Path]]:
    """The app's address, its process, and the file of its times; gone with its engine after."""
    port, log = str(free_port()), settings.home / "times"
    log.touch()
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", port, str(log)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers_health(url))
        yield url, process.pid, log
    finally:
        process.kill()
        for each in engines(settings.home):
            with suppress(psutil.NoSuchProcess):
                each.kill()


def hundred(data: Path) -> str:
    """A made-up task of 100 classes of 8×8 pictures, 10,000 of them for testing; its name."""
    chance = np.random.default_rng(0)
    labels = np.tile(np.arange(CLASSES), 500)
    pictures = chance.normal(128, 45, (CLASSES, 8, 8))[labels]
    pictures = np.clip(pictures + chance.normal(0, 60, pictures.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    np.savez(file, images=pictures, labels=labels)
    file.name = "hundred.npz"
    file.seek(0)
    return ingest.keep(ingest.inspect(file, "Hundred classes"), data).task


def trained(settings: Settings, task: str) -> str:
    """The id of a finished run of that task with two seeds."""
    store = Store(settings)
    recipe = Recipe(
        task=task,
        teacher={"options": {"widths": [128]}},
        student={"options": {"widths": [16]}},
        teacher_training={"steps": 300},
        training={"steps": 100},
        transfer={"labelled": 2000},
        seeds=(0, 1),
    )
    run = store.submit(recipe, task)
    execute(run.id, settings)
    if (error := store.get(run.id).error) is not None:
        raise SystemExit(error)
    return run.id


@contextmanager
def house() -> Iterator[Settings]:
    """A home of its own, with the gallery in it, and MNIST where KDCORE_DATA holds it."""
    there = Settings.from_environment().data / "MNIST"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "data").mkdir()
        if there.exists():
            (home / "data" / "MNIST").symlink_to(there)
        os.environ |= {"KDCORE_HOME": str(home), "KDCORE_DATA": str(home / "data")}
        settings = Settings.from_environment()
        bring_in(Store(settings), Shelf(settings.ready_home() / "artifacts"), settings.gallery)
        yield settings


def from_gallery(settings: Settings) -> str:
    """The id of a run of the digits."""
    return next(each.id for each in exhibits(settings.gallery) if each.name == "All labels")


LOOKED_AT: dict[str, Callable[[Settings], str]] = {
    "digits, 10 classes, 360 test samples": from_gallery,
    "MNIST, 10 classes, 10,000 test samples": partial(trained, task="mnist"),
    "made up, 100 classes, 10,000 test samples": lambda s: trained(s, hundred(s.data)),
}


def measure(looked_at: Callable[[Settings], str]) -> dict[str, Any]:
    """By page: milliseconds of the server for each change of view, and bytes for a visitor."""
    with house() as settings, sync_playwright() as playwright:
        run = looked_at(settings)
        other = next(each.id for each in exhibits(settings.gallery) if each.name == "Few labels")
        found: dict[str, Any] = {}
        with watched(settings) as (url, process, log):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            for name, address in PAGES.items():
                there = f"{url}/{address.format(run=run, other=other)}"
                found[name] = moves(browser, there, log)
                found[name]["visitor"] = memory(browser, there, process, log)
                print(" ", name, told({name: found[name]}), flush=True)
            browser.close()
    return {"pages": found, "machine": machine("streamlit", "plotly")}


def opened(browser: Browser, url: str, log: Path) -> Page:
    """A new visitor's page, when it has come to rest."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    before = lines(log)
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for()
    at_rest(page, log, before, 1500)
    return page


def lines(log: Path) -> list[str]:
    """Of each run of a page so far."""
    return log.read_text().splitlines()


def at_rest(page: Page, log: Path, before: list[str], milliseconds: float) -> None:
    """Wait until the server has run a page since, and then has been at rest for so long."""
    until(lambda: len(lines(log)) > len(before))
    seen = before
    while len(now := lines(log)) > len(seen):
        seen = now
        page.wait_for_timeout(milliseconds)


def moves(browser: Browser, url: str, log: Path) -> dict[str, list[list[float]]]:
    """Press each button that chooses a view, in turn: milliseconds on the clock, of the processor.

    first: as long as some button is pressed for the first time; again: MOVES more.
    """
    page = opened(browser, url, log)
    page.locator(VIEWS).first.wait_for()
    first: list[list[float]] = []
    again: list[list[float]] = []
    pressed: set[str] = set()
    while len(again) < MOVES:
        choices = views(page)
        new = [each for each in choices if each not in pressed]
        known = sorted(pressed & set(choices))
        name = new[0] if new else known[len(again) % len(known)]
        took = pressing(page, choices[name], log)
        pressed.add(name)
        (first if new else again).append(took)
    page.context.close()
    return {"first": first, "again": again}


def views(page: Page) -> dict[str, Locator]:
    """The buttons that choose a view and aren't chosen, by what is written on them."""
    free = page.locator(f"{VIEWS}[aria-checked=false]")
    names = {name.strip() for name in free.all_inner_texts()}  # all at once: some may be drawn anew
    return {
        name: free.filter(has_text=re.compile(f"^\\s*{re.escape(name)}\\s*$")).first
        for name in sorted(names.difference(("", *SLOW)))
    }


def pressing(page: Page, button: Locator, log: Path) -> list[float]:
    """Press it, and wait until the server has been at rest for a third of a second."""
    before = lines(log)
    button.click()
    at_rest(page, log, before, 350)
    taken = [list(map(float, line.split())) for line in lines(log)[len(before) :]]
    return [1000 * sum(each) for each in zip(*taken, strict=True)]


def memory(browser: Browser, url: str, process: int, log: Path) -> int:
    """Bytes that the server holds more for each of some visitors of a page that it has drawn."""
    server = psutil.Process(process)
    before = server.memory_info().rss
    pages = [opened(browser, url, log) for _ in range(VISITORS)]
    more = (server.memory_info().rss - before) // VISITORS
    for page in pages:
        page.context.close()
    return more


def percentile(values: list[float], share: int) -> float:
    """Of some values, with one percent in each of its hundred parts."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def row(found: dict[str, Any]) -> list[str]:
    """A page's figures, as they stand in the table."""
    visitor = f"{found['visitor'] / 1e6:.1f}" if found["visitor"] > 5e4 else "under 0.1"
    clock, processor = map(list, zip(*found["again"], strict=True))
    most = max(each for _, each in found["first"])
    late = percentile(processor, 95)
    return [
        f"{statistics.median(processor):.0f}",
        f"{late:.0f}" + (" (above the target)" if late > TARGET else ""),
        f"{percentile(clock, 95):.0f}",
        f"{most:.0f}",
        visitor,
    ]


def table(kept: Kept) -> str:
    """All pages, by what they look at."""
    head = ["what is looked at", "page", "ms of the server's processor: median", "95 of 100 below"]
    head += ["on the clock, 95 below", "the slowest of the first times", "MB a visitor"]
    rows = [
        (name, page, *row(figures))
        for name in LOOKED_AT
        if name in kept
        for page, figures in kept[name]["pages"].items()
    ]
    machines = machine_lines(each["machine"] for each in kept.values())
    return markdown(head, rows, left=2) + "\n" + machines


def told(found: dict[str, Any]) -> str:
    """In a line for each page."""
    pages = found.get("pages", found)
    return "\n".join(f"{name}: {', '.join(row(each))}" for name, each in pages.items())


TABLE = Table(
    HERE,
    "<!-- made by benchmarks/visits.py -->\n",
    "<!-- end of visits -->",
    Path(__file__).with_suffix(".json"),
    table,
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        jobs = [Job(name, name, partial(measure, each)) for name, each in LOOKED_AT.items()]
        main(__doc__, TABLE, jobs, lambda _: "", always=True)
