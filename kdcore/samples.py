"""A task's training samples to look at: how many of each class there are, and the first few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from kdcore.tasks import Split

CLASSES = 20
"""Of so many classes pictures are shown."""

EACH = 8
POINTS = 1000
LARGEST_SIDE = 64
"""Larger pictures are shrunk: they are looked at side by side, in the size of a stamp."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Samples:
    """Of the training split: counts by class; for each of the first classes some pictures,
    (H, W) grey or (H, W, 3) colour; or, of a task of vectors, points (N, D) and labels (N,).
    """

    counts: tuple[int, ...]
    pictures: tuple[tuple[Picture, ...], ...] = ()
    points: NDArray[np.float32] | None = None
    labels: NDArray[np.int64] | None = None


def samples(name: str) -> Samples:
    """Load a task whose files are there, and pick its samples; imports torch."""
    from kdcore import tasks

    data = tasks.get(name).load()
    labels = data.train.labels.numpy()
    counts = tuple(np.bincount(labels, minlength=len(data.class_names)).tolist())
    if data.train.inputs.ndim == 2:
        return Samples(
            counts, points=data.train.inputs[:POINTS].numpy().copy(), labels=labels[:POINTS].copy()
        )
    shown = range(min(CLASSES, len(data.class_names)))
    return Samples(counts, tuple(_first(data.train, labels, number) for number in shown))


def small(picture: Picture) -> Picture:
    """The picture itself, or shrunk to at most LARGEST_SIDE pixels a side."""
    height, width = picture.shape[:2]
    if max(height, width) <= LARGEST_SIDE:
        return picture
    share = LARGEST_SIDE / max(height, width)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def _first(split: Split, labels: NDArray[np.int64], number: int) -> tuple[Picture, ...]:
    members = np.flatnonzero(labels == number)[:EACH]
    shown = split.inputs[members].numpy().transpose(0, 2, 3, 1)
    return tuple(small(each[..., 0] if each.shape[-1] == 1 else each).copy() for each in shown)
