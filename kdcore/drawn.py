"""What is drawn or photographed, as a picture of a task: its size, its margins, its ink.

How a task lays out its pictures is read off some of them: MNIST's digits are 20 pixels long and lie
with their centre of mass in the middle of 28, those of scikit-learn fill all of their 8 rows.
Source of the former: LeCun, Bottou, Bengio and Haffner, 1998, "Gradient-Based Learning Applied to
Document Recognition", section III.A. No torch: this is what a page asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from kdcore.errors import DataError

UNITS = 1000
"""A side of the sheet that is drawn on, in the units of a stroke's points."""

STROKES = 300
POINTS = 20_000
"""Of one drawing, at most."""

FINE = 224
"""Pixels of a side, about, in which strokes are drawn before they are averaged to the task's."""

INKED = 0.15
"""A pixel with less ink than this share is paper, where the ink's edge is looked for."""

THICKEST = 0.35
"""A pen's width, at most, as a share of the longer side of what is drawn."""

THINNEST = 0.5
"""As a share of the usual one."""

TRIES = 5
"""Pens that are tried until one gives about as much ink as is wanted."""

ZOOM = 8
"""Of the task's pixels, while strokes are made thicker."""

FAINTEST = 24
"""So many of 255 levels the ink of a photograph must differ from its paper."""

LARGEST_SIDE = 320
"""Photographs are shrunk to this: it is more than any task looks at."""

Ink = NDArray[np.float64]
"""Ink (H, W), from 0, none, to 1, all."""

Picture = NDArray[np.uint8]
Stroke = NDArray[np.float64]
"""Points (N, 2) of a pen's way as x, y on the sheet, 0 to UNITS, y downwards."""


@dataclass(frozen=True)
class Layout:
    """How a task's grey pictures (H, W) hold what they show.

    longest: the longer side of the ink, in pixels; thickness: of its strokes, in pixels; amount:
    of ink, in pixels, where that varies less from picture to picture than the thickness, as where
    a "1" was written as heavily as an "8"; else None.
    centre: row and column, in pixels from the upper left corner, where the ink's centre lies: its
    centre of mass, or the centre of its bounding box; paper, ink: their grey values.
    """

    shape: tuple[int, int]
    longest: float
    thickness: float
    amount: float | None
    centre: tuple[float, float]
    by_mass: bool
    paper: int
    ink: int


def layout(pictures: Picture) -> Layout:
    """Read off some of a task's pictures (N, 1, H, W): medians over those that show anything.

    Their centre is the one of the two kinds that varies less.
    """
    grey = pictures[:, 0].astype(np.float64)
    paper = round(float(np.median(np.concatenate([_border(each) for each in grey]))))
    full = float(np.median([each.flat[np.abs(each - paper).argmax()] for each in grey]))
    inks = [np.clip((each - paper) / ((full - paper) or 1.0), 0, 1) for each in grey]
    shown = [each for each in inks if (each > INKED).any()]
    if not shown:
        raise DataError("this run's test pictures are all blank; there is nothing to draw like")
    sides = np.array([np.ptp(_box(each), axis=0).max() for each in shown])
    boxes = np.array([_box(each).mean(0) for each in shown])
    masses = np.array([centre_of_mass(each) for each in shown])
    by_mass = bool(masses.std(0).sum() < boxes.std(0).sum())
    row, column = (masses if by_mass else boxes).mean(0)
    thick, amount = (np.array([of(each) for each in shown]) for of in (thickness, np.sum))
    return Layout(
        shape=(grey.shape[1], grey.shape[2]),
        longest=float(np.median(sides)),
        thickness=float(np.median(thick)),
        amount=float(np.median(amount)) if _varies(amount) < _varies(thick) else None,
        centre=(float(row), float(column)),
        by_mass=by_mass,
        paper=paper,
        ink=round(full),
    )


def _varies(values: NDArray[np.float64]) -> float:
    return float(values.std() / values.mean())


def centre_of_mass(ink: Ink) -> tuple[float, float]:
    """Row and column, in pixels from the upper left corner; a pixel's own centre is at a half."""
    rows, columns = (np.arange(side) + 0.5 for side in ink.shape)
    total = ink.sum()
    return float(ink.sum(1) @ rows / total), float(ink.sum(0) @ columns / total)


def thickness(ink: Ink) -> float:
    """How thick the ink's strokes are, in pixels: twice its area by the length of its outline.

    The outline's length is the total variation (coarea formula), which blurred edges leave alone.
    """
    padded = np.pad(ink, 1)
    down, right = np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]
    return float(2 * ink.sum() / np.hypot(down, right).sum())


# strokes


def strokes(told: Any) -> tuple[Stroke, ...]:
    """A drawing as a browser tells it: for each stroke a flat list x, y, x, y ...

    Raises DataError on anything else, or more than can be drawn in a moment.
    """
    if not isinstance(told, list) or len(told) > STROKES:
        raise DataError(f"a drawing has at most {STROKES} strokes; clear it and draw again")
    try:
        found = tuple(np.array(each, np.float64).reshape(-1, 2) for each in told)
    except (ValueError, TypeError):
        raise DataError("this drawing cannot be read; clear it and draw again") from None
    if sum(map(len, found)) > POINTS or not all(np.isfinite(each).all() for each in found):
        raise DataError("this drawing is too long to be read; clear it and draw again")
    return tuple(each.clip(0, UNITS) for each in found if len(each))


def drawing(lines: Sequence[Stroke], of: Layout) -> Picture:
    """A drawing as one of a task's pictures (1, H, W): as large, as thick, and where they are.

    Raises DataError where nothing is drawn.
    """
    if not lines:
        raise DataError("nothing is drawn yet")
    pen = min(of.thickness, THICKEST * of.longest)
    if of.amount is None:
        return _coloured(_sketched(lines, pen, of), of)
    thin, thick = THINNEST * pen, THICKEST * of.longest
    for _ in range(TRIES):
        pen = (thin * thick) ** 0.5
        ink = _sketched(lines, pen, of)
        thin, thick = (pen, thick) if ink.sum() < of.amount else (thin, pen)
    return _coloured(ink, of)


def _sketched(lines: Sequence[Stroke], pen: float, of: Layout) -> Ink:
    """Strokes by a pen of so many pixels, as long as a task's pictures are, and where they are."""
    points = np.concatenate(lines)
    low, high = points.min(0), points.max(0)
    span = float((high - low).max())
    scale = (of.longest - pen) / span if span else 0.0  # a dot stays a dot
    target = np.array(of.centre[::-1])
    if of.by_mass:  # it is moved by whole pixels afterwards, so that its edges stay on the grid
        half = (scale * (high - low) + pen) / 2
        target = np.round(target - half) + half
    there = [(each - (low + high) / 2) * scale + target for each in lines]
    ink = _inked(there, pen, of.shape)
    if of.by_mass and ink.any():
        shift = np.round(np.subtract(of.centre, centre_of_mass(ink)))[::-1]
        ink = _inked([each + shift for each in there], pen, of.shape)
    return ink


def _inked(lines: Sequence[Stroke], pen: float, shape: tuple[int, int]) -> Ink:
    """Strokes in pixels of the picture, drawn finely with a round pen, and averaged."""
    height, width = shape
    fine = max(4, FINE // max(shape))
    sheet = Image.new("L", (width * fine, height * fine))
    draw = ImageDraw.Draw(sheet)
    reach = (pen * fine - 1) / 2  # both ends of what Pillow draws are part of it
    for line in lines:
        places = line * fine - 0.5
        if len(places) > 1:
            draw.line(places.ravel().tolist(), fill=1, width=round(pen * fine))
        for x, y in places.tolist():
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=1)
    cells = np.asarray(sheet).reshape(height, fine, width, fine)
    ink: Ink = cells.mean((1, 3), dtype=np.float64)
    return ink


# photographs


def small(image: Image.Image) -> Picture:
    """A picture in grey (H, W), no larger than anybody looks at."""
    grey = image.convert("L")
    grey.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return np.asarray(grey)


def photograph(grey: Picture, of: Layout) -> Picture:
    """Ink on paper, seen by a camera, (H, W), as one of a task's pictures (1, H, W).

    Raises DataError where there is no ink to be seen.
    """
    return _coloured(placed(thickened(ink_on_paper(grey), of), of), of)


def ink_on_paper(grey: Picture) -> Ink:
    """What differs from the paper: the plane through the picture's border, as light falls evenly.

    Ink is dark where the border is light, and light where it is dark.
    """
    values = grey.astype(np.float64)
    rows, columns = np.indices(values.shape)
    flat = np.stack([np.ones(values.shape), rows, columns], -1)
    edge = np.ones(values.shape, bool)
    edge[1:-1, 1:-1] = False
    plane = flat @ np.linalg.lstsq(flat[edge], values[edge], rcond=None)[0]
    light = np.median(values[edge]) > 127
    ink = np.clip(plane - values if light else values - plane, 0, None)
    full = float(np.percentile(ink, 99.8))
    if full < FAINTEST:
        raise DataError(
            "there is no ink to be seen in this picture; write larger, with a darker pen, on plain "
            "paper"
        )
    # neither the paper's grain nor faint shades
    return np.asarray(np.clip((ink / full - 0.3) / 0.4, 0, 1))


def thickened(ink: Ink, of: Layout) -> Ink:
    """Ink whose strokes, as a task's own are scaled, would be much too thin, grown on all sides.

    A ballpoint's line is a fortieth of a digit, and half a pixel of MNIST's.
    """
    (top, left), (bottom, right) = _box(ink)
    cut = Image.fromarray(ink[top:bottom, left:right].astype(np.float32))
    zoom = ZOOM * of.longest / max(cut.size)
    size = [max(1, round(zoom * side)) for side in cut.size]
    mask = np.asarray(cut.resize(size, Image.Resampling.BILINEAR)) > 0.5
    wanted = min(of.thickness, THICKEST * of.longest) * ZOOM
    lacking = wanted - thickness(mask.astype(np.float64)) if mask.any() else 0.0
    if lacking < wanted / 4:
        return ink
    from scipy.ndimage import distance_transform_edt  # late: only a thin pen needs it

    distance = distance_transform_edt(~np.pad(mask, round(wanted)))
    return np.asarray(distance <= lacking / 2, np.float64)


def placed(ink: Ink, of: Layout) -> Ink:
    """Ink cut out, scaled to a task's own size, and put where the task's pictures have it."""
    top, left = _box(ink)[0]
    bottom, right = _box(ink)[1]
    cut = Image.fromarray(ink[top:bottom, left:right].astype(np.float32))
    scale = of.longest / max(cut.size)
    width, height = (max(1, round(scale * side)) for side in cut.size)
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    scaled = np.asarray(cut.resize((width, height), how), np.float64)
    own = centre_of_mass(scaled) if of.by_mass else (height / 2, width / 2)
    row, column = (round(there - here) for there, here in zip(of.centre, own, strict=True))
    margin = max(of.shape) + max(scaled.shape)  # what goes over the edge is cut off
    sheet = np.zeros([side + 2 * margin for side in of.shape])
    sheet[margin + row :, margin + column :][:height, :width] = scaled
    return sheet[margin:-margin, margin:-margin]


def _box(ink: Ink) -> NDArray[np.intp]:
    """First row and column with ink, and those after the last: (2, 2)."""
    found = np.argwhere(ink > INKED)
    return np.stack([found.min(0), found.max(0) + 1])


def _border(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _coloured(ink: Ink, of: Layout) -> Picture:
    return np.round(of.paper + ink * (of.ink - of.paper)).astype(np.uint8)[None]
