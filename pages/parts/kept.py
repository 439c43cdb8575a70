"""What is kept for all visitors: as much of it as fits into so many bytes, whatever each takes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """Values by key, at most `most` bytes of them: the one that was asked for longest ago goes
    first, and the newest stays even where it is larger alone.

    Streamlit bounds a cache by the count of its entries, of which one may be a thousand times as
    large as another. Keep one in `st.cache_resource`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()
        self._lock = Lock()  # of the entries; two visitors may make the same at once

    def get(self, key: Hashable, make: Callable[[], V], size: Callable[[V], int]) -> V:
        """The value of that key, made where it is not kept; size: its bytes."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key][0]
        value = make()
        with self._lock:
            self._found[key] = (value, size(value))
            while self.bytes > self._most and len(self._found) > 1:
                self._found.popitem(last=False)
        return value

    @property
    def bytes(self) -> int:
        """Of all that is kept."""
        return sum(size for _, size in self._found.values())
