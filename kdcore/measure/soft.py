"""What a softened answer says: its entropy, its distance, the loss it makes, what it teaches.

Logits are raw, (..., K), any number of samples before the classes; T > 0; results are in nats, of
the logits' own precision: float32 halves the time that ten thousand samples take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Loss:
    """hard · CE + soft · T² · KL of each sample: both terms without their weights, (...)."""

    cross_entropy: Array
    soft: Array
    total: Array


@dataclass(frozen=True, eq=False)
class Gradient:
    """The weighted loss by the student's logits, part by part, (..., K); each sums to 0."""

    hard: Array
    soft: Array

    @property
    def total(self) -> Array:
        """By the whole loss."""
        return self.hard + self.soft


def log_softmax(logits: NDArray[Any], temperature: float = 1.0) -> Array:
    """log softmax(z / T) over the last axis, safe for large logits."""
    scaled = (logits - logits.max(-1, keepdims=True)) / temperature
    scaled -= np.log(np.exp(scaled).sum(-1, keepdims=True))
    return np.asarray(scaled)


def softmax(logits: NDArray[Any], temperature: float = 1.0) -> Array:
    """softmax(z / T): soft targets. Source: Hinton et al., 2015, arXiv:1503.02531."""
    return np.asarray(np.exp(log_softmax(logits, temperature)))


def confidence(logits: NDArray[Any], temperature: float = 1.0) -> Array:
    """The largest of softmax(z / T), (...): how sure a model is of its answer, in [1/K, 1]."""
    scaled = (logits - logits.max(-1, keepdims=True)) / temperature
    return np.asarray(1 / np.exp(scaled).sum(-1))


def entropy(logits: NDArray[Any], temperature: float = 1.0) -> Array:
    """−Σ p log p of the softened answer, (...), from 0 to log K nats. Source: Shannon, 1948."""
    logs = log_softmax(logits, temperature)
    return np.asarray(-(np.exp(logs) * logs).sum(-1))


def divergence(
    teacher: NDArray[Any], student: NDArray[Any], temperature: float = 1.0
) -> NDArray[np.floating[Any]]:
    """KL(teacher ‖ student) of the softened answers, (...), nats.

    Source: Kullback and Leibler, 1951, "On Information and Sufficiency".
    """
    theirs, ours = log_softmax(teacher, temperature), log_softmax(student, temperature)
    return np.asarray((np.exp(theirs) * (theirs - ours)).sum(-1))


def loss(
    teacher: NDArray[Any],
    student: NDArray[Any],
    labels: NDArray[np.int64],
    *,
    temperature: float,
    hard: float,
    soft: float,
) -> Loss:
    """hard · CE(label) + soft · T² · KL(teacher ‖ student), for each sample.

    teacher, student: (N, K); labels: (N,). The labels' term is at T = 1. T² keeps the soft term's
    gradient as large as it was. Source: Hinton et al., 2015, arXiv:1503.02531.
    """
    surprise = -np.take_along_axis(log_softmax(student), labels[:, None], axis=1)[:, 0]
    distance = temperature**2 * divergence(teacher, student, temperature)
    return Loss(surprise, distance, hard * surprise + soft * distance)


def gradient(
    teacher: NDArray[Any],
    student: NDArray[Any],
    labels: NDArray[np.int64],
    *,
    temperature: float,
    hard: float,
    soft: float,
) -> Gradient:
    """What `loss` pulls each logit by; a step of training goes against it.

    teacher, student: (N, K); labels: (N,). Returns hard · (softmax(z) − one-hot) and
    soft · T · (softmax(z / T) − teacher's), for T² meets the 1/T of the chain rule.
    Source: Hinton et al., 2015, arXiv:1503.02531, section 2.1.
    """
    one_hot = np.eye(student.shape[-1])[labels]
    by_teacher = softmax(student, temperature) - softmax(teacher, temperature)
    return Gradient(hard * (softmax(student) - one_hot), soft * temperature * by_teacher)


def rank_agreement(
    teacher: NDArray[Any], student: NDArray[Any], labels: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Spearman's correlation of two models' order of the wrong classes, (N,), from −1 to 1.

    teacher, student: (N, K), K ≥ 3; labels: (N,), the class that is left out. Logits
    hardly have ties; theirs are ranked as it comes. No temperature changes it.
    Source: Spearman, 1904, "The Proof and Measurement of Association between Two Things".
    """
    count = teacher.shape[-1] - 1
    if count < 2:
        return np.full(len(labels), np.nan)  # one wrong class has no order
    apart = _ranks(teacher, labels) - _ranks(student, labels)
    return np.asarray(1 - 6 * (apart**2).sum(1) / (count * (count**2 - 1)))


def _ranks(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
    """Ranks 0 to K−2 of the wrong classes, (N, K−1)."""
    samples, classes = logits.shape
    wrong = np.arange(classes)[None] != labels[:, None]
    left = logits[wrong].reshape(samples, classes - 1)
    order = left.argsort(1)
    ranks = np.empty(left.shape)
    np.put_along_axis(ranks, order, np.arange(classes - 1.0)[None], axis=1)
    return ranks
