"""Distillation methods: one file each, a pure function from tensors to named loss terms.

The loop adds the hard-label term, so that the whole loss is written in one place::

    hard_weight · CE(labels) + soft_weight · Σ terms
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from kdcore.knobs import Knob, knobs, settle
from kdcore.registry import Registry, first_line, import_siblings

UNLABELLED = -1
"""Stands where a transfer sample's label is hidden from the student."""

Terms = dict[str, Tensor]
"""Loss terms by name, each a scalar: a mean over the batch, T² included."""


@dataclass(frozen=True)
class Signals:
    """What one forward pass gave: raw logits (B, C), and the samples' indices (B,)."""

    logits: Tensor
    indices: Tensor


@dataclass(frozen=True)
class Method:
    """A way to learn from a teacher. `formula` shows the soft term, with {T} for temperature."""

    name: str
    title: str
    paper: str
    formula: str
    about: str
    knobs: tuple[Knob, ...]
    function: Callable[..., Terms]

    @property
    def takes_temperature(self) -> bool:
        """Whether the recipe's temperature plays a part."""
        return any(knob.name == "temperature" for knob in self.knobs)

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
    name: str, *, title: str, paper: str, formula: str
) -> Callable[[Callable[..., Terms]], Method]:
    """Register the decorated function; its docstring's first line is the help text.

    The function takes (student: Signals, teacher: Signals, labels (B,) int64 with UNLABELLED for
    hidden ones) and its annotated keyword-only knobs.
    """

    def register(function: Callable[..., Terms]) -> Method:
        about = first_line(function)
        return _methods.add(Method(name, title, paper, formula, about, knobs(function), function))

    return register


import_siblings(__name__, __path__)
