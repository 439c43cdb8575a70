"""Axes of charts over values that lie factors apart."""

from __future__ import annotations

from collections.abc import Iterable
from math import log10
from typing import Any

WIDE = 4.0
"""From so many times between least and most, lengths are drawn logarithmically."""


def by_factors(values: Iterable[float], room: float = 0.25) -> dict[str, Any]:
    """A logarithmic axis with few plain numbers on it, and so many decades of room at both ends.

    All values are above zero; without any, the axis is plotly's own.
    """
    every = [float(each) for each in values]
    if not every:
        return {"type": "log"}
    low, high = min(every), max(every)
    return {
        **{"type": "log", "tickformat": "~g"},
        "range": [log10(low) - room, log10(high) + room],
        "dtick": "D1" if high < 2 * low else "D2" if high < 100 * low else 1,
    }


def lengths(values: Iterable[float], room: float) -> dict[str, Any]:
    """An axis from zero, so that lengths can be compared, or a logarithmic one where they lie far
    apart; room: at the far end, as a share of the axis.
    """
    every = [float(each) for each in values]
    low, high = min(every, default=1.0), max(every, default=1.0)
    if low > 0 and high / low > WIDE:
        return by_factors(every, room * log10(high / low))
    return {"range": [0, (1 + room) * high], "tickformat": "~g", "nticks": 6}
