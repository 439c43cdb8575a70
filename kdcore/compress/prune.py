"""Pruning single weights: the smallest become zero, and stay zero while the rest is trained on.

A file with zeros in it is as large as before, and its network as slow: zeros take as many bytes as
other numbers, until the file is compressed. `channels` makes networks smaller and faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from kdcore.errors import RecipeError

Scope = Literal["network", "layer"]
"""Where the smallest are looked for: among all weights at once, or in each layer by itself."""

Masks = dict[str, Tensor]
"""By a weight's name, which of its numbers stay: bool, of its shape."""


def smallest(network: nn.Module, share: float, scope: Scope = "network") -> Masks:
    """Masks that leave out this share of all weights, those of the least magnitude.

    Weights are those of linear and convolutional layers; biases and norms stay. The count is
    rounded to the nearest number; of equals, those that come first go. What is zero already counts
    as left out. Raises RecipeError where the share is not above 0 and below 1.
    Source: Han, Pool, Tran and Dally, 2015, arXiv:1506.02626.
    """
    check_share(share)
    weights = prunable(network)
    if scope == "layer":
        return {name: _largest([weight], share)[0] for name, weight in weights.items()}
    masks = _largest(list(weights.values()), share)
    return dict(zip(weights, masks, strict=True))


def prunable(network: nn.Module) -> dict[str, Tensor]:
    """The weights of its linear and convolutional layers, by name."""
    return {
        f"{path}.weight" if path else "weight": module.weight
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
    }


def _largest(weights: list[Tensor], share: float) -> list[Tensor]:
    """For each weight, which of its numbers are not among the smallest of them all."""
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    stays = torch.ones(len(sizes), dtype=torch.bool)
    stays[sizes.argsort(stable=True)[: round(share * len(sizes))]] = False
    parts = stays.split([weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


@torch.no_grad()
def zero(network: nn.Module, masks: Masks) -> None:
    """Set what the masks leave out to zero, in place.

    Nothing but the weights holds it: no mask is kept in the network, and its file does not grow.
    """
    weights = dict(network.named_parameters())
    for name, stays in masks.items():
        weights[name].mul_(stays)


@contextmanager
def kept_zero(network: nn.Module, masks: Masks) -> Iterator[None]:
    """Within, whatever trains the network moves no weight that the masks leave out.

    Their gradients are zero from the first step on, so that momentum is too, and weight decay
    takes a share of nothing; for an optimizer that starts within.
    """
    weights = dict(network.named_parameters())
    with ExitStack() as hooks:
        for name, stays in masks.items():
            hooks.enter_context(_without(weights[name], stays))
        yield


@contextmanager
def _without(weight: Tensor, stays: Tensor) -> Iterator[None]:
    hook = weight.register_hook(lambda slope: slope * stays)
    try:
        yield
    finally:
        hook.remove()


def rewind(network: nn.Module, first: Mapping[str, Tensor], masks: Masks) -> None:
    """Give the network the numbers that it had first, all that the masks leave out at zero.

    first: all of its weights and running figures as they were before training. What is then
    trained is a lottery ticket: Frankle and Carbin, 2018, arXiv:1803.03635.
    """
    network.load_state_dict(first)
    zero(network, masks)


def nonzero(network: nn.Module) -> int:
    """How many of its trained numbers are not zero."""
    return sum(int(torch.count_nonzero(weight)) for weight in network.parameters())


def shares(share: float, rounds: int) -> tuple[float, ...]:
    """How much is gone after each round, so that every round takes the same part of what is left.

    The last is the share itself: 0.75 in two rounds is 0.5, then 0.75. Raises RecipeError on a
    share that is not above 0 and below 1, or on no round.
    """
    check_share(share)
    if rounds < 1:
        raise RecipeError(f"rounds is {rounds}; give 1 or more")
    return tuple(1 - (1 - share) ** (number / rounds) for number in range(1, rounds + 1))


def check_share(share: float) -> None:
    """Raise RecipeError where it leaves nothing out, or everything."""
    if not 0 < share < 1:
        raise RecipeError(f"the share to prune is {share!r}; give one above 0 and below 1")
