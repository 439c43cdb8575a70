"""Variational information and knowledge review: values worked by hand."""

import math

import numpy as np
import pytest
import torch

from kdcore import methods
from tests.feature_formulas import (
    STAGES,
    adapter_for,
    maps,
    random,
    same_convolution,
    term,
)

# variational information


def ready_for(teacher, predicted):
    """A predictor that says the same numbers, one for each channel, whatever it is shown."""
    adapter = adapter_for("vid", [teacher], [teacher])
    last = adapter[0].mean[4]
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(predicted, dtype=torch.float64)
    return adapter


def with_variance(adapter, variance):
    """softplus(a) + 1e-5 = variance, solved for a."""
    raw = torch.log(torch.expm1(torch.tensor(variance, dtype=torch.float64) - 1e-5))
    adapter[0].raw_variance.data = raw.view(adapter[0].raw_variance.shape)
    return adapter


@pytest.mark.parametrize("shape", [(2, 3, 3), (2,)])
@pytest.mark.parametrize("gap", [0.0, 3.0])
def test_information_starts_with_a_variance_of_five(shape, gap):
    teacher = torch.full((4, *shape), 1.5).double()
    adapter = ready_for(teacher, [1.5 + gap, 1.5 - gap])
    expected = (gap**2 / 5 + math.log(5)) / 2
    found = term("vid", [random(4, *shape)], [teacher], adapter).item()
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 3), (2,)])
def test_the_best_variance_is_each_channels_mean_square_gap(shape):
    # ½ (g² / σ² + ln σ²) is least at σ² = g²: ½ (1 + ln g²), here for gaps of 1/2 and 3
    student, teacher = [random(4, *shape)], [torch.zeros(4, *shape).double()]
    adapter = with_variance(ready_for(teacher[0], [0.5, 3.0]), [0.25, 9.0])
    best = term("vid", student, teacher, adapter)
    expected = (1 + math.log(0.25) + 1 + math.log(9)) / 4
    assert best.item() == pytest.approx(expected)
    best.backward()
    assert adapter[0].raw_variance.grad.abs().max() < 1e-12
    for others in ([0.3, 9.0], [0.2, 9.0], [0.25, 8.0], [0.25, 10.0]):
        assert term("vid", student, teacher, with_variance(adapter, others)) > best


def test_information_may_be_below_zero():
    teacher = torch.zeros(4, 2, 3, 3).double()
    adapter = with_variance(ready_for(teacher, [0.0, 0.0]), [0.1, 0.1])
    value = term("vid", [random(4, 2, 3, 3)], [teacher], adapter)
    assert value.item() == pytest.approx(math.log(0.1) / 2)


def test_a_variance_is_never_less_than_a_hundred_thousandth():
    teacher = torch.zeros(4, 1, 3, 3).double()
    adapter = ready_for(teacher, [0.0])
    adapter[0].raw_variance.data.fill_(-1e4)
    value = term("vid", [random(4, 1, 3, 3)], [teacher], adapter)
    assert value.item() == pytest.approx(math.log(1e-5) / 2)


def test_a_channel_of_large_variance_is_left_in_peace():
    teacher = torch.zeros(4, 2, 3, 3).double()
    adapter = with_variance(ready_for(teacher, [1.0, 1.0]), [1.0, 100.0])
    term("vid", [random(4, 2, 3, 3)], [teacher], adapter).backward()
    first, second = adapter[0].mean[4].bias.grad
    assert first.item() == pytest.approx(100 * second.item())


@pytest.mark.parametrize(
    ("student", "teacher", "weights", "variance"),
    [
        ((2, 4, 4), (5, 8, 8), [(5, 2, 1, 1), (5, 5, 1, 1), (5, 5, 1, 1)], (5, 1, 1)),
        ((3,), (4,), [(4, 3), (4, 4), (4, 4)], (4,)),
    ],
)
def test_information_has_three_layers_and_a_variance_for_each_channel(
    student, teacher, weights, variance
):
    (each,) = methods.get("vid").adapter([student], [teacher], 10)
    assert [layer.weight.shape for layer in each.mean[::2]] == weights
    assert each.raw_variance.shape == variance


def test_information_of_vectors_equals_its_formula_written_in_numpy():
    student, teacher = [random(6, 3)], [random(6, 4, seed=1)]
    (each,) = adapter = adapter_for("vid", student, teacher)
    values = student[0].numpy()
    for number in (0, 2, 4):
        weight, bias = (part.detach().numpy() for part in each.mean[number].parameters())
        values = values @ weight.T + bias
        values = values if number == 4 else np.maximum(values, 0)
    expected = ((values - teacher[0].numpy()) ** 2 / 5 + math.log(5)).mean() / 2
    assert term("vid", student, teacher, adapter).item() == pytest.approx(expected, rel=1e-6)


# knowledge review


def plain(adapter):
    """Fusions that pass on each stage as it is, and nothing of deeper ones."""
    for each in adapter:
        torch.nn.init.dirac_(each.enter.weight)
        torch.nn.init.zeros_(each.enter.bias)
        same_convolution(each.leave)
        if each.mix is not None:
            torch.nn.init.zeros_(each.mix.weight)
            each.mix.bias.data = torch.tensor([1e3, -1e3]).double()
    return adapter


def test_a_review_is_zero_where_the_fused_features_are_the_teachers():
    features = maps([(3, 4, 4), (3, 2, 2)], 2)
    adapter = plain(adapter_for("review", features, features))
    assert term("review", features, features, adapter).item() == 0.0
    other = maps([(3, 4, 4), (3, 2, 2)], 2, 10)
    assert term("review", other, features, adapter) > 0.1


@pytest.mark.parametrize("side", [1, 2, 3, 4, 8])
def test_a_gap_that_is_the_same_everywhere_counts_the_same_at_every_side(side):
    student = [random(2, 3, side, side)]
    adapter = plain(adapter_for("review", student, student))
    value = term("review", student, [student[0] + 1.5], adapter)
    assert value.item() == pytest.approx(2.25)


@pytest.mark.parametrize(
    ("side", "weights"), [(1, 1), (2, 1.5), (4, 1.75), (8, 1.875), (16, 1.875)]
)
def test_a_gap_that_averages_out_counts_at_full_size_alone(side, weights):
    student = [random(1, 3, side, side)]
    adapter = plain(adapter_for("review", student, student))
    even = torch.arange(side) % 2
    gap = 2.0 * (even[:, None] ^ even) - 1  # a chessboard of ±1
    value = term("review", student, [student[0] + gap], adapter)
    assert value.item() == pytest.approx(1 / weights)


def test_a_gap_of_halves_is_seen_up_to_a_side_of_two():
    # columns of ±1, four each: seen at 8, 4 and 2, gone at 1: (1 + 1/2 + 1/4) / (1 + … + 1/8)
    student = [random(1, 3, 8, 8)]
    adapter = plain(adapter_for("review", student, student))
    gap = torch.tensor([1.0] * 4 + [-1.0] * 4)
    value = term("review", student, [student[0] + gap], adapter)
    assert value.item() == pytest.approx(1.75 / 1.875)


def test_the_first_stage_is_reviewed_by_way_of_the_deeper_ones():
    # its own share 0, the deeper stage's 1: the teacher's first stage is met by the second alone
    student = [random(1, 3, 4, 4), random(1, 3, 2, 2, seed=1)]
    teacher = [student[1].repeat_interleave(2, 2).repeat_interleave(2, 3), student[1]]
    adapter = plain(adapter_for("review", student, teacher))
    assert term("review", student, teacher, adapter) > 0.1
    adapter[0].mix.bias.data = torch.tensor([-1e3, 1e3]).double()
    assert term("review", student, teacher, adapter).item() == 0.0


def test_only_the_deepest_stage_has_nothing_to_mix():
    shapes = [(2, 8, 8), (3, 4, 4), (4, 2, 2)]
    adapter = methods.get("review").adapter(shapes, shapes, 10, middle=16)
    assert [each.mix is None for each in adapter] == [False, False, True]
    assert [each.enter.out_channels for each in adapter] == [16, 16, 16]


@pytest.mark.parametrize(
    ("done", "warm_up", "share"),
    [(0.0, 0.08, 0), (0.02, 0.08, 0.25), (0.08, 0.08, 1), (0.9, 0.08, 1), (0.0, 0.0, 1)],
)
def test_a_review_rises_while_it_warms_up(done, warm_up, share):
    student, teacher = (maps(side, 2, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    full = term("review", student, teacher)
    found = term("review", student, teacher, done=done, warm_up=warm_up)
    torch.testing.assert_close(found, share * full)
