"""Artifacts: files named by their content, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from kdcore.errors import HomeError
from kdcore.files import write_whole

log = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{32}\.[a-z]+")


@dataclass(frozen=True)
class TrainedTeacher:
    """A teacher on the shelf: when it was trained (seconds since the epoch), by what part of a
    recipe, and its accuracy on validation, in [0, 1].
    """

    key: str
    trained: float
    part: dict[str, Any]
    accuracy: float


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

    def sweep(self, needed: Set[str], older_than: float) -> None:
        """Delete the files that nobody needs, unless they are younger than so many seconds: a run
        under way keeps its files some time before it says so.
        """
        for path in self.folder.glob("*.*"):
            try:
                old = time.time() - path.stat().st_mtime > older_than
                if old and path.name not in needed and path.is_file():
                    path.unlink()
            except OSError as error:
                log.warning("cannot sweep %s: %s", path, error)

    def put_teacher(
        self, key: str, weights: bytes, part: Mapping[str, Any], accuracy: float
    ) -> None:
        """Keep a trained teacher's weights under the hash of what they were trained by.

        part: the recipe's part that the key is of; accuracy: on validation, in [0, 1].
        """
        self._write(self._teacher(key), weights)
        facts = json.dumps({"part": part, "accuracy": accuracy})
        self._write(self._facts(key), facts.encode())

    def get_teacher(self, key: str) -> bytes | None:
        """Weights of a teacher trained before by the same recipe part, or None."""
        try:
            return self._teacher(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HomeError(f"cannot read {self._teacher(key)}: {error.strerror}") from None

    def teacher_lock(self, key: str) -> FileLock:
        """Held by whoever trains that teacher, so that nobody else trains it as well."""
        path = self._teacher(key).with_suffix(".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"cannot write to {path.parent}: {error.strerror}") from None
        # one for the whole process: whoever waited for itself here would wait for ever
        return FileLock(path, is_singleton=True, thread_local=False)

    def remove_teacher(self, key: str) -> None:
        """Forget a trained teacher; one that is already gone is fine."""
        try:
            self._facts(key).unlink(missing_ok=True)
            self._teacher(key).unlink(missing_ok=True)
        except OSError as error:
            raise HomeError(f"cannot delete {self._teacher(key)}: {error.strerror}") from None

    def find_teacher(self, key: str) -> TrainedTeacher | None:
        """What is known of a teacher trained before, or None where there is none."""
        path = self._facts(key)
        try:
            facts = json.loads(path.read_bytes())
            trained = self._teacher(key).stat().st_mtime
            return TrainedTeacher(key, trained, dict(facts["part"]), float(facts["accuracy"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def teachers(self) -> list[TrainedTeacher]:
        """All teachers trained before, the newest first."""
        try:
            keys = [path.stem for path in (self.folder / "teachers").glob("*.json")]
        except OSError:
            return []
        found = [each for key in keys if (each := self.find_teacher(key)) is not None]
        return sorted(found, key=lambda each: (-each.trained, each.key))

    def _facts(self, key: str) -> Path:
        return self._teacher(key).with_suffix(".json")

    def _teacher(self, key: str) -> Path:
        return self.folder / "teachers" / f"{key}.safetensors"

    def _write(self, path: Path, content: bytes) -> None:
        try:
            if path.exists():
                os.utime(path)  # needed again: not to be swept away now
                return
            write_whole(path, lambda file: file.write(content))
        except OSError as error:
            raise HomeError(
                f"cannot keep {len(content):,} bytes in {self.folder}: {error.strerror}. "
                "Free some space, or set KDCORE_HOME to another disk."
            ) from None
