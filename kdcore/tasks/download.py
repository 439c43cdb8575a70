"""Fetching a task's files once, whole or not at all."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from kdcore.errors import DataError

BLOCK = 1 << 18
TIMEOUT_SECONDS = 20.0
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class RemoteFile:
    """A packed file that a task needs, and what it becomes under the data folder.

    path: what is there once it is unpacked, relative to the data folder; urls: mirrors of the
    .gz or .tar.gz, tried in turn; md5: of the packed file; megabytes: its size, about.
    """

    path: str
    urls: tuple[str, ...]
    md5: str
    megabytes: float

    @property
    def packed(self) -> str:
        """The packed file's own name."""
        return self.urls[0].rsplit("/", 1)[-1]


def missing(files: Sequence[RemoteFile], data: Path) -> tuple[RemoteFile, ...]:
    """The files that are not there yet."""
    return tuple(file for file in files if not (data / file.path).exists())


def fetch(title: str, files: Sequence[RemoteFile], data: Path) -> Iterator[float]:
    """Download what is missing, yielding the share done, in [0, 1], after each block.

    Two processes at once download once. Raises DataError, a sentence that says which files to
    put where, if a file cannot be had.
    """
    if not missing(files, data):
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
        with FileLock(data / ".download.lock"):
            wanted = missing(files, data)
            total, done = sum(file.megabytes for file in wanted), 0.0
            for file in wanted:
                for share in _fetch_one(file, data):
                    yield min(1.0, (done + share * file.megabytes) / total)
                done += file.megabytes
    except OSError as error:
        if error.errno in FULL:
            raise DataError(
                f"there is no space for {title} in {data}: free some, or set KDCORE_DATA to a "
                "folder on another disk"
            ) from None
        names = ", ".join(file.packed for file in missing(files, data))
        where = files[0].urls[0].rsplit("/", 1)[0]
        folder = data / Path(files[0].path).parent
        raise DataError(
            f"{title} could not be downloaded ({_reason(error)}): connect this machine to the "
            f"internet, or unpack {names} from {where} into {folder}"
        ) from None


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)


def _fetch_one(file: RemoteFile, data: Path) -> Iterator[float]:
    target = data / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".draft-") as folder:
        packed = Path(folder) / file.packed
        for number, url in enumerate(file.urls, 1):
            try:
                yield from _download(url, packed, file)
                break
            except HTTPException as error:
                if number == len(file.urls):
                    raise OSError(0, f"{url} broke off: {error!r}") from None
            except OSError as error:
                if number == len(file.urls) or error.errno in FULL:
                    raise
        _unpack(packed, target)


def _download(url: str, packed: Path, file: RemoteFile) -> Iterator[float]:
    digest = hashlib.md5(usedforsecurity=False)
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer,
        packed.open("wb") as output,
    ):
        size = int(answer.headers.get("Content-Length") or 1e6 * file.megabytes)
        received = 0
        while block := answer.read(BLOCK):
            output.write(block)
            digest.update(block)
            received += len(block)
            yield min(1.0, received / size)
    if digest.hexdigest() != file.md5:
        raise OSError(0, f"{file.packed} from {url} is not the file it should be, its md5 differs")


def _unpack(packed: Path, target: Path) -> None:
    draft = packed.with_suffix(".unpacked")
    if packed.name.endswith(".tar.gz"):
        with tarfile.open(packed) as archive:
            archive.extractall(draft, filter="data")
        os.replace(draft / target.name, target)
        return
    with gzip.open(packed) as source, draft.open("wb") as output:
        shutil.copyfileobj(source, output)
    os.replace(draft, target)
