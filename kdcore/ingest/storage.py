"""Own data as it is kept: one npz named by its content, and a small JSON file of facts."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from kdcore.errors import DataError, UnknownNameError
from kdcore.files import write_whole
from kdcore.ingest.labelled import Pictures
from kdcore.ingest.splits import Indices, clean, counts

FOLDER = "own"
PREFIX = "own-"
SLUG_LENGTH = 40
ARRAYS = ("pictures", "labels", "places")
TASK_NAME = re.compile(r"own-[a-z0-9-]+-[0-9a-f]{8}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """Facts of a data set that was kept: what a page shows without opening the pictures.

    task: the name that a recipe uses; created: seconds since the epoch; shape: (C, H, W);
    counts: for train, validation and test, how many pictures there are of each class.
    """

    task: str
    name: str
    created: float
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    counts: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pictures in train, validation and test."""
        return tuple(map(sum, self.counts))

    @property
    def about(self) -> str:
        """One sentence for a picker."""
        colour = "grey" if self.shape[0] == 1 else "colour"
        day = time.strftime("%Y-%m-%d", time.localtime(self.created))
        return (
            f"Own data: {sum(self.sizes):,} {colour} pictures of {self.shape[2]}×{self.shape[1]} "
            f"pixels in {len(self.class_names):,} classes, kept on {day}."
        )


@dataclass(frozen=True, eq=False)
class Content:
    """What is in the npz: pictures (N, C, S, S), labels (N,), and places (N,) in SPLITS."""

    class_names: tuple[str, ...]
    pictures: Pictures
    labels: Indices
    places: Indices

    @property
    def hash(self) -> str:
        """Eight hex digits of the class names, pixels, labels and splits."""
        digest = hashlib.sha256(json.dumps([self.class_names, self.pictures.shape]).encode())
        digest.update(np.ascontiguousarray(self.pictures, np.uint8).data)
        for each in (self.labels, self.places):
            digest.update(np.ascontiguousarray(each, "<i8").data)
        return digest.hexdigest()[:8]


def keep(name: str, content: Content, data: Path) -> Kept:
    """Keep it under the data folder, whole or not at all; the same twice is one file.

    Raises DataError where the disk is full or not writable.
    """
    task = f"{PREFIX}{slug(name)}-{content.hash}"
    existing = find(task, data)
    if existing is not None:
        return existing
    table = counts(content.labels, content.places, len(content.class_names)).tolist()
    channels, height, width = content.pictures.shape[1:]
    record = Kept(
        task,
        name,
        time.time(),
        content.class_names,
        (channels, height, width),
        counts=tuple(map(tuple, table)),
    )
    arrays = {key: getattr(content, key) for key in ARRAYS}
    _write(_pictures(task, data), lambda file: np.savez_compressed(file, **arrays))
    _write_facts(record, data)
    return record


def load(record: Kept, data: Path) -> Content:
    """The content of what was kept.

    Raises DataError where it is gone, or no longer what the task's name says.
    """
    path = _pictures(record.task, data)
    try:
        with np.load(path, allow_pickle=False) as file:
            content = Content(record.class_names, *(file[key] for key in ARRAYS))
        same = content.hash == record.task[-8:]
    except FileNotFoundError:
        raise DataError(f"the pictures of {record.name} are gone; keep them again") from None
    except Exception as error:  # whatever a damaged file may raise
        log.warning("%s: %s", path, error)
        same = False
    if not same:
        raise DataError(f"{path} is damaged; delete {record.name}, and keep it again")
    return content


def kept(data: Path) -> list[Kept]:
    """What is kept under the data folder, newest first."""
    try:
        names = [path.stem for path in (data / FOLDER).glob("*.json")]
    except OSError:
        return []
    found = [record for name in names if (record := find(PREFIX + name, data)) is not None]
    return sorted(found, key=lambda record: (-record.created, record.task))


def find(task: str, data: Path) -> Kept | None:
    """The facts of one data set by its task's name, or None where it is not there."""
    if not TASK_NAME.fullmatch(task) or not _pictures(task, data).is_file():
        return None
    try:
        facts = json.loads(_facts(task, data).read_text(encoding="utf-8"))
        return Kept(
            task=task,
            name=str(facts["name"]),
            created=float(facts["created"]),
            class_names=tuple(map(str, facts["class_names"])),
            shape=tuple(facts["shape"]),
            counts=tuple(tuple(map(int, each)) for each in facts["counts"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read: %r", _facts(task, data), error)
        return None


def size(task: str, data: Path) -> int:
    """Bytes that a data set takes on the disk; 0 where it is gone."""
    try:
        return _pictures(task, data).stat().st_size
    except OSError:
        return 0


def rename(task: str, name: str, data: Path) -> Kept:
    """Give a data set another name for people; its task's name stays as recipes know it."""
    if not clean(name):
        raise DataError("a data set needs a name; type one, or keep the old one")
    record = replace(_one(task, data), name=clean(name))
    _write_facts(record, data)
    return record


def delete(task: str, data: Path) -> None:
    """Delete a data set. Raises UnknownNameError where there is none of that name."""
    _one(task, data)
    for path in (_facts(task, data), _pictures(task, data)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot delete {path}: {error.strerror}") from None


def slug(name: str) -> str:
    """A name in lower-case letters, digits and hyphens, for files and recipes."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower())[:SLUG_LENGTH].strip("-")
    return words or "data"


def _one(task: str, data: Path) -> Kept:
    record = find(task, data)
    if record is None:
        raise UnknownNameError("own data set", task, [each.task for each in kept(data)])
    return record


def _pictures(task: str, data: Path) -> Path:
    return data / FOLDER / f"{task.removeprefix(PREFIX)}.npz"


def _facts(task: str, data: Path) -> Path:
    return data / FOLDER / f"{task.removeprefix(PREFIX)}.json"


def _write_facts(record: Kept, data: Path) -> None:
    text = json.dumps(asdict(record), indent=2, ensure_ascii=False)
    _write(_facts(record.task, data), lambda file: file.write(text.encode()))


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    try:
        write_whole(path, write)
    except OSError as error:
        raise DataError(
            f"cannot keep data in {path.parent}: {error.strerror}. "
            "Free some space, or set KDCORE_DATA to another folder."
        ) from None
