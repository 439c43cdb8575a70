"""Small ONNX models, made node by node."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, BYTE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8


def weights(values: int, classes: int = 10, seed: int = 0) -> np.ndarray:
    """(values, classes) float32."""
    return np.random.default_rng(seed).normal(size=(values, classes)).astype(np.float32)


def linear(
    shape=("N", 1, 8, 8), classes=10, *, kind=FLOAT, softmax=False, table=None, answers=("N", 10)
) -> onnx.ModelProto:
    """Flatten, then one matrix: the plainest classifier of inputs of that shape."""
    values = int(np.prod([side for side in shape[1:] if isinstance(side, int)]))
    table = weights(values, classes) if table is None else table
    nodes = [helper.make_node("Flatten", ["x"], ["row"])]
    if kind != FLOAT:
        nodes.append(helper.make_node("Cast", ["row"], ["wide"], to=FLOAT))
    nodes.append(helper.make_node("MatMul", ["row" if kind == FLOAT else "wide", "w"], ["score"]))
    if softmax:
        nodes.append(helper.make_node("Softmax", ["score"], ["y"], axis=1))
    else:
        nodes.append(helper.make_node("Identity", ["score"], ["y"]))
    answers = (answers[0], classes) if answers == ("N", 10) else answers
    return model(
        nodes,
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", FLOAT, answers)],
        [numpy_helper.from_array(table, "w")],
    )


def model(nodes, inputs, outputs, tensors=(), **rest) -> onnx.ModelProto:
    """A model of one graph, of an opset that onnxruntime knows."""
    graph = helper.make_graph(nodes, "graph", inputs, outputs, list(tensors))
    rest.setdefault("opset_imports", [helper.make_opsetid("", 20)])
    return helper.make_model(graph, ir_version=9, **rest)


def large(megabytes: int) -> onnx.ModelProto:
    """A model that fills so much memory as soon as it is run: a constant grown from its shape."""
    count = megabytes * 1_000_000 // 4
    side = numpy_helper.from_array(np.array([count], np.int64), "side")
    nodes = [
        helper.make_node("ConstantOfShape", ["side"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Flatten", ["x"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["score"]),
        helper.make_node("Add", ["score", "sum"], ["y"]),
    ]
    return model(
        nodes,
        [helper.make_tensor_value_info("x", FLOAT, ("N", 1, 8, 8))],
        [helper.make_tensor_value_info("y", FLOAT, ("N", 10))],
        [side, numpy_helper.from_array(weights(64), "w")],
    )


def endless(rounds: int) -> onnx.ModelProto:
    """A model whose loop goes round so many times."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["going"]),
            helper.make_node("Sin", ["held"], ["turned"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("held", FLOAT, ("N", 10)),
        ],
        [
            helper.make_tensor_value_info("going", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("turned", FLOAT, ("N", 10)),
        ],
    )
    nodes = [
        helper.make_node("Flatten", ["x"], ["row"]),
        helper.make_node("MatMul", ["row", "w"], ["score"]),
        helper.make_node("Loop", ["rounds", "go", "score"], ["y"], body=body),
    ]
    tensors = [
        numpy_helper.from_array(np.array(rounds, np.int64), "rounds"),
        numpy_helper.from_array(np.array(True), "go"),
        numpy_helper.from_array(weights(64), "w"),
    ]
    return model(
        nodes,
        [helper.make_tensor_value_info("x", FLOAT, ("N", 1, 8, 8))],
        [helper.make_tensor_value_info("y", FLOAT, ("N", 10))],
        tensors,
    )
