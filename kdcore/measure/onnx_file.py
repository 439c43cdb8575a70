"""What an ONNX file weighs: bytes, bytes once compressed, numbers, zeros, multiply-accumulates.

It reads files, not networks: of whatever framework, pruned or quantized. No torch.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from kdcore.errors import HomeError

Shape = tuple[int, ...]
N = TypeVar("N", bound=str)

PRODUCTS = ("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "QGemm")
CONVOLUTIONS = ("Conv", "ConvInteger", "QLinearConv", "FusedConv")
SECOND = {"QLinearMatMul": 3, "QGemm": 3, "QLinearConv": 3}
"""Where the weights stand among an operator's inputs, when they aren't the second."""

INTEGER = ("MatMulInteger", "QLinearMatMul", "QGemm", "ConvInteger", "QLinearConv")
"""Those that multiply whole numbers of eight bits."""

SHAPING = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity")
BYTES = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)

UNKNOWN = ("Einsum", "Attention", "MultiHeadAttention", "ConvTranspose", "LSTM", "GRU", "RNN")
"""Operators that multiply too, and are not counted here."""

WORDS = (onnx.TensorProto.INT64, onnx.TensorProto.BOOL, onnx.TensorProto.STRING)
"""Types of shapes, axes and switches, which are no weights."""


@dataclass(frozen=True)
class Weight:
    """What one file weighs: its bytes as it is shipped, its bytes in a gzip archive, the numbers
    stored in it, how many of those are not zero, and the bits of each weight that there are.
    """

    bytes: int
    gzip_bytes: int
    numbers: int
    nonzero: int
    bits: tuple[int, ...]


def weight(content: bytes) -> Weight:
    """Weigh an ONNX file that holds its weights inside.

    Scales and zero points of a quantized file count as numbers too: they are shipped. Raises
    HomeError where the file cannot be read.
    """
    numbers = nonzero = 0
    bits = set()
    for tensor in read(content).graph.initializer:
        if tensor.data_type in WORDS:
            continue
        values = numpy_helper.to_array(tensor)
        numbers += values.size
        nonzero += int((values != 0).sum())
        if values.ndim > 1:
            bits.add(8 * values.dtype.itemsize)
    packed = gzip.compress(content, 9, mtime=0)
    return Weight(len(content), len(packed), numbers, nonzero, tuple(sorted(bits)))


def design(content: bytes) -> str:
    """A name for all of an ONNX file but the values of its weights: files of one name do the same
    work, and take the same time. Raises HomeError where the file cannot be read.
    """
    model = read(content)
    for tensor in model.graph.initializer:
        if tensor.data_type not in WORDS:
            for field in ("raw_data", "float_data", "int32_data", "double_data"):
                tensor.ClearField(field)
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def same_work(files: Mapping[N, bytes], foreign: N | None = None) -> dict[N, N]:
    """For each file by name, the first one that is the same network with other weights; itself, of
    most. Their latencies are one: taken apart, they would differ by chance alone.

    foreign: a file that somebody brought along, which is not read here.
    """
    first: dict[str, N] = {}
    return {
        name: name if name == foreign else first.setdefault(design(content), name)
        for name, content in files.items()
    }


def macs(content: bytes, input_shape: Shape) -> int | None:
    """Multiply-accumulates of one sample, (C, H, W) or (D,), in an ONNX file.

    Counts matrix products and convolutions, zeros too, as `measure.size` does for a network. None
    where it holds an operator that nobody has taught this to count. Raises HomeError where the file
    cannot be read, or takes no such sample.
    """
    model = read(content)
    if any(node.op_type in UNKNOWN for node in model.graph.node):
        return None
    counted = [node for node in model.graph.node if node.op_type in (*PRODUCTS, *CONVOLUTIONS)]
    shapes = _shapes(model, counted, input_shape)
    return sum(_of(node, shapes) for node in counted)


def in_int8(content: bytes) -> bool:
    """Whether an ONNX file multiplies nothing but whole numbers of eight bits.

    Both sides of each product and convolution are turned back from such numbers right before it,
    which a runtime does as one operator, or it is an operator on such numbers itself.
    """
    graph = read(content).graph
    made = {name: node for node in graph.node for name in node.output}
    wide = {each.name for each in graph.initializer if each.data_type not in BYTES}
    counted = [node for node in graph.node if node.op_type in (*PRODUCTS, *CONVOLUTIONS)]
    return bool(counted) and all(
        node.op_type in INTEGER or all(_from_bytes(name, made, wide) for name in _operands(node))
        for node in counted
    )


def rounds(content: bytes) -> bool:
    """Whether an ONNX file rounds on its way: activations to whole numbers, or all to float16."""
    kinds = {node.op_type for node in read(content).graph.node}
    return bool(kinds & {"QuantizeLinear", "DynamicQuantizeLinear", "Cast", *INTEGER})


def _from_bytes(name: str, made: Mapping[str, onnx.NodeProto], wide: set[str]) -> bool:
    """Whether this tensor was turned back from whole numbers of eight bits, and then at most put
    into another shape.
    """
    node = made.get(name)
    while node is not None and node.op_type in SHAPING:
        node = made.get(node.input[0])
    return node is not None and node.op_type == "DequantizeLinear" and node.input[0] not in wide


def read(content: bytes) -> onnx.ModelProto:
    """Parse an ONNX file. Raises HomeError, a sentence, where it is none."""
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf has its own for every way to be damaged
        raise HomeError(f"the ONNX file cannot be read: {error}") from None
    if not model.graph.node:
        raise HomeError("the ONNX file cannot be read: it holds no network")
    return model


def _shapes(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], input_shape: Shape
) -> dict[str, Shape]:
    """Of all that goes into and out of these operators, found by letting one sample through: what
    a file says of its shapes is often not enough.
    """
    found = {each.name: tuple(each.dims) for each in model.graph.initializer}
    inputs = [each.name for each in model.graph.input if each.name not in found]
    if len(inputs) != 1:
        raise HomeError(f"the ONNX file takes {len(inputs)} inputs, not samples alone")
    (first,) = inputs
    found[first] = (1, *input_shape)
    names = {name for node in nodes for name in (*_operands(node), node.output[0])}
    wanted = sorted(names - set(found))
    if not wanted:
        return found
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        outputs = session.run(wanted, {first: np.zeros(found[first], np.float32)})
    except Exception as error:  # onnxruntime has its own for every way not to fit
        size = "×".join(map(str, input_shape))
        first_line = str(error).splitlines()[0][:200]
        raise HomeError(
            f"the ONNX file does not take samples of {size} float32 numbers: {first_line}"
        ) from None
    return found | {name: each.shape for name, each in zip(wanted, outputs, strict=True)}


def _operands(node: onnx.NodeProto) -> tuple[str, str]:
    """What is multiplied by what."""
    return node.input[0], node.input[SECOND.get(node.op_type, 1)]


def _of(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    first, weights = (shapes[name] for name in _operands(node))
    out = shapes[node.output[0]]
    if node.op_type in CONVOLUTIONS:  # weights: (out, in / groups, kernel ...)
        return prod(out) * prod(weights[1:])
    return prod(out) * (first[0] if _transposed(node) else first[-1])


def _transposed(node: onnx.NodeProto) -> bool:
    return any(each.name == "transA" and each.i for each in node.attribute)
