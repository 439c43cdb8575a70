"""An ONNX model's graph, held to what a teacher may be before onnxruntime ever sees it.

Read only in a process of its own: a protobuf may be made to fill the memory of who reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import onnx
from google.protobuf.message import DecodeError, Message

from kdcore.errors import UploadError
from kdcore.uploads import limits
from kdcore.uploads.limits import shown
from kdcore.uploads.onnx_file import Dtype, Layout, OnnxInfo

Shape = tuple[int | None, ...]
Function = tuple[str, str]

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Operators that belong to ONNX itself; all else needs code from elsewhere."""

INPUTS: dict[int, Dtype] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.UINT8: "uint8",
}
OUTPUTS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
CHANNELS = (1, 3)


def examine(content: bytes) -> OnnxInfo:
    """What the model takes and gives. Raises UploadError where it cannot be a teacher."""
    model = _parsed(content)
    parts = _parts(model)
    _check_size(parts)
    _check_operators(model, parts)
    graph = model.graph
    given = {each.name for each in graph.initializer}
    given |= {each.values.name for each in graph.sparse_initializer}
    source = _only_input([each for each in graph.input if each.name not in given])
    shape, notes = _input_shape(source)
    layout, more = _layout(shape)
    target, classes, others = _output(list(graph.output))
    return OnnxInfo(
        *(source.name[: limits.SHOWN], shape, INPUTS[source.type.tensor_type.elem_type], layout),
        *(target.name[: limits.SHOWN], classes, _opset(model), _parameters(graph)),
        (*notes, *more, *others),
    )


def names(content: bytes) -> tuple[str, str]:
    """Of the input and the output of a model that was examined."""
    graph = _parsed(content).graph
    given = {each.name for each in [*graph.initializer]}
    given |= {each.values.name for each in graph.sparse_initializer}
    source = next(each.name for each in graph.input if each.name not in given)
    return source, _output(list(graph.output))[0].name


def _parsed(content: bytes) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(content)
    except DecodeError:
        model = onnx.ModelProto()
    if not (model.ir_version and model.graph.node and model.opset_import):
        raise UploadError(
            "the file is no ONNX model, or is damaged; export the model with "
            'torch.onnx.export(model, (example,), "teacher.onnx")'
        )
    return model


# all that it is made of


@dataclass
class _Parts:
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Numbers in each tensor, written out."""


def _parts(message: Message) -> _Parts:
    """Nodes and tensors at any depth: in attributes, graphs within graphs, and functions."""
    found, seen = _Parts(), 0
    stack: list[tuple[Message, int]] = [(message, 0)]
    while stack:
        part, depth = stack.pop()
        seen += 1
        if isinstance(part, onnx.GraphProto):
            depth += 1
        if seen > limits.MESSAGES or len(found.nodes) > limits.NODES or depth > limits.NESTED:
            raise UploadError(
                f"the model has more than {limits.NODES:,} operators, or graphs nested deeper "
                f"than {limits.NESTED}; use a simpler model"
            )
        if isinstance(part, onnx.NodeProto):
            found.nodes.append(part)
        elif isinstance(part, onnx.TensorProto):
            found.tensors.append(part)
            found.sizes.append(_elements(part.dims))
        elif isinstance(part, onnx.SparseTensorProto):
            found.sizes.append(_elements(part.dims))
        stack += [(child, depth) for child in _children(part)]
    return found


def _children(message: Message) -> Iterator[Message]:
    for described, value in message.ListFields():
        if described.message_type is not None:
            yield from [value] if isinstance(value, Message) else value


def _elements(dims: Iterable[int]) -> int:
    return math.prod(abs(each) for each in dims)


def _check_size(parts: _Parts) -> None:
    external = onnx.TensorProto.EXTERNAL
    for tensor in parts.tensors:
        if tensor.data_location == external or tensor.external_data:
            raise UploadError(
                f"the model keeps {shown(tensor.name)} in another file; save it as one file, "
                "with onnx.save(onnx.load(path), one_path)"
            )
    elements = sum(parts.sizes)
    if elements > limits.ELEMENTS:
        raise UploadError(
            f"the model says it holds {elements:,} numbers, and at most {limits.ELEMENTS:,} "
            "are taken; use a smaller model"
        )


# operators


def _check_operators(model: onnx.ModelProto, parts: _Parts) -> None:
    own = {(each.domain, each.name): each for each in model.functions}
    for node in parts.nodes:
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            raise UploadError(
                f"the model uses {shown(node.op_type)} of {shown(node.domain)}, which is no "
                "standard ONNX operator; export it with standard operators only"
            )
    if len(own) > limits.FUNCTIONS:
        raise UploadError(
            f"the model has {len(own):,} functions, and at most {limits.FUNCTIONS:,} are taken; "
            "use a simpler model"
        )
    calls = {name: _parts(each).nodes for name, each in own.items()}
    _written_out(_parts(model.graph).nodes, calls, {}, 0)


def _written_out(
    nodes: list[onnx.NodeProto],
    calls: Mapping[Function, list[onnx.NodeProto]],
    sizes: dict[Function, int],
    depth: int,
) -> int:
    """How many operators there are once every function's body stands where it is called."""
    total = len(nodes)
    for name in [(node.domain, node.op_type) for node in nodes]:
        if name not in calls:
            continue
        if name not in sizes and depth < limits.NESTED:
            sizes[name] = _written_out(calls[name], calls, sizes, depth + 1)
        total += sizes.get(name, limits.NODES)  # without end where a function calls itself
    if total > limits.NODES:
        raise UploadError(
            f"the model's functions call each other deeper than {limits.NESTED} times, or come to "
            f"more than {limits.NODES:,} operators; use a simpler model"
        )
    return total


# what goes in


def _only_input(inputs: list[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    if len(inputs) != 1:
        found = ", ".join(shown(each.name) for each in inputs[:3]) or "none"
        raise UploadError(
            f"the model has {len(inputs)} inputs ({found}), and a teacher has one, the pictures; "
            "export it with a single input"
        )
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in INPUTS:
        name = onnx.TensorProto.DataType.Name(kind) if kind in _KINDS else "no tensor"
        raise UploadError(
            f"the model's input {shown(inputs[0].name)} is {name}; export it with an input of "
            f"{', '.join(INPUTS.values())}"
        )
    return inputs[0]


_KINDS = onnx.TensorProto.DataType.values()


def _sides(value: onnx.ValueInfoProto) -> Shape | None:
    """Lengths of a tensor's axes, None for a free one; None where its rank is not told."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(each.dim_value if each.dim_value > 0 else None for each in tensor.shape.dim)


def _input_shape(source: onnx.ValueInfoProto) -> tuple[Shape, list[str]]:
    shape = _sides(source)
    if shape is None or not 2 <= len(shape) <= 4:
        told = "of no known shape" if shape is None else f"of {len(shape)} axes"
        raise UploadError(
            f"the model's input {shown(source.name)} is {told}; export it for pictures "
            "(N, C, H, W) or (N, H, W, C), or for rows (N, values)"
        )
    batch = shape[0]
    most = 3 * limits.SIDE**2
    values = math.prod(side or 1 for side in shape)
    if (
        any((side or 1) > limits.SIDE for side in shape[1:] if len(shape) > 2)
        or values > limits.INPUT_VALUES
        or values // (batch or 1) > most
    ):
        raise UploadError(
            f"the model takes batches of {'×'.join(str(side or 'any') for side in shape)}, and "
            f"pictures may have {limits.SIDE}×{limits.SIDE} pixels at most, and a batch "
            f"{limits.INPUT_VALUES:,} values; export it for smaller ones"
        )
    if batch is None:
        return shape, []
    if batch == 1:
        return shape, ["It takes one picture at a time, which is slow; a free batch size is not."]
    return shape, [f"It takes {batch} pictures at a time; a last batch of fewer is filled up."]


def _layout(shape: Shape) -> tuple[Layout, list[str]]:
    if len(shape) == 2:
        return "flat", []
    if len(shape) == 3:
        return "NHW", []
    if shape[1] in CHANNELS:
        return "NCHW", []
    if shape[3] in CHANNELS:
        return "NHWC", []
    if shape[1] is None:
        return "NCHW", ["It does not tell its channels; they are taken to come before the sides."]
    raise UploadError(
        f"the model's input has {shape[1]} and {shape[3] or 'any'} where channels are looked "
        "for; export it for pictures of 1 or 3 channels, (N, C, H, W) or (N, H, W, C)"
    )


# what comes out


def _output(
    outputs: list[onnx.ValueInfoProto],
) -> tuple[onnx.ValueInfoProto, int | None, list[str]]:
    """The output with a row of numbers for each picture, and how many numbers those are."""
    fitting = [
        (each, shape)
        for each in outputs
        if each.type.tensor_type.elem_type in OUTPUTS
        and ((shape := _sides(each)) is None or len(shape) == 2)
    ]
    if not fitting:
        found = ", ".join(f"{shown(each.name)} {_told(each)}" for each in outputs[:3]) or "none"
        raise UploadError(
            f"the model gives no row of decimals (N, classes) for each picture, but {found}; "
            "export it up to its last linear layer"
        )
    chosen, shape = fitting[0]
    classes = shape[1] if shape is not None else None
    if classes is not None and not 2 <= classes <= limits.CLASSES:
        raise UploadError(
            f"the model's output {shown(chosen.name)} has {classes:,} numbers a picture; export "
            f"one with a number for each class, 2 to {limits.CLASSES:,} of them"
        )
    notes = []
    if len(outputs) > 1:
        notes = [f"Of its {len(outputs)} outputs, {shown(chosen.name)} is taken."]
    return chosen, classes, notes


def _told(output: onnx.ValueInfoProto) -> str:
    kind = output.type.tensor_type.elem_type
    sides = ", ".join(str(side or "any") for side in _sides(output) or ())
    return f"({sides}) of {onnx.TensorProto.DataType.Name(kind) if kind in _KINDS else 'no tensor'}"


def _opset(model: onnx.ModelProto) -> int:
    return max(
        (each.version for each in model.opset_import if each.domain in DOMAINS[:2]), default=0
    )


def _parameters(graph: onnx.GraphProto) -> int:
    """Numbers in the weights; whole int64 ones are shapes and indices."""
    weights = (each for each in graph.initializer if each.data_type != onnx.TensorProto.INT64)
    return sum(_elements(each.dims) for each in weights)
