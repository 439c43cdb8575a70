"""Memory that stays with the process: feature maps come and go with every step."""

from __future__ import annotations

import ctypes
import logging
import sys
from functools import lru_cache

log = logging.getLogger(__name__)

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's names for them in mallopt(3)."""

KEPT_BYTES = 256 * 2**20
OLDER_LIMIT = 32 * 2**20
"""What older versions of glibc allow for a mapping's threshold."""


@lru_cache(maxsize=1)
def keep_freed() -> bool:
    """Let glibc keep what is freed, up to some hundred megabytes; says whether it does.

    By default it returns large blocks at once, and fetches them again, page by page, for the next
    step: up to a third of a convolution's time. Dask makes its workers return even more, which
    doubles it. Other platforms are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    kept = bool(mallopt(TRIM_THRESHOLD, KEPT_BYTES))
    mapped = mallopt(MMAP_THRESHOLD, KEPT_BYTES) or mallopt(MMAP_THRESHOLD, OLDER_LIMIT)
    if not (kept and mapped):
        log.info("the C library keeps no freed memory; convolutions take longer")
    return kept and bool(mapped)
