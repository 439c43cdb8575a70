"""A trained model as one ONNX file, which answers as the network does."""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.compress import export
from kdcore.compress.export import to_onnx
from kdcore.measure.size import parameters

MLP = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


@pytest.fixture(scope="module")
def exported():
    return to_onnx(MLP, (1, 8, 8))


@pytest.fixture
def chatter():
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(before)


def answer(model: bytes, inputs: torch.Tensor) -> np.ndarray:
    (outputs,) = onnxruntime.InferenceSession(model).run(None, {"input": inputs.numpy()})
    return outputs


@pytest.mark.parametrize("batch", [1, 2, 33])
def test_the_exported_model_answers_as_torch_does_at_any_batch(exported, batch):
    inputs = torch.randn(batch, 1, 8, 8)
    np.testing.assert_allclose(answer(exported, inputs), MLP(inputs).detach().numpy(), atol=1e-5)


def test_a_file_takes_one_input_to_logits_at_a_free_batch_size(exported):
    graph = onnx.load_from_string(exported).graph
    for values, name, shape in ((graph.input, "input", [1, 8, 8]), (graph.output, "logits", [10])):
        (value,) = values
        batch, *rest = value.type.tensor_type.shape.dim
        assert value.name == name
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert batch.dim_param
        assert [each.dim_value for each in rest] == shape


def test_a_file_is_valid_onnx(exported):
    onnx.checker.check_model(onnx.load_from_string(exported), full_check=True)


def test_the_weights_are_inside_the_one_file(exported):
    tensors = onnx.load_from_string(exported).graph.initializer
    assert not any(tensor.external_data for tensor in tensors)
    assert len(exported) > 4 * parameters(MLP)


def test_a_file_holds_little_beside_its_weights(exported):
    assert len(exported) < 4 * parameters(MLP) + 1500
    assert not any(node.metadata_props for node in onnx.load_from_string(exported).graph.node)


def test_a_network_is_exported_as_it_answers_in_eval_mode():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Dropout(0.9), nn.Linear(72, 3)
    )
    network.train()
    network(torch.randn(50, 1, 8, 8))  # moves the running mean and deviation
    exported = to_onnx(network, (1, 8, 8))
    assert not network.training
    inputs = torch.randn(2, 1, 8, 8)
    np.testing.assert_allclose(
        answer(exported, inputs), network(inputs).detach().numpy(), atol=1e-5
    )


def check_answers(network: nn.Module, shape: tuple[int, ...]) -> None:
    """The exported file answers as the network does."""
    inputs = torch.randn(2, *shape)
    expected = network(inputs).detach().numpy()
    np.testing.assert_allclose(answer(to_onnx(network, shape), inputs), expected, atol=1e-5)


def fresh(monkeypatch, network, shape):
    """Exported as if nothing had been before."""
    with monkeypatch.context() as patched:
        patched.setattr(export, "_templates", {})
        return to_onnx(network, shape)


def test_networks_of_one_shape_are_translated_once_and_each_file_has_its_own_weights(monkeypatch):
    def network(seed):
        torch.manual_seed(seed)
        return models.get("cnn").build((1, 8, 8), 10, {"channels": [4], "hidden": [8]}, seed)

    to_onnx(network(0), (1, 8, 8))
    expected = fresh(monkeypatch, network(1), (1, 8, 8))
    monkeypatch.setattr(export, "_exported", None)
    assert to_onnx(network(1), (1, 8, 8)) == expected


def test_a_network_whose_weights_are_merged_is_translated_each_time():
    def network(seed):
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())
        layers(torch.randn(9, 1, 8, 8))
        return layers.eval()

    for seed in (0, 1):
        check_answers(network(seed), (1, 8, 8))


def test_a_network_of_other_layers_or_another_input_has_a_file_of_its_own():
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for shape in ((1, 8, 8), (1, 9, 9)):
        check_answers(layers, shape)
    strided = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), *layers[1:])
    check_answers(strided, (1, 8, 8))


def test_layers_that_do_not_print_all_they_compute_are_translated_each_time():
    def network(whole):
        pool = nn.AvgPool2d(3, padding=1, count_include_pad=whole)
        return nn.Sequential(pool, nn.Flatten(), nn.Linear(9, 2))

    assert repr(network(True)) == repr(network(False))
    for whole in (True, False):
        check_answers(network(whole), (1, 7, 7))


def test_large_files_are_not_kept(monkeypatch):
    monkeypatch.setattr(export, "TEMPLATE_BYTES", 10)
    monkeypatch.setattr(export, "_templates", {})
    to_onnx(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2))
    assert export._templates == {}


def test_no_more_files_are_kept_than_a_few(monkeypatch):
    monkeypatch.setattr(export, "TEMPLATES", 1)
    monkeypatch.setattr(export, "_templates", {})
    for width in (2, 3):
        to_onnx(nn.Sequential(nn.Flatten(), nn.Linear(4, width)), (1, 2, 2))
    assert len(export._templates) == 1


def test_exporting_prints_nothing_and_leaves_the_exporters_log_level_alone(chatter, capfd):
    to_onnx(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), (1, 8, 8))
    assert chatter.level == logging.INFO
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_an_export_that_fails_leaves_the_exporters_log_level_alone(chatter, monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    monkeypatch.setattr(export, "_templates", {})
    with pytest.raises(RuntimeError, match="no such operator"):
        to_onnx(MLP, (1, 8, 8))
    assert chatter.level == logging.INFO


def test_a_residual_network_is_written_without_detours():
    network = models.get("resnet_cifar").build((3, 16, 16), 10, {"depth": 8}, seed=0)
    assert any(
        each.is_contiguous(memory_format=torch.channels_last) for each in network.parameters()
    )
    content = to_onnx(network, (3, 16, 16))
    kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert kinds == {"Conv", "Relu", "Add", "ReduceMean", "Reshape", "Gemm"}
    inputs = torch.randn(3, 3, 16, 16)
    expected = network(inputs).detach().numpy()
    np.testing.assert_allclose(answer(content, inputs), expected, atol=1e-5)
