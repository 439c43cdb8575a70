"""The teacher's answers: computed once and looked up by sample, or anew for an altered view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from kdcore.models.layers import as_vector
from kdcore.train.loop import logits
from kdcore.train.terms import Outputs, observed
from kdcore.train.views import Views

Answers = Callable[[Tensor, Tensor], Outputs]
"""(sample indices (B,), the inputs that the student sees (B, ...)) to the teacher's raw logits
(B, C) and the features asked for, without gradient."""

PART = 256
_LOGITS = ""

FEATURE_BYTES = 256_000_000
"""Up to here, a teacher's features are kept for all samples; beyond, it runs for every batch."""


@dataclass(frozen=True)
class Kept:
    """Answers that were asked for before, by sample; called as Answers are.

    logits (N, C) and features (N, ...) of all samples in a pool, nan where nobody asked.
    """

    logits: Tensor
    features: dict[str, Tensor]

    def __call__(self, indices: Tensor, _inputs: Tensor) -> Outputs:
        """Of these samples (B,)."""
        features = {path: kept[indices] for path, kept in self.features.items()}
        return Outputs(self.logits[indices], features)


def cached(
    teacher: nn.Module,
    views: Views,
    wanted: Tensor,
    watched: Sequence[str] = (),
    vectors: Collection[str] = (),
) -> Generator[float, None, Kept]:
    """One pass over the wanted samples of the pool (M,); later calls only look up.

    Yields the share done, in [0, 1], and returns the answers.
    Right only where the student sees every sample as it is. A sample that is not wanted answers
    with nan, so that a gap could not go unnoticed. watched: layers whose features are kept too;
    vectors: those of them that are kept as vectors, a map's mean over its places.
    """

    def ask(indices: Tensor) -> dict[str, Tensor]:
        outputs = _outputs(teacher, views.plain(indices), watched)
        kept = {k: as_vector(v) if k in vectors else v for k, v in outputs.features.items()}
        return {_LOGITS: outputs.logits, **kept}

    tables = {
        name: torch.full((len(views), *value.shape[1:]), torch.nan)
        for name, value in ask(wanted[:1]).items()
    }
    done = 0
    for part in wanted.split(PART):
        for name, value in ask(part).items():
            tables[name][part] = value
        done += len(part)
        yield done / len(wanted)
    return Kept(tables.pop(_LOGITS), tables)


def fits_in_memory(shapes: Sequence[tuple[int, ...]], count: int) -> bool:
    """Whether features of such shapes may be kept for so many samples."""
    return 4 * count * sum(map(prod, shapes)) <= FEATURE_BYTES


def rerun(teacher: nn.Module, watched: Sequence[str] = ()) -> Answers:
    """A pass for every batch, over the very view that the student sees."""
    return lambda _indices, inputs: _outputs(teacher, inputs, watched)


def _outputs(teacher: nn.Module, inputs: Tensor, watched: Sequence[str]) -> Outputs:
    # clone: autograd refuses tensors that were made in inference mode
    if not watched:
        return Outputs(logits(teacher, inputs).clone(), {})
    teacher.eval()
    with torch.inference_mode():
        found = observed(teacher, inputs, watched)
    return Outputs(found.logits.clone(), {k: v.clone() for k, v in found.features.items()})
