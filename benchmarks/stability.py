"""How far the ratio of two models' latencies can be trusted, quiet and under load.

`python benchmarks/stability.py` times a teacher and its student three times five times over, alone
and beside a process that takes the same core in bursts, and writes the table of
benchmarks/README.md: the ratio's coefficient of variation over five repeats, by low processor
time, by its median, and by wall time's, as the median of three takings, the lowest and the highest.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tables import HERE, Job, Kept, Table, main, markdown
from turns import machine, machine_lines, one_thread, spread_of

from kdcore import models
from kdcore.compress.export import to_onnx
from kdcore.measure import here

REPEATS = 5
TAKINGS = 3
TARGET = 5.0
"""Percent: a ratio that varies more is not worth its second digit."""

BURSTS = "import time\nwhile True:\n    e = time.time() + .02\n    while time.time() < e: pass\n"
BURSTS += "    time.sleep(.015)\n"


@dataclass(frozen=True)
class Pair:
    """A teacher and a student to be timed against each other on a batch of samples."""

    name: str
    shape: tuple[int, ...]
    teacher: tuple[str, dict[str, Any]]
    student: tuple[str, dict[str, Any]]
    batch: int = 1


PAIRS = (
    Pair("MLP 256-256 → 16", (1, 8, 8), ("mlp", {"widths": [256, 256]}), ("mlp", {"widths": [16]})),
    Pair(
        "CNN 64-128 → 16-32, batch 8",
        (1, 28, 28),
        ("cnn", {"channels": [64, 128]}),
        ("cnn", {"channels": [16, 32]}),
        batch=8,
    ),
)


def variations(ratios: Sequence[float]) -> list[float]:
    """Standard deviation over mean, in percent, of each taking's repeats."""
    takings = (ratios[start : start + REPEATS] for start in range(0, len(ratios), REPEATS))
    return [100 * statistics.stdev(each) / statistics.mean(each) for each in takings]


@contextmanager
def company(loaded: bool) -> Iterator[None]:
    """Nobody, or one process for each core that works in bursts of 20 ms, 15 ms apart."""
    count = here.cores() if loaded else 0
    busy = [subprocess.Popen([sys.executable, "-c", BURSTS]) for _ in range(count)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def measure(pair: Pair, loaded: bool) -> dict[str, Any]:
    """The ratio of each repeat, by low and median processor time, and by wall time."""
    one_thread()
    files = {}
    for name, (architecture, options) in (("teacher", pair.teacher), ("student", pair.student)):
        network = models.get(architecture).build(pair.shape, 10, options, seed=0)
        files[name] = to_onnx(network, pair.shape)
    low, cpu, wall, noisy = [], [], [], 0
    with company(loaded):
        for _ in range(TAKINGS * REPEATS):
            cells = here.grid(files, batches=(pair.batch,), threads=(1,))
            teacher, student = cells
            low.append(teacher.low_ms / student.low_ms)
            wall.append(teacher.p50_ms / student.p50_ms)
            cpu.append(teacher.cpu_ms / student.cpu_ms)
            noisy += any(each.noisy for each in cells)
    told = {"low": low, "cpu": cpu, "wall": wall, "noisy": noisy}
    told["machine"] = machine("onnxruntime")
    return {**told, "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}


def jobs() -> list[Job]:
    """Every pair, alone and in company."""
    return [
        Job(key, key, partial(measure, pair, loaded))
        for pair in PAIRS
        for loaded in (False, True)
        for key in (f"{pair.name}; {'in company' if loaded else 'alone'}",)
    ]


def text(kept: Kept) -> str:
    """The table."""
    head = ["teacher → student; the core", "low processor time", "varies by"]
    head += ["median of it", "varies by", "median on the clock", "varies by", "noisy", "load"]
    rows = []
    for name, each in kept.items():
        told = [name]
        for how in ("low", "cpu", "wall"):
            over = variations(each[how])
            missed = sum(one > TARGET for one in over)
            mark = f"; {missed} of {len(over)} above" if how == "low" and missed else ""
            told += [spread_of(each[how]).text(2), f"{spread_of(over).text()} %{mark}"]
        load = "–" if each["load"] is None else f"{each['load']:.1f}"
        rows.append([*told, f"{each['noisy']} of {len(each['cpu'])}", load])
    return markdown(head, rows) + "\n" + machine_lines(each["machine"] for each in kept.values())


TABLE = Table(
    HERE,
    "<!-- made by benchmarks/stability.py -->\n",
    "<!-- end of stability -->",
    Path(__file__).with_suffix(".json"),
    text,
)


def told(found: dict[str, Any]) -> str:
    """How far the ratios by low processor time vary."""
    return f"{spread_of(variations(found['low'])).text()} %"


if __name__ == "__main__":
    main(__doc__, TABLE, jobs(), told, always=True)
