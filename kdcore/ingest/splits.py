"""Class names made fit to be shown, and every sample put into one of three splits."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kdcore.errors import DataError
from kdcore.ingest import limits
from kdcore.ingest.limits import few, plural

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.1, 0.2)
SEED = 0

Indices = npt.NDArray[np.int64]


def clean(text: str) -> str:
    """A name without control characters or needless space, of at most 60 characters."""
    composed = unicodedata.normalize("NFC", text)
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in composed)
    return " ".join(shown.split())[: limits.CLASS_NAME].strip()


def clean_names(names: Sequence[str]) -> tuple[str, ...]:
    """The class names as they are shown. Raises DataError where one is empty or two are alike."""
    cleaned = tuple(map(clean, names))
    if "" in cleaned:
        raise DataError(
            f"the class name {names[cleaned.index('')]!r} has nothing that can be shown; rename it"
        )
    twice = [name for name, count in Counter(cleaned).items() if count > 1]
    if twice:
        raise DataError(
            f"two classes are both shown as {twice[0]!r}, of which the first "
            f"{limits.CLASS_NAME} characters count; rename one"
        )
    return cleaned


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts 'class 2' before 'class 10'."""
    pieces = re.findall(r"[0-9]{1,18}|[^0-9]+", name)
    return tuple((0, int(p), p) if p[0] in "0123456789" else (1, 0, p) for p in pieces)


def counts(labels: Indices, places: Indices, classes: int) -> Indices:
    """How many samples there are, (3, classes): by split, by class."""
    return np.bincount(places * classes + labels, minlength=3 * classes).reshape(3, classes)


def check(names: Sequence[str], labels: Indices, places: Indices) -> None:
    """Refuse what cannot be split; places: (N,) the split each sample was given, train if none.

    Raises DataError for one class, too many, or one with too few samples.
    """
    if len(names) < 2:
        raise DataError(
            f"there is only one class, {few(names)}; a network needs two or more to tell apart"
        )
    if len(names) > limits.CLASSES:
        raise DataError(f"there are {len(names):,} classes; at most {limits.CLASSES:,} are taken")
    given = counts(labels, places, len(names))
    if not given[0].any():
        raise DataError("there are no training pictures; add a folder train with class folders")
    absent = int((given.sum(1) == 0).sum())
    for split, each in zip(SPLITS[1:], given[1:], strict=True):
        without = [name for name, count in zip(names, each, strict=True) if not count]
        if each.any() and without:
            raise DataError(
                f"{_of(without)} in {split}, though others have; add some, or give no {split}"
            )
    small = [name for name, count in zip(names, given[0], strict=True) if count < 1 + absent]
    if small:
        raise DataError(
            f"{_of(small, f'fewer than {1 + absent} pictures')} to train on; every class needs "
            "one or more in each of train, validation and test"
        )


def _of(names: Sequence[str], what: str = "no picture") -> str:
    return f"{'class' if len(names) == 1 else 'classes'} {few(names)}: {what}"


def fill(labels: Indices, places: Indices, classes: int) -> Indices:
    """Places (N,), with the splits that nobody gave cut off train: seeded, and class by class.

    With none given 70 % stay in train, 10 % go to validation and 20 % to test, of every class at
    least one. Labels, places: (N,), as in `check`, which they have passed.
    """
    random = np.random.default_rng(SEED)
    sizes = counts(labels, places, classes).sum(1)
    absent = [split for split in (1, 2) if not sizes[split]]
    whole = SHARES[0] + sum(SHARES[split] for split in absent)
    filled = places.copy()
    for label in range(classes):
        members = random.permutation(np.flatnonzero((labels == label) & (places == 0)))
        start = 0
        for split in absent:
            size = max(1, round(len(members) * SHARES[split] / whole))
            filled[members[start : start + size]] = split
            start += size
    return filled


def uneven(names: Sequence[str], labels: Indices) -> list[str]:
    """A warning, if some class has many times the samples of another."""
    sizes = np.bincount(labels, minlength=len(names))
    most, least = int(sizes.argmax()), int(sizes.argmin())
    if sizes[most] < limits.UNEVEN * sizes[least]:
        return []
    return [
        f"The classes are uneven: {names[most]!r} has {plural(int(sizes[most]), 'picture')}, "
        f"{names[least]!r} only {int(sizes[least]):,}; accuracy will say little of the latter."
    ]
