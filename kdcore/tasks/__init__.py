"""Tasks: one file a data set, each a decorated function that gives its splits in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from kdcore.errors import RecipeError
from kdcore.registry import Registry, first_line, import_siblings


@dataclass(frozen=True)
class Split:
    """Samples and their labels: images (N, C, H, W) uint8; labels (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """A loaded task. No model is chosen on `test`; `validation` is held out for that."""

    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            split: Split = getattr(self, name)
            if len(split.images) != len(split.labels):
                raise ValueError(f"{name}: {len(split.images)} images, {len(split)} labels")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch: (C, H, W)."""
        return tuple(self.train.images.shape[1:])

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 images to float32 with the training images' mean 0 and standard deviation 1."""
        mean, deviation = self._moments
        return (images.float() - mean) / deviation

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        pixels = self.train.images.float()
        return pixels.mean(), pixels.std().clamp_min(1e-8)


@dataclass(frozen=True)
class Task:
    """A data set by name; `load` reads it into memory, once a process."""

    name: str
    title: str
    kind: str
    about: str
    load: Callable[[], Data]


_tasks: Registry[Task] = Registry("task")
get, names = _tasks.get, _tasks.names


def task(name: str, *, title: str, kind: str) -> Callable[[Callable[[], Data]], Task]:
    """Register the decorated loader as a task; its docstring's first line is the help text."""

    def register(load: Callable[[], Data]) -> Task:
        return _tasks.add(Task(name, title, kind, first_line(load), lru_cache(maxsize=1)(load)))

    return register


def stratified(labels: Tensor, count: int, seed: int) -> Tensor:
    """Indices of `count` samples with class shares as even as the data allow, in seeded order.

    labels: (N,) int64. Returns (count,) int64, without repeats. Classes take turns, so that every
    class is there as soon as `count` reaches the number of classes.
    Raises RecipeError if there are fewer samples than asked for.
    """
    if count > len(labels):
        raise RecipeError(f"{count:,} samples asked for, but there are only {len(labels):,}")
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    turn = torch.empty(len(labels), dtype=torch.int64)
    for label in labels.unique():
        members = (labels[order] == label).nonzero().squeeze(1)
        turn[members] = torch.arange(len(members))
    chosen = order[turn.argsort(stable=True)[:count]]
    return chosen[torch.randperm(count, generator=generator)]


import_siblings(__name__, __path__)
