"""Networks that learn together and from each other: nobody was trained before.

Zhang, Xiang, Hospedales and Lu, 2018, "Deep Mutual Learning", arXiv:1706.00384.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from kdcore.methods import UNLABELLED
from kdcore.recipe import Recipe
from kdcore.result import Precision
from kdcore.train.loop import Loss, Losses
from kdcore.train.objective import NOBODY, Half, cross_entropy, larger_label, weighed
from kdcore.train.optim import optimizer_for, set_learning_rate
from kdcore.train.precision import answer
from kdcore.train.terms import Outputs, Term
from kdcore.train.views import Batch, Views


def mutual_loss(
    views: Views,
    labels: Tensor,
    labelled: Tensor,
    peers: Sequence[nn.Module],
    terms: Sequence[Term],
    recipe: Recipe,
    precision: Precision = "float32",
) -> Loss:
    """The student's loss against its peers, who take their own step whenever it is asked for.

    All see the same batch; each learns from the labels and, as the mean over the others, from
    their answers at this moment, which are not moved by it. The peers' optimizer is the student's.
    The batch is (labelled, transfer), as in `distillation_loss`; precision: of everybody's passes.
    """
    training = recipe.training
    size = training.batch_size
    visible = torch.where(labelled, labels, torch.tensor(UNLABELLED))
    optimizers = [optimizer_for(peer, training) for peer in peers]
    parts = [(term, nn.Module()) for term in terms]

    def loss(network: nn.Module, batch: Batch, done: float) -> Losses:
        view = views(batch, size)
        seen = larger_label(visible, batch.indices, view)
        outputs = [answer(each.train(), view.inputs, precision) for each in (network, *peers)]
        told = labels[batch.indices[:size]]
        hard = [cross_entropy(each[:size], told, view, training) for each in outputs]

        def of(own: int) -> Losses:
            against = [other for other in range(len(outputs)) if other != own]
            return _mean(
                [
                    weighed(hard[own], _halves(outputs[own], outputs[other]), parts, recipe, done)
                    for other in against
                ]
            )

        def _halves(one: Tensor, other: Tensor) -> tuple[Half, Half]:
            told, asked = slice(None, size), slice(-size, None)
            return (
                Half(Outputs(one[told], {}), NOBODY, batch.indices[told], seen[told]),
                Half(
                    Outputs(one[asked], {}),
                    Outputs(other[asked].detach(), {}),
                    batch.indices[asked],
                    seen[asked],
                ),
            )

        step = 1 + round(done * (training.steps - 1))
        for number, optimizer in enumerate(optimizers, start=1):
            set_learning_rate(optimizer, training, step)
            optimizer.zero_grad()
            reduce(add, of(number).weighted.values()).backward()
        mine = of(0)
        for optimizer in optimizers:
            optimizer.step()
        return mine

    return loss


def _mean(losses: Sequence[Losses]) -> Losses:
    def over(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.stack([part[name] for part in parts]).mean() for name in parts[0]}

    return Losses(over([each.weighted for each in losses]), over([each.shown for each in losses]))
