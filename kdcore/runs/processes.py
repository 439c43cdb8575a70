"""kdcore's own processes beside the app: what one prints, and one that outlives us."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from kdcore.errors import RunError
from kdcore.settings import Settings

ROOT = Path(__file__).parents[2]
LOG = "cluster.log"


def said_by(settings: Settings, command: str, timeout: float) -> str:
    """What `python -m kdcore COMMAND` prints. Raises RunError with its last words if it fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "kdcore", command],
            env=_environment(settings),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(
            f"reading the definitions took more than {timeout:.0f} s; try again"
        ) from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RunError(f"reading the definitions failed: {reason}")
    return done.stdout


def started(settings: Settings, command: str) -> subprocess.Popen[bytes]:
    """Start `python -m kdcore COMMAND` as a process that lives on without us."""
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    with (settings.home / LOG).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "kdcore", command],
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **apart,
        )
    # waited for as long as we live, so that no dead process stays behind in the table
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def _environment(settings: Settings) -> dict[str, str]:
    """Ours, with the settings spelled out, and kdcore importable from any folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **settings.environment(), "PYTHONPATH": os.pathsep.join(paths)}
