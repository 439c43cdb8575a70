"""Export to ONNX, as one file."""

from __future__ import annotations

import logging

import torch
from torch import nn


def to_onnx(network: nn.Module, input_shape: tuple[int, ...]) -> bytes:
    """A serialised ONNX model, weights inside, batch size free: `input` (N, ...) to `logits`.

    The input is normalised float32, as in training. The network is left in eval mode.
    """
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
