"""The one place where the whole loss is written: hard_weight · CE + soft_weight · Σ terms.

A method without terms leaves the cross-entropy alone, whatever the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.methods import UNLABELLED, Method, Signals, Terms
from kdcore.recipe import Recipe, Training
from kdcore.train.loop import Loss
from kdcore.train.teacher import Answers
from kdcore.train.views import Batch, View, Views


def hard_loss(views: Views, labels: Tensor, training: Training) -> Loss:
    """Mean cross-entropy with the labels, on raw logits: the teacher's and the control's loss.

    labels: (N,) int64, of all samples in the pool that `views` shows.
    """

    def loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Terms]:
        view = views(batch, training.batch_size)
        hard = cross_entropy(network(view.inputs), labels[batch.indices], view, training)
        return hard, {"hard": hard}

    return loss


def distillation_loss(
    views: Views,
    labels: Tensor,
    labelled: Tensor,
    answers: Answers,
    method: Method,
    recipe: Recipe,
) -> Loss:
    """Cross-entropy on the labelled half of the step's batch, the method's terms on the other.

    The batch is (labelled, transfer), one after the other, so that the labelled half is the very
    one the control sees; or, where both are the same, it alone. labels: (N,) int64; labelled:
    (N,) bool, the samples whose label the student may see.
    """
    options = method.settle(recipe.method.options, recipe.temperature)
    training = recipe.training
    size = training.batch_size
    visible = torch.where(labelled, labels, torch.tensor(UNLABELLED))

    def loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Terms]:
        view = views(batch, size)
        outputs = network(view.inputs)
        hard = cross_entropy(outputs[:size], labels[batch.indices[:size]], view, training)
        transfer = batch.indices[-size:]
        terms = method.function(
            Signals(outputs[-size:], transfer),
            Signals(answers(transfer, view.inputs[-size:]), transfer),
            visible[transfer],
            **options,
        )
        if not terms:  # nothing to weigh the labels against: this is the control itself
            return hard, {"hard": hard}
        total = recipe.hard_weight * hard
        for value in terms.values():
            total = total + recipe.soft_weight * value
        return total, {"hard": hard, **terms}

    return loss


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
