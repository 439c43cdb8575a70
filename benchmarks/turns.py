"""Fair timing: whoever is compared takes turns, and each repeat gives one ratio."""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import torch

T = TypeVar("T")


class Timing(NamedTuple):
    """Seconds on the clock, and seconds that this process had the processor.

    Where the two differ, somebody else was working on this machine.
    """

    clock: float
    processor: float


class Spread(NamedTuple):
    """The median of some repeats, the lowest and the highest."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 1) -> str:
        """As it stands in a table: 22.1 (20.3 … 23.0)."""
        median, low, high = (f"{each:.{digits}f}" for each in self)
        return f"{median} ({low} … {high})"


def spread_of(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def timed(function: Callable[[], T]) -> tuple[T, Timing]:
    """What a function gives, and how long it took."""
    clock, processor = time.perf_counter(), time.process_time()
    found = function()
    return found, Timing(time.perf_counter() - clock, time.process_time() - processor)


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """All of them, another one first in each turn: nobody always runs on what one other left."""
    first = turn % len(names)
    return [*names[first:], *names[:first]]


def in_turns(
    names: Sequence[str], repeats: int, take: Callable[[str, int], T]
) -> dict[str, list[T]]:
    """In each repeat everybody once, A B C, B C A, ...: what each gave, in the order of repeats."""
    taken: dict[str, list[T]] = {name: [] for name in names}
    for turn in range(repeats):
        for name in rotated(names, turn):
            taken[name].append(take(name, turn))
    return taken


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """How many times as long they took as we did, repeat by repeat."""
    return [slow / quick for slow, quick in zip(theirs, ours, strict=True)]


def waited(clock: Iterable[float], processor: Iterable[float]) -> float:
    """The share of the time for which this machine was busy with something else."""
    return max(0.0, 1 - sum(processor) / sum(clock))


class Rooms:
    """A process of its own for everybody who is compared, with one thread.

    What one does to its process, as kdcore does to how freed memory is kept, helps no other.
    """

    def __init__(self, names: Sequence[str]) -> None:
        context = multiprocessing.get_context("spawn")  # what Linux, macOS and Windows all have
        self._rooms = {
            name: ProcessPoolExecutor(1, mp_context=context, initializer=one_thread)
            for name in names
        }

    def __enter__(self) -> Rooms:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for room in self._rooms.values():
            room.shutdown()

    def ask(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """Let a function run there, and wait for what it gives."""
        return self._rooms[name].submit(function, *arguments).result()


def one_thread() -> None:
    """What all timings are taken with."""
    torch.set_num_threads(1)


def machine(*packages: str) -> dict[str, str]:
    """What the timings were taken on, and the versions that matter, where they are installed."""
    told = {
        "processor": _processor(),
        "cores": str(os.cpu_count() or 1),
        "system": platform.system(),
        "Python": platform.python_version(),
    }
    for package in ("torch", *packages):
        try:
            told[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return told


def machine_lines(machines: Iterable[dict[str, str]]) -> str:
    """One line for each machine that stands behind a table's rows."""
    lines = []
    for told in machines:
        parts = [told["processor"], f"{told['cores']} cores", told["system"]]
        known = {"processor", "cores", "system"}
        parts += [f"{name} {version}" for name, version in told.items() if name not in known]
        lines.append(f"Measured on: {', '.join(parts)}; one thread.\n")
    return "".join(dict.fromkeys(lines))


def _processor() -> str:
    """Its name; Linux tells it in a file, the others by themselves."""
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
