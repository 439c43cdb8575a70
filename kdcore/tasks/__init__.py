"""Tasks: one file a data set, each a decorated function that gives its splits in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

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
class Facts:
    """What a page shows of a task before anybody has loaded it; a test holds it to the data."""

    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Task:
    """A data set by name; `load` reads it into memory, once a process."""

    name: str
    title: str
    kind: str
    facts: Facts
    about: str
    load: Callable[[], Data]


_tasks: Registry[Task] = Registry("task")
get, names = _tasks.get, _tasks.names


def task(name: str, *, title: str, kind: str, facts: Facts) -> Callable[[Callable[[], Data]], Task]:
    """Register the decorated loader as a task; its docstring's first line is the help text."""

    def register(load: Callable[[], Data]) -> Task:
        once = lru_cache(maxsize=1)(load)
        return _tasks.add(Task(name, title, kind, facts, first_line(load), once))

    return register


def balanced_order(labels: Tensor, seed: int) -> Tensor:
    """A seeded order of all samples in which the classes take turns.

    labels: (N,) int64. Returns a permutation (N,) int64. Any beginning of it holds every class
    as evenly as the data allow.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    turn = torch.empty(len(labels), dtype=torch.int64)
    for label in labels.unique():
        members = (labels[order] == label).nonzero().squeeze(1)
        turn[members] = torch.arange(len(members))
    return order[turn.argsort(stable=True)]


import_siblings(__name__, __path__)
