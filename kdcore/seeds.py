"""Seeds for purposes: what draws for one never disturbs what another draws."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def derive(seed: int, purpose: str) -> int:
    """A seed for one purpose, so that drawing more of one thing never shifts another."""
    return int(np.random.SeedSequence([seed, crc32(purpose.encode())]).generate_state(1)[0])
