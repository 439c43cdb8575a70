"""Starting, waiting for and killing the processes that several tests need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


def eventually(true: Callable[[], object], within: float = 120.0) -> bool:
    """Whether it becomes true before the time is up."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def starting() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start python processes, each in a session of its own, and kill what is left at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def python(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield python
    for process in started:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def cluster_pid(home: Path) -> int | None:
    """The process id of the cluster that wrote its address under this home."""
    for file in home.glob("cluster-*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(file.read_text())["pid"])
    return None


def kill_cluster(home: Path) -> None:
    """End the cluster with all its workers as a power cut would."""
    pid = cluster_pid(home)
    if pid is not None:
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


def kill_workers(home: Path) -> None:
    """End the workers of the cluster under this home, each alone."""
    for process in psutil.Process(cluster_pid(home)).children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
