"""A network layer by layer, as it computes: shapes, parameters, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kdcore.insides import Layer
from kdcore.measure.size import counted


class Step(NamedTuple):
    """A layer; which of the network's calls gives its output, counted from 0, None where none does;
    and whether it has weights that mix its inputs."""

    layer: Layer
    call: int | None
    mixes: bool


def layers(network: nn.Module, input_shape: tuple[int, ...]) -> list[Step]:
    """The layers of one sample's forward pass, in their order.

    What keeps the shape and mixes nothing, a norm, activation or dropout, belongs to the layer
    before it. Products that a module makes between its layers, as attention does, and weights that
    are no layer's own, are lines of their own: so parameters and MACs add up to the network's.
    The network is left in eval mode.
    """
    steps: list[Step] = []
    for each in [*_loose_weights(network), *_traced(network, input_shape)]:
        last = steps[-1].layer if steps else None
        line = each.layer
        if last and line.shape == last.shape and line.shape and not each.mixes and not line.macs:
            kind = last.kind if line.kind == "Identity" else f"{last.kind}, {line.kind}"
            weights = last.parameters + line.parameters
            steps[-1] = Step(replace(last, kind=kind, parameters=weights), *steps[-1][1:])
            steps[-1] = steps[-1]._replace(call=each.call)
        else:
            steps.append(each._replace(layer=replace(line, number=len(steps) + 1)))
    return steps


@torch.inference_mode()
def grams(
    network: nn.Module, inputs: Tensor, calls: Collection[int]
) -> dict[int, NDArray[np.float32]]:
    """Inner products (N, N) of what some calls of the network give for inputs (N, ...), by call.

    All inputs go through at once; an output is let go as soon as its products are taken.
    """
    found: dict[int, NDArray[np.float32]] = {}

    def leave(number: int, _path: str, output: object) -> None:
        if number in calls and isinstance(output, Tensor):
            flat = output.flatten(1).float()
            flat = flat - flat.mean(0)
            found[number] = (flat @ flat.T).numpy()

    network.eval()
    with _watched(network, lambda _path: None, leave):
        network(inputs)
    return found


def first_weights(network: nn.Module) -> Tensor | None:
    """Weights of the first layer that mixes its inputs, (units, ...); None without any."""
    layers = (module for module in network.modules() if not any(module.children()))
    return next((weights for layer in layers for weights in _mixing(layer)), None)


def _traced(network: nn.Module, input_shape: tuple[int, ...]) -> list[Step]:
    """A line for each call, and one for what was computed between two of them or at last."""
    modules = dict(network.named_modules())
    lines: list[Step] = []
    called: set[str] = set()
    before = 0

    def between(owner: str) -> None:
        if macs := macs_since():
            kind = f"{type(modules[owner]).__name__}'s products"
            lines.append(Step(Layer(0, owner, kind, (), 0, macs), None, False))

    def macs_since() -> int:
        nonlocal before
        now = so_far()
        since, before = now - before, now
        return since

    def leave(number: int, path: str, output: object) -> None:
        module = modules[path]
        weights = 0 if path in called else sum(each.numel() for each in module.parameters())
        called.add(path)
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        line = Layer(0, path, _named(module), shape, weights, macs_since())
        lines.append(Step(line, number, bool(_mixing(module))))

    network.eval()
    with counted() as so_far, _watched(network, lambda path: between(_owner(path)), leave):
        network(torch.zeros(1, *input_shape))
        between("")
    return [*_read_by_others(network, called), *lines]


def _owner(path: str) -> str:
    return path.rpartition(".")[0]


def _read_by_others(network: nn.Module, called: Collection[str]) -> list[Step]:
    """Layers whose weights are read without calling them, as torch's attention does."""
    return [
        Step(Layer(0, path, _named(module), (), held, 0), None, False)
        for path, module in network.named_modules()
        if path not in called
        and not any(module.children())
        and (held := sum(each.numel() for each in module.parameters()))
    ]


def _loose_weights(network: nn.Module) -> list[Step]:
    """Weights of modules that are made of others, such as learned positions."""
    return [
        Step(Layer(0, f"{path}.{name}".lstrip("."), name, (), weight.numel(), 0), None, False)
        for path, module in network.named_modules()
        if any(module.children())
        for name, weight in module.named_parameters(recurse=False)
    ]


@contextmanager
def _watched(
    network: nn.Module,
    enter: Callable[[str], None],
    leave: Callable[[int, str, object], None],
) -> Iterator[None]:
    """Within, be told of each call of a module that is made of no others."""
    calls = count()
    with ExitStack() as hooks:
        for path, module in network.named_modules():
            if path and not any(module.children()):
                before = module.register_forward_pre_hook(_entering(path, enter))
                hooks.enter_context(before)
                hooks.enter_context(module.register_forward_hook(_leaving(path, calls, leave)))
        yield


def _entering(path: str, enter: Callable[[str], None]) -> Callable[[nn.Module, object], None]:
    return lambda _module, _inputs: enter(path)


def _leaving(
    path: str, calls: Iterator[int], leave: Callable[[int, str, object], None]
) -> Callable[[nn.Module, object, object], None]:
    return lambda _module, _inputs, output: leave(next(calls), path, output)


def _mixing(module: nn.Module) -> list[Tensor]:
    """Its own weights, where it is linear or a convolution; those of a norm are vectors."""
    return [each for each in module.parameters(recurse=False) if each.dim() > 1]


def _named(module: nn.Module) -> str:
    """Its class, and how large a window it looks through."""
    name = type(module).__name__
    size = getattr(module, "kernel_size", None)
    if size is None:
        return name
    height, width = size if isinstance(size, tuple) else (size, size)
    return f"{name} {height}×{width}"
