"""Feature maps of any network, found by the dotted path of the layer that gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kdcore.errors import RecipeError, did_you_mean


def feature_paths(network: nn.Module, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Every layer that gives one tensor, in the order of execution: its path to its shape.

    Shapes are without the batch. The network's own output, the logits, is left out. The network
    is left in eval mode.
    """
    found: dict[str, tuple[int, ...]] = {}

    def note(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                found[path] = tuple(output.shape[1:])

        return hook

    layers = [(path, module) for path, module in network.named_modules() if path]
    handles = [module.register_forward_hook(note(path)) for path, module in layers]
    network.eval()
    try:
        with torch.no_grad():
            network(torch.zeros(2, *input_shape))
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def tapped(network: nn.Module, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Within, each forward pass leaves the outputs of these layers in the dictionary, by path.

    Raises RecipeError where the network has no layer of that path.
    """
    outputs: dict[str, Tensor] = {}
    layers = dict(network.named_modules())
    for path in paths:
        if path not in layers or not path:
            raise RecipeError(
                f"the network has no layer {path!r}{did_you_mean(path, [p for p in layers if p])}"
            )

    def keep(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            outputs[path] = output

        return hook

    handles = [layers[path].register_forward_hook(keep(path)) for path in paths]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
