"""The cluster: a Dask scheduler and its workers, in a process of their own on this machine.

It outlives the app that started it, so that runs go on when a tab or the app is closed, and ends
itself when nobody has needed it for a while. Kept apart from Streamlit, whose script a spawned
worker would run again.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from kdcore.code import code_id
from kdcore.settings import Settings

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
TICK_SECONDS = 1.0

_NOBODY = ("fire-and-forget", "Client-worker-")
"""Clients that need no cluster themselves: a worker that hands on what it works on is one."""


def serve(settings: Settings, idle_seconds: float = IDLE_SECONDS) -> bool:
    """Run the cluster until it is idle or told to stop; False if one is running already.

    The lock is held as long as the cluster lives: of two started at once, one gives way.
    """
    home = settings.ready_home()
    lock = FileLock(home / f"cluster-{code_id()}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        _serve(home, idle_seconds)
    finally:
        _address_file(home).unlink(missing_ok=True)
        lock.release()
    return True


def address(home: Path) -> str | None:
    """Address of the cluster under this home, if one answers."""
    try:
        found = str(json.loads(_address_file(home).read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if answers(found) else None


def answers(scheduler: str, timeout: float = 1.0) -> bool:
    """Whether something accepts connections at an address such as tcp://127.0.0.1:8786."""
    parts = urlsplit(scheduler)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 8786), timeout):
            return True
    except (OSError, ValueError):
        return False


def _serve(home: Path, idle_seconds: float) -> None:
    import dask
    from distributed import LocalCluster

    dask.config.set(
        {
            "distributed.worker.preload": ["kdcore.runs.preload"],
            # nobody reads what they write down, a hundred and fifty times a second
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "500ms",
        }
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=True,
        # by default a worker is ended at its share of the memory, which one large network exceeds
        memory_limit=0,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.ERROR,
    ) as cluster:
        cluster.scale(max(1, (os.cpu_count() or 2) - 1))  # one core stays free for the page
        _write_address(home, cluster.scheduler_address)
        _wait(cluster.scheduler, stop, idle_seconds)


def _wait(scheduler: Any, stop: threading.Event, idle_seconds: float) -> None:
    """Return when told to, or after so many seconds without a client or a task."""
    needed = time.monotonic()
    while not stop.wait(TICK_SECONDS):
        clients = [name for name in list(scheduler.clients) if not name.startswith(_NOBODY)]
        if clients or scheduler.tasks:
            needed = time.monotonic()
        elif time.monotonic() - needed > idle_seconds:
            log.info("idle for %.0f s; closing", idle_seconds)
            return


def _write_address(home: Path, scheduler: str) -> None:
    draft = home / f".cluster-{os.getpid()}.draft"
    draft.write_text(json.dumps({"address": scheduler, "pid": os.getpid()}))
    os.replace(draft, _address_file(home))


def _address_file(home: Path) -> Path:
    return home / f"cluster-{code_id()}.json"
