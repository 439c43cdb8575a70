"""Test samples made harder by known amounts, to see which model stands it: noise, blur, shift.

Seeded, and the same disturbed samples for every model. What has no meaning for a kind of input is
left out: points of the plane have no blur. After Hendrycks and Dietterich, 2019, "Benchmarking
Neural Network Robustness to Common Corruptions and Perturbations", arXiv:1903.12261, with strengths
as shares of a picture's range or side, so that small and large pictures suffer alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["noise", "blur", "shift"]

NOISE = (0.05, 0.1, 0.2)
"""Deviation of Gaussian noise, as a share of the pixels' range of 255."""

BLUR = (0.03, 0.06, 0.12)
"""Deviation of a Gaussian blur, as a share of the shorter side."""

SHIFT = (1 / 16, 1 / 8, 1 / 4)
"""Pixels that a picture moves by, as a share of its shorter side, rounded up."""

SPREAD_NOISE = (0.1, 0.25, 0.5)
"""Of vectors: the noise's deviation, as a share of each number's own over the samples."""


@dataclass(frozen=True)
class Disturbance:
    """One way to make samples harder; strength: a share, as above, or pixels for a shift."""

    kind: Kind
    strength: float

    @property
    def words(self) -> str:
        """How strong, for an axis or a table."""
        if self.kind == "shift":
            return f"{self.strength:.0f} px"
        return f"{100 * self.strength:g} %"


def disturbances(inputs: NDArray[Any]) -> tuple[Disturbance, ...]:
    """What makes sense for pictures (N, C, H, W) uint8 or vectors (N, D); nothing for others."""
    if inputs.ndim == 4 and inputs.dtype == np.uint8:
        side = min(inputs.shape[2:])
        pixels = sorted({ceil(share * side) for share in SHIFT})
        return (
            *(Disturbance("noise", share) for share in NOISE),
            *(Disturbance("blur", share) for share in BLUR),
            *(Disturbance("shift", float(each)) for each in pixels),
        )
    if inputs.ndim == 2 and np.issubdtype(inputs.dtype, np.floating):
        return tuple(Disturbance("noise", share) for share in SPREAD_NOISE)
    return ()


def disturbed(inputs: NDArray[Any], how: Disturbance) -> NDArray[Any]:
    """The samples made harder, of the same shape and type; each time the same."""
    random = np.random.default_rng([ord(each) for each in how.kind])
    if how.kind == "noise":
        return _noisy(inputs, how.strength, random)
    if how.kind == "blur":
        return _blurred(inputs, how.strength)
    return _shifted(inputs, int(how.strength), random)


def _noisy(inputs: NDArray[Any], share: float, random: np.random.Generator) -> NDArray[Any]:
    noise = random.standard_normal(inputs.shape, dtype=np.float32)
    if inputs.ndim == 2:
        scale = (share * inputs.std(0)).astype(np.float32)
        return np.asarray((inputs + scale * noise).astype(inputs.dtype))
    return _pixels(inputs + np.float32(255 * share) * noise)


def _blurred(inputs: NDArray[Any], share: float) -> NDArray[Any]:
    from scipy.ndimage import gaussian_filter  # late: half a second to import

    deviation = share * min(inputs.shape[2:])
    sigma = (0.0, 0.0, deviation, deviation)
    return _pixels(gaussian_filter(inputs.astype(np.float32), sigma, mode="nearest"))


def _shifted(inputs: NDArray[Any], pixels: int, random: np.random.Generator) -> NDArray[Any]:
    """Each sample by so many pixels up, down, left or right; its own edge fills what is left."""
    height, wide = inputs.shape[2:]
    padded = np.pad(inputs, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)), mode="edge")
    ways = np.array([(0, pixels), (2 * pixels, pixels), (pixels, 0), (pixels, 2 * pixels)])
    moved = np.empty_like(inputs)
    for number, (down, right) in enumerate(ways[random.integers(4, size=len(inputs))]):
        moved[number] = padded[number, :, down : down + height, right : right + wide]
    return moved


def _pixels(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
