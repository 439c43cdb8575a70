"""How fast ONNX models answer on this very machine, and how much memory they take.

A part of kdcore, and a script by itself: a bundle holds it as measure_here.py. It needs Python 3.10
or newer, onnxruntime and numpy, nothing else. Put it beside some .onnx files on the device, and run

    python measure_here.py

which prints a table and writes measured.json. Models take turns in a random order, warmed up; what
is told of a call is a mean over as many calls in a row as fill a millisecond.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FORMAT = "kdcore measurement"
VERSION = 1

BATCHES = (1, 8, 32, 64)
ROUNDS = 200
FEWEST_ROUNDS = 9
SECONDS = 20.0
"""All models together take their turns no longer than this at one batch and number of threads,
but FEWEST_ROUNDS times in any case."""

SAMPLE_SECONDS = 1e-3
WARM_UP = 5
NOISY = 1.1
"""A latency is noisy where the clock ran so many times as long as the thread worked, or where the
medians of its three parts are so far apart."""

TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}


class CannotMeasureError(Exception):
    """A model or machine that cannot be measured, in one sentence."""


@dataclass(frozen=True)
class Cell:
    """One model at one batch and number of threads.

    p50_ms, p95_ms: wall time of a call, over so many rounds; cpu_ms: processor time of a call, of
    all threads together, as median; low_ms: the fifth percentile of it, which moves little where
    others work beside (the very least may be a slip of that clock); per_second: samples, at the
    median; noisy: not to be relied upon.
    """

    model: str
    batch: int
    threads: int
    rounds: int
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    low_ms: float
    per_second: float
    noisy: bool


@dataclass(frozen=True)
class Memory:
    """Of a process of its own, in bytes: what it held with onnxruntime loaded and no model yet, and
    what it held at most beyond that, from opening the model to its first answer.
    """

    base: int
    more: int


def grid(
    models: Mapping[str, bytes],
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    within: float | None = None,
) -> list[Cell]:
    """Time each model at each batch and number of threads; threads: one and all, if not told.

    within: seconds for all of it, about; what would not fit, by what was measured of smaller
    batches, is left out. Raises CannotMeasureError on a model that cannot be opened or whose input
    has no fixed shape.
    """
    cells: list[Cell] = []
    counts = threads if threads is not None else sorted({1, cores()})
    share = math.inf if within is None else within / (len(counts) * len(batches))
    began = time.perf_counter()
    for count in counts:
        sessions = {name: opened(content, count) for name, content in models.items()}
        for batch in batches:
            left = math.inf if within is None else within - (time.perf_counter() - began)
            if _least_seconds(cells, batch) <= left:
                cells += _row(sessions, batch, count, rounds, min(seconds, share))
    return cells


def _least_seconds(cells: Sequence[Cell], batch: int) -> float:
    """What the fewest rounds of all models will take, if a sample takes as long as it took."""
    of = {each.model: each.p50_ms / each.batch for each in cells}  # of a model, the last one
    each_round = sum(max(SAMPLE_SECONDS, batch * of[name] / 1000) for name in of)
    return (WARM_UP + FEWEST_ROUNDS) * each_round


def cores() -> int:
    """The processors that this process may use."""
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known is not None else os.cpu_count() or 1


def opened(model: bytes | str, threads: int) -> Any:
    """An onnxruntime session of a file's content or path with so many threads.

    They don't spin while they wait: those of one model would steal time from the next one's.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has its own for every way to be damaged
        first = str(error).splitlines()[0][:200]
        raise CannotMeasureError(f"the model cannot be opened: {first}") from None


def some_input(session: Any, batch: int) -> dict[str, Any]:
    """Noise of the shape and type that a model takes."""
    first = session.get_inputs()[0]
    shape = [batch, *first.shape[1:]]
    if first.type not in TYPES or not all(isinstance(size, int) for size in shape):
        raise CannotMeasureError(
            f"the model takes {first.type} of shape {first.shape}; a fixed shape behind the batch "
            f"is needed, and one of {', '.join(TYPES)}"
        )
    noise = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    kind = TYPES[first.type]
    return {first.name: noise if kind == "float32" else np.abs(noise).astype(kind)}


def _row(
    sessions: Mapping[str, Any], batch: int, threads: int, rounds: int, seconds: float
) -> list[Cell]:
    """All models at one batch, in turns."""
    clock = time.thread_time if threads == 1 else time.process_time
    feeds = {name: some_input(each, batch) for name, each in sessions.items()}
    calls = {}
    for name, each in sessions.items():
        wall, _ = _sample(each, feeds[name], WARM_UP, clock)
        calls[name] = max(1, min(1000, round(SAMPLE_SECONDS / max(wall, 1e-9))))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sessions}
    order, shuffled, began = list(sessions), random.Random(0), time.perf_counter()
    for number in range(rounds):
        if number >= FEWEST_ROUNDS and time.perf_counter() - began > seconds:
            break
        shuffled.shuffle(order)
        for name in order:
            taken[name].append(_sample(sessions[name], feeds[name], calls[name], clock))
    return [_cell(name, batch, threads, of) for name, of in taken.items()]


def _sample(
    session: Any, feed: dict[str, Any], calls: int, clock: Callable[[], float]
) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), clock()
    for _ in range(calls):
        session.run(None, feed)
    return (time.perf_counter() - wall) / calls, (clock() - cpu) / calls


def _cell(name: str, batch: int, threads: int, taken: Sequence[tuple[float, float]]) -> Cell:
    wall, cpu = (1000 * np.array(each) for each in zip(*taken, strict=True))
    p50, p95 = np.percentile(wall, [50, 95])
    parts = [np.median(part) for part in np.array_split(wall, 3) if len(part)]
    # on Windows, a thread's own clock moves in steps of 15 ms, longer than a sample
    waited = threads == 1 and os.name != "nt" and p50 > NOISY * np.median(cpu)
    return Cell(
        model=name,
        batch=batch,
        threads=threads,
        rounds=len(taken),
        p50_ms=float(p50),
        p95_ms=float(p95),
        cpu_ms=float(np.median(cpu)),
        low_ms=float(np.percentile(cpu, 5)),
        per_second=1000 * batch / float(p50),
        noisy=bool(waited or max(parts) > NOISY * min(parts)),
    )


def memory(model: bytes) -> Memory | None:
    """What one answer to one sample takes, with one thread, measured in a process of its own.

    None on a system that does not tell a process's largest size. Raises CannotMeasureError where
    that process fails.
    """
    if _resident()[1] is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        done = subprocess.run(
            [sys.executable, __file__, "--peak", str(path)], capture_output=True, text=True
        )
    if done.returncode:
        raise CannotMeasureError(f"its memory cannot be measured: {done.stderr.strip()[-200:]}")
    return Memory(**json.loads(done.stdout))


def _peak(path: str) -> Memory:
    """In that process of its own."""
    with suppress(OSError):  # Linux forgets a process's largest size when it is told to
        Path("/proc/self/clear_refs").write_text("5")
    _, base = _resident()
    session = opened(path, 1)
    session.run(None, some_input(session, 1))
    _, most = _resident()
    return Memory(int(base or 0), int((most or 0) - (base or 0)))


def _resident() -> tuple[int | None, int | None]:
    """Bytes that this process holds, and has held at most.

    Linux counts what a parent held to what `getrusage` tells of its child, but not so in /proc.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        told = dict(line.split(":", 1) for line in lines if ":" in line)
        now, most = (1024 * int(told[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        return now, most
    except (OSError, KeyError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None, None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None, peak if sys.platform == "darwin" else 1024 * peak


def report(models: Mapping[str, bytes], cells: Sequence[Cell], name: str = "") -> dict[str, Any]:
    """All that was measured here, as JSON holds it; kdcore reads it back."""
    sizes = []
    for each, content in models.items():
        held = memory(content)
        sizes.append(
            {
                "name": each,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "memory": asdict(held) if held else None,
            }
        )
    return {
        "format": FORMAT,
        "version": VERSION,
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": {
            "name": name or _processor(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": cores(),
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
        },
        "models": sizes,
        "latency": [asdict(cell) for cell in cells],
    }


def _processor() -> str:
    """Its name; Linux tells it in a file, the others by themselves."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def table(cells: Sequence[Cell]) -> str:
    """The latencies as lines of text."""
    lines = [f"{'model':24} batch threads      p50 ms      p95 ms   samples/s"]
    for each in cells:
        mark = "  noisy" if each.noisy else ""
        lines.append(
            f"{each.model[:24]:24} {each.batch:5} {each.threads:7} {each.p50_ms:11.4f} "
            f"{each.p95_ms:11.4f} {each.per_second:11.0f}{mark}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The script: exit code 0, or 1 with one sentence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", type=Path, help=".onnx files; else all beside this")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), metavar="N")
    parser.add_argument("--threads", nargs="+", type=int, default=None, metavar="N")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    parser.add_argument(
        "--within", type=float, metavar="SECONDS", help="leave out what would take longer"
    )
    parser.add_argument("--name", default="", help="what to call this device")
    parser.add_argument("--out", type=Path, default=Path("measured.json"), metavar="FILE")
    parser.add_argument("--peak", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.peak:
            print(json.dumps(asdict(_peak(options.peak))))
            return 0
        paths = options.models or sorted(Path(__file__).parent.glob("*.onnx"))
        if not paths:
            raise CannotMeasureError("there is no .onnx file beside this script; name some")
        if min(*options.batches, *(options.threads or [1]), options.rounds) < 1:
            raise CannotMeasureError("batches, threads and rounds must be 1 or more")
        if options.within is not None and not options.within > 0:
            raise CannotMeasureError("--within takes seconds, more than none")
        models = {path.stem: path.read_bytes() for path in paths}
        cells = grid(
            models, options.batches, options.threads, options.rounds, within=options.within
        )
        print(table(cells))
        text = json.dumps(report(models, cells, options.name), indent=1)
        options.out.write_text(text + "\n", encoding="utf-8")
    except (CannotMeasureError, OSError) as error:
        print(f"measure_here: {error}", file=sys.stderr)
        return 1
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
