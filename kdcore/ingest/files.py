"""Files of a folder or a zip, none of them unpacked, and those refused that could do harm."""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from kdcore.errors import DataError
from kdcore.ingest import limits
from kdcore.ingest.limits import megabytes

DIRECTORY_ENTRY = b"PK\x01\x02"
BLOCK = 1 << 20
CLUTTER = {"__MACOSX", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Entry:
    """A file: its path as parts, from the folder or zip down, and how to read it."""

    parts: tuple[str, ...]
    size: int
    read: Callable[[], bytes]

    @property
    def path(self) -> str:
        """The path as it is shown."""
        return "/".join(self.parts)


# folders


def folder_entries(folder: Path) -> list[Entry]:
    """The files below a folder, by path. Raises DataError beyond the limits, or for a link."""
    found = sorted(_walk(folder), key=lambda entry: entry.parts)
    total = sum(entry.size for entry in found)
    if total > limits.UNPACKED_BYTES:
        raise DataError(
            f"{folder.name} holds {megabytes(total)}, and at most "
            f"{megabytes(limits.UNPACKED_BYTES)} are taken; leave some pictures out or shrink them"
        )
    return found


def _walk(folder: Path) -> Iterator[Entry]:
    count = 0
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(place, name)
            if path.is_symlink():
                raise DataError(f"{path} is a link; put the files themselves there in its place")
        for name in names:
            count += 1
            if count > limits.FILES:
                raise _too_many(folder.name)
            path = Path(place, name)
            parts = path.relative_to(folder).parts
            if not _hidden(parts):
                yield Entry(parts, path.stat().st_size, path.read_bytes)


def _hidden(parts: tuple[str, ...]) -> bool:
    return any(part in CLUTTER or part.startswith(".") for part in parts)


def _too_many(name: str) -> DataError:
    return DataError(
        f"{name} holds more than {limits.FILES:,} files, which is the most that is taken; "
        "leave some out"
    )


# zips


def open_zip(file: BinaryIO, name: str, ratio: int | None = None) -> ZipFile:
    """A zip whose directory promises nothing that could do harm.

    ratio: how often its packed size a big file in it may be; None for any.
    Raises DataError where it is no zip, or beyond the limits.
    """
    if _directory_entries(file) > limits.FILES:
        raise _too_many(name)
    try:
        archive = ZipFile(file)
    except (BadZipFile, NotImplementedError, ValueError, struct.error):
        raise DataError(f"{name} is damaged, or no zip at all; make or upload it again") from None
    for info in archive.infolist():
        _check(info, name, ratio)
    total = sum(info.file_size for info in archive.infolist())
    if total > limits.UNPACKED_BYTES:
        raise DataError(
            f"{name} would unpack to {megabytes(total)}, and at most "
            f"{megabytes(limits.UNPACKED_BYTES)} are taken; leave some files out or shrink them"
        )
    return archive


def zip_entries(archive: ZipFile) -> list[Entry]:
    """The files in a zip, by path, without folders and hidden files."""
    found = [
        Entry(parts, info.file_size, partial(read_entry, archive, info))
        for info in archive.infolist()
        if (parts := _parts(info)) and not info.filename.endswith(("/", "\\"))
    ]
    return sorted((e for e in found if not _hidden(e.parts)), key=lambda entry: entry.parts)


def read_entry(archive: ZipFile, info: ZipInfo) -> bytes:
    """A file's content, never more than the zip's directory promised."""
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
        if len(content) != info.file_size:
            raise BadZipFile(f"{info.filename} is not as long as it should be")
        return content


def _directory_entries(file: BinaryIO) -> int:
    """How often the mark of a directory's entry stands in a file: at least the zip's files.

    Counts what is there, whatever the zip says of itself, at a gigabyte a second.
    """
    file.seek(0)
    count, end = 0, b""
    while block := file.read(BLOCK):
        seen = end + block
        count += seen.count(DIRECTORY_ENTRY)
        end = seen[1 - len(DIRECTORY_ENTRY) :]  # too short to be counted twice
    return count


def _parts(info: ZipInfo) -> tuple[str, ...]:
    path = info.filename.replace("\\", "/")
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _check(info: ZipInfo, name: str, ratio: int | None) -> None:
    path = info.filename.replace("\\", "/")
    if path.startswith("/") or re.match("[A-Za-z]:", path) or ".." in path.split("/"):
        wrong = "has a path that leads out of the zip; make the zip again from inside its folder"
    elif stat.S_ISLNK(info.external_attr >> 16):
        wrong = "is a link; put the file itself there in its place"
    elif info.flag_bits & 0x41:
        wrong = "is encrypted; make the zip again without a password"
    elif info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        wrong = "is packed in an unusual way; make the zip again with ordinary (deflate) packing"
    elif info.file_size > limits.UPLOAD_BYTES and ratio is not None:
        wrong = f"unpacks to {megabytes(info.file_size)}; shrink it, or leave it out"
    elif ratio is not None and _swells(info, ratio):
        wrong = f"unpacks to more than {ratio} times its packed size; leave it out"
    else:
        return
    raise DataError(f"in {name}, {path[:200]!r} {wrong}")


def _swells(info: ZipInfo, ratio: int) -> bool:
    big = info.file_size > limits.RATIO_FROM_BYTES
    return big and info.file_size > ratio * max(1, info.compress_size)
