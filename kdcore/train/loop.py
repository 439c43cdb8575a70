"""One network, trained step by step; whoever iterates decides when to look, stop or interleave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import NamedTuple
from zlib import crc32

import torch
from torch import Tensor, nn

from kdcore.methods import Terms
from kdcore.recipe import Training
from kdcore.result import SHARE
from kdcore.seeds import seeded
from kdcore.tasks import Split
from kdcore.train.optim import optimizer_for, set_learning_rate
from kdcore.train.precision import answer
from kdcore.train.views import Batch

REPORTS = 40
"""Points on a live curve: enough to see its shape, few enough to cost nothing."""

APART = 4
"""Steps between two of them at least: reading the validation samples costs as much as several."""


class Losses(NamedTuple):
    """Terms by name, scalars: as they add up to what is minimised, and unweighted, to be shown."""

    weighted: Terms
    shown: Terms


Loss = Callable[[nn.Module, Batch, float], Losses]
"""(network, step's samples, share of the steps over) to the loss's terms."""


@dataclass(frozen=True)
class Report:
    """State after a step: mean of each term since the last report, and validation accuracy."""

    step: int
    metrics: dict[str, float]


@dataclass
class Best:
    """The weights that did best on the validation split so far; the first of equals is kept."""

    accuracy: float = -1.0
    weights: dict[str, Tensor] | None = None

    def offer(self, accuracy: float, network: nn.Module) -> bool:
        """Keep a copy of the network's weights if they beat all before them; says whether."""
        if accuracy <= self.accuracy:
            return False
        self.accuracy = accuracy
        self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}
        return True


def train(
    network: nn.Module,
    batches: Iterable[Batch],
    loss: Loss,
    training: Training,
    validation: Split,
    seed: int,
    best: Best | None = None,
    adapters: nn.Module | None = None,
) -> Iterator[Report | None]:
    """Train step by step, yielding after each: at most some 40 times, and at last, a report.

    batches: at least `training.steps` of them; validation: inputs already normalised. It ends
    early where the recipe has patience and validation has stopped improving. The network is left
    in eval mode at each report and trains on when resumed.

    seed: of what layers draw by themselves, such as dropout. Networks may be trained in turns, and
    two that differ in their loss alone drop the same units of the same samples.
    adapters: what the loss learns beside the network, trained along.
    """
    optimizer = optimizer_for(network, training, adapters)
    every = period(training)
    best = best or Best()
    sums: dict[str, Tensor] = {}
    since = stale = 0
    network.train()
    for step, batch in zip(range(1, training.steps + 1), batches, strict=False):
        set_learning_rate(optimizer, training, step)
        optimizer.zero_grad()
        reporting = step % every == 0 or step == training.steps
        with drawing(seed, step):
            losses = loss(network, batch, (step - 1) / max(1, training.steps - 1))
        if reporting:
            shares = backward(losses.weighted, network, adapters)
        else:
            reduce(add, losses.weighted.values()).backward()
        optimizer.step()
        since += 1
        for name, value in losses.shown.items():
            sums[name] = sums.get(name, 0) + value.detach()
        if not reporting:
            yield None
            continue
        metrics = {name: value.item() / since for name, value in sums.items()} | shares
        metrics["accuracy"] = accuracy(network, validation)
        stale = 0 if best.offer(metrics["accuracy"], network) else stale + 1
        yield Report(step, metrics)
        if training.patience and stale >= training.patience:
            return
        sums, since = {}, 0
        network.train()


def period(training: Training) -> int:
    """Steps from one report to the next."""
    return max(APART, training.steps // REPORTS)


def backward(weighted: Terms, network: nn.Module, adapters: nn.Module | None) -> dict[str, float]:
    """The gradients of the whole loss, and each term's share of the pull on the network's weights:
    its gradient's length over the sum of all lengths, under SHARE and the term's name.

    Nothing is told of one term alone. Gradients are taken term by term and added up, so that the
    shares cost one pass less than taking both apart.
    """
    if len(weighted) < 2:
        reduce(add, weighted.values()).backward()
        return {}
    own = [weight for weight in network.parameters() if weight.requires_grad]
    beside = list(adapters.parameters()) if adapters else []
    lengths = {}
    for name, value in weighted.items():
        pulls: tuple[Tensor | None, ...] = ()
        if value.requires_grad:
            pulls = torch.autograd.grad(
                value, [*own, *beside], retain_graph=True, allow_unused=True
            )
        squares = [pull.square().sum() for pull in pulls[: len(own)] if pull is not None]
        lengths[name] = torch.stack(squares).sum().sqrt().item() if squares else 0.0
        for weight, pull in zip([*own, *beside], pulls, strict=False):
            if pull is not None:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                weight.grad.add_(pull)
    total = sum(lengths.values())
    return {SHARE + name: each / total if total else 0.0 for name, each in lengths.items()}


def drawing(seed: int, step: int) -> AbstractContextManager[None]:
    """Let layers draw by this seed and step, and leave torch's own generator as it was."""
    # of a seed, torch's generator on the CPU uses 32 bits
    return seeded(crc32(f"{seed} {step}".encode()))


@torch.inference_mode()
def logits(network: nn.Module, inputs: Tensor, batch_size: int = 256) -> Tensor:
    """Raw outputs (N, C) in eval mode, of normalised inputs (N, ...).

    batch_size: of a large network, the feature maps of 1,024 pictures would fill a laptop's memory.
    """
    network.eval()
    return torch.cat([answer(network, part) for part in inputs.split(batch_size)])


def accuracy(network: nn.Module, split: Split) -> float:
    """Share of a split's (normalised) inputs whose highest logit is the label's, in [0, 1]."""
    return share_correct(logits(network, split.inputs), split.labels)


def share_correct(outputs: Tensor, labels: Tensor) -> float:
    """Share of samples whose highest logit is the label's. outputs (N, C), labels (N,)."""
    return (outputs.argmax(1) == labels).double().mean().item()
