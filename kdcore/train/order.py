"""Which samples each step sees: passes over a pool, each in a seeded order of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import torch
from torch import Tensor

from kdcore.seeds import derive
from kdcore.train.views import Batch

STEPS = 256
"""Drawn at once: a step by itself would take longer to draw than a small network to learn from."""

SAMPLES = 1_000_000
"""Drawn at once, at most, where batches are large."""


class Order:
    """The samples of a pool (N,) in batches without end: each pass is a new permutation.

    Batches keep their size: one may end a pass and begin the next, so that a pool smaller than
    a batch still fills it.
    """

    def __init__(self, pool: Tensor, batch_size: int, seed: int) -> None:
        self.pool, self.batch_size = pool, batch_size
        self._size = len(pool)
        self._generator = torch.Generator().manual_seed(seed)
        self._drawn = pool[:0]
        self._taken = 0

    def take(self, steps: int) -> Batch:
        """The batches of the next steps: indices and passes, each (steps, B)."""
        count = steps * self.batch_size
        if self._drawn.numel() < count:
            self._draw(count)
        indices, self._drawn = self._drawn[:count], self._drawn[count:]
        places = torch.arange(self._taken, self._taken + count)
        self._taken += count
        shape = (steps, self.batch_size)
        return Batch(indices.view(shape), (places // self._size).view(shape))

    def _draw(self, count: int) -> None:
        ahead = max(count, at_once(self.batch_size) * self.batch_size)
        passes = ceil((ahead - self._drawn.numel()) / self._size)
        orders = [torch.randperm(self._size, generator=self._generator) for _ in range(passes)]
        self._drawn = torch.cat([self._drawn, self.pool[torch.cat(orders)]])


def orders_of(samples: Sequence[Tensor], batch_size: int, seed: int) -> list[Order]:
    """Of the labelled samples, and of the transfer set where that is given too."""
    purposes = ("batches", "transfer batches")
    return [
        Order(pool, batch_size, derive(seed, purpose))
        for pool, purpose in zip(samples, purposes, strict=False)
    ]


def at_once(batch_size: int) -> int:
    """Steps that are drawn ahead, of batches of that size."""
    return max(1, min(STEPS, SAMPLES // batch_size))


def take(orders: Sequence[Order], steps: int) -> Batch:
    """The next steps of several orders, each step's batches one after another: (steps, Σ B)."""
    drawn = [order.take(steps) for order in orders]
    return Batch(*(torch.cat(parts, 1) for parts in zip(*drawn, strict=True)))


def batches(orders: Sequence[Order]) -> Iterator[Batch]:
    """Step by step, without end: a batch of each order, one after another, (Σ B,)."""
    while True:
        yield from map(Batch, *take(orders, at_once(orders[0].batch_size)))
