"""One thread for all that torch does, so that a recipe gives the same numbers everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kdcore.train.memory import keep_freed


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, and leave it as it was; what is freed stays with the process."""
    keep_freed()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
