"""How far a measured number may be off: over test samples for one model, over seeds for several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdcore.statistics import CONFIDENCE, mean, spread

NORMAL = 1.959963984540054
"""The standard normal distribution's 97.5 % point, for intervals of 95 %."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A measured value, and the bounds of its 95 % interval; None where there can be none."""

    value: float
    low: float | None
    high: float | None


def share(count: int, of: int) -> Interval:
    """A share of so many test samples, with Wilson's interval: one model, other samples.

    It stays within [0, 1] and is of some width for 0 and for all. Raises ValueError for no samples.
    Source: Wilson, 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if of < 1:
        raise ValueError("a share of no samples has no interval")
    found, square = count / of, NORMAL**2
    centre = (found + square / (2 * of)) / (1 + square / of)
    half = math.sqrt(found * (1 - found) / of + square / (4 * of**2)) * NORMAL / (1 + square / of)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(found, min(low, found), max(high, found))


def of_mean(values: NDArray[np.floating[Any]]) -> Interval:
    """The mean of a number that each sample has, (N,), with the normal interval over samples.

    For hundreds of samples, as the central limit theorem has it; no bounds for a single one.
    """
    count = len(values)
    centre = float(values.mean(dtype=np.float64))
    if count < 2:
        return Interval(centre, None, None)
    half = NORMAL * float(values.std(ddof=1, dtype=np.float64)) / math.sqrt(count)
    return Interval(centre, centre - half, centre + half)


def over_seeds(values: Sequence[float]) -> Interval:
    """The mean over seeds, with Student's t interval: another seed, the same test samples.

    No bounds for a single seed. Source: Student, 1908, "The Probable Error of a Mean".
    """
    deviation = spread(values)
    if deviation is None:
        return Interval(mean(values), None, None)
    from scipy.stats import t  # late: half a second to import

    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Interval(mean(values), mean(values) - half, mean(values) + half)


def bootstrap(value: float, resampled: NDArray[np.floating[Any]]) -> Interval:
    """A value, with the middle 95 % of what it was in resampled test sets, (R,).

    Source: Efron, 1979, "Bootstrap Methods: Another Look at the Jackknife" (percentile interval).
    """
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))
