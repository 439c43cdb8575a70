"""A search: one recipe, what may vary over it, what to judge by, and how long to look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    model_validator,
)

from kdcore.errors import RecipeError
from kdcore.recipe import Number, Recipe, Whole, content_hash
from kdcore.result import Phase
from kdcore.statistics import mean, spread
from kdcore.sweep import LEADING, changed, told_twice
from kdcore.validation import Written

if TYPE_CHECKING:
    import pandas as pd

Goal = Literal["accuracy", "size", "latency"]

Fate = Literal["finished", "given up", "failed"]

MOST_TRIALS = 10_000
MOST_MINUTES = 7 * 24 * 60.0

OWNED: dict[str, tuple[str, ...]] = {
    "method.name": ("method.options.", "soft_share", "soft_weight", "hard_weight"),
    "student.architecture": ("student.options.", "student.width"),
}
"""What belongs to the recipe's own method or student, and means nothing for another."""


class Span(BaseModel):
    """What may vary, and how far: from low to high, or some choices.

    field: as of a sweep's axis; whole: whole numbers only; log: as likely between 1 and 10 as
    between 10 and 100.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    field: str
    low: Number | None = None
    high: Number | None = None
    whole: StrictBool = False
    log: StrictBool = False
    choices: tuple[JsonValue, ...] = ()

    @model_validator(mode="after")
    def _spans_something(self) -> Span:
        name, numbers = self.field, (self.low, self.high)
        if self.choices and numbers != (None, None):
            raise ValueError(f"{name!r} has choices and a range; give one of the two")
        if self.choices:
            self._check_choices()
        elif self.low is None or self.high is None:
            raise ValueError(f"{name!r} has nothing to vary over; give low and high, or choices")
        else:
            self._check_range(self.low, self.high)
        return self

    def _check_choices(self) -> None:
        odd = next((each for each in self.choices if isinstance(each, list | dict)), None)
        if odd is not None:
            raise ValueError(f"{self.field!r} has the choice {odd!r}; give texts or numbers")
        twice = next((each for each in self.choices if self.choices.count(each) > 1), None)
        if twice is not None:
            raise ValueError(f"{self.field!r} has the choice {twice!r} twice; give each once")
        if len(self.choices) < 2:
            raise ValueError(
                f"{self.field!r} has one choice, {self.choices[0]!r}; give two at least, or set it "
                "in the recipe"
            )

    def _check_range(self, low: float, high: float) -> None:
        if low >= high:
            raise ValueError(
                f"{self.field!r} goes from {low:g} to {high:g}, which is empty; give a high above "
                "its low"
            )
        if self.log and low <= 0:
            raise ValueError(
                f"{self.field!r} starts at {low:g}, and a logarithmic range must start above 0; "
                "raise low, or set log to false"
            )
        if self.whole and (low % 1 or high % 1):
            raise ValueError(
                f"{self.field!r} takes whole numbers; give some for {low:g} and {high:g}"
            )

    def ends(self) -> tuple[Any, ...]:
        """The first and the last of its range, or all of its choices."""
        if self.choices:
            return self.choices
        assert self.low is not None
        assert self.high is not None
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


class Search(Written):
    """A recipe, the spans over which settings of it are tried, and the budget.

    Each setting is trained for all of the recipe's seeds, and judged on validation. goals: what to
    judge by, accuracy among them; with accuracy alone, TPE proposes and a median pruner gives up
    on settings that lag behind; with more, NSGA-II looks for the best trade-offs. trials, minutes:
    it ends with whichever is used up first. Frozen, validated, JSON both ways. Raises RecipeError,
    one sentence, on what cannot be meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    example: ClassVar[str] = '{"space": [...], "trials": 50}'

    title: Annotated[str, Field(max_length=120)] = ""
    recipe: Recipe = Recipe()
    space: Annotated[tuple[Span, ...], Field(min_length=1, max_length=12)]
    goals: Annotated[tuple[Goal, ...], Field(min_length=1)] = ("accuracy",)
    trials: Annotated[Whole, Field(ge=1, le=MOST_TRIALS)] | None = None
    minutes: Annotated[Number, Field(gt=0, le=MOST_MINUTES)] | None = None
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _can_be_meant(self) -> Search:
        fields = [span.field for span in self.space]
        twice = next((field for field in fields if fields.count(field) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is in the space twice; leave one of them out")
        told_twice(fields)
        if "accuracy" not in self.goals or len(set(self.goals)) < len(self.goals):
            raise ValueError(
                f"goals {list(self.goals)} must hold accuracy, and each goal once; the others are "
                "size and latency"
            )
        if self.trials is None and self.minutes is None:
            raise ValueError("the search has no budget; give trials, minutes or both")
        for span in self.space:
            self._check_ends(span)
        return self

    def _check_ends(self, span: Span) -> None:
        try:
            for value in span.ends():
                changed(self.recipe, {span.field: value})
        except RecipeError as error:
            if not span.choices and not span.whole and "whole number" in str(error):
                raise ValueError(f"{span.field!r} takes whole numbers; set whole to true") from None
            raise

    @property
    def prunes(self) -> bool:
        """Whether settings that lag behind are given up early: only where one goal decides."""
        return len(self.goals) == 1

    def choose(self, pick: Callable[[Span], Any]) -> dict[str, Any]:
        """A setting, by field: `pick` is asked for each span that plays a part in it."""
        setting: dict[str, Any] = {}
        for span in self.space:
            if span.field in LEADING:
                setting[span.field] = pick(span)
        foreign = [prefix for field in setting for prefix in self._foreign(field, setting[field])]
        for span in self.space:
            if span.field not in LEADING and not span.field.startswith(tuple(foreign)):
                setting[span.field] = pick(span)
        return setting

    def _foreign(self, field: str, value: Any) -> tuple[str, ...]:
        """What plays no part once a leading field has another value than the recipe's."""
        own = self.recipe.method.name
        if field == "student.architecture":
            own = self.recipe.student.architecture
        return () if value == own else OWNED[field]

    def candidate(self, setting: Mapping[str, Any]) -> Recipe:
        """The recipe of a setting. Raises RecipeError where there is none."""
        return changed(self.recipe, dict(setting))

    def extended(self, trials: int = 0, minutes: float = 0.0) -> Search:
        """The same with so much more of a budget; one that has no limit stays without."""
        if trials < 0 or minutes < 0 or not (trials or minutes):
            raise RecipeError("nothing to extend the search by; give more trials or more minutes")
        values = self.model_dump(mode="json")
        values["trials"] = None if self.trials is None else self.trials + trials
        values["minutes"] = None if self.minutes is None else self.minutes + minutes
        return Search(**values)

    @property
    def id(self) -> str:
        """Content hash: searches of one id try the same settings, as far as both go."""
        told = self.model_dump(mode="json", exclude={"title", "trials", "minutes"})
        return content_hash({**told, "recipe": self.recipe.id})


@dataclass(frozen=True)
class Tried:
    """A setting that was tried, and what came of it.

    accuracy: each seed's, on validation, in [0, 1], empty unless it finished; size in bytes,
    latency in milliseconds; same_as: the number of an earlier trial of the same setting, whose
    figures these are; best: whether no other beats it in every goal.
    """

    number: int
    setting: Mapping[str, Any]
    fate: Fate
    accuracy: tuple[float, ...] = ()
    parameters: int | None = None
    size: int | None = None
    latency_ms: float | None = None
    seconds: float = 0.0
    error: str = ""
    same_as: int | None = None
    best: bool = False

    @property
    def mean(self) -> float | None:
        """Accuracy on validation, over the seeds; None unless it finished."""
        return mean(self.accuracy) if self.accuracy else None


@dataclass(frozen=True)
class Standing:
    """How far a search is: settings tried, the share of the budget used, the seconds left, and
    what the one under way is at.
    """

    tried: int
    done: float
    seconds_left: float | None
    phase: Phase | None = None


def ranked(tried: Sequence[Tried], *, only_best: bool = False) -> list[Tried]:
    """Those that finished, each setting once, the most accurate first.

    only_best: those alone that no other beats in every goal.
    """
    found = [
        (each.mean, each)
        for each in tried
        if each.mean is not None and each.same_as is None and (each.best or not only_best)
    ]
    return [each for _, each in sorted(found, key=lambda pair: (-pair[0], pair[1].number))]


def trial_table(search: Search, tried: Sequence[Tried]) -> pd.DataFrame:
    """All settings that were tried, a row each, in their order: what was set, by field, and what
    came of it.
    """
    import pandas as pd

    rows = []
    for each in tried:
        setting = {span.field: each.setting.get(span.field) for span in search.space}
        told = {"accuracy": each.mean, "sd": spread(each.accuracy), "parameters": each.parameters}
        costs = {"size": each.size, "latency_ms": each.latency_ms}
        rest = {"seconds": each.seconds, "same_as": each.same_as, "error": each.error}
        rows.append({"trial": each.number, "fate": each.fate, **setting, **told, **costs, **rest})
    return pd.DataFrame(rows)


TEST_SEEDS = 5
"""Of the run that takes the test figure."""


def recipe_for_test(search: Search, tried: Tried) -> Recipe:
    """The recipe by which the test figure of a setting is taken: with five seeds at least."""
    recipe = search.candidate(tried.setting)
    spare = (seed for seed in range(2 * TEST_SEEDS) if seed not in recipe.seeds)
    missing = max(0, TEST_SEEDS - len(recipe.seeds))
    seeds = (*recipe.seeds, *islice(spare, missing))
    return Recipe(**{**recipe.model_dump(mode="json"), "seeds": seeds})
