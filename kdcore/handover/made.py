"""Files that take seconds to make: made once for all who ask, and kept as far as there is room."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from math import inf
from threading import BoundedSemaphore, Lock
from time import monotonic

AT_ONCE = 3
"""Files that are made side by side: each holds a run's answers and models in memory."""

BRIEFLY = 60.0
"""Seconds that a passing file is kept: who asks together gets one, who comes back another."""


class Passing(bytes):
    """A file that may come out better another time, such as one with a disturbed measurement."""


class Made:
    """Files by what they are of, `most` bytes in all; those not asked for longest go first.

    Whoever asks for one that is being made waits for that; others are made beside it. A passing one
    is made anew for who asks BRIEFLY later.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: dict[Hashable, bytes] = {}  # the one asked for last stands last
        self._until: dict[Hashable, float] = {}  # when each is old, by the monotonic clock
        self._under_way: dict[Hashable, Future[bytes]] = {}
        self._guard, self._room = Lock(), BoundedSemaphore(AT_ONCE)

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The file of that key; what `make` raises, it raises, also for those who waited."""
        with self._guard:
            if key in self._files and monotonic() < self._until[key]:
                self._files[key] = self._files.pop(key)
                return self._files[key]
            known = self._under_way.get(key)
            mine = self._under_way.setdefault(key, Future())
        if known is not None:
            return known.result()
        try:
            with self._room:
                content = make()
        except BaseException as error:
            with self._guard:
                del self._under_way[key]
            mine.set_exception(error)
            raise
        with self._guard:
            self._keep(key, content)
            del self._under_way[key]
        mine.set_result(content)
        return content

    def _keep(self, key: Hashable, content: bytes) -> None:
        if len(content) > self._most:
            return
        self._files.pop(key, None)
        self._files[key] = content
        self._until[key] = monotonic() + BRIEFLY if isinstance(content, Passing) else inf
        while sum(map(len, self._files.values())) > self._most:
            oldest = next(iter(self._files))
            del self._files[oldest], self._until[oldest]
