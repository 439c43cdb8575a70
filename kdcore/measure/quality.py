"""What one model's answers are worth on the test split, with intervals; no torch.

Intervals are over test samples: how far the number would move with other samples of the same kind.
How far it moves with another seed is a question to several models: `intervals.over_seeds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdcore.measure import calibration, classes, soft
from kdcore.measure.intervals import RESAMPLES, Interval, bootstrap, of_mean, share

TOP = 5
"""A label counts as found among so many likeliest classes."""

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ByClass:
    """Each class's precision, recall and F1, (K,) in [0, 1], and its test samples, (K,).

    precision: 0 for a class that the model never chose; all NaN for a class without samples.
    """

    samples: Counts
    precision: Array
    recall: Array
    f1: Array


@dataclass(frozen=True, eq=False)
class Quality:
    """One model on N test samples of K classes.

    accuracy, top5: shares, with Wilson's interval (top5: None where there are but five classes);
    precision, recall, f1: macro, the plain mean over the classes that have samples, with bootstrap
    intervals; loss: mean cross-entropy in nats, with the normal interval; error: the expected
    calibration error, in [0, 1]. It has no interval: resampled answers are always worse calibrated.
    """

    samples: int
    accuracy: Interval
    top5: Interval | None
    precision: Interval
    recall: Interval
    f1: Interval
    loss: Interval
    error: float
    reliability: calibration.Reliability
    by_class: ByClass


def quality(logits: NDArray[Any], labels: Counts) -> Quality:
    """Judge a model by its answers: logits (N, K), raw; labels (N,). N ≥ 1."""
    count, width = logits.shape
    chosen = logits.argmax(1)
    right = chosen == labels
    table = classes.confusion(chosen, labels, width)
    bins = calibration.reliability(soft.confidence(logits), right)
    surprise = -np.take_along_axis(soft.log_softmax(logits), labels[:, None], axis=1)[:, 0]
    precision, recall, f1 = _macro(table)
    return Quality(
        samples=count,
        accuracy=share(int(right.sum()), count),
        top5=share(_among_first(logits, labels), count) if width > TOP else None,
        precision=precision,
        recall=recall,
        f1=f1,
        loss=of_mean(surprise),
        error=bins.error,
        reliability=bins,
        by_class=by_class(table),
    )


def by_class(table: Counts) -> ByClass:
    """Each class's figures off the counts of true class (row) by answer (column), (K, K).

    Source: van Rijsbergen, 1979, "Information Retrieval", chapter 7 (F at equal weights).
    """
    samples, found, hits = table.sum(1), table.sum(0), np.diagonal(table)
    precision, recall, f1 = _rates(hits, samples, found)
    seen = samples > 0
    blank = np.where(seen, 0.0, np.nan)
    return ByClass(samples, precision + blank, recall + blank, f1 + blank)


def agreement(one: NDArray[Any], other: NDArray[Any]) -> Interval:
    """Share of samples on which two models choose the same class, with Wilson's interval.

    Both (N, K), same order of samples. It says how alike two models are, of whatever accuracy.
    Source: Stanton et al., 2021, "Does Knowledge Distillation Really Work?", arXiv:2106.05945.
    """
    if one.shape != other.shape:
        raise ValueError(f"answers of shape {one.shape} and {other.shape} are not of one test set")
    return share(int((one.argmax(1) == other.argmax(1)).sum()), len(one))


def _among_first(logits: NDArray[Any], labels: Counts) -> int:
    true = np.take_along_axis(logits, labels[:, None], axis=1)
    return int(((logits > true).sum(1) < TOP).sum())


def _rates(hits: NDArray[Any], samples: NDArray[Any], found: NDArray[Any]) -> tuple[Array, ...]:
    """Precision, recall and F1 where of so many samples, so many were found, so many rightly."""
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(found > 0, hits / found, 0.0)
        recall = np.where(samples > 0, hits / samples, 0.0)
        f1 = np.where(samples + found > 0, 2 * hits / (samples + found), 0.0)
    return precision, recall, f1


def _macro(table: Counts) -> tuple[Interval, Interval, Interval]:
    """Macro precision, recall and F1 with bootstrap intervals.

    To draw N samples with replacement is to draw the counts of the cells, from a multinomial.
    """
    true, answer = np.nonzero(table)
    counts = table[true, answer]
    total, width = int(counts.sum()), len(table)
    drawn = np.random.default_rng(0).multinomial(total, counts / total, RESAMPLES)
    by_true, by_answer = np.eye(width)[true], np.eye(width)[answer]  # (cells, K)
    hits = drawn @ (by_true * (true == answer)[:, None])
    there = drawn @ by_true
    resampled = _rates(hits, there, drawn @ by_answer)
    exact = _rates(np.diagonal(table), table.sum(1), table.sum(0))
    seen = table.sum(1) > 0
    # of a class that was not drawn nothing is known: it is left out, as one without samples is
    weights = (there > 0)[:, seen]
    precision, recall, f1 = (
        bootstrap(float(one[seen].mean()), np.average(many[:, seen], axis=1, weights=weights))
        for one, many in zip(exact, resampled, strict=True)
    )
    return precision, recall, f1
