"""Quantization of an ONNX file: its numbers in fewer bits, by onnxruntime, which also runs it.

All take a file's bytes and give a file's bytes, of the same input and output. Fewer bits are not
faster by themselves: static int8 speeds many convolutions up, dynamic int8 slows them down, weights
alone and float16 save room only. Measure, and look at the agreement beside the accuracy.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from kdcore.compress.pooling import pool_last
from kdcore.compress.ranges import METHODS, Calibration, Samples, kinds, ranges
from kdcore.errors import RecipeError

Bits = Literal[7, 8]
"""Of an integer weight. Processors without VNNI add two products in sixteen bits, which eight bits
overflow: the same file then answers otherwise from one machine to the next. Seven fit everywhere.
"""

MATRICES = ("MatMul", "Gemm")
WEIGHTED = ("Conv", *MATRICES)
ATTENTION = (*WEIGHTED, "Gather")
"""What is quantized where there is attention: its masks and softmax reach values that leave no
integers for the others."""


def static_int8(
    model: bytes,
    samples: Samples,
    *,
    calibration: Calibration = "min-max",
    only: Collection[str] | None = None,
    keep: Collection[str] = (),
    bits: Bits = 7,
) -> bytes:
    """Weights and activations in eight bits, by ranges that are found beforehand.

    Weights are signed, with a scale for each channel; activations unsigned. samples: (N, ...) as
    the network takes them, from the training split: those of another kind, or noise, give ranges
    that destroy it. only: the kinds of nodes that are quantized, by default all that can be, or,
    with attention, `ATTENTION`; keep: names of nodes left in float32, see `layers`.
    Raises RecipeError where nothing is left to quantize, or there are no samples.
    Source: Jacob et al., 2017, arXiv:1712.05877, in onnxruntime's form of QuantizeLinear and
    DequantizeLinear pairs.
    """
    ready = _pooled_last(model)
    only = suited(ready) if only is None else only
    _check_any(ready, only or WEIGHTED, keep)
    found = ranges(ready, samples, calibration, only)
    return _quantized(ready, found, calibration, only, keep, bits)


def dynamic_int8(
    model: bytes,
    *,
    only: Collection[str] = MATRICES,
    keep: Collection[str] = (),
    bits: Bits = 7,
) -> bytes:
    """Weights in eight bits, and activations too, whose range is found anew in every call.

    It needs no samples and suits matrix products. Convolutions are left alone by default: with
    "Conv" in `only` their file shrinks, but they get several times slower than in float32.
    Raises RecipeError where nothing is left to quantize.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    ready = prepared(model)
    _check_any(ready, only, keep)
    del ready.graph.value_info[:]  # it turns weights over, whose shapes stand there too

    def convert(path: Path) -> None:
        quantize_dynamic(
            *(ready, path),
            op_types_to_quantize=list(only),
            weight_type=QuantType.QInt8,
            reduce_range=bits < 8,
            nodes_to_exclude=[name for each in keep for name in (each, f"{each}_MatMul")],
        )

    return _written(convert)


def weights_int8(model: bytes, *, keep: Collection[str] = ()) -> bytes:
    """Weights in eight bits, turned back into float32 when the file is opened.

    A quarter of the room, and as slow and nearly as exact as before: activations are not touched.
    Each output channel has a scale of its own, and zero stays zero. Raises RecipeError where
    nothing is left to quantize.
    """
    ready = prepared(model)
    _check_any(ready, WEIGHTED, keep)
    tensors = {each.name: each for each in ready.graph.initializer}
    nodes = []
    for node in ready.graph.node:
        name = node.input[1] if node.op_type in WEIGHTED else ""
        if name in tensors and node.name not in keep:
            nodes.append(_as_integers(ready, tensors.pop(name), _output_axis(node)))
    # before all who read them
    rest = list(ready.graph.node)
    del ready.graph.node[:]
    ready.graph.node.extend([*nodes, *rest])
    return bytes(ready.SerializeToString())


def float16(model: bytes, *, keep: Collection[str] = ()) -> bytes:
    """Half the bits of every number, computed in half precision where the processor can.

    Input and output stay float32. keep: names of nodes that stay float32 too.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    found = convert_float_to_float16(
        prepared(model), keep_io_types=True, node_block_list=list(keep)
    )
    return bytes(found.SerializeToString())


def layers(model: bytes) -> tuple[str, ...]:
    """The names of its nodes with weights, in the order in which they compute."""
    return _layers(prepared(model))


def ends(model: bytes) -> tuple[str, ...]:
    """Its first and its last layer, which are often left in float32: the one sees the input's
    full range, the other decides.
    """
    names = layers(model)
    return tuple(dict.fromkeys((names[0], names[-1]))) if names else ()


def suited(model: ModelProto) -> tuple[str, ...] | None:
    """The kinds of nodes to quantize where nobody says: None for all."""
    return ATTENTION if any(node.op_type == "Softmax" for node in model.graph.node) else None


def prepared(model: bytes) -> ModelProto:
    """The model with its shapes inferred and its constants folded, as quantization wants it.

    Raises RecipeError where the bytes are no ONNX model.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        onnx.load_from_string(model)
    except Exception as error:  # protobuf's own kinds differ between its versions
        raise RecipeError("the file is no ONNX model; export the network first") from error
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "model.onnx"), Path(folder, "prepared.onnx")
        before.write_bytes(model)  # of a model in memory it would lose the shapes that are numbers
        quant_pre_process(before, after, skip_symbolic_shape=True)
        return onnx.load(after)


def calibrated(
    model: bytes, samples: Samples, calibration: Calibration = "min-max"
) -> Callable[[Collection[str]], bytes]:
    """Static int8 that leaves the nodes named in float32, as often as one likes: the ranges of
    all activations are found once.
    """
    ready = _pooled_last(model)
    only = suited(ready)
    found = ranges(ready, samples, calibration, only)
    return lambda keep: _quantized(ready, found, calibration, only, keep)


def _pooled_last(model: bytes) -> ModelProto:
    """The model prepared for integers to be pooled."""
    ready = prepared(model)
    pool_last(ready)
    return ready


def _quantized(
    ready: ModelProto,
    found: bytes,
    calibration: Calibration,
    only: Collection[str] | None,
    keep: Collection[str] = (),
    bits: Bits = 7,
) -> bytes:
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static

    _check_any(ready, only or WEIGHTED, keep)

    def convert(path: Path) -> None:
        cache = path.with_name("ranges.json")
        cache.write_bytes(found)
        quantize_static(
            *(_copied(ready), path, None),
            op_types_to_quantize=kinds(only),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=bits < 8,
            nodes_to_exclude=list(keep),
            calibrate_method=CalibrationMethod[METHODS[calibration]],
            calibration_cache_path=cache,
        )

    return _written(convert)


def _written(convert: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "quantized.onnx")
        convert(path)
        return path.read_bytes()


def _copied(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _layers(model: ModelProto, only: Collection[str] = WEIGHTED) -> tuple[str, ...]:
    held = {each.name for each in model.graph.initializer}
    return tuple(
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHTED and node.op_type in only and node.input[1] in held
    )


def _check_any(model: ModelProto, only: Collection[str], keep: Collection[str]) -> None:
    if not set(_layers(model, only)) - set(keep):
        raise RecipeError(
            "nothing is left to quantize: the model has no layers of these kinds beside those that "
            "stay in float32; keep fewer, or quantize in another way"
        )


def _output_axis(node: NodeProto) -> int:
    """Which axis of a node's weights runs over its outputs."""
    turned = any(each.name == "transB" and each.i for each in node.attribute)
    return 0 if node.op_type == "Conv" or turned else 1


def _as_integers(model: ModelProto, weight: TensorProto, axis: int) -> NodeProto:
    """Replace a weight by its integers and scales; gives the node that turns them back."""
    values = numpy_helper.to_array(weight)
    over = tuple(each for each in range(values.ndim) if each != axis)
    largest = np.abs(values).max(over, keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    integers = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
    name = weight.name
    weight.CopyFrom(numpy_helper.from_array(integers, f"{name}_int8"))
    model.graph.initializer.append(numpy_helper.from_array(scale.ravel(), f"{name}_scale"))
    return helper.make_node(
        *("DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [name]),
        name=f"{name}_turned_back",
        axis=axis,
    )
