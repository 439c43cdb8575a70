"""Hinton's knowledge distillation, and the divergence that other methods soften in other ways."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from kdcore.knobs import Range
from kdcore.methods import Closed, Signals, Terms, method
from kdcore.methods.divergence import softened


def soft_targets(teacher: Tensor, temperature: Tensor) -> Tensor:
    """The teacher's probabilities, softened: (..., C)."""
    return torch.softmax(teacher / temperature, dim=-1)


@method(
    "kd",
    title="Soft targets (KD)",
    paper="Hinton, Vinyals and Dean, 2015, arXiv:1503.02531",
    formula="{T}² · KL(teacher ‖ student at T = {T})",
    why="A wrong class that the teacher finds likely is like the right one: that is what a label "
    "cannot say.",
    closed=Closed("soft", soft_targets),
)
def kd(
    student: Signals,
    teacher: Signals,
    labels: Tensor,
    *,
    temperature: Annotated[float, Range(1, 20)] = 4.0,
) -> Terms:
    """The student matches the teacher's probabilities, both softened by the temperature T.

    T² · KL(softmax(z_t / T) ‖ softmax(z_s / T)), in nats, a mean over the batch.
    T² keeps the gradient's size about constant as T grows.

    student.logits, teacher.logits: (B, C), raw; labels: (B,), unused.
    """
    return {"soft": softened(student.logits, teacher.logits, temperature)}
