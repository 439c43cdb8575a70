"""Three test samples that say more than an average: fixed, broken, and the one most doubted."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kdcore.answers import Answers, Logits
from kdcore.measure import soft
from kdcore.measure.outcomes import outcomes
from kdcore.result import ARMS
from kdcore.samples import small


@dataclass(frozen=True, eq=False)
class Example:
    """A kept sample by place, why it was chosen, and each model's probabilities at T = 1, (K,)."""

    place: int
    why: str
    shares: dict[str, NDArray[np.floating]]


def examples(kept: Answers, answered: dict[str, Logits]) -> list[Example]:
    """Three different samples of the first seed, always the same for a run.

    Of those that distillation fixed, and of those that it broke, the first; where there are none,
    and for the third, the sample of which the distilled student is least sure.
    """
    chosen = [answered[arm].argmax(1) for arm in ARMS]
    found = outcomes(kept.labels, *chosen)
    doubted = np.argsort(-soft.entropy(answered["distilled"]), kind="stable")
    reasons = {
        "Distillation fixed this one": np.flatnonzero(found["fixed"]),
        "Distillation broke this one": np.flatnonzero(found["broke"]),
    }
    picked: dict[int, str] = {}
    for why, places in reasons.items():
        if len(places):
            picked.setdefault(int(places[0]), why)
    for rank, place in enumerate(doubted.tolist()):
        if len(picked) == min(3, len(kept)):
            break
        more = "Of this one the distilled student is least sure"
        picked.setdefault(place, more if rank == 0 else "The distilled student doubts here, too")
    return [
        Example(place, why, {name: soft.softmax(each[place]) for name, each in answered.items()})
        for place, why in picked.items()
    ]


def picture(kept: Answers, place: int) -> str | None:
    """The sample as the address of a PNG for an <img>; None where it is no picture."""
    values = kept.inputs[place]
    if values.ndim != 3:
        return None
    file = io.BytesIO()
    shown = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
    Image.fromarray(small(shown)).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def in_words(kept: Answers, place: int) -> str:
    """The sample's first numbers, where it is no picture."""
    values = kept.inputs[place]
    told = ", ".join(f"{each:.3g}" for each in values.flat[:4])
    return told + (", …" if values.size > 4 else "")
