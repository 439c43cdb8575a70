"""A name for every definition: what the folders of tasks, models and methods share."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from kdcore.errors import UnknownNameError


class Named(Protocol):
    """Anything that carries the name it is chosen by."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Definitions of one kind, by name, in the order in which they were added."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def add(self, item: T) -> T:
        """Register a definition; the same name twice is a programming error."""
        if item.name in self._items:
            raise ValueError(f"two {self.kind} definitions are named {item.name!r}")
        self._items[item.name] = item
        return item

    def get(self, name: str) -> T:
        """The definition of that name. Raises UnknownNameError with a close match."""
        try:
            return self._items[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._items) from None

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._items))


def import_siblings(package: str, path: Iterable[str]) -> None:
    """Import every module of a package, so that each file registers what it defines."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")


def first_line(function: Callable[..., object]) -> str:
    """The sentence a docstring opens with, which a page may show as help."""
    return (function.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").strip()
