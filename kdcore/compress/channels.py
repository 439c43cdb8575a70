"""Pruning whole channels: a smaller network, which is faster too.

Layers hang together: where one gives fewer channels, the next takes fewer, and both sides of a
sum must lose the same. Torch-Pruning traces a network to find who depends on whom.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from kdcore.compress.prune import check_share, shares
from kdcore.errors import RecipeError
from kdcore.models.features import feature_paths
from kdcore.models.vit import Layer, VisionTransformer
from kdcore.quiet import unwarned

ITS_ERRORS = (AssertionError, AttributeError, LookupError, TypeError)
"""What Torch-Pruning says, beside the errors of arithmetic, of a network that it cannot follow."""


def prune_channels(
    network: nn.Module, input_shape: tuple[int, ...], share: float, rounds: int = 1
) -> Iterator[None]:
    """Take this share of each layer's channels out, in place, those of the least magnitude.

    Yields after each round: train there, and the next round goes by the weights as they are then.
    The magnitude is the Euclidean length of all weights that go with a channel, in every layer that
    it reaches. The classifier's outputs stay; of a transformer, only the layers inside its blocks
    get narrower, as all else is as wide as a token. The network is as it was where this fails.
    Raises RecipeError, before anything is changed, where its channels cannot be taken out.
    Source: Fang, Ma, Song, Bi Mi and Wang, 2023, "DepGraph", arXiv:2301.12900.
    """
    check_share(share)
    taken = shares(share, rounds)
    _try_out(network, input_shape, share)
    pruner = _pruner(network, input_shape, share, taken)
    for _ in taken:
        with unwarned():
            pruner.step()
        network.to(memory_format=torch.channels_last)
        yield


def _try_out(network: nn.Module, input_shape: tuple[int, ...], share: float) -> None:
    """Prune a copy, and see whether it still answers."""
    trial = copy.deepcopy(network).eval()
    before = sum(weight.numel() for weight in trial.parameters())
    try:
        with unwarned():
            _pruner(trial, input_shape, share, (share,)).step()
        with torch.no_grad():
            trial(torch.zeros(2, *input_shape))
    except (*ITS_ERRORS, RuntimeError, ValueError, ArithmeticError) as error:
        raise RecipeError(
            f"no channels can be taken out of this {_kind(network)}: its layers depend on each "
            'other in a way that cannot be followed; prune single weights instead, "weights"'
        ) from error
    if sum(weight.numel() for weight in trial.parameters()) == before:
        raise RecipeError(
            f"no channels can be taken out of this {_kind(network)}: {share:.0%} of its narrow "
            "layers is less than one channel, or it has no hidden layer; raise the share, or take "
            "a wider network"
        )


def _kind(network: nn.Module) -> str:
    name = type(network).__name__
    return "network" if name == "Sequential" else name


def _pruner(
    network: nn.Module, input_shape: tuple[int, ...], share: float, taken: tuple[float, ...]
) -> Any:
    """Torch-Pruning's pruner of a network, which goes a round at each step."""
    import torch_pruning  # late: nothing else needs it

    # it says how it takes weights of no layer, which are never pruned; and it follows autograd
    with unwarned(), torch.enable_grad():
        return torch_pruning.BasePruner(
            network.eval(),
            torch.zeros(2, *input_shape),
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=share,
            iterative_steps=len(taken),
            iterative_pruning_ratio_scheduler=lambda _share, _rounds: [0.0, *taken],
            ignored_layers=_fixed(network, input_shape),
            # its own default is one dictionary for all pruners
            in_channel_groups={},
            out_channel_groups={},
        )


def _fixed(network: nn.Module, input_shape: tuple[int, ...]) -> list[nn.Module]:
    """The layers whose outputs must stay: the classifier's, and what is as wide as a token."""
    modules = dict(network.named_modules())
    weighted = [
        path
        for path in feature_paths(network, input_shape)
        if any(weight.dim() > 1 for weight in modules[path].parameters(recurse=False))
    ]
    if not isinstance(network, VisionTransformer):
        return [modules[weighted[-1]]] if weighted else []
    inner = {id(layer.linear[0]) for layer in network.layers if isinstance(layer, Layer)}
    return [modules[path] for path in weighted if id(modules[path]) not in inner]


def load_pruned(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Let a network, as its architecture builds it, become the pruned one of these weights.

    Layers take on the shapes that the weights have; a network that fits already stays as it is.
    Raises RecipeError where the weights are not of such a network.
    """
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        own = {
            name: weights[prefix + name]
            for name in (*dict(module.named_parameters(recurse=False)), *_buffers(module))
            if prefix + name in weights
        }
        if any(value.shape != getattr(module, name).shape for name, value in own.items()):
            _take_shapes(module, own)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise RecipeError(
            "these weights are not of this network: "
            + " ".join(str(error).split("\n\t")[-1].split())
        ) from None
    network.to(memory_format=torch.channels_last)


def _buffers(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_buffers(recurse=False)]


def _take_shapes(module: nn.Module, own: Mapping[str, Tensor]) -> None:
    """Empty weights and figures of these shapes, and what the layer says of itself."""
    for name, value in own.items():
        old = getattr(module, name)
        empty = torch.empty(value.shape, dtype=old.dtype)
        setattr(module, name, nn.Parameter(empty) if isinstance(old, nn.Parameter) else empty)
    match module:
        case nn.Linear():
            module.out_features, module.in_features = own["weight"].shape
        case nn.Conv2d():
            apart = module.groups > 1 and module.groups == module.in_channels
            module.out_channels, each = own["weight"].shape[:2]
            if apart:  # one filter a channel
                module.groups = module.out_channels
            module.in_channels = each * module.groups
        case nn.BatchNorm2d():
            module.num_features = len(own["running_mean"])
