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
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V], size: Callable[[V], int]) -> V:
        """The value of that key, made where it is not kept; size: its bytes.

        Of visitors who ask for one at once, the first makes it, and the others wait for that.
        """
        with self._lock:
            if key in self._found:
                return self._asked_for(key)
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._found:
                    return self._asked_for(key)
            try:
                value = make()
                with self._lock:
                    self._keep(key, value, size(value))
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def _asked_for(self, key: Hashable) -> V:
        self._found.move_to_end(key)
        return self._found[key][0]

    def _keep(self, key: Hashable, value: V, size: int) -> None:
        self._found[key] = (value, size)
        while self.bytes > self._most and len(self._found) > 1:
            self._found.popitem(last=False)

    @property
    def bytes(self) -> int:
        """Of all that is kept."""
        return sum(size for _, size in self._found.values())
