"""Hinton's knowledge distillation."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from kdcore.knobs import Range
from kdcore.methods import Signals, Terms, method


@method(
    "kd",
    title="Soft targets (KD)",
    paper="Hinton, Vinyals and Dean, 2015, arXiv:1503.02531",
    formula="{T}² · KL(teacher ‖ student at T = {T})",
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
    soft = F.kl_div(
        F.log_softmax(student.logits / temperature, dim=1),
        F.log_softmax(teacher.logits / temperature, dim=1),
        log_target=True,
        reduction="batchmean",
    )
    return {"soft": temperature**2 * soft}
