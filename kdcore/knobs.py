"""One line per knob: its type, bounds and help, read by validation, sliders and docs alike.

A definition annotates its keyword-only parameters::

    def kd(student, teacher, labels, *, temperature: Annotated[float, Range(1, 20)] = 4.0): ...

and `knobs(kd)` gives them back as plain records.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from kdcore.errors import RecipeError, did_you_mean


@dataclass(frozen=True)
class Range:
    """Bounds of a number, both inclusive; `step` and `log` say how a slider moves over them."""

    low: float
    high: float
    step: float | None = None
    help: str = ""
    log: bool = False


@dataclass(frozen=True)
class Widths:
    """Bounds of a list of layer widths."""

    high: int = 4096
    layers: int = 8
    help: str = ""


@dataclass(frozen=True)
class Choice:
    """The values that there are, in the order in which a picker shows them."""

    options: tuple[str | int | bool, ...]
    help: str = ""


Bounds = Range | Widths | Choice


@dataclass(frozen=True)
class Knob:
    """One parameter of a definition: its name, default and bounds."""

    name: str
    default: Any
    bounds: Bounds


def knobs(function: Callable[..., object]) -> tuple[Knob, ...]:
    """The annotated keyword-only parameters of a definition, in their order."""
    hints = get_type_hints(function, include_extras=True)
    found = []
    for parameter in inspect.signature(function).parameters.values():
        bounds = [a for a in get_args(hints.get(parameter.name)) if isinstance(a, Bounds)]
        if parameter.kind is parameter.KEYWORD_ONLY and bounds:
            found.append(Knob(parameter.name, parameter.default, bounds[0]))
    return tuple(found)


def settle(owner: str, known: tuple[Knob, ...], options: Mapping[str, object]) -> dict[str, Any]:
    """Options checked against their knobs, defaults filled in.

    Raises RecipeError naming the value, the rule and the way out.
    """
    names = [knob.name for knob in known]
    for name in options:
        if name not in names:
            hint = did_you_mean(name, names)
            takes = f" It takes: {', '.join(names)}." if names else " It takes no options."
            raise RecipeError(f"{owner} has no option {name!r}{hint}{takes}")
    return {k.name: _checked(owner, k, options.get(k.name, k.default)) for k in known}


def _checked(owner: str, knob: Knob, value: object) -> Any:
    if isinstance(knob.bounds, Widths):
        return _widths(owner, knob.name, knob.bounds, value)
    if isinstance(knob.bounds, Choice):
        return _chosen(owner, knob.name, knob.bounds, value)
    whole = isinstance(knob.default, int) and not isinstance(knob.default, bool)
    low, high = knob.bounds.low, knob.bounds.high
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not low <= number <= high:  # nan is in no range
        raise RecipeError(
            f"{owner}: {knob.name} is {value!r}; give a number from {low:g} to {high:g}"
        )
    if whole and number != int(number):
        raise RecipeError(f"{owner}: {knob.name} is {value!r}; give a whole number")
    return int(number) if whole else float(number)


def _chosen(owner: str, name: str, bounds: Choice, value: object) -> Any:
    for option in bounds.options:
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return option
    shown = ", ".join(str(option) for option in bounds.options)
    raise RecipeError(f"{owner}: {name} is {value!r}; choose one of {shown}")


def _widths(owner: str, name: str, bounds: Widths, value: object) -> tuple[int, ...]:
    rule = f"give up to {bounds.layers} whole numbers from 1 to {bounds.high}, such as [256, 256]"
    if not isinstance(value, list | tuple) or len(value) > bounds.layers:
        raise RecipeError(f"{owner}: {name} is {value!r}; {rule}")
    for width in value:
        if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= bounds.high:
            raise RecipeError(f"{owner}: {name} holds {width!r}; {rule}")
    return tuple(value)
