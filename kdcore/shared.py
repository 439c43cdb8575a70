"""What several runs have in common, made once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
Y = TypeVar("Y")


class Shared:
    """Things by what decides them; whoever asks first makes one, all others get the same."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing of that key, made now where there is none."""
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found

    def once_told(
        self, key: Hashable, making: Callable[[], Generator[Y, None, T]]
    ) -> Generator[Y, None, T]:
        """The same, of what is made by a generator that tells how far it is."""
        if key not in self._made:
            self._made[key] = yield from making()
        found: T = self._made[key]
        return found
