"""What a result says of its own latencies."""

from dataclasses import replace

import pytest

from kdcore.result import Arm, Latency, Result
from kdcore.statistics import Difference


def result(*latency: tuple[int, float, float]) -> Result:
    """Of three equal models, each with (batch, milliseconds on the clock, of the processor)."""
    taken = tuple(Latency(batch, wall, wall, wall, cpu) for batch, wall, cpu in latency)
    arm = Arm((0.9,), (0.9,), 10, 10, onnx_bytes=100, latency=taken)
    arms = {"teacher": arm, "control": arm, "distilled": arm}
    nothing = Difference(0.0, None, None, (0.0,))
    return Result(None, "too few seeds", nothing, 1.0, arms, False, {})


@pytest.mark.parametrize(
    "latency",
    [
        ((1, 0.020, 0.020), (32, 0.100, 0.099)),
        ((1, 0.020, 0.0185), (32, 0.100, 0.092)),  # a little company
        ((1, 0.020, 0.0), (32, 0.100, 0.0)),  # nobody knows how long the thread worked
        ((1, 0.020, 0.020), (32, 0.019, 0.019)),  # a model so small that its call is all
        (),
    ],
)
def test_latencies_that_were_taken_alone_are_not_doubted(latency):
    assert result(*latency).latency_doubt == ""


@pytest.mark.parametrize(
    "latency",
    [
        ((1, 0.020, 0.020), (32, 0.100, 0.080)),  # the thread waited a fifth of the time
        ((1, 0.049, 0.049), (32, 0.0139, 0.0139)),  # 32 samples before one
    ],
)
def test_latencies_that_cannot_be_are_said_to_be_no_good(latency):
    said = result(*latency).latency_doubt
    assert said.startswith("The machine was busy with something else")


def test_one_models_noise_is_enough():
    found = result((1, 0.020, 0.020))
    noisy = replace(found.arms["control"], latency=(Latency(1, 0.03, 0.03, 0.03, 0.02),))
    assert replace(found, arms={**found.arms, "control": noisy}).latency_doubt
