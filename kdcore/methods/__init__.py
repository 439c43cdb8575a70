"""Distillation methods: one file each, a pure function from tensors to named loss terms.

The loop adds the hard-label term, so that the whole loss is written in one place::

    hard_weight · CE(labels) + soft_weight · Σ terms

A method is called like the function it decorates::

    from kdcore.methods import Signals
    from kdcore.methods.kd import kd

    kd(Signals(student_logits), Signals(teacher_logits), labels, temperature=4.0)["soft"]
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor, nn

from kdcore.fits import Group, Layers, Needs
from kdcore.knobs import Knob, knobs, settle
from kdcore.registry import Registry, first_line, import_siblings

UNLABELLED = -1
"""Stands where a transfer sample's label is hidden from the student."""

Terms = dict[str, Tensor]
"""Loss terms by name, each a scalar: a mean over the batch, T² included."""

Shapes = Sequence[tuple[int, ...]]
"""Shapes of the feature layers compared, without the batch."""


@dataclass(frozen=True)
class Signals:
    """What one forward pass gave: raw logits (B, C), and the samples' indices (B,).

    features: of the layers that the method compares, in the same order for student and teacher;
    each (B, channels, height, width), or (B, width).
    """

    logits: Tensor
    indices: Tensor | None = None
    features: tuple[Tensor, ...] = ()


Adapter = Callable[..., nn.Module]
"""(student's shapes, teacher's shapes, samples in the pool, **options) to what is learnt beside
the student, on its side: no part of its size, and not exported."""


class Closed(NamedTuple):
    """A method's one term, T² · KL(targets ‖ softmax(z_s / T)), whose gradient is known.

    name: the term's; targets: (teacher's raw logits (..., C), temperatures T that broadcast with
    them) to probabilities. T is 1 where the method takes no temperature.
    """

    name: str
    targets: Callable[[Tensor, Tensor], Tensor]


Pace = Callable[..., tuple[float, float]]
"""(share of the steps done, **options) to factors of the hard weight and the soft weight."""


@dataclass(frozen=True)
class Method:
    """A way to learn from a teacher, or without one; callable like the function it decorates.

    formula shows the terms, with {T} for temperature and each knob's name in braces for its value;
    about says what it does, and why when to expect something of it. hard_weight and soft_weight
    are what its paper, or the code that reproduces it, uses. closed: what the function gives, in
    a form by which many students learn at once; None where it has no such form.
    """

    name: str
    title: str
    paper: str
    formula: str
    about: str
    knobs: tuple[Knob, ...]
    function: Callable[..., Terms]
    why: str = ""
    needs: Needs = field(default_factory=Needs)
    adapter: Adapter | None = None
    pace: Pace | None = None
    closed: Closed | None = None
    hard_weight: float = 0.1
    soft_weight: float = 0.9

    def __call__(self, *signals: Any, **options: Any) -> Terms:
        """The terms, as the decorated function gives them."""
        return self.function(*signals, **options)

    @property
    def takes_temperature(self) -> bool:
        """Whether the recipe's temperature plays a part."""
        return any(knob.name == "temperature" for knob in self.knobs)

    @property
    def follows_the_steps(self) -> bool:
        """Whether the function is told how far the training is, as `done` in [0, 1]."""
        return "done" in inspect.signature(self.function).parameters

    @property
    def link(self) -> str:
        """Where the paper can be read, or an empty text."""
        found = re.search(r"arXiv:(\d{4}\.\d{4,5})", self.paper)
        return f"https://arxiv.org/abs/{found[1]}" if found else ""

    def settle(self, options: Mapping[str, object], temperature: float) -> dict[str, Any]:
        """Keyword arguments for `function`, checked. Raises RecipeError on a bad option."""
        if not self.takes_temperature:
            return settle(f"method {self.name!r}", self.knobs, options)
        others = tuple(knob for knob in self.knobs if knob.name != "temperature")
        settled = settle(f"method {self.name!r}", others, options)
        return {**settled, "temperature": temperature}


_methods: Registry[Method] = Registry("method")
get, names = _methods.get, _methods.names


def method(
    name: str,
    *,
    title: str,
    paper: str,
    formula: str,
    why: str = "",
    group: Group = "answers",
    layers: Layers | None = None,
    maps: bool = False,
    weights: tuple[float, float] = (0.1, 0.9),
    adapter: Adapter | None = None,
    pace: Pace | None = None,
    closed: Closed | None = None,
) -> Callable[[Callable[..., Terms]], Method]:
    """Register the decorated function; its docstring's first line is the help text.

    The function takes (student: Signals, teacher: Signals, labels (B,) int64 with UNLABELLED for
    hidden ones) and its annotated keyword-only knobs; where it has such parameters, also `done`,
    the share of the steps that is over, and `adapter`, the module that `adapter` built.

    layers: which features it compares; maps: whether they must have height and width; weights: the
    hard and the soft weight that its paper uses; closed: see Method.
    """

    def register(function: Callable[..., Terms]) -> Method:
        return _methods.add(
            Method(
                *(name, title, paper, formula, first_line(function), knobs(function), function),
                why=why,
                needs=Needs(group, layers, maps, learns=adapter is not None),
                adapter=adapter,
                pace=pace,
                closed=closed,
                hard_weight=weights[0],
                soft_weight=weights[1],
            )
        )

    return register


import_siblings(__name__, __path__)
