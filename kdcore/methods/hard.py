"""Hard labels alone: no distillation."""

from __future__ import annotations

from torch import Tensor

from kdcore.methods import Signals, Terms, method


@method(
    "hard",
    title="Hard labels (no distillation)",
    paper="No paper: this is the control itself",
    formula="",
    group="labels",
    weights=(1.0, 0.0),
)
def hard(student: Signals, teacher: Signals, labels: Tensor) -> Terms:
    """The student ignores the teacher: both students must then come out exactly the same.

    student.logits, teacher.logits: (B, C), unused; labels: (B,), used by the loop alone.
    """
    return {}
