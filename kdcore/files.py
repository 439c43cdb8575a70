"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a draft beside the path, then put it in its place in one step.

    Raises OSError where the disk is full or the folder cannot be written; no draft is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave the name with nothing behind it
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def file_name(role: str, artifact: str) -> str:
    """What a run's folder calls the artifact of a role: "distilled.onnx", "logits.npz"."""
    return role if "." in role else f"{role}{Path(artifact).suffix}"
