"""Generators that tell how far they are, taken to their end."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

R = TypeVar("R")


def whole(told: Generator[float, None, R]) -> R:
    """What a generator returns once it has told all."""
    while True:
        try:
            next(told)
        except StopIteration as end:
            return end.value
