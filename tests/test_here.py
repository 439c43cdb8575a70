"""Latency over batches and threads, memory in a process of its own, bounds for other devices."""

import json

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdcore.measure import devices, here
from kdcore.measure.here import CannotMeasureError


def product(width: int) -> bytes:
    """A model of one matrix of so many rows, each with 256 numbers of 4 bytes."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "w"], ["logits"])],
        "product",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", width])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 256])],
        [numpy_helper.from_array(np.full((width, 256), 0.5, np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


SMALL, LARGE = product(64), product(16384)


@pytest.fixture(scope="module")
def cells():
    models = {"small": SMALL, "large": LARGE}
    found = here.grid(models, batches=(1, 8), threads=(1, 2), rounds=9)
    return {(each.model, each.batch, each.threads): each for each in found}


def test_every_model_is_timed_at_every_batch_and_number_of_threads(cells):
    assert len(cells) == 2 * 2 * 2
    for (_, batch, _), each in cells.items():
        assert 0 < each.p50_ms <= each.p95_ms
        assert each.cpu_ms > 0
        assert each.rounds == 9
        assert each.per_second == pytest.approx(1000 * batch / each.p50_ms)


def test_more_work_takes_more_of_the_processor(cells):
    assert cells["large", 1, 1].low_ms > 3 * cells["small", 1, 1].low_ms  # beside other work


def test_turns_end_when_the_time_is_up_but_not_before_the_fewest():
    (found,) = here.grid({"small": SMALL}, batches=(1,), threads=(1,), rounds=500, seconds=0.0)
    assert found.rounds == here.FEWEST_ROUNDS


def test_what_would_not_fit_into_the_time_is_left_out_and_the_first_is_not():
    """A batch of 1000 takes a second or more for the fewest rounds, by what one sample took."""
    found = here.grid({"large": LARGE}, batches=(1, 1000), threads=(1,), rounds=9, within=0.4)
    assert [each.batch for each in found] == [1]


STEADY = [(0.002, 0.002)] * 30


@pytest.mark.parametrize(
    ("threads", "taken", "noisy"),
    [
        (1, STEADY, False),
        (1, [(0.002, 0.0015)] * 30, True),  # the thread waited a quarter of the time
        (2, [(0.002, 0.0035)] * 30, False),  # two threads work longer than the clock runs
        (1, [*STEADY, *[(0.003, 0.003)] * 15], True),  # slower towards the end
    ],
)
def test_a_latency_is_noisy_where_somebody_else_had_the_core(threads, taken, noisy):
    assert here._cell("model", 1, threads, taken).noisy is noisy


def test_percentiles_are_of_all_rounds():
    found = here._cell("model", 4, 1, [(each / 1000, each / 1000) for each in range(1, 102)])
    assert (found.p50_ms, found.p95_ms) == pytest.approx((51, 96))
    assert (found.cpu_ms, found.low_ms) == pytest.approx((51, 6))


def test_memory_is_what_the_model_adds_and_not_what_its_parent_holds():
    held = np.ones(50_000_000)  # 400 MB in this process
    small, large = here.memory(SMALL), here.memory(LARGE)
    assert held.sum() > 0
    weights = 16384 * 256 * 4
    assert weights < large.more < 8 * weights
    assert small.more < large.more
    assert 10_000_000 < small.base < 200_000_000


def test_the_script_measures_the_models_beside_it_and_writes_what_it_found(tmp_path, capsys):
    (tmp_path / "tiny.onnx").write_bytes(SMALL)
    out = tmp_path / "measured.json"
    quick = ["--batches", "1", "--threads", "1", "--rounds", "9", "--name", "my board"]
    assert here.main([str(tmp_path / "tiny.onnx"), *quick, "--out", str(out)]) == 0
    told = json.loads(out.read_text())
    assert told["device"]["name"] == "my board"
    assert told["device"]["onnxruntime"] == onnxruntime.__version__
    assert [each["name"] for each in told["models"]] == ["tiny"]
    assert told["latency"][0]["p50_ms"] > 0
    assert "tiny" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "there is no .onnx file beside this script"),
        (["nowhere.onnx"], "No such file"),
        (["{broken}"], "the model cannot be opened"),
        (["{broken}", "--batches", "0"], "must be 1 or more"),
        (["{broken}", "--within", "0"], "more than none"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(tmp_path, capsys, arguments, says):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    assert here.main([each.format(broken=broken) for each in arguments]) == 1
    assert says in capsys.readouterr().err


def test_a_model_of_no_fixed_shape_cannot_be_measured():
    class Free:
        def get_inputs(self):
            return [self]

        name, type, shape = "input", "tensor(float)", ["N", "length"]

    with pytest.raises(CannotMeasureError, match="a fixed shape behind the batch is needed"):
        here.some_input(Free(), 1)


# bounds


def test_a_bound_is_the_larger_of_arithmetic_and_reading_the_weights():
    found = {each.device: each for each in devices.bounds(macs=768_000_000, weight_bytes=17_000)}
    pi = found["Raspberry Pi 5, four cores"]
    # 4 cores × 2.4 GHz × 8 a cycle: 76.8 billion a second; 17 kB at 17 GB/s: a microsecond
    assert pi.arithmetic_ms == pytest.approx(10)
    assert pi.cold_ms == pytest.approx(10)
    (small,) = (b for b in devices.bounds(768, 17_000_000) if b.device == pi.device)
    assert (small.arithmetic_ms, small.cold_ms) == pytest.approx((1e-5, 1))


def test_a_device_that_computes_otherwise_has_no_bound():
    names = {each.device for each in devices.bounds(1000, 1000, "float32")}
    assert "Coral USB accelerator" not in names
    (coral,) = (b for b in devices.bounds(2_000_000, 1, "int8") if "Coral" in b.device)
    assert (coral.arithmetic_ms, coral.cold_ms) == (pytest.approx(1e-3), None)


@pytest.mark.parametrize("device", devices.DEVICES, ids=lambda each: each.name)
def test_every_figure_of_a_device_says_where_it_is_from(device):
    assert device.how
    assert all(each.startswith("https://") for each in device.sources)
    assert device.sources
