"""A sweep: one recipe, and what varies over it; every combination is a recipe of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from kdcore.errors import RecipeError
from kdcore.recipe import Recipe, content_hash
from kdcore.validation import Written

MOST_MEMBERS = 10_000

LEADING = ("method.name", "student.architecture")
"""Set before all others, for they bring their own options and weights along."""

BOTH = ("soft_weight", "hard_weight")
"""What `soft_share` sets."""

Values = dict[str, Any]
"""A recipe as JSON knows it."""


class Axis(BaseModel):
    """What varies, and the values it takes.

    field: a dotted path into the recipe, such as "training.steps" or "extra.0.weight", or one of
    `SPECIAL`, which change several fields at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    field: str
    values: Annotated[tuple[JsonValue, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _different(self) -> Axis:
        seen = [json.dumps(value) for value in self.values]
        twice = next((text for text in seen if seen.count(text) > 1), None)
        if twice is not None:
            raise ValueError(f"the axis {self.field!r} has the value {twice} twice; give each once")
        return self


class Sweep(Written):
    """A recipe, and up to four axes along which it is changed.

    The recipe says all that no axis does, seeds included: each member is run for all of them.
    Frozen, validated, JSON both ways. Raises RecipeError, one sentence, on what cannot be meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    example: ClassVar[str] = '{"axes": [...]}'

    title: Annotated[str, Field(max_length=120)] = ""
    recipe: Recipe = Recipe()
    axes: Annotated[tuple[Axis, ...], Field(min_length=1, max_length=4)]

    @model_validator(mode="after")
    def _axes_fit(self) -> Sweep:
        fields = [axis.field for axis in self.axes]
        twice = next((field for field in fields if fields.count(field) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is on two axes; leave one of them out")
        told_twice(fields)
        if len(self) > MOST_MEMBERS:
            raise ValueError(
                f"these axes have {len(self):,} combinations; choose fewer values, so that there "
                f"are {MOST_MEMBERS:,} at most"
            )
        return self

    def __len__(self) -> int:
        """How many members it has."""
        return prod(len(axis.values) for axis in self.axes)

    def settings(self) -> Iterator[dict[str, JsonValue]]:
        """What each member sets, by axis; the last axis moves fastest."""
        fields = [axis.field for axis in self.axes]
        for values in product(*(axis.values for axis in self.axes)):
            yield dict(zip(fields, values, strict=True))

    def members(self) -> list[Recipe]:
        """Each combination's recipe, in the order of `settings`.

        Raises RecipeError where one of them is no recipe, or an axis changes nothing.
        """
        found = [changed(self.recipe, setting) for setting in self.settings()]
        if len({recipe.id for recipe in found}) < len(found):
            fields = ", ".join(repr(axis.field) for axis in self.axes)
            raise RecipeError(f"of the axes {fields}, one changes nothing; leave it out")
        return found

    def control_axes(self) -> tuple[str, ...]:
        """The fields of those axes along which the student on labels alone changes as well."""
        first = {axis.field: axis.values[0] for axis in self.axes}
        usual = control_of(changed(self.recipe, first))
        return tuple(
            axis.field
            for axis in self.axes
            for other in [{**first, axis.field: axis.values[-1]}]
            if control_of(changed(self.recipe, other)) != usual
        )

    @property
    def id(self) -> str:
        """Content hash: sweeps of one id have the same members."""
        told = self.model_dump(mode="json", exclude={"title"})
        return content_hash({**told, "recipe": self.recipe.id})


def changed(recipe: Recipe, setting: dict[str, JsonValue]) -> Recipe:
    """The recipe with each field of the setting at its value.

    Raises RecipeError where there is no such field, or it cannot have that value.
    """
    values = recipe.model_dump(mode="json")
    for field, value in sorted(setting.items(), key=lambda each: each[0] not in LEADING):
        SPECIAL.get(field, put_at(field))(values, value)
    return Recipe(**values)


def told_twice(fields: Sequence[str]) -> None:
    """Raise ValueError, a sentence, where two fields set the same."""
    weight = next((field for field in fields if field in BOTH), None)
    if "soft_share" in fields and weight is not None:
        raise ValueError(
            f"'soft_share' sets {weight!r} as well, so that one of them would say nothing; leave "
            "one of them out"
        )


def control_of(recipe: Recipe) -> str:
    """Content hash of all that decides what the student learns from labels alone.

    Recipes of one hash have the same control, seed by seed: only one of them need be trained.
    """
    told = recipe.model_dump(mode="json")
    of_labels = {"labelled", "left_out", "label_noise"}
    return content_hash(
        [
            *(told["task"], told["student"], told["training"], told["seeds"]),
            {name: told["transfer"][name] for name in of_labels},
        ]
    )


def put_at(field: str) -> Callable[[Values, JsonValue], None]:
    """What sets a field, by its dotted path, in values as JSON knows them.

    It raises RecipeError where there is no such field.
    """
    *path, last = field.split(".")

    def put(values: Values, value: JsonValue) -> None:
        place: Any = values
        for part in path:
            place = _step(place, part, field)
        if isinstance(place, list):
            _step(place, last, field)
            place[int(last)] = value
        elif isinstance(place, dict):
            place[last] = value
        else:
            raise RecipeError(f"a recipe has no field {field!r}")

    return put


def _step(place: Any, part: str, field: str) -> Any:
    if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
        return place[int(part)]
    if isinstance(place, dict):
        return place.setdefault(part, {})
    raise RecipeError(
        f"the axis {field!r} changes what the recipe does not have: there is no {part!r}"
    )


def _soft_share(values: Values, share: JsonValue) -> None:
    """The teacher's share of the loss; the labels get the rest."""
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
        raise RecipeError(f"soft_share is {share!r}; it must be a number between 0 and 1")
    values["soft_weight"], values["hard_weight"] = share, round(1 - share, 12)


def _architecture(values: Values, name: JsonValue) -> None:
    """Another student, with its own defaults."""
    if name != values["student"]["architecture"]:
        values["student"] = {"architecture": name, "options": {}}


def _method(values: Values, name: JsonValue) -> None:
    """Another method, with its own options and the weights of its paper."""
    if name != values["method"]["name"]:
        values["method"] = {"name": name}
    values["soft_weight"] = values["hard_weight"] = None


def _width(values: Values, factor: JsonValue) -> None:
    """All widths of the student times a factor, at least 1 each."""
    if not isinstance(factor, int | float) or isinstance(factor, bool) or factor <= 0:
        raise RecipeError(f"student.width is {factor!r}; it must be a factor above 0")
    options = values["student"]["options"]
    lists = [name for name, value in options.items() if isinstance(value, list)]
    if not lists:
        raise RecipeError(
            "student.width multiplies the widths that the student's options name, but they name "
            'none; name them, such as {"widths": [16]}, or leave this axis out'
        )
    for name in lists:
        odd = next((width for width in options[name] if type(width) is not int), None)
        if odd is not None:
            raise RecipeError(f"the student's {name} hold {odd!r}; give whole numbers")
        options[name] = [max(1, round(factor * width)) for width in options[name]]


SPECIAL: dict[str, Callable[[Values, JsonValue], None]] = {
    "soft_share": _soft_share,
    "student.architecture": _architecture,
    "student.width": _width,
    "method.name": _method,
}
"""Fields of an axis that stand for several of the recipe."""
