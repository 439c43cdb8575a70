"""The teacher's choice as a label."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from kdcore.methods import Closed, Signals, Terms, method


def decisions(teacher: Tensor, _temperature: Tensor) -> Tensor:
    """All on the teacher's most likely class: (..., C)."""
    return F.one_hot(teacher.argmax(-1), teacher.shape[-1]).to(teacher.dtype)


@method(
    "label",
    title="The teacher's label alone",
    paper="Touvron et al., 2020 (DeiT), arXiv:2012.12877, as hard-label distillation",
    formula="CE(the teacher's most likely class)",
    why="Against soft targets it shows what the teacher's doubts add to its decisions.",
    closed=Closed("label", decisions),
)
def label(student: Signals, teacher: Signals, labels: Tensor) -> Terms:
    """The class that the teacher finds most likely is taken for the label, its doubts left out.

    CE(z_s, argmax z_t), in nats, a mean over the batch.

    student.logits, teacher.logits: (B, C), raw; labels: (B,), unused.
    """
    return {"label": F.cross_entropy(student.logits, teacher.logits.argmax(1))}
