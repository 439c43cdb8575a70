"""Quiet while a library is at work that says more than anybody here can use."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_turn = RLock()


@contextmanager
def unwarned() -> Iterator[None]:
    """Within, no warning is shown.

    What is shown is a setting of the whole process, and two threads that are in here at once would
    each put back what the other had set: one waits for the other.
    """
    with _turn, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def unlogged(name: str) -> Iterator[None]:
    """Within, a logger tells of errors alone; the same holds of threads."""
    chatter = logging.getLogger(name)
    with _turn:
        before = chatter.level
        chatter.setLevel(logging.ERROR)
        try:
            yield
        finally:
            chatter.setLevel(before)
