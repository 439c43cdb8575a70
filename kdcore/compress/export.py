"""Export to ONNX, as one file."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import lru_cache
from importlib import import_module

import torch
from torch import nn


def to_onnx(network: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """A serialised ONNX model, weights inside, batch size free: `input` (N, ...) to `logits`.

    The input is normalised float32, as in training. The network is left in eval mode.
    """
    _remember_translations()
    network.eval()
    # two samples: a traced batch of 1 would be taken for a constant
    example = torch.zeros(2, *input_shape)
    chatter = logging.getLogger("torch.onnx")
    before = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=["input"],
            output_names=["logits"],
            verbose=False,
        )
    finally:
        chatter.setLevel(before)
    assert program is not None  # None only where a path is given
    return bytes(program.model_proto.SerializeToString())


@lru_cache(maxsize=1)
def _remember_translations() -> None:
    """Let torch read its translations of operators to ONNX once, and not at each export.

    It parses the sources of some five hundred functions every time, which takes longer than all
    the rest of a small network's export. A torch that does it otherwise is left as it is.
    """
    with suppress(ImportError, AttributeError):
        scripts = import_module("torch.onnx._internal.exporter._registration").onnxscript_apis
        scripts.get_torchlib_ops = lru_cache(maxsize=1)(scripts.get_torchlib_ops)
