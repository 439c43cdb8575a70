"""Latency in onnxruntime, the same for all models: one thread, warmed up, calls interleaved."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnxruntime

from kdcore.result import Latency

N = TypeVar("N", bound=str)

ROUNDS = 60
WARM_UP = 10
SAMPLE_SECONDS = 1e-3
"""A sample is as many calls in a row as fill this: one call of a small model is shorter than the
clock's own cost."""

COARSE = sys.platform == "win32"
"""Whether a thread's own clock moves in steps of 15 ms, longer than a sample."""


@dataclass(frozen=True)
class Call:
    """What goes into one call of a model, and how many calls it takes for a batch."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    times: int = 1


def latencies(
    models: Mapping[N, bytes],
    input_shape: tuple[int, ...],
    batch: int,
    calls: Mapping[N, Call] | None = None,
) -> dict[N, Latency]:
    """As `timing`, in one go."""
    told = timing(models, input_shape, batch, calls)
    while True:
        try:
            next(told)
        except StopIteration as end:
            found: dict[N, Latency] = end.value
            return found


def timing(
    models: Mapping[N, bytes],
    input_shape: tuple[int, ...],
    batch: int,
    calls: Mapping[N, Call] | None = None,
) -> Generator[float, None, dict[N, Latency]]:
    """Milliseconds that each ONNX model takes for a batch of samples, in float32.

    Yields the share done, in [0, 1], after each round, and returns the latencies.
    Models take turns (A B C A B C ...), so that a slow moment of the machine hits all alike.
    CPU time is the calling thread's own: it stays put where another process steals the core.
    calls: for models that take something else than the batch in one piece.
    """
    usual = Call((batch, *input_shape))
    of = {name: (calls or {}).get(name, usual) for name in models}
    inputs = {name: _noise(call) for name, call in of.items()}
    sessions = {name: session(model) for name, model in models.items()}
    repeats = {name: _calls_a_sample(each, inputs[name]) for name, each in sessions.items()}
    wall: dict[N, list[float]] = {name: [] for name in models}
    cpu: dict[N, list[float]] = {name: [] for name in models}
    for number in range(ROUNDS):
        for name, each in sessions.items():
            elapsed, worked = _sample(each, inputs[name], repeats[name])
            wall[name].append(of[name].times * elapsed)
            cpu[name].append(of[name].times * worked)
        yield (number + 1) / ROUNDS
    return {name: _summary(batch, wall[name], cpu[name]) for name in models}


def _noise(call: Call) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(call.shape, dtype=np.float32)
    return noise if call.dtype == "float32" else np.abs(noise).astype(call.dtype)


def session(model: bytes) -> onnxruntime.InferenceSession:
    """An onnxruntime session of a serialised model that keeps to the calling thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _calls_a_sample(model: onnxruntime.InferenceSession, inputs: np.ndarray) -> int:
    elapsed, _ = _sample(model, inputs, WARM_UP)
    return max(1, min(1000, round(SAMPLE_SECONDS / max(elapsed, 1e-9))))


def _sample(
    model: onnxruntime.InferenceSession, inputs: np.ndarray, calls: int
) -> tuple[float, float]:
    feed = {model.get_inputs()[0].name: inputs}
    wall, cpu = time.perf_counter(), time.thread_time()
    for _ in range(calls):
        model.run(None, feed)
    return (time.perf_counter() - wall) / calls, (time.thread_time() - cpu) / calls


def _summary(batch: int, wall: list[float], cpu: list[float]) -> Latency:
    low, median, high = 1000 * np.percentile(wall, [10, 50, 90])
    worked = 0.0 if COARSE else 1000 * float(np.median(cpu))
    return Latency(batch, float(median), float(low), float(high), worked)
