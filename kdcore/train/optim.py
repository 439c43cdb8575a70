"""Optimizers, and how the learning rate moves over the steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from kdcore.recipe import Training

MOMENTUM = 0.9
BETAS = (0.9, 0.999)
EPSILON = 1e-8
"""Of Adam and AdamW; torch's defaults, and their papers'."""


def optimizer_for(
    network: nn.Module, training: Training, adapters: nn.Module | None = None
) -> torch.optim.Optimizer:
    """Adam, AdamW, or SGD with Nesterov's momentum of 0.9, over all weights, the adapters' too."""
    # fused: one kernel for all weights; an MLP step is bound by dispatch, not arithmetic
    common: dict[str, Any] = {
        "lr": training.learning_rate,
        "weight_decay": training.weight_decay,
        "fused": True,
    }
    weights = [*network.parameters(), *(adapters.parameters() if adapters else ())]
    match training.optimizer:
        case "adam":
            return torch.optim.Adam(weights, **common)
        case "adamw":
            return torch.optim.AdamW(weights, **common)
        case "sgd":
            return torch.optim.SGD(weights, momentum=MOMENTUM, nesterov=True, **common)


def set_learning_rate(optimizer: torch.optim.Optimizer, training: Training, step: int) -> None:
    """Let the optimizer's next step, counted from 1, be of the rate that the schedule says."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(training, step)


def learning_rate(training: Training, step: int) -> float:
    """The rate at a step, counted from 1.

    It rises linearly over the warm-up, then stays, falls along half a cosine to 0, or falls to a
    tenth at half of the steps and again at three quarters, as in He et al., 2015,
    arXiv:1512.03385.
    """
    rate = training.learning_rate
    if step <= training.warm_up:
        return rate * step / training.warm_up
    done = (step - 1) / training.steps
    match training.schedule:
        case "cosine":
            after = (step - 1 - training.warm_up) / max(1, training.steps - training.warm_up)
            return rate * (1 + math.cos(math.pi * after)) / 2
        case "step":
            return rate * 0.1 ** ((done >= 0.5) + (done >= 0.75))
        case _:
            return rate


class FlatOptimizer:
    """The same optimizers over one flat tensor of weights, which parts may share at own rates.

    rate, decay: a number, or one for each weight (P,). Written out, as torch's own take one rate
    for a tensor, and more time for their bookkeeping than small networks take for their step.
    """

    def __init__(
        self,
        kind: str,
        values: Tensor,
        slopes: Tensor,
        rate: float | Tensor,
        decay: float | Tensor,
    ) -> None:
        self.kind, self.values, self.slopes, self.rate, self.decay = (
            *(kind, values, slopes),
            *(rate, decay),
        )
        self.decays = isinstance(decay, Tensor) or decay != 0
        self.momentum = torch.zeros_like(values)
        self.squares = torch.zeros_like(values) if kind != "sgd" else self.momentum
        self.steps = 0

    def step(self, factor: float) -> None:
        """One step, at this factor of the rates."""
        self.steps += 1
        if self.decays and self.kind == "adamw":
            self.values.mul_(1 - factor * self.rate * self.decay)
        elif self.decays:
            self.slopes.add_(self.decay * self.values)
        if self.kind == "sgd":
            self.momentum.mul_(MOMENTUM).add_(self.slopes)
            self._move(self.slopes.add_(self.momentum, alpha=MOMENTUM), factor)
        else:
            self._adam(factor)

    def _adam(self, factor: float) -> None:
        """Kingma and Ba, 2014, arXiv:1412.6980, in the order of its section 2's last lines."""
        first, second = 1 - BETAS[0] ** self.steps, math.sqrt(1 - BETAS[1] ** self.steps)
        self.momentum.lerp_(self.slopes, 1 - BETAS[0])
        self.squares.mul_(BETAS[1]).addcmul_(self.slopes, self.slopes, value=1 - BETAS[1])
        spread = self.squares.sqrt().add_(EPSILON * second)
        if isinstance(self.rate, Tensor):
            self._move(self.momentum / spread, factor * second / first)
        else:
            size = factor * self.rate * second / first
            self.values.addcdiv_(self.momentum, spread, value=-size)

    def _move(self, direction: Tensor, factor: float) -> None:
        if isinstance(self.rate, Tensor):
            self.values.addcmul_(direction, self.rate, value=-factor)
        else:
            self.values.sub_(direction, alpha=factor * self.rate)
