"""Artifacts: files named by their content, written whole or not at all."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from kdcore.errors import HomeError
from kdcore.files import write_whole

_NAME = re.compile(r"[0-9a-f]{32}\.[a-z]+")


class Shelf:
    """A folder of immutable files by content hash, and of trained teachers by recipe hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes, suffix: str) -> str:
        """Keep the content; returns its name. The same content twice is one file.

        Raises HomeError where the disk is full or the folder can't be written.
        """
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        self._write(self.folder / name, content)
        return name

    def get(self, name: str) -> bytes:
        """The content of that name. Raises HomeError where it is not there."""
        if not _NAME.fullmatch(name):
            raise HomeError(f"{name!r} is no artifact's name")
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise HomeError(f"the file {name} of this run is gone: {error.strerror}") from None

    def remove(self, name: str) -> None:
        """Delete a file; one that is already gone is fine."""
        if _NAME.fullmatch(name):
            (self.folder / name).unlink(missing_ok=True)

    def put_teacher(self, key: str, weights: bytes) -> None:
        """Keep a trained teacher's weights under the hash of what they were trained by."""
        self._write(self._teacher(key), weights)

    def get_teacher(self, key: str) -> bytes | None:
        """Weights of a teacher trained before by the same recipe part, or None."""
        try:
            return self._teacher(key).read_bytes()
        except FileNotFoundError:
            return None

    def _teacher(self, key: str) -> Path:
        return self.folder / "teachers" / f"{key}.safetensors"

    def _write(self, path: Path, content: bytes) -> None:
        if path.exists():
            return
        try:
            write_whole(path, lambda file: file.write(content))
        except OSError as error:
            raise HomeError(
                f"cannot keep {len(content):,} bytes in {self.folder}: {error.strerror}. "
                "Free some space, or set KDCORE_HOME to another disk."
            ) from None
