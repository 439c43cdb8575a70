"""Whether a model is as often right as it is sure: reliability, ECE, temperature, coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

BINS = 10
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True, eq=False)
class Reliability:
    """Samples by how sure the model is of its answer, in bins of equal width over [0, 1], (B,).

    confidence, accuracy: means in [0, 1], NaN in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """Expected calibration error, in [0, 1]: |accuracy − confidence|, weighted by count.

        Source: Naeini et al., 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
        Binning"; Guo et al., 2017, arXiv:1706.04599.
        """
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((gaps * self.counts).sum() / max(1, self.counts.sum()))


def reliability(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = BINS
) -> Reliability:
    """Bin samples by confidence, (N,) in [0, 1], with whether each answer is right, (N,).

    Source: Niculescu-Mizil and Caruana, 2005, "Predicting Good Probabilities".
    """
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)  # 1.0 is in the last
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(place, weights=confidence, minlength=bins) / counts
        correct = np.bincount(place, weights=right, minlength=bins) / counts
    return Reliability(counts, sure, correct)


def fitted_temperature(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The T at which softmax(z / T) makes the labels likeliest, held to [0.05, 20].

    logits: (N, K), raw; labels: (N,). Fit it on samples other than those it is judged on. The mean
    negative log-likelihood is convex in 1 / T: its slope, mean(E[z] − z_label), has one zero.
    Source: Guo et al., 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
    """
    from scipy.optimize import brentq  # late: half a second to import

    below = logits - logits.max(1, keepdims=True)  # what all classes share cancels out
    true = np.take_along_axis(below, labels[:, None], axis=1).mean(dtype=np.float64)

    def slope(log_temperature: float) -> float:
        powers = np.exp(below / np.float32(np.exp(log_temperature)))
        means = np.einsum("ij,ij->i", powers, below) / powers.sum(1)
        return float(means.mean(dtype=np.float64) - true)

    cold, hot = np.log(COLDEST), np.log(HOTTEST)
    if slope(cold) <= 0:
        return COLDEST
    if slope(hot) >= 0:
        return HOTTEST
    return float(np.exp(brentq(slope, cold, hot, xtol=1e-3)))


def coverage(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy on the surest samples against their share: share kept and accuracy, (N,) each.

    confidence: (N,); right: (N,). The k-th entry is of the k surest samples.
    Source: El-Yaniv and Wiener, 2010, "On the Foundations of Noise-free Selective Classification".
    """
    order = np.argsort(-confidence, kind="stable")
    kept = np.arange(1, len(order) + 1)
    return kept / len(order), np.cumsum(right[order]) / kept
