"""Tasks: one file a data set, each a decorated function that gives its splits in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from kdcore.errors import UnknownNameError
from kdcore.registry import Registry, first_line, import_siblings
from kdcore.tasks.download import RemoteFile


@dataclass(frozen=True)
class Split:
    """Samples and their labels (N,) int64.

    inputs: pictures (N, C, H, W) uint8, C 1 or 3; or vectors (N, D) float32.
    """

    inputs: Tensor
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
            if len(split.inputs) != len(split.labels):
                raise ValueError(f"{name}: {len(split.inputs)} inputs, {len(split)} labels")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch: (C, H, W) or (D,)."""
        return tuple(self.train.inputs.shape[1:])

    def normalise(self, inputs: Tensor) -> Tensor:
        """float32 inputs; over the training split, each channel has mean 0 and deviation 1."""
        mean, deviation = self.moments
        return (inputs.float() - mean) / deviation

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel over the training split, (C, 1, 1) or (D,).

        Summed in float64, which a big set does not blow up.
        """
        inputs = self.train.inputs
        over = [0] if inputs.ndim == 2 else [0, 2, 3]
        total = square = torch.zeros(())
        for part in inputs.split(4096):
            exact = part.double()
            total = total + exact.sum(over, keepdim=True)[0]
            square = square + exact.square().sum(over, keepdim=True)[0]
        count = inputs.numel() // total.numel()
        mean = total / count
        deviation = (square / count - mean.square()).clamp_min(0).sqrt()
        return mean.float(), deviation.float().clamp_min(1e-8)


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
    """A data set by name; `load` reads it into memory, once a process.

    Its files, where it has any, must have been fetched before.
    """

    name: str
    title: str
    kind: str
    facts: Facts
    files: tuple[RemoteFile, ...]
    about: str
    load: Callable[[], Data]


_tasks: Registry[Task] = Registry("task")
built_in = _tasks.names


def get(name: str) -> Task:
    """The task of that name, built in or own data. Raises UnknownNameError with a close match."""
    if name in built_in():
        return _tasks.get(name)
    from kdcore.tasks import own  # late: it is made of what stands here

    found = own.find(name)
    if found is None:
        raise UnknownNameError("task", name, names())
    return found


def names() -> tuple[str, ...]:
    """All names: those built in, sorted, then own data."""
    from kdcore.tasks import own

    return (*built_in(), *own.names())


def task(
    name: str, *, title: str, kind: str, facts: Facts, files: tuple[RemoteFile, ...] = ()
) -> Callable[[Callable[[], Data]], Task]:
    """Register the decorated loader as a task; its docstring's first line is the help text."""

    def register(load: Callable[[], Data]) -> Task:
        once = lru_cache(maxsize=1)(load)
        return _tasks.add(Task(name, title, kind, facts, files, first_line(load), once))

    return register


def grey(pixels: Tensor, labels: Tensor) -> Split:
    """A split of pictures that came as (N, H, W)."""
    return Split(pixels[:, None].contiguous(), labels)


def held_out(facts: Facts, train: Split, test: Split) -> Data:
    """Data whose validation split is cut off the training samples, seeded, each class as often."""
    order = balanced_order(train.labels, seed=0)
    parts = [order[facts.validation :], order[: facts.validation]]
    rest, validation = (Split(train.inputs[part], train.labels[part]) for part in parts)
    return Data(facts.class_names, rest, validation, test)


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
