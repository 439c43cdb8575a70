"""What a model costs: parameters, multiply-accumulates, latency, and the exported file."""

import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from kdcore.compress.export import to_onnx
from kdcore.measure import latency
from kdcore.measure.size import macs, parameters

MLP = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
CONVOLUTION = nn.Conv2d(3, 8, kernel_size=3, padding=1)


@pytest.fixture(scope="module")
def exported():
    return to_onnx(MLP, (1, 8, 8))


# size


def test_parameters_are_weights_and_biases():
    assert parameters(MLP) == 64 * 16 + 16 + 16 * 10 + 10
    assert parameters(CONVOLUTION) == 3 * 8 * 9 + 8


def test_macs_are_one_a_weight_and_output():
    assert macs(MLP, (1, 8, 8)) == 64 * 16 + 16 * 10
    assert macs(CONVOLUTION, (3, 5, 7)) == 3 * 8 * 9 * 5 * 7


# latency


def test_models_take_turns(monkeypatch):
    order = []

    def sample(model, inputs, calls):
        order.append(model)
        return 0.001, 0.001

    monkeypatch.setattr(latency, "session", lambda model: model)
    monkeypatch.setattr(latency, "_sample", sample)
    latency.latencies({"a": b"A", "b": b"B", "c": b"C"}, (1, 8, 8), batch=1)
    assert order[:3] == [b"A", b"B", b"C"]  # to find out how many calls fill a sample
    assert order[3:] == [b"A", b"B", b"C"] * latency.ROUNDS


def test_a_latency_is_the_median_with_its_tenth_and_ninetieth_percentile():
    wall = [each / 1000 for each in range(1, 12)]
    summary = latency._summary(32, wall, [0.002] * 11)
    assert summary.batch == 32
    assert summary.median_ms == pytest.approx(6)
    assert (summary.low_ms, summary.high_ms) == pytest.approx((2, 10))
    assert summary.cpu_ms == pytest.approx(2)


@pytest.mark.parametrize(("call", "expected"), [(1e-6, 1000), (1e-5, 100), (0.5, 1), (0, 1000)])
def test_calls_too_short_for_the_clock_are_timed_many_at_a_time(monkeypatch, call, expected):
    monkeypatch.setattr(latency, "_sample", lambda *_: (call, call))
    assert latency._calls_a_sample(None, None) == expected


def test_a_real_model_has_a_latency(exported):
    measured = latency.latencies({"mlp": exported}, (1, 8, 8), batch=32)["mlp"]
    assert 0 < measured.low_ms <= measured.median_ms <= measured.high_ms
    assert measured.batch == 32


def test_a_session_keeps_to_one_thread(exported):
    options = latency.session(exported).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


# export


@pytest.mark.parametrize("batch", [1, 2, 33])
def test_the_exported_model_answers_as_torch_does_at_any_batch(exported, batch):
    inputs = torch.randn(batch, 1, 8, 8)
    session = onnxruntime.InferenceSession(exported)
    (outputs,) = session.run(["logits"], {"input": inputs.numpy()})
    np.testing.assert_allclose(outputs, MLP(inputs).detach().numpy(), atol=1e-5)


def test_the_weights_are_inside_the_one_file(exported):
    tensors = onnx.load_from_string(exported).graph.initializer
    assert not any(tensor.external_data for tensor in tensors)
    assert len(exported) > 4 * parameters(MLP)


def test_a_network_is_exported_as_it_answers_in_eval_mode():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(64, 3))
    network.train()
    session = onnxruntime.InferenceSession(to_onnx(network, (1, 8, 8)))
    inputs = torch.randn(2, 1, 8, 8)
    (outputs,) = session.run(None, {"input": inputs.numpy()})
    np.testing.assert_allclose(outputs, network.eval()(inputs).detach().numpy(), atol=1e-5)


def test_exporting_leaves_the_exporters_log_level_alone():
    chatter = logging.getLogger("torch.onnx")
    before = chatter.level
    to_onnx(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), (1, 8, 8))
    assert chatter.level == before
