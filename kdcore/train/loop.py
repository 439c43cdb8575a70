"""One network, trained step by step; whoever iterates decides when to look, stop or interleave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kdcore.methods import Terms
from kdcore.recipe import Training
from kdcore.tasks import Split

REPORTS = 40
"""Points on a live curve: enough to see its shape, few enough to cost nothing."""

Loss = Callable[[nn.Module, Tensor], tuple[Tensor, Terms]]
"""(network, step's sample indices) to (weighted total to minimise, unweighted terms to show)."""


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

    def offer(self, accuracy: float, network: nn.Module) -> None:
        """Keep a copy of the network's weights if they beat all before them."""
        if accuracy > self.accuracy:
            self.accuracy = accuracy
            self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}


def train(
    network: nn.Module,
    batches: Iterable[Tensor],
    loss: Loss,
    training: Training,
    validation: Split,
    best: Best | None = None,
) -> Iterator[Report | None]:
    """Train with Adam, yielding after every step: some 40 times, and at last, a report.

    batches: index tensors (B,), at least `training.steps` of them; validation: images already
    normalised. The network is left in eval mode at each report and trains on when resumed.
    """
    # fused: one kernel for all weights; an MLP step is bound by dispatch, not arithmetic
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate, fused=True)
    every = max(1, training.steps // REPORTS)
    sums: dict[str, Tensor] = {}
    since = 0
    network.train()
    for step, indices in zip(range(1, training.steps + 1), batches, strict=False):
        optimizer.zero_grad()
        total, terms = loss(network, indices)
        total.backward()
        optimizer.step()
        since += 1
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + value.detach()
        if step % every and step != training.steps:
            yield None
        else:
            metrics = {name: value.item() / since for name, value in sums.items()}
            metrics["accuracy"] = accuracy(network, validation)
            if best is not None:
                best.offer(metrics["accuracy"], network)
            yield Report(step, metrics)
            sums, since = {}, 0
            network.train()


@torch.inference_mode()
def logits(network: nn.Module, images: Tensor, batch_size: int = 4096) -> Tensor:
    """Raw outputs (N, C) in eval mode, of normalised images (N, C, H, W)."""
    network.eval()
    return torch.cat([network(part) for part in images.split(batch_size)])


def accuracy(network: nn.Module, split: Split) -> float:
    """Share of a split's (normalised) images whose highest logit is the label's, in [0, 1]."""
    return share_correct(logits(network, split.inputs), split.labels)


def share_correct(outputs: Tensor, labels: Tensor) -> float:
    """Share of samples whose highest logit is the label's. outputs (N, C), labels (N,)."""
    return (outputs.argmax(1) == labels).double().mean().item()


def epochs(pool: Tensor, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches of indices without end: each pass over `pool` (N,) is a new seeded permutation.

    Batches keep their size: one may end a pass and begin the next, so that a pool smaller than
    a batch still fills it.
    """
    generator = torch.Generator().manual_seed(seed)
    waiting = pool[:0]
    while True:
        while len(waiting) < batch_size:
            order = torch.randperm(len(pool), generator=generator)
            waiting = torch.cat([waiting, pool[order]])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]
