"""What every reader gives: pictures of one shape, their classes, and what was noticed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdcore.errors import DataError
from kdcore.ingest import limits
from kdcore.ingest.limits import megabytes
from kdcore.ingest.splits import Indices

Pictures = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height, as people say it."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures (N, C, S, S) uint8, labels (N,) into class_names, and places (N,) in SPLITS.

    sizes: the smallest and the largest picture as they came.
    """

    pictures: Pictures
    labels: Indices
    places: Indices
    class_names: tuple[str, ...]
    sizes: tuple[Size, Size]
    warnings: tuple[str, ...] = ()


def choose_side(shorter: Sequence[int] | Indices, side: int | None) -> int:
    """The side asked for, or the largest usual one that the median shorter side reaches."""
    if side is not None:
        return side
    median = float(np.median(np.asarray(shorter)))
    return max((each for each in limits.SIDES if each <= median), default=limits.SIDES[0])


def extremes(sizes: Iterable[Size]) -> tuple[Size, Size]:
    """The smallest and the largest by area."""
    ordered = sorted(set(sizes), key=lambda size: (size[0] * size[1], size))
    return ordered[0], ordered[-1]


def check_result(count: int, channels: int, side: int) -> None:
    """Refuse, before they are made, pictures that would together be too large to keep in memory."""
    size = count * channels * side * side
    if size > limits.RESULT_BYTES:
        raise DataError(
            f"{count:,} pictures of {side}×{side} pixels would take {megabytes(size)}, and at most "
            f"{megabytes(limits.RESULT_BYTES)} are taken; choose a smaller side, or fewer pictures"
        )


def resized(image: Image.Image, side: int) -> Image.Image:
    """Stretched to a square; smoothed where it shrinks (bilinear, antialiased)."""
    if image.size == (side, side):
        return image
    return image.resize((side, side), Image.Resampling.BILINEAR)


def grey_if_all_are(pictures: Pictures) -> Pictures:
    """One channel in place of three that are alike in every picture."""
    for start in range(0, len(pictures), 4096):
        part = pictures[start : start + 4096]
        if not (part == part[:, :1]).all():
            return pictures
    return np.ascontiguousarray(pictures[:, :1])
