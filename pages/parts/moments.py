"""The numbers of a run's loss where training began and where it ended: a schedule may move them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdcore import schedule
from kdcore.recipe import Recipe
from pages.parts.services import catalogue


@dataclass(frozen=True)
class Moment:
    """The loss at a moment: hard · CE + soft · T² · KL; words: when."""

    words: str
    temperature: float
    hard: float
    soft: float


@dataclass(frozen=True)
class Lesson:
    """What a student was taught by: one moment where nothing moved, else the start and the end.

    moved: what moved, a sentence or nothing; note: what to say where the run's own loss is another
    than that of soft targets.
    """

    moments: tuple[Moment, ...]
    moved: str = ""
    note: str = ""


Temperature = tuple[float, str]
"""Of a training, and when it was that, in words."""


def temperatures(recipe: Recipe) -> list[Temperature]:
    """The temperature as trained, or those at the start and at the end."""
    moves = recipe.temperature_schedule
    if not schedule.told("T", recipe.temperature, moves):
        return [(recipe.temperature, "as trained")]
    return [(recipe.temperature, "at the start"), (moves.to, "at the end")]


def named(trained: Sequence[Temperature]) -> list[dict[str, Any]]:
    """Temperatures as the components are told of them."""
    return [{"temperature": temperature, "words": words} for temperature, words in trained]


def lesson(recipe: Recipe) -> Lesson:
    """The formula's numbers; of a run whose loss is another, those that soft targets would have."""
    used = next((each for each in recipe.extra if each.name == "kd"), None)
    plain = catalogue().method("kd")
    method = catalogue().method(recipe.method.name)
    heats = ("T", recipe.temperature, recipe.temperature_schedule)
    if recipe.method.name != "kd" and used is None:
        moments = [
            Moment(words, temperature, plain.hard_weight, plain.soft_weight)
            for temperature, words in temperatures(recipe)
        ]
        note = (
            f"This student learned by {method.title}; the formula here is that of plain soft "
            "targets, with its paper's weights: what they would have taught."
        )
        return Lesson(tuple(moments), _moved(schedule.told(*heats)), note)
    hard = method.hard_weight if recipe.hard_weight is None else recipe.hard_weight
    given = recipe.soft_weight if used is None else used.weight
    soft = plain.soft_weight if given is None else given
    labels = ("the weight on the labels", hard, recipe.hard_schedule)
    teacher = ("the weight on the teacher", soft, recipe.soft_schedule)
    moving = [heats, labels, *([teacher] if used is None else [])]  # of extra terms, none moves
    moved = [words for each in moving if (words := schedule.told(*each))]
    if not moved:
        return Lesson((Moment("as trained", recipe.temperature, hard, soft),))
    ends = []
    for words, done in (("at the start", 0.0), ("at the end", 1.0)):
        now = {name: schedule.at(start, moves, done) for name, start, moves in moving}
        ends.append(Moment(words, now["T"], now[labels[0]], now.get(teacher[0], soft)))
    return Lesson(tuple(ends), _moved(*moved))


def _moved(*parts: str) -> str:
    told = [part for part in parts if part]
    return f"While it learned, {' and '.join(told)}." if told else ""
