"""How a temperature or a weight moves over the steps; without torch, so that pages can draw it."""

from __future__ import annotations

import math

from kdcore.recipe import Schedule

WAYS = {"linear": "in a line", "cosine": "in a curve", "step": "in a step"}


def told(name: str, start: float, schedule: Schedule) -> str:
    """How a number moves while training, in words; empty where it stays."""
    if schedule.how == "constant" or schedule.to == start:
        return ""
    return f"{name} moved from {start:g} to {schedule.to:g} {WAYS[schedule.how]}"


def at(start: float, schedule: Schedule, done: float) -> float:
    """The value where a share `done` of the steps, in [0, 1], is over.

    linear and cosine arrive at `schedule.to` with the last step; step jumps to it half way.
    """
    gap = schedule.to - start
    match schedule.how:
        case "linear":
            return start + gap * done
        case "cosine":
            return start + gap * (1 - math.cos(math.pi * done)) / 2
        case "step":
            return schedule.to if done >= 0.5 else start
        case _:
            return start
