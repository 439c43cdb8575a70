"""What of a recipe may vary: its dimensions, each with sensible values; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kdcore.catalogue import Catalogue, MethodRecord
from kdcore.errors import RecipeError
from kdcore.fits import Networks
from kdcore.knobs import Choice, Knob, Range
from kdcore.recipe import Recipe, brief
from kdcore.sweep import changed
from kdcore.uploads import ONNX

LABEL_COUNTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
"""How many labels a student may be given, where a task has so many."""

Value = Any
"""Of an axis: a number, or a name."""


@dataclass(frozen=True)
class Dimension:
    """A field of the recipe, as an axis of a sweep names it, and what it may sensibly be.

    rungs: values in their order; usual: those that a map takes unless told otherwise; low, high:
    bounds of any other number, both inclusive, none of a choice; whole: whether it is a count;
    log: whether its values are spaced by factors; titles: how a choice is shown.
    """

    field: str
    title: str
    rungs: tuple[Value, ...]
    usual: tuple[Value, ...]
    low: float | None = None
    high: float | None = None
    whole: bool = False
    log: bool = False
    titles: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether numbers between the rungs mean something."""
        return self.low is not None

    def words(self, value: Value) -> str:
        """A value as a reader sees it."""
        if value in self.rungs and self.titles:
            return self.titles[self.rungs.index(value)]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        return f"{value:,}" if self.whole else f"{value:g}"

    def read(self, typed: Sequence[str]) -> tuple[Value, ...]:
        """Values as they were typed, one by one. Raises RecipeError, a sentence, on any other."""
        found = [self._value(text.strip()) for text in typed if text.strip()]
        if not found:
            raise RecipeError(f"{self.title}: no values; type some, such as {self._example()}")
        twice = next((value for value in found if found.count(value) > 1), None)
        if twice is not None:
            raise RecipeError(f"{self.title}: {self.words(twice)} is there twice; give each once")
        return tuple(found)

    def _value(self, text: str) -> Value:
        named = {str(rung): rung for rung in self.rungs if not isinstance(rung, int | float)}
        if text in named:
            return named[text]
        if self.low is None or self.high is None:
            known = ", ".join(map(str, self.rungs))
            raise RecipeError(f"{self.title}: {text!r} is none of {known}; take some of these")
        try:
            number = int(text) if self.whole else _short(float(text))
        except ValueError:
            kind = "whole number" if self.whole else "number"
            raise RecipeError(
                f"{self.title}: {text!r} is no {kind}; type some, such as {self._example()}"
            ) from None
        if not self.low <= number <= self.high:  # nan is in no range
            raise RecipeError(
                f"{self.title}: {text} is out of range; give numbers from {self.low:g} to "
                f"{self.high:g}"
            )
        return number

    def _example(self) -> str:
        return ", ".join(map(str, self.usual[:3]))


def dimensions(recipe: Recipe, catalogue: Catalogue) -> tuple[Dimension, ...]:
    """All that may vary over a recipe, in a fixed order; only what plays a part in it."""
    return tuple(_found(recipe, catalogue))


def networks(recipe: Recipe, catalogue: Catalogue) -> Networks:
    """What of a recipe's models decides which methods can teach between them."""
    scheme = recipe.scheme
    models = (recipe.teacher, *scheme.assistants, recipe.student)
    kinds = [catalogue.architecture(m.architecture) for m in models if m.architecture != ONNX]
    return Networks(
        answers_only=recipe.teacher.architecture == ONNX,
        ensemble=bool(scheme.co_teachers),
        peers=scheme.peers > 0,
        without_maps=tuple(dict.fromkeys(each.title for each in kinds if not each.maps)),
    )


def learns_together(recipe: Recipe, catalogue: Catalogue) -> bool:
    """Whether its students learn side by side with those of other recipes, in one go.

    Says what `kdcore.train.together.kind_of` will find once the networks are there.
    """
    student, training = recipe.student, recipe.training
    names = [recipe.method.name, *(each.name for each in recipe.extra)]
    methods = [method for method in map(catalogue.method, names) if method.formula]
    return (
        catalogue.architecture(student.architecture).dense
        and not student.options.get("dropout")
        and not training.augmentation.on
        and training.precision != "bfloat16"
        and not recipe.scheme.peers
        and bool(methods)
        and all(method.closed for method in methods)
    )


def _found(recipe: Recipe, catalogue: Catalogue) -> Iterator[Dimension]:
    method = catalogue.method(recipe.method.name)
    extra = [catalogue.method(each.name) for each in recipe.extra]
    if any(each.takes_temperature for each in (method, *extra)):
        yield _number("temperature", "Temperature T", (0.5, 1, 2, 4, 8, 16, 32), (0.01, 1000), 1, 6)
    yield from _weights(method, extra)
    yield from _options(method)
    yield _method(recipe, catalogue)
    yield from _student(recipe, catalogue)
    yield from _transfer(recipe, catalogue)
    rates = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    yield _number("training.learning_rate", "Learning rate", rates, (1e-8, 10), 1, 6)
    yield _number(
        *("training.steps", "Steps", (25, 50, 100, 200, 400, 800, 1600, 3200)),
        *((1, 1_000_000), 1, 6),
        whole=True,
    )


def _weights(method: MethodRecord, extra: Sequence[MethodRecord]) -> Iterator[Dimension]:
    if method.shares:
        shares = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 1)
        yield _number("soft_share", "Soft weight α", shares, (0, 1), 1, 6, log=False)
    elif method.formula:
        yield _around("soft_weight", f"Weight of {method.title}", method.soft_weight, (0, 1e6))
    for number, each in enumerate(extra):
        title, usual = f"Weight of {each.title}", each.soft_weight
        yield _around(f"extra.{number}.weight", title, usual, (0, 1e6))


def _options(method: MethodRecord) -> Iterator[Dimension]:
    """The method's own options, over the range that the form's sliders have."""
    for knob in method.own_knobs:
        field, title = f"method.options.{knob.name}", f"{method.title}: {_plain(knob.name)}"
        if isinstance(knob.bounds, Choice):
            names = tuple(_plain(str(option)) for option in knob.bounds.options)
            options = knob.bounds.options
            yield Dimension(field, title, options, options, titles=names)
        elif isinstance(knob.bounds, Range):
            rungs = _spread(knob, knob.bounds)
            limits = (knob.bounds.low, knob.bounds.high)
            whole = isinstance(knob.default, int)
            yield _number(field, title, rungs, limits, 0, len(rungs), whole=whole, log=False)


def _method(recipe: Recipe, catalogue: Catalogue) -> Dimension:
    between = networks(recipe, catalogue)
    taken = {each.name for each in recipe.extra}
    fitting = [
        each
        for each in catalogue.methods
        if each.name not in taken and each.needs.refuses(each.title, between) is None
    ]
    own = recipe.method.name
    fitting.sort(key=lambda each: (each.name != own, each.needs.group != "answers"))
    names = tuple(each.name for each in fitting)
    titles = tuple(each.title for each in fitting)
    return Dimension("method.name", "Method", names, names[:4], titles=titles)


def _student(recipe: Recipe, catalogue: Catalogue) -> Iterator[Dimension]:
    if any(isinstance(value, list) and value for value in recipe.student.options.values()):
        factors = _different(recipe, (0.125, 0.25, 0.5, 1, 2, 4, 8))
        yield Dimension(
            *("student.width", "Student's width factor", factors),
            *(tuple(factor for factor in factors if 0.25 <= factor <= 4), 0.001, 1000),
            log=True,
        )
    task = catalogue.task(recipe.task)
    own = recipe.student.architecture
    fitting = [each for each in catalogue.architectures if each.refuses(task) is None]
    fitting.sort(key=lambda each: (each.name != own, each.smallest))
    if len(fitting) > 1:
        names = tuple(each.name for each in fitting)
        titles = tuple(each.title for each in fitting)
        yield Dimension("student.architecture", "Student", names, names[:2], titles=titles)


def _different(recipe: Recipe, factors: tuple[float, ...]) -> tuple[float, ...]:
    """Those factors that make another student each: widths are whole, and at least 1."""
    found = {
        brief(changed(recipe, {"student.width": factor}).student): factor
        for factor in factors[::-1]
    }
    return tuple(sorted(found.values()))


def _transfer(recipe: Recipe, catalogue: Catalogue) -> Iterator[Dimension]:
    most = catalogue.task(recipe.task).train
    counts = [count for count in LABEL_COUNTS if count < most]
    usual = tuple(count for count in counts if 50 <= count <= 1000) or tuple(counts)
    yield Dimension(
        *("transfer.labelled", "Labelled samples", (*counts, "all"), usual or ("all",)),
        *(1, most, True, True),
    )
    shares = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    yield _number("transfer.label_noise", "Wrong labels", shares, (0, 1), 0, 5, log=False)


def _around(field: str, title: str, usual: float, limits: tuple[float, float]) -> Dimension:
    """A weight whose usual value says no more than its order of magnitude."""
    rungs = tuple(float(f"{usual * factor:g}") for factor in (0.01, 0.1, 0.3, 1, 3, 10, 100))
    return _number(field, title, rungs if usual else (0, 0.1, 1, 10), limits, 1, 6)


def _number(
    field: str,
    title: str,
    rungs: tuple[float, ...],
    limits: tuple[float, float],
    start: int,
    stop: int,
    *,
    whole: bool = False,
    log: bool = True,
) -> Dimension:
    usual = rungs[start:stop] or rungs
    return Dimension(field, title, rungs, usual, limits[0], limits[1], whole, log)


def _spread(knob: Knob, bounds: Range) -> tuple[float, ...]:
    """Five values from end to end of a range, and the default."""
    low, high = bounds.low, bounds.high
    if bounds.log and low > 0:
        found = [low * (high / low) ** (part / 4) for part in range(5)]
    else:
        found = [low + (high - low) * part / 4 for part in range(5)]
    if isinstance(knob.default, int):
        found = [round(each) for each in found]
    short = {float(f"{each:.3g}") for each in (*found, knob.default)}
    whole = isinstance(knob.default, int)
    return tuple(int(each) if whole else each for each in sorted(short))


def _short(number: float) -> float:
    """4 for 4.0, as people write it."""
    return int(number) if number.is_integer() else number


def spelled(value: Value) -> str:
    """A value as it is typed, and as `Dimension.read` takes it."""
    return str(_short(value) if isinstance(value, float) else value)


def _plain(name: str) -> str:
    return name.replace("_", " ")
