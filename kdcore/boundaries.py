"""Where networks of a plane's points draw their boundaries, now and at moments of training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from kdcore.insides import Boundaries
from kdcore.measure.size import macs
from kdcore.result import ArmName
from kdcore.tasks import Data, Split
from kdcore.train.loop import logits, share_correct

GRID = 56
"""Points of the plane a side."""

MOMENTS = 14
FEWEST = 4
"""Moments of training that are drawn, where so many were kept."""

WORK = 1_500_000_000
"""Multiply-accumulates that they may take in all."""

WEIGHTS = 100_000
"""Of a network, at most, for its weights to be kept at each report."""

Snapshot = tuple[int, dict[str, Tensor]]
"""A step, and the weights after it."""


def snapshot(step: int, network: nn.Module) -> Snapshot:
    """The weights as they are now."""
    return step, {name: value.detach().clone() for name, value in network.state_dict().items()}


def boundaries(
    networks: Mapping[ArmName, nn.Module],
    snapshots: Mapping[ArmName, Sequence[Snapshot]],
    data: Data,
    test: Split,
) -> Boundaries:
    """What each network answers on a grid over the test points, and a tenth beyond them.

    snapshots: of the students, in order of steps, the last one after the last step. Of a student
    that stopped early its last weights stand for the moments after that. test: normalised. The
    networks are left as they are.
    """
    low, high = data.test.inputs.amin(0), data.test.inputs.amax(0)
    low, high = low - 0.1 * (high - low), high + 0.1 * (high - low)
    across, up = (torch.linspace(float(low[i]), float(high[i]), GRID) for i in (0, 1))
    points = data.normalise(torch.cartesian_prod(up, across).flip(1))
    steps = _moments(snapshots, macs(networks["distilled"], data.input_shape))
    chosen, sure, accuracy = {}, {}, {}
    for arm, network in networks.items():
        told = [
            _answers(each, points, test)
            for each in _through_training(network, snapshots.get(arm, ()), steps)
        ]
        chosen[arm] = np.stack([each[0] for each in told])
        sure[arm] = np.stack([each[1] for each in told])
        accuracy[arm] = np.array([each[2] for each in told], np.float32)
    return Boundaries(low.numpy(), high.numpy(), np.array(steps), chosen, sure, accuracy)


def _moments(snapshots: Mapping[ArmName, Sequence[Snapshot]], each: int) -> list[int]:
    """Steps to be drawn: the first, the last, and evenly between as many as the work allows."""
    known = sorted({step for kept in snapshots.values() for step, _ in kept})
    allowed = WORK // max(1, each * GRID * GRID * len(snapshots))
    count = min(len(known), max(FEWEST, min(MOMENTS, allowed)))
    return [known[round(i * (len(known) - 1) / max(1, count - 1))] for i in range(count)]


def _through_training(
    network: nn.Module, kept: Sequence[Snapshot], steps: Sequence[int]
) -> Iterator[nn.Module]:
    """A copy of the network as it was at these steps; the network itself where nothing is kept."""
    if not kept:
        yield network
        return
    then = copy.deepcopy(network)
    for now in steps:
        then.load_state_dict(next(weights for step, weights in reversed(kept) if step <= now))
        yield then


def _answers(
    network: nn.Module, points: Tensor, test: Split
) -> tuple[np.ndarray, np.ndarray, float]:
    """Of each point of the grid, the likeliest class and its probability, (GRID, GRID) each; and
    the accuracy on the test split.
    """
    both = torch.cat([points, test.inputs])
    outputs = logits(network, both, batch_size=len(both))
    sure, chosen = torch.softmax(outputs[: len(points)], 1).max(1)
    return (
        chosen.numpy().astype(np.uint16).reshape(GRID, GRID),
        sure.numpy().reshape(GRID, GRID),
        share_correct(outputs[len(points) :], test.labels),
    )
