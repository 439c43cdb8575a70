"""Which layers of a network bear int8 badly: one at a time, and what its answers lose by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kdcore.compress.quantize import calibrated, layers
from kdcore.compress.ranges import Calibration, Samples
from kdcore.measure.latency import session
from kdcore.waterfall import Sensitivity


def sensitivities(
    model: bytes, samples: Samples, probe: Samples, calibration: Calibration = "min-max"
) -> Iterator[Sensitivity]:
    """Each layer's, in the order in which they compute.

    samples: (N, ...) of training, for the ranges; probe: (M, ...) of validation, never of the test
    split, on which answers are compared. Ranges are found once, which is most of the work.
    """
    names = layers(model)
    quantize = calibrated(model, samples, calibration)
    whole = answers(model, probe)
    size = float(np.std(whole)) or 1.0
    for name in names:
        found = answers(quantize([other for other in names if other != name]), probe)
        moved = float(np.sqrt(np.mean((found - whole) ** 2)))
        yield Sensitivity(name, same(found, whole), moved / size)


def most_sensitive(found: Sequence[Sensitivity], count: int) -> tuple[str, ...]:
    """The layers whose int8 moves the answers most: those to leave in float32."""
    return tuple(each.layer for each in sorted(found, key=lambda one: -one.drift)[:count])


def answers(model: bytes, inputs: Samples, at_once: int = 256) -> Samples:
    """Logits (N, C) of inputs (N, ...), by onnxruntime."""
    each = session(model)
    name = each.get_inputs()[0].name
    starts = range(0, len(inputs), at_once)
    parts = [each.run(None, {name: inputs[start : start + at_once]})[0] for start in starts]
    return np.concatenate(parts)


def same(one: Samples, other: Samples) -> float:
    """Share of samples on which both choose the same class; logits (N, C)."""
    return float((one.argmax(1) == other.argmax(1)).mean())
