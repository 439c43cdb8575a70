"""What an ONNX file weighs, of whatever framework it comes."""

import gzip

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from kdcore import models
from kdcore.compress.export import to_onnx
from kdcore.errors import HomeError
from kdcore.measure import onnx_file
from kdcore.measure.size import macs


def a_file(*nodes, shape=(4,), **weights):
    """A serialised model from `input` (N, ...) to `logits`."""
    opset = [helper.make_opsetid("", 17)]
    graph = helper.make_graph(
        nodes,
        "made by hand",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_zeros_are_numbers_that_are_shipped_but_not_weights_that_work():
    weights = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 0], [0, 0, 3]], np.float32)
    content = a_file(
        helper.make_node("MatMul", ["input", "w"], ["made"]),
        helper.make_node("Reshape", ["made", "sizes"], ["logits"]),
        w=weights,
        sizes=np.array([-1, 3]),
    )
    found = onnx_file.weight(content)
    assert (found.numbers, found.nonzero, found.bits) == (12, 3, (32,))
    assert found.bytes == len(content)
    assert gzip.decompress(gzip.compress(content, 9)) == content
    assert found.gzip_bytes == len(gzip.compress(content, 9, mtime=0))
    assert onnx_file.macs(content, (4,)) == 4 * 3


def test_a_quantized_weight_has_eight_bits():
    content = a_file(
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("MatMul", ["input", "w"], ["logits"]),
        q=np.ones((4, 3), np.int8),
        scale=np.array(0.5, np.float32),
    )
    found = onnx_file.weight(content)
    assert (found.numbers, found.bits) == (12 + 1, (8,))
    assert onnx_file.macs(content, (4,)) == 12


def of_bytes(*nodes, **weights):
    """A product whose input and weights are turned back from whole numbers."""
    return a_file(
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["again"]),
        *nodes,
        q=np.ones((3, 4), np.int8),
        scale=np.array(0.5, np.float32),
        zero=np.array(0, np.uint8),
        **weights,
    )


TURNED = helper.make_node("DequantizeLinear", ["q", "scale"], ["back"])
PUT = helper.make_node("Transpose", ["back"], ["w"])


def test_a_product_of_numbers_turned_back_right_before_it_is_one_in_int8():
    product = helper.make_node("MatMul", ["again", "w"], ["logits"])
    assert onnx_file.in_int8(of_bytes(TURNED, PUT, product))


def test_a_product_of_a_float_and_of_weights_in_int8_is_none():
    product = helper.make_node("MatMul", ["input", "w"], ["logits"])
    assert not onnx_file.in_int8(of_bytes(TURNED, PUT, product))


def test_one_product_in_float32_is_one_too_many():
    first = helper.make_node("MatMul", ["again", "w"], ["made"])
    second = helper.make_node("MatMul", ["made", "v"], ["logits"])
    v = np.ones((3, 2), np.float32)
    assert not onnx_file.in_int8(of_bytes(TURNED, PUT, first, second, v=v))


def test_a_product_of_sixteen_bits_is_not_one_of_eight():
    wide = helper.make_node("DequantizeLinear", ["p", "scale"], ["back"])
    product = helper.make_node("MatMul", ["again", "w"], ["logits"])
    assert not onnx_file.in_int8(of_bytes(wide, PUT, product, p=np.ones((3, 4), np.int16)))


CASES = {
    "resnet_cifar": ({}, (3, 16, 16)),
    "vit": ({"width": 32, "depth": 2, "heads": 2}, (1, 8, 8)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_file_counts_as_the_network_that_it_was_made_of(name):
    options, shape = CASES[name]
    network = models.get(name).build(shape, 10, options, seed=0)
    content = to_onnx(network, shape)
    assert onnx_file.macs(content, shape) == macs(network, shape)


def test_what_cannot_be_counted_is_not_guessed():
    content = a_file(
        helper.make_node("Einsum", ["input", "w"], ["logits"], equation="nk,kc->nc"),
        w=np.ones((4, 3), np.float32),
    )
    assert onnx_file.macs(content, (4,)) is None


@pytest.mark.parametrize("content", [b"no model", b"", onnx.ModelProto().SerializeToString()])
def test_a_damaged_file_is_a_sentence(content):
    with pytest.raises(HomeError, match="the ONNX file cannot be read"):
        onnx_file.weight(content)


def test_a_file_that_takes_other_samples_is_a_sentence():
    product = helper.make_node("MatMul", ["input", "w"], ["logits"])
    content = a_file(product, w=np.ones((4, 3), np.float32))
    with pytest.raises(HomeError, match="not take samples of 1×8×8 float32 numbers: "):
        onnx_file.macs(content, (1, 8, 8))


def test_grouped_convolutions_count_their_groups_alone():
    content = a_file(
        helper.make_node("Conv", ["input", "w"], ["logits"], group=2, pads=[1, 1, 1, 1]),
        shape=(4, 5, 5),
        w=np.ones((8, 2, 3, 3), np.float32),
    )
    expected = macs(nn.Conv2d(4, 8, 3, groups=2, padding=1), (4, 5, 5))
    assert onnx_file.macs(content, (4, 5, 5)) == 8 * 25 * 2 * 9 == expected


def test_a_design_is_all_but_the_values_of_the_weights():
    def mlp(seed: int, *widths: int) -> bytes:
        network = models.get("mlp").build((1, 8, 8), 10, {"widths": list(widths)}, seed=seed)
        return to_onnx(network, (1, 8, 8))

    assert onnx_file.design(mlp(0, 16)) == onnx_file.design(mlp(1, 16))
    assert onnx_file.design(mlp(0, 16)) != onnx_file.design(mlp(0, 17))
    assert onnx_file.design(mlp(0, 16)) != onnx_file.design(mlp(0, 16, 16))
    with pytest.raises(HomeError):
        onnx_file.design(b"no model")
    files = {"teacher": mlp(0, 17), "control": mlp(0, 16), "distilled": mlp(1, 16)}
    assert onnx_file.same_work(files) == {
        "teacher": "teacher",
        "control": "control",
        "distilled": "control",
    }
    assert onnx_file.same_work({"teacher": b"not read", "control": mlp(0, 16)}, "teacher") == {
        "teacher": "teacher",
        "control": "control",
    }
