"""What a visitor waits for, in a real browser: the app, a first point, a verdict, a slider.

`python benchmarks/clicks.py` starts the app under a home of its own, visits it, and writes the
table. Each wait is measured several times, with a new visitor each time; the engine is warm, as
it is after the app has been open for some seconds, and the very first click is told apart.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from playwright.sync_api import Browser, Page, sync_playwright
from tables import HERE, Job, Kept, Table, main, markdown
from turns import machine, machine_lines, spread_of

ROOT = Path(__file__).parents[1]

VISITS = 5
MOVES = 20
VISITORS = 5
PATIENCE = 120.0
"""Seconds, for whatever is waited for."""

VERDICT = "text=/Distillation (helped|hurt|made no clear difference)/"
POINT = ".js-plotly-plot .scatterlayer .trace"
TEMPERATURE = r"at T = ([\d.]+)\)"
WAITS = {
    "start": "the app's command → the page is painted",
    "page": "another visitor's address → the page is painted",
    "first point, first click": "*Distill*, the first click of all → the first point of a curve",
    "first verdict": "*Distill*, the first click of all → the verdict (the teacher is trained)",
    "point": "*Distill* → the first point of a curve",
    "verdict": "*Distill* → the verdict, five seeds",
    "form": "a slider of the form → the formula with its new number",
    "answers": "a step of the answers' temperature → the new bars are painted",
}


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def served(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """The app's address, its process, and when it was called for; gone with its engine after."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app.py"),
            *("--server.headless", "true", "--server.port", str(port)),
        ],
        cwd=ROOT,
        env={**os.environ, "KDCORE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}", process, began
    finally:
        process.kill()
        for each in engines(home):
            with suppress(psutil.NoSuchProcess):
                each.kill()


def engines(home: Path) -> list[psutil.Process]:
    """The processes of the engine that works under this home, its workers last."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if "cluster" in command and process.environ().get("KDCORE_HOME") == str(home):
                found += [process, *process.children(recursive=True)]
    return found


def visit(browser: Browser, url: str) -> tuple[Page, float]:
    """A new visitor's page, and the seconds until it stood there."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(1000 * PATIENCE)
    began = time.perf_counter()
    page.goto(url)
    page.locator(".st-key-distill button").wait_for()
    return page, time.perf_counter() - began


def distill(page: Page) -> tuple[float, float]:
    """Press the button: the seconds until the first point, and until the verdict."""
    page.locator(".st-key-distill button:enabled").wait_for()
    began = time.perf_counter()
    page.locator(".st-key-distill button").click()
    page.locator(POINT).first.wait_for(state="attached")
    point = time.perf_counter() - began
    page.locator(VERDICT).first.wait_for()
    return point, time.perf_counter() - began


def warmer(page: Page, steps: int) -> list[float]:
    """Push the form's temperature up by so many steps: the seconds until the formula shows each."""
    slider = page.get_by_role("slider", name="Temperature T").first
    slider.focus()
    shown = page.get_by_text(re.compile(TEMPERATURE)).first.inner_text()
    found = re.search(TEMPERATURE, shown)
    assert found is not None
    waits = []
    for number in range(1, steps + 1):
        began = time.perf_counter()
        page.keyboard.press("ArrowRight")
        page.get_by_text(f"at T = {float(found[1]) + 0.5 * number:g})").wait_for()
        waits.append(time.perf_counter() - began)
    return waits


PAINTED = """
async (slider) => {
  const waits = [];
  for (let move = 0; move < MOVES; move++) {
    const began = performance.now();
    slider.value = Number(slider.value) + Number(slider.step || 1) * (move % 2 ? -1 : 1);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
    waits.push((performance.now() - began) / 1000);
  }
  return waits;
}
""".replace("MOVES", str(MOVES))


def answers(page: Page) -> list[float]:
    """Move the answers' temperature, which asks no server: the seconds until each was painted."""
    slider = page.locator("input[type=range]").first
    slider.wait_for()
    found: list[float] = slider.evaluate(PAINTED)
    return found


def waits() -> dict[str, Any]:
    """All waits, in seconds, and the memory of the processes, in bytes."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        home = Path(folder)
        with served(home) as (url, process, began):
            until(lambda: answers_health(url))
            first, _ = visit(browser, url)
            found: dict[str, Any] = {"start": [time.perf_counter() - began]}
            point, verdict = distill(first)
            found |= {"first point, first click": [point], "first verdict": [verdict]}
            settle(first)
            found |= _visits(browser, url)
            found["memory"] = memory(browser, url, process, home)
        browser.close()
    return {**found, "machine": machine("streamlit", "onnxruntime")}


def _visits(browser: Browser, url: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {
        name: [] for name in ("page", "point", "verdict", "form", "answers")
    }
    for number in range(VISITS):
        page, painted = visit(browser, url)
        found["page"].append(painted)
        found["form"] += warmer(page, number + 1)  # a recipe that nobody has run yet
        point, verdict = distill(page)
        found["point"].append(point)
        found["verdict"].append(verdict)
        settle(page)
        found["answers"] += answers(page)
        page.context.close()
    return found


def settle(page: Page) -> None:
    """Wait until the run is measured, and the page draws nothing more."""
    page.get_by_text("What do the three models answer?").wait_for()
    page.wait_for_timeout(500)


def memory(
    browser: Browser, url: str, process: subprocess.Popen[bytes], home: Path
) -> dict[str, int]:
    """Resident bytes of the page server, what one more visitor adds to it, and a worker's."""
    server = psutil.Process(process.pid)
    before = server.memory_info().rss
    pages = [visit(browser, url)[0] for _ in range(VISITORS)]
    after = server.memory_info().rss
    for page in pages:
        page.context.close()
    worker = max(each.memory_info().rss for each in engines(home))
    return {"page server": before, "visitor": (after - before) // VISITORS, "worker": worker}


def answers_health(url: str) -> bool:
    """Whether the app answers."""
    with suppress(OSError):
        urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
        return True
    return False


def until(happened: Callable[[], bool]) -> None:
    """Wait for it. Raises TimeoutError where it never does."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError("the app did not start")
        time.sleep(0.05)


def table(kept: Kept) -> str:
    """The waits, and the memory."""
    if "waits" not in kept:
        return ""
    found = kept["waits"]
    rows = []
    for name, title in WAITS.items():
        spread = spread_of(found[name])
        seconds = name not in ("form", "answers")
        text = spread.text(2) if seconds else f"{1000 * spread.median:.0f} ms"
        if not seconds:
            text += f" ({1000 * spread.low:.0f} … {1000 * spread.high:.0f})"
        rows.append((title, f"{text}{' s' * seconds}", str(len(found[name]))))
    kilo = found["memory"]
    sizes = [
        ("memory of the page server, after these visits", "page server"),
        ("memory of the page server for one more visitor", "visitor"),
        ("memory of a worker of the engine", "worker"),
    ]
    rows += [(title, f"{max(0, kilo[name]) / 1e6:.0f} MB", "1") for title, name in sizes]
    head = ("what one waits for", "median (low … high)", "times")
    return machine_lines([found["machine"]]) + "\n" + markdown(head, rows)


def told(found: dict[str, Any]) -> str:
    """In one line."""
    return ", ".join(f"{name} {spread_of(found[name]).text(2)}" for name in WAITS)


TABLE = Table(
    HERE,
    "<!-- made by benchmarks/clicks.py -->\n",
    "<!-- end of clicks -->",
    Path(__file__).with_suffix(".json"),
    table,
)

if __name__ == "__main__":
    main(__doc__, TABLE, [Job("waits", "waits", waits)], told, always=True)
