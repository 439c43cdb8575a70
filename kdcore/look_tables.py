"""What a run's answers show, as tables: what the charts draw and a reader takes away as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kdcore.answers import Pool
from kdcore.measure import calibration, classes, soft
from kdcore.measure.outcomes import Outcome, mcnemar, outcomes
from kdcore.result import ARMS, STUDENTS, ArmName

CURVE_POINTS = 200
"""Points of a coverage curve; ten thousand would draw the same line."""


@dataclass(frozen=True, eq=False)
class Confidence:
    """How far one model's confidence can be trusted.

    Judged on one half of the samples, at T = 1 (`plain`) and at the temperature that was fitted on
    the other half (`cooled`).
    """

    temperature: float
    plain: calibration.Reliability
    cooled: calibration.Reliability


@dataclass(frozen=True, eq=False)
class Contrast:
    """Where the models differ, as places in a pool.

    outcomes: in order of samples; furthest: all places, the largest KL(teacher ‖ distilled) first;
    unsure: all, the distilled student's largest entropy first. kl, entropy: (M,), nats, at T = 1.
    """

    outcomes: Mapping[Outcome, NDArray[np.int64]]
    furthest: NDArray[np.int64]
    unsure: NDArray[np.int64]
    kl: NDArray[np.floating[Any]]
    entropy: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Discordant:
    """Of one seed's samples, how many distillation fixed and broke; p: McNemar's exact test."""

    seed: int
    fixed: int
    broke: int
    p: float


def contrast(pool: Pool) -> Contrast:
    """Sort a pool's samples by what distillation did to them."""
    found = outcomes(pool.labels, *(pool.predicted[arm] for arm in ARMS))
    kl = soft.divergence(pool.logits["teacher"], pool.logits["distilled"])
    entropy = soft.entropy(pool.logits["distilled"])
    return Contrast(
        outcomes={name: np.flatnonzero(mask) for name, mask in found.items()},
        furthest=np.argsort(-kl, kind="stable"),
        unsure=np.argsort(-entropy, kind="stable"),
        kl=kl,
        entropy=entropy,
    )


def discordant(pool: Pool, found: Contrast) -> list[Discordant]:
    """Seed by seed, by place, for a sample answered by two seeds is not two samples."""
    told = []
    for seed in np.unique(pool.seed).tolist():
        fixed, broke = (
            int((pool.seed[found.outcomes[each]] == seed).sum()) for each in ("fixed", "broke")
        )
        told.append(Discordant(seed, fixed, broke, mcnemar(fixed, broke)))
    return told


def confusion(pool: Pool, names: tuple[str, ...]) -> dict[ArmName, NDArray[np.int64]]:
    """Each model's counts of true class (row) by answer (column), (K, K)."""
    found = pool.predicted
    return {arm: classes.confusion(found[arm], pool.labels, len(names)) for arm in ARMS}


def confusion_rows(
    counts: Mapping[ArmName, NDArray[np.int64]], names: tuple[str, ...]
) -> pd.DataFrame:
    """A row for each true class and answer that any model gave: its count for each model."""
    seen = np.sum([counts[arm] for arm in ARMS], axis=0) > 0
    true, answer = np.nonzero(seen)
    rows = pd.DataFrame({"true": [names[i] for i in true], "answer": [names[i] for i in answer]})
    for arm in ARMS:
        rows[arm] = counts[arm][true, answer]
    return rows


def class_accuracy(
    counts: Mapping[ArmName, NDArray[np.int64]], names: tuple[str, ...]
) -> pd.DataFrame:
    """A row a class: its name, its samples, each model's accuracy in [0, 1], and what distillation
    changed, in points; the largest gain last. Classes without samples are left out.
    """
    rows = pd.DataFrame({"class": list(names), "samples": counts["teacher"].sum(1)})
    for arm in ARMS:
        rows[arm] = classes.recall(counts[arm])
    rows["change"] = 100 * (rows["distilled"] - rows["control"])
    return rows[rows["samples"] > 0].sort_values("change", kind="stable", ignore_index=True)


def confidences(pool: Pool) -> dict[ArmName, Confidence]:
    """For each model, its reliability before and after a temperature is fitted.

    Fitted on every second kept sample, in all seeds of the pool, and judged on those between.
    """
    fit, judge = pool.sample % 2 == 0, pool.sample % 2 == 1
    return {arm: _confidence(pool, arm, fit, judge) for arm in ARMS}


def _confidence(
    pool: Pool, arm: ArmName, fit: NDArray[np.bool_], judge: NDArray[np.bool_]
) -> Confidence:
    logits, right = pool.logits[arm], (pool.predicted[arm] == pool.labels)[judge]
    temperature = calibration.fitted_temperature(logits[fit], pool.labels[fit])
    plain, cooled = (
        calibration.reliability(soft.confidence(logits[judge], each), right)
        for each in (1.0, temperature)
    )
    return Confidence(temperature, plain, cooled)


def reliability_rows(found: Mapping[ArmName, Confidence], fitted: bool) -> pd.DataFrame:
    """A row for each model and bin that is not empty: samples, mean confidence and accuracy."""
    parts = []
    for arm, each in found.items():
        bins = each.cooled if fitted else each.plain
        told = {"samples": bins.counts, "confidence": bins.confidence, "accuracy": bins.accuracy}
        rows = pd.DataFrame({"model": arm, "bin": np.arange(len(bins.counts)), **told})
        parts.append(rows[rows["samples"] > 0])
    return pd.concat(parts, ignore_index=True)


def coverage_rows(pool: Pool) -> pd.DataFrame:
    """A row for each model and share of samples kept, surest first: the accuracy on those."""
    parts = []
    for arm in ARMS:
        sure = soft.confidence(pool.logits[arm])
        kept, accuracy = calibration.coverage(sure, pool.predicted[arm] == pool.labels)
        places = np.unique(np.linspace(0, len(kept) - 1, CURVE_POINTS).round().astype(int))
        rows = {"model": arm, "kept": kept[places], "accuracy": accuracy[places]}
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def orders(pool: Pool) -> pd.DataFrame:
    """A row a sample: Spearman's correlation of each student's order of the wrong classes with
    the teacher's, in [−1, 1].
    """
    found: dict[str, Any] = {
        arm: soft.rank_agreement(pool.logits["teacher"], pool.logits[arm], pool.labels)
        for arm in STUDENTS
    }
    return pd.DataFrame({"sample": pool.sample, **found})


def soft_targets(pool: Pool, temperature: float) -> dict[ArmName, NDArray[np.float64]]:
    """Each model's mean soft target of each true class, (K, K)."""
    return {
        arm: classes.mean_soft_targets(pool.logits[arm], pool.labels, temperature) for arm in ARMS
    }


def joins(tree: NDArray[np.float64], names: tuple[str, ...]) -> pd.DataFrame:
    """A row for each join of a similarity tree: the two groups' classes, and their distance."""
    groups = [[name] for name in names]
    rows = []
    for one, other, distance, _ in tree:
        left, right = groups[int(one)], groups[int(other)]
        groups.append(left + right)
        rows.append((" ".join(left), " ".join(right), distance))
    return pd.DataFrame(rows, columns=["group", "joins", "distance"])


def gallery(
    pool: Pool, found: Contrast, places: NDArray[np.int64], names: tuple[str, ...]
) -> pd.DataFrame:
    """A row for each of these places: the sample, counted from one, and what each model answers,
    with its confidence at T = 1.
    """
    rows: dict[str, Any] = {
        "sample": pool.sample[places] + 1,
        "seed place": pool.seed[places],
        "true": [names[label] for label in pool.labels[places]],
    }
    for arm in ARMS:
        rows[arm] = [names[label] for label in pool.predicted[arm][places]]
        rows[f"{arm} confidence"] = soft.confidence(pool.logits[arm][places])
    return pd.DataFrame({**rows, "kl": found.kl[places], "entropy": found.entropy[places]})
