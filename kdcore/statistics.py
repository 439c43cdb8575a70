"""Paired differences over seeds, their interval, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kdcore.recipe import FEWEST_SEEDS_FOR_A_VERDICT

Verdict = Literal["better", "worse", "no clear difference", "too few seeds"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """Distilled minus control, in percentage points of accuracy, paired by seed.

    `low` and `high` bound the mean with 95 % confidence; None where seeds are too few.
    """

    mean: float
    low: float | None
    high: float | None
    per_seed: tuple[float, ...]


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return math.fsum(values) / len(values)


def spread(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1), or None for fewer than two values."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - 1))


def paired_difference(
    control: Sequence[float], distilled: Sequence[float], samples: int
) -> Difference:
    """Student's paired t interval of the difference of two accuracies, in points.

    control, distilled: accuracies in [0, 1], same seeds in the same order, each counted on so many
    samples. The deviation is taken to be one sample at least: where all seeds happen to differ by
    the same count, it would be 0, and a difference of one sample beyond doubt.
    Raises ValueError if they are not pairs. Source: Student, 1908, "The Probable Error of a Mean".
    """
    if len(control) != len(distilled) or not control:
        raise ValueError(f"{len(control)} controls and {len(distilled)} students are no pairs")
    points = tuple(100 * (d - c) for c, d in zip(control, distilled, strict=True))
    deviation = spread(points)
    if deviation is None or len(points) < FEWEST_SEEDS_FOR_A_VERDICT:
        return Difference(mean(points), None, None, points)
    deviation = max(deviation, 100 / samples)
    from scipy.stats import t  # half a second to import: only where an interval is due

    half = float(t.ppf((1 + CONFIDENCE) / 2, len(points) - 1)) * deviation / math.sqrt(len(points))
    return Difference(mean(points), mean(points) - half, mean(points) + half, points)


def verdict(difference: Difference) -> Verdict:
    """better or worse where the interval leaves out zero; otherwise, no claim."""
    if difference.low is None or difference.high is None:
        return "too few seeds"
    if difference.low > 0:
        return "better"
    if difference.high < 0:
        return "worse"
    return "no clear difference"


def p_value(difference: Difference) -> float | None:
    """Two-sided, of the same t test as the interval; None where seeds are too few for one.

    Source: Student, 1908, "The Probable Error of a Mean".
    """
    if difference.low is None or difference.high is None:
        return None
    from scipy.stats import t

    freedom = len(difference.per_seed) - 1
    error = (difference.high - difference.low) / 2 / t.ppf((1 + CONFIDENCE) / 2, freedom)
    return float(2 * t.sf(abs(difference.mean) / error, freedom))


def holm(p: Sequence[float]) -> list[float]:
    """p values that hold for all of them together: with a level of 5 %, the chance that any is
    below it by luck alone is 5 % at most, whichever are true and however they depend on each other.

    Source: Holm, 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    adjusted, least = [0.0] * len(p), 0.0
    for done, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        least = max(least, min(1.0, (len(p) - done) * p[place]))
        adjusted[place] = least
    return adjusted


def corrected(differences: Mapping[str, Difference]) -> dict[str, float]:
    """The p values of several differences, such that they hold together: by Holm's procedure, over
    those that have an interval; the others have none.
    """
    of = {name: p for name, each in differences.items() if (p := p_value(each)) is not None}
    return dict(zip(of, holm(list(of.values())), strict=True))


def verdicts(differences: Mapping[str, Difference]) -> dict[str, Verdict]:
    """What may be said of several differences at once: a claim holds beside all the others.

    By Holm's procedure, over those that have an interval; of one alone, it is its own verdict.
    """
    together = corrected(differences)
    return {
        name: "no clear difference" if together.get(name, 0.0) >= 1 - CONFIDENCE else verdict(each)
        for name, each in differences.items()
    }


def signed(points: float) -> str:
    """A difference as one reads it: +7.6, −0.4 or 0.0, never −0.0."""
    rounded = round(points, 1)
    return "0.0" if rounded == 0 else f"{rounded:+.1f}".replace("-", "−")


def accuracy_text(accuracy: Sequence[float]) -> str:
    """Mean ± standard deviation in percent; a single value stands alone."""
    deviation = spread(accuracy)
    around = "" if deviation is None else f"\u00a0±\u00a0{100 * deviation:.1f}"
    return f"{100 * mean(accuracy):.1f}{around}\u00a0%"


def verdict_sentence(difference: Difference) -> str:
    """What the seeds allow one to say, for a reader who knows no statistics."""
    seeds = len(difference.per_seed)
    amount = f"{abs(difference.mean):.1f} points"
    if difference.low is None or difference.high is None:
        return (
            f"{seeds} {'seed is' if seeds == 1 else 'seeds are'} too few to tell luck from gain: "
            f"the difference is {signed(difference.mean)} points so far. "
            f"Run at least {FEWEST_SEEDS_FOR_A_VERDICT} seeds."
        )
    interval = (
        f"95 % interval {signed(difference.low)} to {signed(difference.high)}, {seeds} paired seeds"
    )
    match verdict(difference):
        case "better":
            return (
                f"Distillation helped: the student is {amount} more accurate "
                f"than the same student trained on labels alone ({interval})."
            )
        case "worse":
            return (
                f"Distillation hurt: the student is {amount} less accurate "
                f"than the same student trained on labels alone ({interval})."
            )
        case _:
            return (
                f"Distillation made no clear difference: {signed(difference.mean)} points "
                f"against the same student trained on labels alone ({interval})."
            )
