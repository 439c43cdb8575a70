"""What is known of each model of a finished run: the figures that card and report both tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from kdcore.answers import Logits
from kdcore.errors import HomeError
from kdcore.handover.finished import Finished, asked
from kdcore.measure import intervals, onnx_file, robustness
from kdcore.measure.intervals import Interval
from kdcore.measure.onnx_file import Weight
from kdcore.measure.quality import Quality, agreement, quality
from kdcore.result import ARMS, Latency

MOST_HARDER = 500
"""Samples that are made harder, at most."""

FEWEST_HARDER = 100
"""Fewer than these would say too little."""

PAGE_MACS = 2e10
"""Multiply-accumulates that a page spends on harder samples: a second or two of one core."""


@dataclass(frozen=True, eq=False)
class Facts:
    """One model: `over_seeds` and what follows from its answers are None where they are not kept.

    over_seeds: test accuracy, over the seeds, None for a model that was made of one seed's alone;
    quality, with_teacher, with_whole: of the first seed's answers, over the kept samples, where
    with_whole is the agreement of a further model with the distilled student that it was made of;
    macs: of one sample; latency: on the machine that the run was made on, where all were timed in
    turns.
    """

    model: str
    over_seeds: Interval | None
    quality: Quality | None
    with_teacher: Interval | None
    with_whole: Interval | None
    weight: Weight | None
    file_bytes: int | None
    macs: int | None
    latency: tuple[Latency, ...]


def models(of: Finished) -> tuple[str, ...]:
    """The run's three, then those that were made since."""
    return (*ARMS, *of.further)


def all_answers(of: Finished) -> dict[str, Logits]:
    """What each model answers to the kept samples, first seed: (N, K) each; empty if none are kept.

    The run's three have answered already; further ones are asked now.
    """
    if of.answers is None:
        return {}
    found: dict[str, Logits] = {arm: of.answers.logits[arm][0] for arm in ARMS}
    if of.scale is not None:
        for name in of.further:
            found[name] = asked(of.files[name], of.scale, of.answers.inputs)
    return found


def facts(of: Finished, answered: dict[str, Logits]) -> list[Facts]:
    """Each model's, in the order of `models`. answered: as `all_answers` gives it."""
    return [_facts(of, model, answered) for model in models(of)]


def _facts(of: Finished, model: str, answered: dict[str, Logits]) -> Facts:
    arm = of.result.arms[model] if model in ARMS else None
    known = arm or of.rows.get(model)
    content = of.files.get(model)
    logits = answered.get(model)
    weight = None if content is None else onnx_file.weight(content)
    judged = with_teacher = with_whole = None
    if logits is not None and of.answers is not None:
        judged = quality(logits, of.answers.labels)
        with_teacher = agreement(logits, answered["teacher"]) if model != "teacher" else None
        with_whole = agreement(logits, answered["distilled"]) if arm is None else None
    return Facts(
        model=model,
        over_seeds=intervals.over_seeds(known.accuracy) if known else None,
        quality=judged,
        with_teacher=with_teacher,
        with_whole=with_whole,
        weight=weight,
        file_bytes=arm.onnx_bytes if arm else len(content or b""),
        macs=arm.macs if arm else _macs(of, content),
        latency=known.latency if known else (),
    )


def _macs(of: Finished, content: bytes | None) -> int | None:
    if content is None or of.answers is None:
        return None
    return onnx_file.macs(content, of.answers.inputs.shape[1:])


def harder(of: Finished, most_macs: float | None = None) -> pd.DataFrame:
    """Accuracy of each model on samples made harder: a row for each kind, strength and model.

    Columns kind, strength, words, model, accuracy, low, high (Wilson), samples; strength 0 is the
    samples as they are. most_macs: how much work that may be; where it does not suffice for
    FEWEST_HARDER samples, or a model's file is not kept, the table is empty.
    """
    if of.answers is None or of.scale is None or not of.files:
        return pd.DataFrame()
    ways = robustness.disturbances(of.answers.inputs[:1])
    count = _affordable(of, len(ways) + 1, most_macs)
    if count < min(FEWEST_HARDER, len(of.answers)) or not ways:
        return pd.DataFrame()
    inputs, labels = of.answers.inputs[:count], of.answers.labels[:count]
    rows = []
    plain = {name: _accuracy(of, name, inputs, labels) for name in of.files}
    for kind in dict.fromkeys(way.kind for way in ways):
        rows += [_row(kind, 0.0, "none", name, each, count) for name, each in plain.items()]
        for way in (each for each in ways if each.kind == kind):
            made = robustness.disturbed(inputs, way)
            for name in of.files:
                found = _accuracy(of, name, made, labels)
                rows.append(_row(kind, way.strength, way.words, name, found, count))
    return pd.DataFrame(rows)


def _affordable(of: Finished, passes: int, most_macs: float | None) -> int:
    assert of.answers is not None
    count = min(MOST_HARDER, len(of.answers))
    if most_macs is None:
        return count
    try:
        each = sum(_macs(of, content) or 0 for content in of.files.values())
    except HomeError:
        return 0
    return min(count, int(most_macs / max(1, each * passes)))


def _accuracy(of: Finished, model: str, inputs: NDArray[Any], labels: NDArray[Any]) -> Interval:
    assert of.scale is not None
    chosen = asked(of.files[model], of.scale, inputs).argmax(1)
    return intervals.share(int((chosen == labels).sum()), len(labels))


def _row(
    kind: str, strength: float, words: str, model: str, found: Interval, count: int
) -> dict[str, Any]:
    return {
        **{"kind": kind, "strength": strength, "words": words, "model": model},
        **{"accuracy": found.value, "low": found.low, "high": found.high, "samples": count},
    }


def class_changes(of: Finished, answered: dict[str, Logits]) -> pd.DataFrame:
    """Who pays for a smaller model: a row a class with its name, samples, and each model's accuracy
    in [0, 1], first seed. Classes without samples are left out; empty where no answers are kept.
    """
    if of.answers is None:
        return pd.DataFrame()
    found = {name: quality(each, of.answers.labels).by_class for name, each in answered.items()}
    rows = pd.DataFrame(
        {
            "class": list(of.answers.class_names),
            "samples": found["teacher"].samples,
            **{name: each.recall for name, each in found.items()},
        }
    )
    return rows[rows["samples"] > 0].reset_index(drop=True)
