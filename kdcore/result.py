"""What a run tells while it goes on, and what it leaves: plain, frozen, torch-free records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from pydantic import TypeAdapter

from kdcore.recipe import Recipe
from kdcore.statistics import Difference, Verdict

ArmName = Literal["teacher", "control", "distilled"]
ARMS: tuple[ArmName, ...] = ("teacher", "control", "distilled")
STUDENTS: tuple[ArmName, ...] = ("control", "distilled")

Precision = Literal["float32", "bfloat16"]

Phase = Literal[
    "data", "teacher", "assistants", "students", "exporting", "compressing", "measuring"
]

SHARE = "share of gradient: "
"""Before a term's name, in an event's metrics: the term's share of the pull on the student."""


NOISY = 1.1
"""What takes so many times as long as it should was not measured alone."""


@dataclass(frozen=True)
class Event:
    """One arm and seed at one step: its validation accuracy, unweighted loss terms, and each
    term's share of the gradient, in [0, 1], where there are several.

    `seconds` since the run began; terms are means over the steps since the last event.
    """

    arm: ArmName
    seed: int
    step: int
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far the run is: the phase, the share of all steps done, and the seconds left of it."""

    phase: Phase
    done: float
    seconds_left: float | None


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one call: median wall time, its 10th and 90th percentile, CPU time; that is
    0 where the system's clock is too coarse for it.
    """

    batch: int
    median_ms: float
    low_ms: float
    high_ms: float
    cpu_ms: float

    @property
    def noisy(self) -> bool:
        """Whether the clock ran so much longer than the one thread worked that others had its core
        for part of that.
        """
        return 0 < NOISY * self.cpu_ms < self.median_ms


@dataclass(frozen=True)
class Arm:
    """One of the three models, over its seeds.

    accuracy: on the test split after the last step, in [0, 1]; best_on_validation: the test
    accuracy of the weights that did best on the validation split; left_out: the accuracy on the
    classes that the student never saw, empty where there are none; macs: None for an own ONNX
    model, of which they are not counted; adapter_parameters: what its methods learnt beside it, no
    part of `parameters` nor of any file. `onnx_bytes` and latency are None until they are
    measured, on the first seed's model.
    """

    accuracy: tuple[float, ...]
    best_on_validation: tuple[float, ...]
    parameters: int
    macs: int | None
    left_out: tuple[float, ...] = ()
    onnx_bytes: int | None = None
    latency_ms: float | None = None
    latency: tuple[Latency, ...] = ()
    adapter_parameters: int = 0


@dataclass(frozen=True)
class Result:
    """What one recipe gave.

    chain: the assistants between teacher and student; compared: for each pair of layers that a
    method compared, its name, the student's layer and the teacher's, by dotted path; artifacts:
    from a role ("logits", "teacher.onnx") to a file name; precision: what the students' training
    steps were computed in.
    """

    recipe: Recipe
    verdict: Verdict
    difference: Difference
    seconds: float
    arms: dict[ArmName, Arm]
    teacher_reused: bool
    machine: Mapping[str, str | int]
    artifacts: Mapping[str, str] = field(default_factory=dict)
    chain: tuple[Arm, ...] = ()
    compared: tuple[tuple[str, str, str], ...] = ()
    precision: Precision = "float32"

    @property
    def latency_doubt(self) -> str:
        """A sentence, where the latencies themselves show that they are not to be trusted: a core
        that was shared, or a larger batch that took less time than a smaller one; else empty.
        """
        taken = [arm.latency for arm in self.arms.values()]
        shared = any(each.noisy for latency in taken for each in latency)
        turned = any(
            large.batch > small.batch and NOISY * large.median_ms < small.median_ms
            for latency in taken
            for small, large in pairwise(latency)
        )
        if not (shared or turned):
            return ""
        return (
            "The machine was busy with something else while these latencies were taken: don't rely "
            "on them, and run the recipe again when it is at rest."
        )

    @property
    def measured(self) -> bool:
        """Whether size and latency are in it, and nothing more is to come."""
        return all(arm.onnx_bytes is not None for arm in self.arms.values())

    def to_json(self, indent: int | None = None) -> str:
        """JSON that `from_json` reads back to an equal result."""
        return _adapter().dump_json(self, indent=indent).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Result:
        """Read a result that `to_json` wrote."""
        return _adapter().validate_json(text)


def with_costs(
    result: Result, sizes: Mapping[ArmName, int], latency: Mapping[ArmName, tuple[Latency, ...]]
) -> Result:
    """A result with what its models cost. sizes: bytes of their ONNX files; latency: by batch
    size, that of one sample first; empty where it was not measured.
    """
    arms = {
        arm: replace(
            each,
            onnx_bytes=sizes[arm],
            latency_ms=latency[arm][0].median_ms if latency[arm] else None,
            latency=latency[arm],
        )
        for arm, each in result.arms.items()
    }
    return replace(result, arms=arms)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)
