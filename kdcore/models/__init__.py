"""Architectures: one file a family, each a decorated function that builds a torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from kdcore.fits import refusal
from kdcore.knobs import Knob, knobs, settle
from kdcore.registry import Registry, first_line, import_siblings
from kdcore.seeds import seeded


@dataclass(frozen=True)
class Architecture:
    """A family of networks: what input it takes, its options, and how to build one.

    smallest: pixels that a picture's shorter side must have; maps: whether its layers give feature
    maps with height and width.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    smallest: int
    about: str
    knobs: tuple[Knob, ...]
    function: Callable[..., nn.Module]
    maps: bool = True

    def refuses(self, kind: str, input_shape: tuple[int, ...]) -> str | None:
        """Why this architecture cannot take such input, in a sentence; else None."""
        return refusal(self.title, self.kinds, self.smallest, kind, input_shape)

    def build(
        self,
        input_shape: tuple[int, ...],
        classes: int,
        options: Mapping[str, object],
        seed: int,
    ) -> nn.Module:
        """A fresh network from (N, *input_shape) to logits (N, classes), weights from the seed.

        Convolutions have a pixel's channels side by side in memory, which is faster for all of
        them. Raises RecipeError on options the architecture does not take.
        """
        settled = settle(f"architecture {self.name!r}", self.knobs, options)
        with seeded(seed):
            network = self.function(input_shape, classes, **settled)
        return network.to(memory_format=torch.channels_last)


_architectures: Registry[Architecture] = Registry("architecture")
get, names = _architectures.get, _architectures.names


def architecture(
    name: str, *, title: str, kinds: tuple[str, ...], smallest: int = 1, maps: bool = True
) -> Callable[[Callable[..., nn.Module]], Architecture]:
    """Register the decorated builder."""

    def register(function: Callable[..., nn.Module]) -> Architecture:
        known = knobs(function)
        return _architectures.add(
            Architecture(name, title, kinds, smallest, first_line(function), known, function, maps)
        )

    return register


import_siblings(__name__, __path__)
