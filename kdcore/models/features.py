"""Feature maps of any network, found by the dotted path of the layer that gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from kdcore.errors import RecipeError, did_you_mean

Note = Callable[[str, Tensor], None]


def feature_paths(network: nn.Module, input_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Every named layer that gives one tensor: its path to that tensor's shape, without the batch.

    In the order in which layers finish, so that a stage follows its own parts. The network itself,
    which gives the logits, is not among them.
    """
    found: dict[str, tuple[int, ...]] = {}

    def note(path: str, output: Tensor) -> None:
        found[path] = tuple(output.shape[1:])

    weights = chain(network.parameters(), network.buffers())
    device = next((weight.device for weight in weights), torch.device("cpu"))
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad(), _watched(network, list(_layers(network)), note):
            network(torch.zeros(1, *input_shape, device=device))
    finally:
        for module, mode in training.items():
            module.training = mode
    return found


@contextmanager
def tapped(network: nn.Module, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Within, each forward pass leaves these layers' outputs in the dictionary, by path.

    The outputs are the last pass's, as the layer gave them even where the next one works in
    place, and gradients flow through them. A layer that runs several times in a pass leaves its
    last output. Nothing is added to the network but hooks, which are gone afterwards.
    Raises RecipeError where the network has no layer of that path.
    """
    known = _layers(network)
    for path in paths:
        if path not in known:
            raise RecipeError(f"the network has no layer {path!r}{did_you_mean(path, known)}")
    outputs: dict[str, Tensor] = {}

    def keep(path: str, output: Tensor) -> None:
        outputs[path] = output.clone()

    with _watched(network, paths, keep):
        yield outputs


def _layers(network: nn.Module) -> dict[str, nn.Module]:
    return {path: module for path, module in network.named_modules() if path}


@contextmanager
def _watched(network: nn.Module, paths: Sequence[str], note: Note) -> Iterator[None]:
    with ExitStack() as hooks:
        for path in paths:
            layer = network.get_submodule(path)
            hooks.enter_context(layer.register_forward_hook(_hook(path, note)))
        yield


def _hook(path: str, note: Note) -> Callable[[nn.Module, object, object], None]:
    def hook(_layer: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            note(path, output)

    return hook
