"""The teacher's answers: computed once and looked up by sample, or anew for an altered view."""

from __future__ import annotations

from collections.abc import Callable, Generator

import torch
from torch import Tensor, nn

from kdcore.train.loop import logits
from kdcore.train.views import Views

Answers = Callable[[Tensor, Tensor], Tensor]
"""(sample indices (B,), the inputs that the student sees (B, ...)) to the teacher's raw logits
(B, C), without gradient."""

PART = 256


def cached(teacher: nn.Module, views: Views, wanted: Tensor) -> Generator[float, None, Answers]:
    """One pass over the wanted samples of the pool (M,); later calls only look up.

    Yields the share done, in [0, 1], and returns the answers.
    Right only where the student sees every sample as it is. A sample that is not wanted answers
    with nan, so that a gap could not go unnoticed.
    """
    first = logits(teacher, views.plain(wanted[:1]))
    table = torch.full((len(views), first.shape[1]), torch.nan)
    done = 0
    for part in wanted.split(PART):
        table[part] = logits(teacher, views.plain(part)).clone()
        done += len(part)
        yield done / len(wanted)
    return lambda indices, _inputs: table[indices]


def rerun(teacher: nn.Module) -> Answers:
    """A pass for every batch, over the very view that the student sees."""
    # clone: autograd refuses tensors that were made in inference mode
    return lambda _indices, inputs: logits(teacher, inputs).clone()
