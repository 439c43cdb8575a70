"""Own teachers as they are kept: the file as it came, and a small JSON file of facts beside it."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import TypeAdapter, ValidationError

from kdcore.errors import HomeError, UnknownNameError, UploadError
from kdcore.files import write_whole
from kdcore.ingest.splits import clean
from kdcore.ingest.storage import slug
from kdcore.uploads.onnx_file import OnnxInfo

ONNX = "onnx"
"""Stands in a recipe where the architecture's name would: the file brings its own."""

Scale = Literal["standardised", "0 to 1", "0 to 255", "-1 to 1", "ImageNet"]
SCALES: dict[Scale, str] = {
    "standardised": "mean 0, deviation 1 over the data's training pictures, as networks here",
    "0 to 1": "pixels divided by 255",
    "0 to 255": "pixels as they are",
    "-1 to 1": "pixels divided by 127.5, minus 1",
    "ImageNet": "pixels divided by 255, then ImageNet's mean and deviation taken out",
}
"""In what numbers a model wants its pixels."""

PREFIX = "own-"
NAME = re.compile(r"own-[a-z0-9-]+-[0-9a-f]{8}")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnTeacher:
    """Facts of a teacher that was brought along: what a page shows without opening the file.

    name: what a recipe's `teacher.weights` says; title: for people; created: seconds since the
    epoch; architecture: one of ours whose weights the file holds, or ONNX; scale: what pixels
    are brought to; info: of an ONNX model, what it takes and gives.
    """

    name: str
    title: str
    created: float
    architecture: str
    options: dict[str, Any]
    scale: Scale
    parameters: int
    bytes: int
    info: OnnxInfo | None = None

    def described(self, title: str, scale: Scale) -> OwnTeacher:
        """The same file under another title, or with its pixels on another scale."""
        return replace(self, title=title, scale=scale)

    @property
    def choice(self) -> dict[str, Any]:
        """What a recipe's `teacher` says to have this one."""
        return {
            "architecture": self.architecture,
            "options": self.options,
            "weights": self.name,
        }

    @property
    def about(self) -> str:
        """One sentence for a picker."""
        kind = "ONNX model" if self.info else f"{self.architecture} weights"
        day = time.strftime("%Y-%m-%d", time.localtime(self.created))
        return (
            f"{kind}, {self.parameters:,} parameters, {self.bytes / 1e6:,.1f} MB, pixels "
            f"{self.scale}, brought on {day}."
        )


def keep(teacher: OwnTeacher, content: bytes, home: Path) -> OwnTeacher:
    """Keep a teacher's file under the home folder, whole or not at all; returns it as named.

    Its name comes from title, content, architecture and scale: the same twice is one teacher.
    Raises UploadError without a title, HomeError where the disk is full or not writable.
    """
    title = clean(teacher.title)
    if not title:
        raise UploadError("the teacher needs a name; type one")
    named = replace(teacher, title=title, name=_name(replace(teacher, title=title), content))
    existing = find(named.name, home)
    if existing is not None:
        return existing
    named = replace(named, created=time.time(), bytes=len(content))
    _write(_file(named.name, home), lambda file: file.write(content))
    _write_facts(named, home)
    return named


def load(teacher: OwnTeacher, home: Path) -> bytes:
    """The file of a teacher. Raises UploadError where it is gone, or not what its name says."""
    try:
        content = _file(teacher.name, home).read_bytes()
    except OSError:
        raise UploadError(
            f"the file of the teacher {teacher.title} is gone; bring it again"
        ) from None
    if _hash(teacher, content) != teacher.name[-8:]:
        raise UploadError(
            f"the file of the teacher {teacher.title} is damaged; delete it, and bring it again"
        )
    return content


def kept(home: Path) -> list[OwnTeacher]:
    """The own teachers under the home folder, newest first."""
    try:
        names = [path.stem for path in _folder(home).glob("*.json")]
    except OSError:
        return []
    found = [each for name in names if (each := find(name, home)) is not None]
    return sorted(found, key=lambda each: (-each.created, each.name))


def find(name: str, home: Path) -> OwnTeacher | None:
    """The teacher of that name, or None where it is not there."""
    if not NAME.fullmatch(name) or not _file(name, home).is_file():
        return None
    try:
        text = _facts(name, home).read_bytes()
        return replace(TypeAdapter(OwnTeacher).validate_json(text), name=name)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("%s cannot be read: %r", _facts(name, home), error)
        return None


def get(name: str, home: Path) -> OwnTeacher:
    """The teacher of that name. Raises UnknownNameError where there is none."""
    found = find(name, home)
    if found is None:
        known = [each.name for each in kept(home)]
        raise (
            UnknownNameError("own teacher", name, known)
            if known
            else UploadError(
                f"no own teacher {name!r} is kept here; bring it again, or choose another teacher"
            )
        )
    return found


def rename(name: str, title: str, home: Path) -> OwnTeacher:
    """Give a teacher another title; its name stays as recipes know it."""
    if not clean(title):
        raise UploadError("a teacher needs a name; type one, or keep the old one")
    renamed = replace(get(name, home), title=clean(title))
    _write_facts(renamed, home)
    return renamed


def delete(name: str, home: Path) -> None:
    """Delete a teacher. Raises UnknownNameError where there is none of that name."""
    get(name, home)
    for path in (_facts(name, home), _file(name, home)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise HomeError(f"cannot delete {path}: {error.strerror}") from None


def _name(teacher: OwnTeacher, content: bytes) -> str:
    return f"{PREFIX}{slug(teacher.title)}-{_hash(teacher, content)}"


def _hash(teacher: OwnTeacher, content: bytes) -> str:
    """Eight hex digits of all that decides what the teacher answers."""
    how = json.dumps([teacher.architecture, teacher.options, teacher.scale], sort_keys=True)
    return hashlib.sha256(how.encode() + b"\n" + content).hexdigest()[:8]


def _folder(home: Path) -> Path:
    return home / "own-teachers"


def _file(name: str, home: Path) -> Path:
    return _folder(home) / f"{name}.model"


def _facts(name: str, home: Path) -> Path:
    return _folder(home) / f"{name}.json"


def _write_facts(teacher: OwnTeacher, home: Path) -> None:
    text = json.dumps(asdict(teacher), indent=2, ensure_ascii=False)
    _write(_facts(teacher.name, home), lambda file: file.write(text.encode()))


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    try:
        write_whole(path, write)
    except OSError as error:
        raise HomeError(
            f"cannot keep the teacher in {path.parent}: {error.strerror}. "
            "Free some space, or set KDCORE_HOME to another folder."
        ) from None
