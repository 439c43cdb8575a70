"""The one place where the whole loss is written: hard_weight · CE + soft_weight · Σ terms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.methods import UNLABELLED, Method, Signals, Terms
from kdcore.recipe import Recipe
from kdcore.tasks import Split
from kdcore.train.loop import Loss
from kdcore.train.teacher import Answers


def hard_loss(train: Split) -> Loss:
    """Mean cross-entropy with the labels, on raw logits: the teacher's and the control's loss."""

    def loss(network: nn.Module, indices: Tensor) -> tuple[Tensor, Terms]:
        hard = F.cross_entropy(network(train.inputs[indices]), train.labels[indices])
        return hard, {"hard": hard}

    return loss


def distillation_loss(
    train: Split, labelled: Tensor, answers: Answers, method: Method, recipe: Recipe
) -> Loss:
    """Cross-entropy on the labelled half of the step's indices, the method's terms on the other.

    The step's indices are (labelled batch, transfer batch), one after the other, so that the
    labelled batch is the very one the control sees; or, where both are the same batch, it alone.
    labelled: (N,) bool, the samples whose label the student may see.
    """
    options = method.settle(recipe.method.options, recipe.temperature)
    size = recipe.training.batch_size
    visible = torch.where(labelled, train.labels, torch.tensor(UNLABELLED))

    def loss(network: nn.Module, indices: Tensor) -> tuple[Tensor, Terms]:
        outputs = network(train.inputs[indices])
        transfer = indices[-size:]
        hard = F.cross_entropy(outputs[:size], train.labels[indices[:size]])
        terms = method.function(
            Signals(outputs[-size:], transfer),
            Signals(answers(transfer), transfer),
            visible[transfer],
            **options,
        )
        total = recipe.hard_weight * hard
        for value in terms.values():
            total = total + recipe.soft_weight * value
        return total, {"hard": hard, **terms}

    return loss
