"""What a model costs: parameters, multiply-accumulates and latency."""

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


def test_macs_are_counted_layer_by_layer_for_one_sample():
    # 4 channels of 6 × 6 from 3 × 3 × 1 weights each, without the border: 4 × 4; then 64 to 5
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
    assert macs(network, (1, 6, 6)) == 4 * 4 * 4 * 9 + 64 * 5


def test_counting_does_not_train():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4))
    network.train()
    macs(network, (1, 2, 2))
    assert network[2].running_mean.tolist() == [0, 0, 0, 0]
    assert all(parameter.grad is None for parameter in network.parameters())


def test_attention_counts_though_torch_fuses_it_in_eval_mode():
    tokens, width, inner = 6, 8, 16
    layer = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=inner, batch_first=True)
    # queries, keys, values and what joins them; scores and their mixture; two linear layers
    expected = tokens * 4 * width**2 + 2 * tokens**2 * width + 2 * tokens * width * inner
    assert macs(layer, (tokens, width)) == expected
    assert torch.backends.mha.get_fastpath_enabled()


# latency


def test_models_take_turns(monkeypatch):
    order, timed = [], []

    def sample(model, inputs, calls):
        order.append(model)
        timed.append(calls)
        return 0.0001, 0.0001

    monkeypatch.setattr(latency, "session", lambda model: model)
    monkeypatch.setattr(latency, "_sample", sample)
    latency.latencies({"a": b"A", "b": b"B", "c": b"C"}, (1, 8, 8), batch=1)
    assert order[:3] == [b"A", b"B", b"C"]  # to find out how many calls fill a sample
    assert order[3:] == [b"A", b"B", b"C"] * latency.ROUNDS
    assert set(timed[3:]) == {10}  # of a tenth of a millisecond each: a millisecond


def test_each_models_own_samples_make_its_latency(monkeypatch):
    seconds = {b"A": (0.001, 0.002), b"B": (0.003, 0.004)}
    monkeypatch.setattr(latency, "session", lambda model: model)
    monkeypatch.setattr(latency, "_sample", lambda model, inputs, calls: seconds[model])
    measured = latency.latencies({"a": b"A", "b": b"B"}, (1, 8, 8), batch=7)
    for name, wall, cpu in (("a", 1, 2), ("b", 3, 4)):
        each = measured[name]
        assert (each.low_ms, each.median_ms, each.high_ms) == pytest.approx((wall, wall, wall))
        assert each.cpu_ms == pytest.approx(cpu)
        assert each.batch == 7


def test_a_model_is_called_with_a_batch_of_its_shape(monkeypatch):
    shapes = set()

    def sample(model, inputs, calls):
        shapes.add((inputs.shape, inputs.dtype.name))
        return 0.001, 0.001

    monkeypatch.setattr(latency, "session", lambda model: model)
    monkeypatch.setattr(latency, "_sample", sample)
    latency.latencies({"a": b"A"}, (3, 5, 7), batch=32)
    assert shapes == {((32, 3, 5, 7), "float32")}


def test_a_sample_is_the_time_of_one_of_its_calls(monkeypatch):
    class Model:
        called = 0

        def get_inputs(self):
            return [self]

        name = "input"

        def run(self, outputs, feed):
            self.called += 1

    walls, cpus = iter([10.0, 13.0]), iter([5.0, 7.0])
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(walls))
    monkeypatch.setattr(latency.time, "thread_time", lambda: next(cpus))
    model = Model()
    assert latency._sample(model, None, 4) == (3 / 4, 2 / 4)
    assert model.called == 4


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
