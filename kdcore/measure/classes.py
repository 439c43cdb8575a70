"""What models make of each class: soft targets, likeness, confusion, accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdcore.measure.soft import softmax

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def mean_soft_targets(
    logits: NDArray[Any], labels: NDArray[np.int64], temperature: float
) -> NDArray[np.float64]:
    """Mean of softmax(z / T) over the samples of each true class, (K, K); a row sums to 1.

    logits: (N, K), raw; labels: (N,). NaN in the row of a class without samples. What stands
    beside the diagonal is what Hinton calls dark knowledge: Hinton et al., 2015, arXiv:1503.02531.
    """
    answers = softmax(logits, temperature)
    classes = logits.shape[1]
    member = (labels[:, None] == np.arange(classes)[None]).astype(np.float64)
    counts = member.sum(0)[:, None]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(counts > 0, member.T @ answers / counts, np.nan))


def similarity_tree(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Classes joined by how alike their mean soft targets are: scipy's linkage, (K − 1, 4).

    targets: (K, K), rows that sum to 1. The distance of two classes is the Jensen-Shannon
    distance of their rows, √nats, from 0 to √log 2; groups join at their members' mean distance.
    Sources: Endres and Schindelin, 2003, "A New Metric for Probability Distributions"; Sokal and
    Michener, 1958 (average linkage).
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return np.asarray(linkage(squareform(_distances(targets), checks=False), method="average"))


def confusion(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """How many samples of each true class (row) were called which class (column), (K, K)."""
    found = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return np.asarray(found.reshape(classes, classes))


def recall(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each class's accuracy, (K,): the share of its samples on the diagonal; NaN without any."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diagonal(counts) / counts.sum(1))


def _distances(targets: Array) -> Array:
    """Jensen-Shannon distance of each two rows, (K, K); as far as can be where a row is empty."""
    half_logs = _x_log_x(targets).sum(1)
    middle = _x_log_x((targets[:, None] + targets[None]) / 2).sum(2)
    squared = (half_logs[:, None] + half_logs[None]) / 2 - middle
    squared = np.where(np.isnan(squared), np.log(2), squared)
    np.fill_diagonal(squared, 0)
    return np.asarray(np.sqrt(np.clip(squared, 0, None)))


def _x_log_x(values: Array) -> Array:
    return np.asarray(values * np.log(np.where(values > 0, values, 1)))
