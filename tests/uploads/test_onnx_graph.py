"""An ONNX model's graph: what it takes and gives is read off, and what is no teacher is refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdcore.errors import UploadError
from kdcore.uploads import limits
from kdcore.uploads.onnx_file import misfit
from kdcore.uploads.onnx_graph import examine, names
from tests.uploads.onnx_models import BYTE, FLOAT, HALF, linear, model, weights


def looked(proto: onnx.ModelProto):
    return examine(proto.SerializeToString())


def refused(proto: onnx.ModelProto) -> str:
    with pytest.raises(UploadError) as raised:
        looked(proto)
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("shape", "layout", "batch", "picture"),
    [
        (("N", 1, 8, 8), "NCHW", None, (1, 8, 8)),
        (("N", 3, 32, 32), "NCHW", None, (3, 32, 32)),
        (("N", 32, 32, 3), "NHWC", None, (3, 32, 32)),
        (("N", 8, 8), "NHW", None, (1, 8, 8)),
        (("N", 64), "flat", None, (1, 8, 8)),
        (("N", 784), "flat", None, (1, 28, 28)),
        ((4, 1, 8, 8), "NCHW", 4, (1, 8, 8)),
        ((None, 1, None, None), "NCHW", None, (1, 8, 8)),
    ],
)
def test_layout_and_batch_are_read_off(shape, layout, batch, picture):
    info = looked(linear(shape, table=weights(1)))
    assert (info.layout, info.batch) == (layout, batch)
    assert info.picture((1, 8, 8)) == picture


@pytest.mark.parametrize(
    ("kind", "dtype"), [(FLOAT, "float32"), (HALF, "float16"), (BYTE, "uint8")]
)
def test_its_type_of_numbers_is_read_off(kind, dtype):
    assert looked(linear(kind=kind)).input_dtype == dtype


def test_classes_parameters_and_names_are_read_off():
    proto = linear(classes=7)
    info = looked(proto)
    assert (info.classes, info.parameters, info.opset) == (7, 64 * 7, 20)
    assert names(proto.SerializeToString()) == ("x", "y")


def test_weights_that_are_listed_as_inputs_are_none():
    proto = linear()
    proto.graph.input.append(helper.make_tensor_value_info("w", FLOAT, (64, 10)))
    assert looked(proto).input_name == "x"
    assert names(proto.SerializeToString())[0] == "x"


def test_what_is_odd_about_it_is_said():
    assert "one picture at a time" in looked(linear((1, 1, 8, 8))).notes[0]
    two = linear()
    two.graph.output.append(helper.make_tensor_value_info("row", FLOAT, ("N", 64)))
    assert looked(two).notes == ("Of its 2 outputs, 'y' is taken.",)


def test_what_is_done_to_pictures_is_said():
    info = looked(linear(("N", 32, 32, 3)))
    grey, resized = info.changes((1, 28, 28))
    assert "Grey is repeated" in grey
    assert resized == "Pictures are resized from 28×28 to 32×32 (bilinear)."
    assert info.changes((3, 32, 32)) == ()


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 100, b"\x08\x09"])
def test_what_is_no_model_is_said(content):
    with pytest.raises(UploadError, match="no ONNX model, or is damaged"):
        examine(content)


def test_half_a_model_is_said_to_be_damaged():
    content = linear().SerializeToString()
    with pytest.raises(UploadError, match="no ONNX model, or is damaged"):
        examine(content[: len(content) // 2])


def test_a_model_has_one_input_of_pictures():
    two = linear()
    two.graph.input.append(helper.make_tensor_value_info("more", FLOAT, ("N", 3)))
    assert "2 inputs ('x', 'more')" in refused(two)
    none = linear()
    none.graph.ClearField("input")
    assert "0 inputs (none)" in refused(none)
    assert "is INT64" in refused(linear(kind=TensorProto.INT64))
    assert "of 5 axes" in refused(linear(("N", 1, 2, 8, 8)))
    assert "of 1 axes" in refused(linear(("N",), table=weights(1)))
    assert "64 and 8 where channels" in refused(linear(("N", 64, 8, 8)))
    assert "2000×2000" in refused(linear(("N", 1, 2000, 2000), table=weights(1)))
    assert "64,000,000 values" in refused(linear((10_000, 3, 1000, 1000), table=weights(1)))


def test_a_model_gives_a_row_of_decimals_a_picture():
    assert "a number for each class" in refused(linear(classes=1))
    assert "no row of decimals" in refused(linear(answers=("N", 10, 3)))
    assert looked(linear(answers=("N", "classes"))).classes is None


def test_weights_in_another_file_are_refused():
    proto = linear()
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "/etc/passwd")
    assert "keeps 'w' in another file" in refused(proto)


def test_other_peoples_operators_are_refused():
    proto = linear()
    proto.graph.node[0].domain = "com.evil"
    assert "'Flatten' of 'com.evil', which is no standard" in refused(proto)


def test_a_tensor_may_not_promise_more_than_is_taken():
    proto = linear()
    proto.graph.initializer[0].dims[:] = [2**40, 2**20]
    assert "says it holds 1,152,921,504,606,846,976 numbers" in refused(proto)


def test_a_tensor_hidden_in_a_branch_counts(monkeypatch):
    monkeypatch.setattr(limits, "ELEMENTS", 1000)
    big = numpy_helper.from_array(np.zeros(1001, np.float32), "big")
    constant = helper.make_node("Constant", [], ["y"], value=big)
    branch = helper.make_graph(
        [constant], "branch", [], [helper.make_tensor_value_info("y", FLOAT, ("N", 10))]
    )
    node = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    proto = linear()
    proto.graph.node.append(node)
    assert "holds 2,642 numbers" in refused(proto)


def test_operators_are_counted_at_any_depth_and_in_functions(monkeypatch):
    monkeypatch.setattr(limits, "NODES", 50)
    many = linear()
    many.graph.node.extend([many.graph.node[0]] * 60)
    assert "more than 50 operators" in refused(many)
    assert "more than 50 operators" in refused(doubling(8))


def test_a_function_that_calls_itself_is_refused():
    assert "call each other deeper" in refused(doubling(3, itself=True))


def doubling(levels: int, itself: bool = False) -> onnx.ModelProto:
    """Functions each of which calls the next twice: small to write, large to write out."""

    def call(level: int):
        return helper.make_node(f"f{level}", ["a"], ["a"], domain="own")

    functions = [
        helper.make_function(
            "own",
            f"f{level}",
            ["a"],
            ["a"],
            [call(0 if itself else level + 1)] * 2
            if level + 1 < levels or itself
            else [helper.make_node("Sin", ["a"], ["a"])],
            [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)],
        )
        for level in range(levels)
    ]
    return model(
        [helper.make_node("f0", ["x"], ["y"], domain="own")],
        [helper.make_tensor_value_info("x", FLOAT, ("N", 1, 8, 8))],
        [helper.make_tensor_value_info("y", FLOAT, ("N", 10))],
        functions=functions,
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("own", 1)],
    )


@pytest.mark.parametrize(
    ("kind", "shape", "classes", "said"),
    [
        ("image", (1, 8, 8), 10, None),
        ("point", (2,), 10, "the task gives points"),
        ("image", (1, 8, 8), 4, "answers 10 numbers a picture, but the task has 4 classes"),
    ],
)
def test_what_does_not_go_with_a_task_is_said(kind, shape, classes, said):
    reason = misfit(looked(linear()), kind, shape, classes)
    assert reason is None if said is None else said in reason


def test_a_row_of_values_that_is_no_picture_does_not_fit():
    info = looked(linear(("N", 50)))
    assert "50 values a picture, which is no square" in misfit(info, "image", (1, 8, 8), 10)
