"""What a model's file weighs, and how much of it is zeros."""

from __future__ import annotations

import gzip

import onnx
from onnx import TensorProto, numpy_helper

WEIGHTS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8)
"""What weights are kept in; zero is zero in each, as int8 weights are symmetric."""


def gzipped(content: bytes) -> int:
    """Bytes once compressed, as a download would be."""
    return len(gzip.compress(content, mtime=0))


def zeros(model: bytes) -> int:
    """How many weights of an ONNX file's layers are zero; biases and norms are left out."""
    held = onnx.load_from_string(model).graph.initializer
    layers = [each for each in held if len(each.dims) > 1 and each.data_type in WEIGHTS]
    return sum(int((numpy_helper.to_array(each) == 0).sum()) for each in layers)
