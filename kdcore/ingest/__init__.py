"""Own data: a folder, zip, npz or table of labelled pictures, looked at first and then kept.

`inspect` reads and checks everything and keeps nothing; `keep` writes what was inspected under
the data folder, where `kdcore.tasks.get` finds it by the name that `keep` gives it. Nothing here
imports torch: a page may call it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from kdcore.errors import DataError
from kdcore.ingest import limits, splits, storage
from kdcore.ingest.arrays import read_npz
from kdcore.ingest.files import folder_entries, open_zip, zip_entries
from kdcore.ingest.labelled import Labelled, Pictures
from kdcore.ingest.limits import megabytes, plural
from kdcore.ingest.pictures import read_folders
from kdcore.ingest.splits import SPLITS, Indices
from kdcore.ingest.storage import Content, Kept, delete, kept, rename, size
from kdcore.ingest.tables import read_csv

__all__ = ["Kept", "Preview", "delete", "inspect", "keep", "kept", "rename", "size"]

Source = str | os.PathLike[str] | BinaryIO
"""A path, or an open file that carries its file name as `name`."""


@dataclass(frozen=True, eq=False)
class Preview:
    """What would be kept, for people to look at before it is.

    summary: one sentence on the pictures; warnings: sentences on what was left out or looks odd.
    """

    name: str
    summary: str
    warnings: tuple[str, ...]
    class_names: tuple[str, ...]
    pictures: Pictures
    labels: Indices
    places: Indices

    def named(self, name: str) -> Preview:
        """The same under another name. Raises DataError on one that has nothing to be shown."""
        return replace(self, name=_title(name))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one picture: (C, H, W)."""
        return (self.pictures.shape[1], self.pictures.shape[2], self.pictures.shape[3])

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many pictures there are: by split, by class."""
        table = splits.counts(self.labels, self.places, len(self.class_names)).tolist()
        return {
            split: dict(zip(self.class_names, row, strict=True))
            for split, row in zip(SPLITS, table, strict=True)
        }

    def first(self, class_name: str, count: int = 6) -> list[Pictures]:
        """A class's first pictures, each as a page draws it: (S, S) grey or (S, S, 3) colour."""
        members = np.flatnonzero(self.labels == self.class_names.index(class_name))[:count]
        shown = self.pictures[members].transpose(0, 2, 3, 1)
        return list(shown[..., 0] if self.shape[0] == 1 else shown)


def inspect(source: Source, name: str, *, side: int | None = None) -> Preview:
    """Read labelled pictures, resized to squares, and put every one into a split.

    source: a folder or .zip of class folders, an .npz of arrays, or a .csv of pixels.
    name: for people; side: of the squares, by default the largest of a few usual ones that the
    median picture's shorter side reaches. Pictures that are not square are stretched.
    Raises DataError, a sentence, where it cannot be taken.
    """
    title = _title(name)
    low, high = limits.SIDES[0], limits.LARGEST_SIDE
    if side is not None and not low <= side <= high:
        raise DataError(f"the side is {side!r} pixels; give a whole number from {low} to {high}")
    try:
        read = _read(source, side)
    except OSError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"cannot read {_name(source)}: {error.strerror or error}") from None
    splits.check(read.class_names, read.labels, read.places)
    places = splits.fill(read.labels, read.places, len(read.class_names))
    return Preview(
        title,
        _summary(read),
        _warnings(read, places),
        *(read.class_names, read.pictures, read.labels, places),
    )


def keep(preview: Preview, data: Path) -> Kept:
    """Keep what was inspected under the data folder. Raises DataError where that cannot be."""
    content = Content(preview.class_names, preview.pictures, preview.labels, preview.places)
    return storage.keep(preview.name, content, data)


def _title(name: str) -> str:
    title = splits.clean(name)
    if not title:
        raise DataError("the data needs a name; type one")
    return title


# reading


def _name(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return str(getattr(source, "name", ""))


def _read(source: Source, side: int | None) -> Labelled:
    path = Path(_name(source))
    if isinstance(source, str | os.PathLike) and path.is_dir():
        return read_folders(folder_entries(path), side)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path.name!r} is nothing that can be read; give a folder or a .zip of class "
            "folders, an .npz of arrays, or a .csv of pixels"
        )
    with _opened(source) as file:
        size = file.seek(0, os.SEEK_END)
        if size > limits.UPLOAD_BYTES:
            raise DataError(
                f"{path.name} has {megabytes(size)}, and at most "
                f"{megabytes(limits.UPLOAD_BYTES)} are taken; leave some pictures out, "
                "or shrink them"
            )
        file.seek(0)
        return reader(file, path.name, side)


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            yield file
    else:
        yield source


def _read_zip(file: BinaryIO, name: str, side: int | None) -> Labelled:
    with open_zip(file, name, limits.RATIO) as archive:
        return read_folders(zip_entries(archive), side)


_READERS: dict[str, Callable[[BinaryIO, str, int | None], Labelled]] = {
    ".zip": _read_zip,
    ".npz": read_npz,
    ".csv": read_csv,
}


# telling


def _summary(read: Labelled) -> str:
    count, channels, side, _ = read.pictures.shape
    small, large = (f"{width}×{height}" for width, height in read.sizes)
    span = small if small == large else f"{small} to {large}"
    target = "" if span == f"{side}×{side}" else f", resized to {side}×{side}"
    colour = "grey" if channels == 1 else "colour"
    return f"{plural(count, 'picture')} of {span} pixels{target}, in {colour}"


def _warnings(read: Labelled, places: Indices) -> tuple[str, ...]:
    found = list(read.warnings)
    if any(width != height for width, height in read.sizes):
        found.append("Pictures that are not square are stretched to a square.")
    found += splits.uneven(read.class_names, read.labels)
    same = _repeated(read.pictures, places)
    if same:
        found.append(
            f"{plural(same, 'validation or test picture is', 'validation or test pictures are')} "
            "in the training pictures as well, pixel for pixel; accuracy will look too good."
        )
    return tuple(found)


def _repeated(pictures: Pictures, places: Indices) -> int:
    """How many pictures outside of train are in train, too."""
    seen = {hash(pictures[index].tobytes()) for index in np.flatnonzero(places == 0)}
    others = np.flatnonzero(places)
    return sum(hash(pictures[index].tobytes()) in seen for index in others)
