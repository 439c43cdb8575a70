"""The teacher's answers, computed once and looked up by sample index ever after."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from kdcore.train.loop import logits

Answers = Callable[[Tensor], Tensor]
"""Sample indices (B,) to the teacher's raw logits (B, C), without gradient."""


def cached(teacher: nn.Module, images: Tensor) -> Answers:
    """One pass over all (normalised) images; later calls only look up."""
    table = logits(teacher, images).clone()  # a normal tensor: autograd refuses inference ones
    return lambda indices: table[indices]


def rerun(teacher: nn.Module, images: Tensor) -> Answers:
    """A pass for every batch: the reference that the cache is tested against."""
    return lambda indices: logits(teacher, images[indices]).clone()
