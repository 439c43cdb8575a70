"""Loaded by every worker of our own cluster as it starts, a replaced one too."""

from __future__ import annotations

import threading

from kdcore.runs.worker import warm_up


def dask_setup(_worker: object) -> None:
    """Warm up beside the worker's own start, so that it can take work at once."""
    threading.Thread(target=warm_up, daemon=True).start()
