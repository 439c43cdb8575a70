"""What a model looks at in a picture: covered window by window, and asked again; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kdcore.panel import Scale

MOST = 200
FEWEST = 16
"""Windows of a picture."""

WORK = 1_500_000_000
"""Multiply-accumulates that all models together may take: a small part of a second."""

MOST_WORK = 20_000_000_000
"""Of models so large that the fewest windows are more than that: a second or two, and no more."""

BATCH = 16
"""Covered pictures that a model is asked at once."""


@dataclass(frozen=True)
class Windows:
    """Squares of `size` pixels that cover a picture; tops and lefts: where they begin."""

    size: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)


@dataclass(frozen=True, eq=False)
class Saliency:
    """How much one model's belief in a class rests on each window of a picture.

    place: the class; share: its probability on the whole picture; lost: for each window (rows,
    columns), how much its log-odds fall when the window is covered, in nats; below zero where it is
    surer without.
    """

    place: int
    share: float
    lost: NDArray[np.float32]


def too_much(macs: int) -> str:
    """Why models are not asked so often, in a sentence; empty where they are. macs: of one call of
    all models.
    """
    most = MOST_WORK // (FEWEST + 1)
    if macs <= most:
        return ""
    return (
        f"These models make {macs / 1e9:,.2f} billion multiply-accumulates for one picture, and "
        f"would be asked {FEWEST + 1} times: that would keep all visitors waiting. Saliency is "
        f"drawn up to {most / 1e9:.2f} billion; run the recipe with smaller models to see it."
    )


def windows(height: int, width: int, macs: int) -> Windows:
    """A sixth of the shorter side, half over one another; larger ones where models are so large
    that so many calls would take long. macs: of one call of all models.
    """
    allowed = max(FEWEST, min(MOST, WORK // max(1, macs)))
    shorter = min(height, width)
    for size in range(max(2, round(shorter / 6)), shorter):
        found = Windows(size, _begins(height, size), _begins(width, size))
        if len(found) <= allowed:
            return found
    return Windows(shorter, _begins(height, shorter), _begins(width, shorter))


def occlusion(
    model: onnxruntime.InferenceSession,
    scale: Scale,
    sample: NDArray[Any],
    over: Windows,
    place: int | None = None,
) -> Saliency:
    """What the model's belief in a class rests on; place: the class, None for the one it chooses.

    sample: (C, H, W) uint8, as it is kept. A covered pixel has the training samples' mean.
    Source: Zeiler and Fergus, 2013, arXiv:1311.2901, section 4.2, where the probability is drawn;
    log-odds do not vanish where a model is very sure.
    """
    whole = scale(sample[None])
    covered = np.repeat(whole, len(over) + 1, axis=0)
    corners = [(top, left) for top in over.tops for left in over.lefts]
    for number, (top, left) in enumerate(corners, 1):
        covered[number, :, top : top + over.size, left : left + over.size] = 0
    name = model.get_inputs()[0].name
    logits = np.concatenate(
        [
            model.run(None, {name: covered[start : start + BATCH]})[0]
            for start in range(0, len(covered), BATCH)
        ]
    )
    chosen = int(logits[0].argmax()) if place is None else place
    odds = _log_odds(logits.astype(np.float64), chosen)
    lost = (odds[0] - odds[1:]).reshape(len(over.tops), len(over.lefts))
    return Saliency(chosen, float(1 / (1 + np.exp(-odds[0]))), lost.astype(np.float32))


def by_pixel(found: Saliency, over: Windows, height: int, width: int) -> NDArray[np.float32]:
    """For each pixel (H, W), the mean over the windows that cover it."""
    sums, counts = np.zeros((height, width)), np.zeros((height, width))
    for row, top in enumerate(over.tops):
        for column, left in enumerate(over.lefts):
            there = np.s_[top : top + over.size, left : left + over.size]
            sums[there] += found.lost[row, column]
            counts[there] += 1
    return (sums / counts).astype(np.float32)


def _begins(side: int, size: int) -> tuple[int, ...]:
    """Half a window apart, the last one at the very end."""
    return tuple(sorted({*range(0, side - size, max(1, size // 2)), side - size}))


def _log_odds(logits: NDArray[np.float64], place: int) -> NDArray[np.float64]:
    """Of one class against all others, (N,)."""
    others = np.delete(logits, place, axis=1)
    most = others.max(1, keepdims=True)
    rest = most[:, 0] + np.log(np.exp(others - most).sum(1))
    return np.asarray(logits[:, place] - rest)
