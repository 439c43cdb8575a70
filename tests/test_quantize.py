"""Quantization: what is in the files, what they answer, and the traps on the way."""

import time

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F

from kdcore import models
from kdcore.compress.export import to_onnx
from kdcore.compress.pooling import pool_last
from kdcore.compress.quantize import (
    dynamic_int8,
    ends,
    float16,
    layers,
    prepared,
    static_int8,
    weights_int8,
)
from kdcore.compress.ranges import kinds
from kdcore.compress.sensitivity import answers, most_sensitive, same, sensitivities
from kdcore.errors import RecipeError
from kdcore.measure.latency import session


@pytest.fixture(scope="module")
def inputs(digits):
    """Some of training, and the whole test split, as a network takes them."""
    return digits.normalise(digits.train.inputs), digits.normalise(digits.test.inputs)


@pytest.fixture(scope="module")
def cnn(digits, inputs) -> bytes:
    """A small convolutional network that reads most digits."""
    torch.manual_seed(0)
    options = {"channels": [8, 16], "hidden": [64]}
    network = models.get("cnn").build((1, 8, 8), 10, options, seed=0)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3, fused=True)
    for _ in range(80):
        batch = torch.randint(0, len(inputs[0]), (64,))
        optimizer.zero_grad()
        F.cross_entropy(network(inputs[0][batch]), digits.train.labels[batch]).backward()
        optimizer.step()
    return to_onnx(network, (1, 8, 8))


@pytest.fixture(scope="module")
def calibration(inputs) -> np.ndarray:
    return inputs[0][:100].numpy()


@pytest.fixture(scope="module")
def tested(inputs) -> np.ndarray:
    return inputs[1].numpy()


@pytest.fixture(scope="module")
def static(cnn, calibration) -> bytes:
    return static_int8(cnn, calibration)


def operators(model: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(model).graph.node]


def numbers(model: bytes, kind: int) -> dict[str, np.ndarray]:
    """The file's tensors of a kind, by name."""
    held = onnx.load_from_string(model).graph.initializer
    return {each.name: numpy_helper.to_array(each) for each in held if each.data_type == kind}


def product(weights: list[list[float]], *more: onnx.NodeProto) -> bytes:
    """One matrix product, (N, 2) times weights (2, K), and what follows it."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "weights"], ["logits"], name="product"), *more],
        "product",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(weights[0])])],
        [numpy_helper.from_array(np.array(weights, np.float32), "weights")],
    )
    opset = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()


# what is in the files


def test_static_int8_answers_nearly_as_before_in_whole_numbers(cnn, static, tested):
    assert same(answers(static, tested), answers(cnn, tested)) > 0.97
    kernels = [each for each in numbers(static, TensorProto.INT8).values() if each.ndim > 1]
    assert sorted(each.size for each in kernels) == sorted([8 * 9, 8 * 16 * 9, 64 * 64, 64 * 10])
    assert "QuantizeLinear" in operators(static)


def test_a_pooling_goes_after_its_activation_with_the_very_same_answers(cnn, tested):
    before = prepared(cnn)
    after = onnx.ModelProto()
    after.CopyFrom(before)
    pool_last(after)
    order = [node.op_type for node in after.graph.node if node.op_type in ("Relu", "MaxPool")]
    assert order == ["Relu", "MaxPool", "Relu", "MaxPool", "Relu"]
    onnx.checker.check_model(after, full_check=True)  # the shapes in between are true, too
    same_bits = (answers(each.SerializeToString(), tested) for each in (before, after))
    np.testing.assert_array_equal(*same_bits)


def test_a_pooling_that_others_read_stays_where_it_is():
    shape = ["N", 1, 4, 4]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xyz"]
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1])
    graph = helper.make_graph(
        [pool, helper.make_node("Relu", ["y"], ["z"])], "read twice", tensors[:1], tensors[1:]
    )
    model = helper.make_model(graph)
    before = model.SerializeToString()
    pool_last(model)
    assert model.SerializeToString() == before


def test_no_integer_is_spent_on_what_an_activation_takes_away(static):
    model = onnx.load_from_string(static)
    held = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    convolved = {node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    rounded = [node for node in model.graph.node if node.input[0] in convolved]
    assert [node.op_type for node in rounded] == ["QuantizeLinear"] * 2
    assert [int(held[node.input[2]]) for node in rounded] == [0, 0]


def test_weights_have_a_scale_for_each_channel(static):
    scales = [each.size for each in numbers(static, TensorProto.FLOAT).values() if each.ndim == 1]
    assert {8, 16, 64, 10} <= set(scales)


def test_weights_have_seven_bits_so_that_no_processor_overflows(static, cnn, calibration):
    def largest(model):
        return max(
            np.abs(each.astype(int)).max()
            for each in numbers(model, TensorProto.INT8).values()
            if each.ndim > 1
        )

    assert largest(static) <= 64
    assert largest(static_int8(cnn, calibration, bits=8)) == 127


def test_a_file_in_int8_takes_about_a_quarter_of_the_room(cnn, static):
    # 5,960 weights of four bytes shrink to one; the graph and its scales stay
    saved = 3 * (8 * 9 + 8 * 16 * 9 + 64 * 64 + 64 * 10)
    overhead = 8_000
    assert len(cnn) - saved < len(static) < len(cnn) - saved + overhead


def test_weights_alone_are_scaled_by_each_columns_largest():
    # 127 and −64 stay, by a scale of 1; the second column's largest, 2, becomes 127 by 2/127
    model = weights_int8(product([[127.0, 2.0], [-64.0, -1.0]]))
    (integers,) = numbers(model, TensorProto.INT8).values()
    assert integers.tolist() == [[127, 127], [-64, -64]]  # −63.5 is rounded to the even number
    (found,) = session(model).run(None, {"input": np.eye(2, dtype=np.float32)})
    np.testing.assert_allclose(found, [[127, 2], [-64, -64 * 2 / 127]], rtol=1e-6)


def test_weights_alone_keep_zeros_and_a_column_of_nothing():
    model = weights_int8(product([[0.0, 0.0], [3.0, 0.0]]))
    (found,) = session(model).run(None, {"input": np.ones((1, 2), np.float32)})
    assert found.tolist() == [[3, 0]]


def test_weights_alone_answer_as_the_network_and_take_a_quarter_of_their_room(cnn, tested):
    model = weights_int8(cnn)
    assert len(cnn) - len(model) > 0.9 * 3 * 5960  # bytes, as four become one
    assert same(answers(model, tested), answers(cnn, tested)) > 0.98


def test_float16_halves_every_number_and_still_takes_float32(cnn, tested):
    model = float16(cnn)
    halved = numbers(model, TensorProto.FLOAT16)
    assert sum(each.size for each in halved.values()) == 5960 + 8 + 16 + 64 + 10
    assert answers(model, tested).dtype == np.float32
    assert same(answers(model, tested), answers(cnn, tested)) > 0.99


def test_layers_are_named_in_the_order_in_which_they_compute(cnn):
    kept = {node.name: node.op_type for node in onnx.load_from_string(cnn).graph.node}
    assert [kept[name] for name in layers(cnn)] == ["Conv", "Conv", "Gemm", "Gemm"]
    assert ends(cnn) == (layers(cnn)[0], layers(cnn)[-1])


@pytest.mark.parametrize("quantize", ["static", "dynamic", "weights"])
def test_layers_that_are_kept_stay_in_float32(quantize, cnn, calibration):
    by = {
        "static": lambda keep: static_int8(cnn, calibration, keep=keep),
        "dynamic": lambda keep: dynamic_int8(cnn, only=("Conv", "Gemm", "MatMul"), keep=keep),
        "weights": lambda keep: weights_int8(cnn, keep=keep),
    }[quantize]
    whole = [each.shape for each in numbers(by(ends(cnn)), TensorProto.FLOAT).values()]
    assert (8, 1, 3, 3) in whole
    assert (10, 64) in whole or (64, 10) in whole
    assert (16, 8, 3, 3) not in whole


# how ranges are found


@pytest.mark.parametrize("how", ["entropy", "percentile"])
def test_ranges_leave_the_rarest_values_out_unless_they_go_by_minimum_and_maximum(how):
    samples = np.random.default_rng(0).normal(size=(20_000, 2)).astype(np.float32)
    samples[0] = 40.0
    model = product([[1.0, 2.0], [3.0, 4.0]])

    def scale(how):
        found = numbers(static_int8(model, samples, calibration=how), TensorProto.FLOAT)
        return next(float(each) for name, each in found.items() if name == "input_scale")

    # from the smallest, some four below zero, to 40, in 255 steps
    assert scale("min-max") == pytest.approx((40 - samples.min()) / 255)
    assert 0 < scale(how) < 0.9 * scale("min-max")


def test_calibration_without_samples_is_refused(cnn):
    with pytest.raises(RecipeError, match="needs samples"):
        static_int8(cnn, np.zeros((0, 1, 8, 8), np.float32))


def test_a_network_of_which_everything_is_kept_has_nothing_to_quantize(cnn, calibration):
    for quantize in (
        weights_int8,
        dynamic_int8,
        lambda m, keep: static_int8(m, calibration, keep=keep),
    ):
        with pytest.raises(RecipeError, match="nothing is left to quantize"):
            quantize(cnn, keep=layers(cnn))


def test_what_is_no_model_is_refused_in_a_sentence():
    with pytest.raises(RecipeError, match="no ONNX model"):
        weights_int8(b"no model")


# one layer at a time


def test_each_layer_is_judged_with_all_others_in_float32(cnn, calibration, tested):
    found = list(sensitivities(cnn, calibration, tested))
    assert [each.layer for each in found] == list(layers(cnn))
    whole = answers(cnn, tested)
    for number, each in enumerate(found):
        rest = [name for place, name in enumerate(layers(cnn)) if place != number]
        alone = answers(static_int8(cnn, calibration, keep=rest), tested)
        assert each.agreement == same(alone, whole)
        drift = np.sqrt(((alone - whole) ** 2).mean()) / whole.std()
        assert each.drift == pytest.approx(drift, rel=1e-5)


def test_the_most_sensitive_layers_are_those_whose_answers_drift_most(cnn, calibration, tested):
    found = list(sensitivities(cnn, calibration, tested))
    (worst,) = most_sensitive(found, 1)
    assert max(found, key=lambda each: each.drift).layer == worst
    assert set(most_sensitive(found, 9)) == set(layers(cnn))


# the traps


def test_calibrating_on_noise_destroys_what_training_samples_keep(cnn, static, tested, digits):
    noise = np.random.default_rng(0).random((100, 1, 8, 8), np.float32)
    labels = digits.test.labels.numpy()
    right = [
        (answers(model, tested).argmax(1) == labels).mean()
        for model in (cnn, static, static_int8(cnn, noise))
    ]
    assert right[1] > right[0] - 0.03
    assert right[2] < right[0] - 0.1


def test_dynamic_int8_leaves_convolutions_alone_unless_asked(cnn, tested):
    assert operators(dynamic_int8(cnn)).count("Conv") == 2
    everything = dynamic_int8(cnn, only=("Conv", "MatMul", "Gemm"))
    assert "Conv" not in operators(everything)
    assert same(answers(everything, tested), answers(cnn, tested)) > 0.97


def test_dynamic_int8_makes_convolutions_slower(cnn, tested):
    def cost(model):
        each, batch = session(model), tested[:64]
        taken = []
        for _ in range(12):
            began = time.thread_time()
            each.run(None, {"input": batch})
            taken.append(time.thread_time() - began)
        return min(taken)

    assert cost(dynamic_int8(cnn, only=("Conv",))) > 1.2 * cost(cnn)


def masked_attention() -> bytes:
    """Six tokens, the last of which may not be looked at, to three classes."""
    drawn = np.random.default_rng(0)
    mask = np.where(np.arange(6) == 5, -1e9, 0)[None]
    weights = {name: drawn.normal(size=(4, 4)) for name in ("query", "key", "value")}
    weights |= {"head": drawn.normal(size=(4, 3)), "mask": mask}
    nodes = [
        *(
            helper.make_node("MatMul", ["input", name], [name + "s"], name=name + "_product")
            for name in ("query", "key", "value")
        ),
        helper.make_node("Transpose", ["keys"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["querys", "turned"], ["scores"], name="scores_product"),
        helper.make_node("Add", ["scores", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "values"], ["mixed"], name="mixed_product"),
        helper.make_node("ReduceMax", ["mixed", "axis"], ["vector"], keepdims=0),
        helper.make_node("MatMul", ["vector", "head"], ["logits"], name="head_product"),
    ]
    held = [numpy_helper.from_array(v.astype(np.float32), name) for name, v in weights.items()]
    held.append(numpy_helper.from_array(np.array([1]), "axis"))
    graph = helper.make_graph(
        nodes,
        "masked",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 6, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        held,
    )
    opset = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()


def test_static_int8_of_everything_breaks_masked_attention_and_of_its_products_does_not():
    model = masked_attention()
    samples = np.random.default_rng(1).normal(size=(400, 6, 4)).astype(np.float32)
    whole = answers(model, samples)
    everything = answers(static_int8(model, samples[:100], only=kinds(None)), samples)
    assert same(everything, whole) < 0.8
    assert same(answers(static_int8(model, samples[:100]), samples), whole) > 0.95
    assert same(answers(dynamic_int8(model), samples), whole) > 0.95
