"""Seeds for purposes: what draws for one never disturbs what another draws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import numpy as np
import torch


def derive(seed: int, purpose: str) -> int:
    """A seed for one purpose, so that drawing more of one thing never shifts another."""
    return int(np.random.SeedSequence([seed, crc32(purpose.encode())]).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let whatever draws from torch's own generator draw by this seed, and leave it as it was.

    Of the processor's generator alone: torch.manual_seed also notes, for each device that is not
    in use yet, who called it, which takes longer than to build a small network.
    """
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
