"""The one place where the whole loss is written: hard_weight · CE + soft_weight · Σ terms.

A method without terms leaves the cross-entropy alone, whatever the weights.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore import schedule
from kdcore.methods import UNLABELLED, Terms
from kdcore.recipe import Recipe, Training
from kdcore.result import Precision
from kdcore.train.loop import Loss, Losses
from kdcore.train.precision import answer
from kdcore.train.teacher import Answers
from kdcore.train.terms import Outputs, Term, hard_weight, observed, paths
from kdcore.train.views import Batch, View, Views

HARD = "hard"
"""The name of the labels' own term."""


def hard_loss(
    views: Views, labels: Tensor, training: Training, precision: Precision = "float32"
) -> Loss:
    """Mean cross-entropy with the labels, on raw logits: the teacher's and the control's loss.

    labels: (N,) int64, of all samples in the pool that `views` shows; precision: of the network's
    own pass.
    """

    def loss(network: nn.Module, batch: Batch, done: float) -> Losses:
        view = views(batch, training.batch_size)
        logits = answer(network, view.inputs, precision)
        hard = cross_entropy(logits, labels[batch.indices], view, training)
        return Losses({HARD: hard}, {HARD: hard})

    return loss


class Half(NamedTuple):
    """What terms see of a step: the student's pass and the teacher's, the samples' indices (B,),
    and their labels (B,), UNLABELLED where they are hidden.
    """

    student: Outputs
    teacher: Outputs
    indices: Tensor
    labels: Tensor


def distillation_loss(
    views: Views,
    labels: Tensor,
    labelled: Tensor,
    answers: Answers,
    terms: Sequence[Term],
    recipe: Recipe,
    adapters: Sequence[nn.Module] | None = None,
    precision: Precision = "float32",
) -> Loss:
    """Cross-entropy on the labelled half of the step's batch, the methods' terms on the other.

    The batch is (labelled, transfer), one after the other, so that the labelled half is the very
    one the control sees; or, where both are the same, it alone. labels: (N,) int64; labelled:
    (N,) bool, the samples whose label the student may see; adapters: one for each term; precision:
    of the student's own pass.
    """
    training = recipe.training
    size = training.batch_size
    visible = torch.where(labelled, labels, torch.tensor(UNLABELLED))
    watched = paths(terms, side=0)
    parts = list(zip(terms, adapters or [nn.Module()] * len(terms), strict=True))

    def loss(network: nn.Module, batch: Batch, done: float) -> Losses:
        view = views(batch, size)
        outputs = observed(network, view.inputs, watched, precision)
        hard = cross_entropy(outputs.logits[:size], labels[batch.indices[:size]], view, training)
        transfer = batch.indices[-size:]
        seen = larger_label(visible, batch.indices, view)
        told = Half(Outputs(outputs.logits[:size], {}), NOBODY, batch.indices[:size], seen[:size])
        half = Half(
            Outputs(outputs.logits[-size:], {k: v[-size:] for k, v in outputs.features.items()}),
            answers(transfer, view.inputs[-size:]),
            transfer,
            seen[-size:],
        )
        return weighed(hard, (told, half), parts, recipe, done)

    return loss


NOBODY = Outputs(torch.empty(0, 0), {})
"""The teacher's pass where nobody is asked."""


def larger_label(visible: Tensor, indices: Tensor, view: View) -> Tensor:
    """The label (B,) of each sample's larger part, where samples were mixed; else its own.

    visible: labels of the whole pool (N,), UNLABELLED where hidden; indices: the batch's (B,).
    """
    own = visible[indices]
    if view.partners is None or view.shares is None:
        return own
    return torch.where(view.shares < 0.5, own[view.partners], own)


def weighed(
    hard: Tensor,
    halves: tuple[Half, Half],
    parts: Sequence[tuple[Term, nn.Module]],
    recipe: Recipe,
    done: float,
) -> Losses:
    """All terms, each with its weight of this moment and, to be shown, without.

    halves: the labelled half of the step's batch, on which methods without a teacher work, and the
    one that the teacher answers for; parts: terms and their adapters, the recipe's own method
    first; done: share of the steps over.
    """
    shown: Terms = {HARD: hard}
    weighted: Terms = {}
    weights = weights_at([term for term, _ in parts], recipe, done)
    for (term, adapter), weight in zip(parts, weights[1:], strict=True):
        half = halves[half_of(term)]
        signals = (
            term.signals(half.student, half.indices, side=0),
            term.signals(half.teacher, half.indices, side=1),
        )
        moved = at_temperature(term, recipe, done)
        for name, value in moved(signals, half.labels, adapter, done).items():
            name = name_in(shown, term, name)
            shown[name] = value
            weighted[name] = weight * value
    if not weighted:  # nothing to weigh the labels against: this is the control itself
        return Losses({HARD: hard}, shown)
    return Losses({HARD: weights[0] * hard, **weighted}, shown)


def name_in(taken: Collection[str], term: Term, name: str) -> str:
    """What a term's part is called beside others: with its method where the name is taken."""
    return name if name not in taken else f"{term.method.name} {name}"


def half_of(term: Term) -> int:
    """On which half of a step's batch a term works: 0 the labelled, 1 what the teacher answers."""
    return 0 if term.method.needs.group == "labels" else 1


def weights_at(terms: Sequence[Term], recipe: Recipe, done: float) -> list[float]:
    """The labels' weight and then each term's, where a share `done` of the steps is over."""
    pairs = [_weights(term, recipe, done) for term in terms]
    hard = schedule.at(hard_weight(recipe), recipe.hard_schedule, done)
    return [hard * prod(factor for factor, _ in pairs), *(weight for _, weight in pairs)]


def _weights(term: Term, recipe: Recipe, done: float) -> tuple[float, float]:
    """The factor that a term puts on the labels' weight, and its own weight, of this moment."""
    weight = term.weight
    if not term.extra:
        weight = schedule.at(weight, recipe.soft_schedule, done)
    if term.method.pace is None:
        return 1.0, weight
    hard, soft = term.method.pace(done, **term.options)
    return hard, weight * soft


def at_temperature(term: Term, recipe: Recipe, done: float) -> Term:
    """The term at the temperature of this moment."""
    if not term.method.takes_temperature or recipe.temperature_schedule.how == "constant":
        return term
    now = schedule.at(recipe.temperature, recipe.temperature_schedule, done)
    return replace(term, options={**term.options, "temperature": now})


def cross_entropy(outputs: Tensor, labels: Tensor, view: View, training: Training) -> Tensor:
    """Mean over the batch; a mixed sample's two labels count by its shares.

    outputs: (B, C) raw; labels: (B,), the first B of the view's samples.
    """
    smoothing = training.label_smoothing
    if view.partners is None or view.shares is None:
        return F.cross_entropy(outputs, labels, label_smoothing=smoothing)
    count = len(labels)
    shares, others = view.shares[:count], labels[view.partners[:count]]
    own = F.cross_entropy(outputs, labels, label_smoothing=smoothing, reduction="none")
    other = F.cross_entropy(outputs, others, label_smoothing=smoothing, reduction="none")
    return (shares * own + (1 - shares) * other).mean()
