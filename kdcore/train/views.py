"""What a network is shown: samples by index, normalised, and augmented where the recipe asks."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcore.recipe import Augmentation
from kdcore.tasks import Data

READY_BYTES = 64_000_000
"""Up to here, all samples are normalised once; bigger sets stay bytes until a batch needs them."""


class Batch(NamedTuple):
    """Samples of one step: their indices (B,), and how often each was drawn before (B,)."""

    indices: Tensor
    passes: Tensor


class View(NamedTuple):
    """What a step's network sees: inputs (B, ...), and whom each was mixed with, and how far.

    partners: positions in the batch (B,); shares: the weight of the sample itself (B,), in [0, 1].
    """

    inputs: Tensor
    partners: Tensor | None = None
    shares: Tensor | None = None


class Views:
    """A pool of samples, uint8 pictures (N, C, H, W) or vectors (N, D), as a network sees them."""

    def __init__(
        self, data: Data, inputs: Tensor, how: Augmentation | None = None, seed: int = 0
    ) -> None:
        self.data, self.inputs = data, inputs
        self.how, self.seed = how or Augmentation(), seed
        small = 4 * inputs.numel() <= READY_BYTES
        self._ready = data.normalise(inputs) if small and not self.how.on else None

    def __len__(self) -> int:
        return len(self.inputs)

    def plain(self, indices: Tensor) -> Tensor:
        """Normalised samples, never augmented: what models are judged on."""
        if self._ready is not None:
            return self._ready[indices]
        return self.data.normalise(self.inputs[indices])

    def __call__(self, batch: Batch, size: int) -> View:
        """The batch as this step sees it; pictures are mixed within parts of `size` samples."""
        if not self.how.on:
            return View(self.plain(batch.indices))
        draws = self._draws(batch)
        pictures = self.data.normalise(altered(self.inputs[batch.indices].float(), draws, self.how))
        if not (self.how.mixup or self.how.cutmix):
            return View(pictures)
        return mixed(pictures, draws, self.how, size)

    def _draws(self, batch: Batch) -> Tensor:
        """Eight numbers in [0, 1) for each sample, fixed by seed, pass and sample alone."""
        draws = torch.empty(len(batch.indices), 8)
        for number in batch.passes.unique().tolist():
            chosen = batch.passes == number
            draws[chosen] = _table(self.seed, number, len(self))[batch.indices[chosen]]
        return draws


@lru_cache(maxsize=16)
def _table(seed: int, number: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)
    return torch.rand(count, 8, generator=generator)


def altered(pictures: Tensor, draws: Tensor, how: Augmentation) -> Tensor:
    """Pictures (B, C, H, W) moved, turned, cropped, mirrored and blanked; black comes in.

    draws: (B, 8) in [0, 1), of which this takes the first seven.
    """
    if how.shift or how.rotation or how.crop or how.flip:
        grid = F.affine_grid(_affine(pictures.shape, draws, how), list(pictures.shape), False)
        pictures = F.grid_sample(pictures, grid, align_corners=False)
    if how.cutout:
        pictures = pictures * _outside(pictures.shape, draws[:, 5:7], torch.tensor(how.cutout))
    return pictures


def _affine(shape: torch.Size, draws: Tensor, how: Augmentation) -> Tensor:
    """(B, 2, 3): where in the old picture each place of the new one is looked up."""
    height, width = shape[2:]
    centred = 2 * draws - 1
    scale = 1 - how.crop * draws[:, 0]
    room = 1 - scale
    across = centred[:, 1] * room + 2 * (centred[:, 1] * (how.shift + 0.5)).round() / width
    down = centred[:, 2] * room + 2 * (centred[:, 2] * (how.shift + 0.5)).round() / height
    if not how.shift:
        across, down = centred[:, 1] * room, centred[:, 2] * room
    angle = torch.deg2rad(centred[:, 3] * how.rotation)
    mirror = torch.where(draws[:, 4] < 0.5, -1.0, 1.0) if how.flip else torch.ones(len(draws))
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = [
        torch.stack([cos * mirror, -sin * height / width, across], 1),
        torch.stack([sin * mirror * width / height, cos, down], 1),
    ]
    return torch.stack(rows, 1)


def _outside(shape: torch.Size, centres: Tensor, side: Tensor) -> Tensor:
    """(B, 1, H, W): 0 within a rectangle of that share of each side around the centre, else 1."""
    height, width = shape[2:]
    half = (side / 2).expand(len(centres))[:, None]
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    inside_rows = (rows - centres[:, :1]).abs() < half
    inside_columns = (columns - centres[:, 1:]).abs() < half
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return (~inside).float()


def mixed(pictures: Tensor, draws: Tensor, how: Augmentation, size: int) -> View:
    """Each picture blended with, or overlaid by a part of, the one before it in its part.

    mixup: Zhang et al., 2017, arXiv:1710.09412; cutmix: Yun et al., 2019, arXiv:1905.04899.
    """
    strength = how.mixup or how.cutmix
    shares = _beta(draws[:, 7], strength)
    partners = torch.arange(len(pictures)).view(-1, size).roll(1, dims=1).flatten()
    if how.mixup:
        kept = shares.view(-1, *[1] * (pictures.ndim - 1))
    else:
        kept = _outside(pictures.shape, draws[:, 5:7], (1 - shares).sqrt())
        shares = kept.mean(dim=(1, 2, 3))  # of the pixels that are really the sample's own
    return View(kept * pictures + (1 - kept) * pictures[partners], partners, shares)


def _beta(uniform: Tensor, strength: float) -> Tensor:
    """Uniform draws as draws from Beta(strength, strength)."""
    from scipy.special import betaincinv

    return torch.from_numpy(betaincinv(strength, strength, uniform.double().numpy())).float()
