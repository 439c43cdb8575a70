"""Export to ONNX, as one file."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import lru_cache
from importlib import import_module

import onnx
import torch
from torch import Tensor, nn

from kdcore.quiet import unlogged

TEMPLATES = 32
TEMPLATE_BYTES = 4_000_000
"""Files that are kept, to be filled with the next network's weights, and how large each may be."""

PLAIN = (
    *(nn.Sequential, nn.Flatten, nn.Linear, nn.ReLU, nn.Dropout, nn.Identity),
    *(nn.Conv2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d),
)
"""Layers that name all that they compute when they are printed."""

_templates: dict[tuple[str, tuple[int, ...]], bytes] = {}


def to_onnx(network: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """A serialised ONNX model, weights inside, batch size free: `input` (N, ...) to `logits`.

    The input is normalised float32, as in training. The network is left in eval mode.
    Networks that differ in their weights alone are translated once.
    """
    network.eval()
    if not _is_told_by_its_layers(network):
        return _exported(network, input_shape)
    key, weights = (repr(network), input_shape), network.state_dict()
    if key in _templates:
        return _filled(_templates[key], weights)
    content = _exported(network, input_shape)
    if len(content) <= TEMPLATE_BYTES and _holds(content, weights):
        if len(_templates) == TEMPLATES:
            _templates.pop(next(iter(_templates)))
        _templates[key] = content
    return content


def _is_told_by_its_layers(network: nn.Module) -> bool:
    """Whether its layers, printed, say all that it computes."""
    return all(type(layer) in PLAIN for layer in network.modules())


def _holds(content: bytes, weights: dict[str, Tensor]) -> bool:
    """Whether every weight is in the file as it is, and none was merged into another."""
    inside = {each.name: each.raw_data for each in onnx.load_from_string(content).graph.initializer}
    return all(inside.get(name) == _raw(weight) for name, weight in weights.items())


def _filled(template: bytes, weights: dict[str, Tensor]) -> bytes:
    model = onnx.load_from_string(template)
    for each in model.graph.initializer:
        if each.name in weights:
            each.raw_data = _raw(weights[each.name])
    return bytes(model.SerializeToString())


def _raw(weight: Tensor) -> bytes:
    return weight.detach().contiguous().numpy().tobytes()


def _exported(network: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    _remember_translations()
    # two samples: a traced batch of 1 would be taken for a constant
    example = torch.zeros(2, *input_shape)
    # with channels last, as in training, the mean over a picture becomes nine nodes instead of one
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    with unlogged("torch.onnx"):
        program = torch.onnx.export(
            plain,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["input"],
            output_names=["logits"],
            verbose=False,
        )
    assert program is not None  # None only where a path is given
    return _bare(program.model_proto)


def _bare(model: onnx.ModelProto) -> bytes:
    """Without the exporter's notes on where each part came from: of a small network, half the file,
    which nobody ships and in which no compression would show.
    """
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    del graph.metadata_props[:], model.metadata_props[:]
    return bytes(model.SerializeToString())


@lru_cache(maxsize=1)
def _remember_translations() -> None:
    """Let torch read its translations of operators to ONNX once, and not at each export.

    It parses the sources of some five hundred functions every time, which takes longer than all
    the rest of a small network's export. A torch that does it otherwise is left as it is.
    """
    with suppress(ImportError, AttributeError):
        scripts = import_module("torch.onnx._internal.exporter._registration").onnxscript_apis
        scripts.get_torchlib_ops = lru_cache(maxsize=1)(scripts.get_torchlib_ops)
