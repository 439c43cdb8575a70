"""Which comes first in a file that is to be quantized: a pooling, or its activation."""

from __future__ import annotations

from collections import defaultdict

from onnx import ModelProto, NodeProto


def pool_last(model: ModelProto) -> None:
    """Let a max-pooling right before a ReLU come right after it, in place.

    The largest of a patch is the same before and after, as a ReLU never falls: the same function.
    In float32, to pool first saves work. In int8 it wastes half the integers on what the ReLU takes
    away, and onnxruntime pools in float32, between two conversions; after the ReLU, which goes
    with the convolution, it pools integers. The shapes in between are changed with them.
    """
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    told = (*model.graph.input, *model.graph.value_info)
    types = {each.name: each.type for each in told}
    outside = {each.name for each in model.graph.output}
    for pool in list(model.graph.node):
        after = readers[pool.output[0]]
        if pool.op_type != "MaxPool" or len(pool.output) > 1 or len(after) != 1:
            continue  # one that tells places, too, or is read by others
        (relu,) = after
        if relu.op_type == "Relu" and pool.output[0] not in outside:
            before, between = pool.input[0], pool.output[0]
            _exchange(pool, relu)
            if {before, between} <= types.keys():
                types[between].CopyFrom(types[before])


def _exchange(pool: NodeProto, relu: NodeProto) -> None:
    """Each takes the other's place: what they read and give keeps its names and its order."""
    before, between, after = pool.input[0], pool.output[0], relu.output[0]
    kept = NodeProto()
    kept.CopyFrom(pool)
    pool.CopyFrom(relu)
    relu.CopyFrom(kept)
    pool.input[0], pool.output[0] = before, between
    relu.input[0], relu.output[0] = between, after
