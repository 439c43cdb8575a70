"""Which model to ship: budgets in, the models that keep them, and the one to choose, by a rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kdcore.model_table import Model
from kdcore.recipe import FEWEST_SEEDS_FOR_A_VERDICT
from kdcore.statistics import CONFIDENCE

Budget = Literal["size", "latency", "accuracy"]
BUDGETS: tuple[Budget, ...] = ("size", "latency", "accuracy")

NORMAL = 1.96
"""Of a normal distribution, so many deviations to each side hold 95 %."""

FEWEST_ERRORS = 0.001
"""As a share: how many a budget of 100 % is taken to allow."""

RULE = (
    "Of all models that keep the budgets, the most accurate one; and where others lie within its "
    "95 % interval, so that its seeds cannot tell them from it, the smallest of these; of equally "
    "small ones, the most accurate. The "
    "interval is Student's, over the seeds; with fewer than three seeds, what the number of test "
    "samples allows."
)
"""How `advise` chooses, for the page."""


@dataclass(frozen=True)
class Budgets:
    """What a model may cost and must reach; None of what does not matter.

    size: bytes at most; latency: at most, in the unit of `Model.latency(by)`; accuracy: on the
    test split at least, in [0, 1], as a mean over the seeds.
    """

    by: str
    size: float | None = None
    latency: float | None = None
    accuracy: float | None = None

    def of(self, budget: Budget) -> float | None:
        """One of the three by its name."""
        return {"size": self.size, "latency": self.latency, "accuracy": self.accuracy}[budget]

    def without(self, budget: Budget) -> Budgets:
        """The same, but one of the three does not matter."""
        kept = {name: self.of(name) for name in BUDGETS if name != budget}
        return Budgets(self.by, **kept)


@dataclass(frozen=True)
class Advice:
    """What the budgets leave.

    kept: the models that keep all of them, the most accurate first; choice: the one to ship; alike:
    those that cannot be told from the most accurate, itself among them; margin: half its interval,
    in [0, 1]. Where nothing keeps all budgets: nearest, the model that misses them by the least,
    and freed, how many would do if that one budget did not matter. samples: of the test split.
    """

    budgets: Budgets
    kept: tuple[Model, ...]
    alike: tuple[Model, ...] = ()
    margin: float = 0.0
    choice: Model | None = None
    nearest: Model | None = None
    freed: Mapping[Budget, int] | None = None
    samples: int | None = None


def advise(models: Sequence[Model], budgets: Budgets, samples: int | None) -> Advice:
    """Choose by `RULE`; samples: of the test split, None where that is not known any more."""
    kept = [each for each in models if not broken(each, budgets)]
    if not kept:
        measured = [each for each in models if math.isfinite(_missed(each, budgets))]
        nearest = min(measured, key=lambda each: _missed(each, budgets), default=None)
        freed = {
            budget: sum(not broken(each, budgets.without(budget)) for each in models)
            for budget in BUDGETS
            if budgets.of(budget) is not None
        }
        return Advice(budgets, (), nearest=nearest, freed=freed, samples=samples)
    kept.sort(key=lambda each: (-each.mean, *_cheapness(each, budgets.by)))
    best = kept[0]
    half = margin(best, samples)
    alike = tuple(each for each in kept if each.mean >= best.mean - half - 1e-12)
    choice = _smallest(alike)
    return Advice(budgets, tuple(kept), alike, half, choice, samples=samples)


def margin(model: Model, samples: int | None) -> float:
    """Half the 95 % interval of a model's accuracy, in [0, 1].

    Student's t over its seeds (1908); the deviation is taken to be one test sample at least. With
    fewer than three seeds, that of a share of so many test samples (Laplace, 1812), one sample at
    least again; 0 where their number is not known.
    """
    one_sample = 1 / samples if samples else 0.0
    seeds, deviation = len(model.accuracy), model.sd
    if deviation is None or seeds < FEWEST_SEEDS_FOR_A_VERDICT:
        half = NORMAL * math.sqrt(model.mean * (1 - model.mean) * one_sample)
        return max(half, one_sample)
    from scipy.stats import t  # half a second to import: only where an interval is due

    quantile = float(t.ppf((1 + CONFIDENCE) / 2, seeds - 1))
    return quantile * max(deviation, one_sample) / math.sqrt(seeds)


def excess(model: Model, budgets: Budgets, budget: Budget) -> float:
    """By how much a model misses a budget, as a share of it; 0 where it keeps it, infinite where
    that cost was not measured. Of an accuracy, the share of the errors that it allows: 78 % is far
    from 99 %, though not by much of 99.
    """
    limit = budgets.of(budget)
    if limit is None:
        return 0.0
    if budget == "accuracy":
        short = limit - model.mean
        return short / max(1 - limit, FEWEST_ERRORS) if short > 1e-9 else 0.0
    value = model.bytes if budget == "size" else model.latency(budgets.by)
    if value is None:
        return math.inf
    return max(0.0, value / limit - 1) if value > limit + 1e-12 else 0.0


def broken(model: Model, budgets: Budgets) -> tuple[Budget, ...]:
    """The budgets that a model does not keep, or of which nobody knows."""
    return tuple(each for each in BUDGETS if excess(model, budgets, each) > 0)


def _missed(model: Model, budgets: Budgets) -> float:
    return sum(excess(model, budgets, each) for each in BUDGETS)


def _cheapness(model: Model, by: str) -> tuple[float, float]:
    latency = model.latency(by)
    return _bytes(model), math.inf if latency is None else latency


def smallest_within(models: Sequence[Model], teacher: Model, points: float) -> Model | None:
    """The smallest model, by its file, whose mean accuracy is within so many points of a teacher's;
    None where no file was measured. The teacher itself is one, where nothing smaller is.
    """
    floor = teacher.mean - points / 100 - 1e-9
    good = [each for each in models if each.bytes is not None and each.mean >= floor]
    return _smallest(good) if good else None


def _smallest(models: Sequence[Model]) -> Model:
    """By its file; of those within a hundredth of it, which is no difference, the most accurate."""
    least = min(_bytes(each) for each in models)
    small = [each for each in models if _bytes(each) <= 1.01 * least]
    return max(small, key=lambda each: each.mean)


def _bytes(model: Model) -> float:
    return math.inf if model.bytes is None else model.bytes


def fastest_under(models: Sequence[Model], size: float, by: str) -> Model | None:
    """The fastest model whose file has so many bytes at most; None where there is none."""
    timed = [
        (latency, -each.mean, place)
        for place, each in enumerate(models)
        if each.bytes is not None
        and each.bytes <= size
        and (latency := each.latency(by)) is not None
    ]
    return models[min(timed)[2]] if timed else None


def usual_teacher(models: Sequence[Model]) -> Model | None:
    """The teacher that most runs have, the more accurate of two; None where there is none."""
    teachers = [each for each in models if each.role == "teacher"]
    return max(teachers, key=lambda each: (each.runs, each.mean), default=None)


def start(models: Sequence[Model], by: str) -> Budgets:
    """Budgets to begin with, none of them tight: a tenth of the usual teacher's file, its latency,
    and two points less than it reads; rounded to two digits, or to half a point.
    """
    teacher = usual_teacher(models)
    if teacher is None:
        return Budgets(by)
    size = None if teacher.bytes is None else 1000 * _upwards(teacher.bytes / 10_000)
    latency = teacher.latency(by)
    accuracy = max(0.0, math.floor(2 * (100 * teacher.mean - 2)) / 200)
    return Budgets(by, size, None if latency is None else _upwards(latency), accuracy or None)


def _upwards(value: float) -> float:
    """Rounded up to two digits."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(value / step - 1e-9) * step, 12)
