"""FitNets, attention transfer and neuron selectivity: values worked by hand."""

import math

import pytest
import torch

from kdcore import methods
from tests.feature_formulas import (
    adapter_for,
    numbers,
    random,
    same_convolution,
    term,
)

# FitNets


def test_a_hint_is_the_mean_square_of_what_the_regressor_misses():
    # gaps 1, 2, 0, 3 over four places: 14 / 4
    student, teacher = [numbers([[1.0, 2.0], [3.0, 4.0]])], [numbers([[0.0, 4.0], [3.0, 1.0]])]
    adapter = adapter_for("fitnet", student, teacher)
    same_convolution(adapter)
    assert term("fitnet", student, teacher, adapter).item() == pytest.approx(3.5)


def test_a_hint_is_zero_where_the_regressor_gives_the_teachers_features():
    features = [random(2, 3, 4, 4)]
    adapter = adapter_for("fitnet", features, features)
    same_convolution(adapter)
    assert term("fitnet", features, features, adapter).item() == 0.0


def test_a_hint_reaches_any_channels_by_a_convolution_of_three_by_three():
    adapter = methods.get("fitnet").adapter([(2, 8, 8)], [(5, 4, 4)], 10)
    assert adapter.weight.shape == (5, 2, 3, 3)
    assert adapter(torch.zeros(1, 2, 4, 4)).shape == (1, 5, 4, 4)


def test_a_hint_of_vectors_is_a_linear_regression():
    student, teacher = [random(6, 3)], [random(6, 5, seed=1)]
    adapter = adapter_for("fitnet", student, teacher)
    weight, bias = (each.detach().numpy() for each in adapter.parameters())
    predicted = student[0].numpy() @ weight.T + bias
    expected = ((predicted - teacher[0].numpy()) ** 2).mean()
    assert term("fitnet", student, teacher, adapter).item() == pytest.approx(expected)


def test_a_hint_of_vectors_gives_the_gradient_of_least_squares():
    # d/dW mean (W x + b − t)² = 2 / (B · D) · (W x + b − t)ᵀ x
    student, teacher = [random(6, 3)], [random(6, 5, seed=1)]
    adapter = adapter_for("fitnet", student, teacher)
    term("fitnet", student, teacher, adapter).backward()
    gap = (adapter(student[0]) - teacher[0]).detach()
    torch.testing.assert_close(adapter.weight.grad, 2 / 30 * gap.T @ student[0])


# attention transfer


def test_attention_by_hand():
    # p = 1: (3, 4) / 5 against (1, 0): (0.4² + 0.8²) / 2
    value = term("attention", [numbers([[3.0, -4.0]])], [numbers([[2.0, 0.0]])], power=1)
    assert value.item() == pytest.approx(0.4)


def test_attention_squares_and_averages_over_channels():
    # p = 2: two channels (1, 0), (1, 2): (1, 2), normed 1/√5 (1, 2), against (0, 1)
    student = [torch.tensor([[[[1.0, 0.0]], [[1.0, 2.0]]]]).double()]
    expected = (1 / 5 + (1 - 2 / math.sqrt(5)) ** 2) / 2
    value = term("attention", student, [numbers([[0.0, 7.0]])])
    assert value.item() == pytest.approx(expected)


def test_attention_is_at_most_two_over_the_places():
    # attention maps are unit vectors without negative entries: ‖Q_s − Q_t‖² ≤ 2
    value = term("attention", [numbers([[3.0, 0.0]])], [numbers([[0.0, 9.0]])])
    assert value.item() == pytest.approx(1)


def test_attention_does_not_feel_the_sign_of_a_feature():
    student, teacher = [random(3, 2, 4, 4)], [random(3, 3, 4, 4, seed=1)]
    mirrored = [student[0] * random(3, 2, 4, 4, seed=2).sign()]
    torch.testing.assert_close(
        term("attention", mirrored, teacher), term("attention", student, teacher)
    )


def test_attention_says_nothing_about_a_single_place():
    value = term("attention", [random(3, 2, 1, 1)], [random(3, 4, 4, 4, seed=1)])
    assert value.item() == pytest.approx(0, abs=1e-30)


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_the_gradient_of_attention_agrees_with_finite_differences(power):
    student, teacher = random(2, 2, 3, 2).requires_grad_(), random(2, 3, 3, 2, seed=1)
    assert torch.autograd.gradcheck(
        lambda features: term("attention", [features], [teacher], power=power), student
    )


# neuron selectivity


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ([[1.0, 1.0], [0.0, 0.0]], 0.0),  # the same pattern
        ([[0.0, 0.0], [1.0, 1.0]], 2.0),  # across: 1 + 1 − 0
        ([[1.0, 0.0], [1.0, 0.0]], 1.5),  # a half in common: 1 + 1 − 2 · (1/2)²
    ],
)
def test_selectivity_of_one_channel_by_hand(student, expected):
    value = term("nst", [numbers(student)], [numbers([[5.0, 5.0], [0.0, 0.0]])])
    assert value.item() == pytest.approx(expected)


def test_selectivity_of_two_channels_by_hand():
    # channels (1, 0) and (0, 1) against (1, 0) alone: k(s, s) = (1 + 0 + 0 + 1) / 4,
    # k(t, t) = 1, k(s, t) = 1/2: 1/2 + 1 − 1
    student = [torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]]).double()]
    assert term("nst", student, [numbers([[1.0, 0.0]])]).item() == pytest.approx(0.5)


def test_selectivity_does_not_feel_a_channels_strength_nor_sign():
    student, teacher = [random(3, 2, 4, 4)], [random(3, 3, 4, 4, seed=1)]
    changed = [student[0] * torch.tensor([-3.0, 0.1])[:, None, None]]
    torch.testing.assert_close(term("nst", changed, teacher), term("nst", student, teacher))


def test_selectivity_does_not_feel_where_places_lie():
    student, teacher = [random(3, 2, 4, 4)], [random(3, 3, 4, 4, seed=1)]
    turned = ([each[0].transpose(2, 3)] for each in (student, teacher))
    torch.testing.assert_close(term("nst", *turned), term("nst", student, teacher))


@pytest.mark.parametrize("seed", range(3))
def test_a_discrepancy_of_means_is_never_below_zero(seed):
    value = term("nst", [random(2, 3, 3, 3, seed=seed)], [random(2, 4, 3, 3, seed=seed + 10)])
    assert value > 0
