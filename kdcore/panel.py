"""A finished run's three models, asked from their ONNX files: answers, and the time each takes.

No torch: this is what a page asks. The models are those of the run's first seed, after its last
step.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kdcore.errors import HomeError
from kdcore.measure.latency import session
from kdcore.result import ARMS, STUDENTS, ArmName

CALLS = 9
"""How often a model is asked to time it, at most."""

SECONDS = 0.04
"""All models together are asked no longer than this, but once each in any case."""

Numbers = NDArray[np.float32]
Panel = Mapping[ArmName, onnxruntime.InferenceSession]


@dataclass(frozen=True, eq=False)
class Scale:
    """How a task's inputs are normalised: mean and deviation, each (C, 1, 1) or (D,) float32.

    It is kept with a run: the training split that it was taken from is not at hand in a page.
    """

    mean: Numbers
    deviation: Numbers

    def __call__(self, inputs: NDArray[Any]) -> Numbers:
        """What a network is shown of samples (N, C, H, W) uint8, or (N, D): float32."""
        return (inputs.astype(np.float32) - self.mean) / self.deviation

    def to_json(self) -> bytes:
        """JSON that `from_json` reads back to the very same numbers."""
        return json.dumps({name: each.tolist() for name, each in vars(self).items()}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Scale:
        """Read a scale that `to_json` wrote. Raises HomeError where it is none."""
        try:
            told = json.loads(text)
            return cls(*(np.array(told[name], np.float32) for name in ("mean", "deviation")))
        except (ValueError, KeyError, TypeError) as error:
            raise HomeError(f"the scale kept with this run cannot be read: {error}") from None


@dataclass(frozen=True, eq=False)
class Reply:
    """One model's answer to one sample: raw logits (K,), and the median time of so many calls."""

    logits: Numbers
    milliseconds: float
    calls: int

    @property
    def choice(self) -> int:
        """The class that it chooses."""
        return int(self.logits.argmax())


Replies = Mapping[ArmName, Reply]


def names(artifacts: Mapping[str, str]) -> dict[str, str]:
    """A run's files to ask its models from, by role: "scale", and of each model that has one.

    A teacher that was brought along as ONNX has none: it is not trusted to run beside others.
    Raises HomeError, a sentence, where the run kept too little.
    """
    if not all(f"{arm}.onnx" in artifacts for arm in STUDENTS):
        raise HomeError("this run kept no models; run its recipe again to try them")
    if "scale" not in artifacts:
        raise HomeError(
            "this run was made before runs kept how their inputs are normalised; run its recipe "
            "again to try its models"
        )
    roles = ("scale", *(f"{arm}.onnx" for arm in ARMS))
    return {role: artifacts[role] for role in roles if role in artifacts}


def opened(files: Mapping[ArmName, bytes]) -> Panel:
    """Sessions of ONNX files, each of which keeps to the calling thread.

    Raises HomeError where a file is damaged.
    """
    panel = {}
    for arm, content in files.items():
        try:
            panel[arm] = session(content)
        except Exception as error:  # onnxruntime has its own for every way to be damaged
            first = str(error).splitlines()[0][:200]
            raise HomeError(f"the file of the model {arm!r} cannot be read: {first}") from None
    return panel


def ask(panel: Panel, scale: Scale, sample: NDArray[Any]) -> dict[ArmName, Reply]:
    """What each model answers to one sample, (C, H, W) uint8 or (D,) float32, as it is kept.

    Models take turns, as in `measure.latency`, and the first round is only warming up.
    """
    inputs = np.ascontiguousarray(scale(sample[None]))
    began = time.perf_counter()
    rows = {arm: _timed(each, inputs) for arm, each in panel.items()}
    times = {arm: [seconds] for arm, (_, seconds) in rows.items()}
    for turn in range(CALLS):
        spent = time.perf_counter() - began
        if spent * (turn + 2) / (turn + 1) > SECONDS:  # another round would not fit
            break
        for arm, each in panel.items():
            times[arm].append(_timed(each, inputs)[1])
    return {arm: _reply(rows[arm][0], taken) for arm, taken in times.items()}


def disagree(replies: Replies) -> bool:
    """Whether not all models choose the same class."""
    return len({reply.choice for reply in replies.values()}) > 1


def _timed(model: onnxruntime.InferenceSession, inputs: Numbers) -> tuple[Numbers, float]:
    feed = {model.get_inputs()[0].name: inputs}
    began = time.perf_counter()
    (logits,) = model.run(None, feed)
    return logits[0], time.perf_counter() - began


def _reply(logits: Numbers, seconds: list[float]) -> Reply:
    warm = seconds[1:] or seconds
    return Reply(logits, 1000 * statistics.median(warm), len(warm))
