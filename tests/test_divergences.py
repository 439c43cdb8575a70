"""The teacher's label, regression and divergences either way: values worked by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from tests.logit_formulas import (
    gradient,
    pair,
    random_logits,
    rows,
    terms,
    total,
)

# the teacher's label


def test_the_label_that_the_teacher_finds_likeliest_costs_its_cross_entropy():
    # p_s = (3/4, 1/4); the teacher chooses class 1: ln 4, then class 0: ln 4/3
    student = rows([math.log(3), 0], [math.log(3), 0])
    value = total("label", student, rows([0, 0.1], [5, -5]))
    assert value.item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)


def test_the_teachers_doubts_do_not_change_its_label():
    student, teacher = pair(7, 3)
    torch.testing.assert_close(
        terms("label", student, 9 * teacher + 1), terms("label", student, teacher)
    )


def test_the_teachers_label_is_learnt_like_a_true_one():
    student, teacher = pair(7, 3)
    expected = F.cross_entropy(student, teacher.argmax(1))
    torch.testing.assert_close(total("label", student, teacher), expected)


# regression


def test_regression_is_half_the_mean_square_over_classes_and_batch():
    # (3² + 1²) / (2 · 2) = 2.5 and 0, over two samples
    value = total("regression", rows([3, 0], [1, 1]), rows([0, 1], [1, 1]))
    assert value.item() == pytest.approx(1.25)


def test_regression_feels_a_shift_of_one_side_and_none_of_both():
    student, teacher = pair(7, 3)
    torch.testing.assert_close(
        terms("regression", student + 3, teacher + 3), terms("regression", student, teacher)
    )
    assert total("regression", teacher + 3, teacher).item() == pytest.approx(9 / 2)


def test_regressions_gradient_is_the_gap_over_classes_and_batch():
    student, teacher = pair(7, 3)
    torch.testing.assert_close(gradient("regression", student, teacher), (student - teacher) / 21)


# reverse KL


def test_reverse_kl_weighs_by_the_students_probabilities():
    # student (3/4, 1/4), teacher (1/2, 1/2): 3/4 ln 1.5 − 1/4 ln 2, at T = 2 from logits 2 ln 3
    expected = 4 * (0.75 * math.log(1.5) - 0.25 * math.log(2))
    value = total("reverse_kl", rows([2 * math.log(3), 0]), rows([0, 0]), temperature=2.0)
    assert value.item() == pytest.approx(expected)


def test_reverse_kl_is_kd_with_the_sides_exchanged():
    student, teacher = pair(7, 3)
    torch.testing.assert_close(total("reverse_kl", student, teacher), total("kd", teacher, student))
    assert total("reverse_kl", student, teacher) != pytest.approx(total("kd", student, teacher))


def test_reverse_kl_prefers_one_peak_where_kl_prefers_both():
    teacher = rows([5.0, -5, 5])
    peak, wide = rows([10.0, -5, 0]), rows([1.0, 0.0, 1])
    assert total("reverse_kl", peak, teacher, temperature=1.0) < total(
        "reverse_kl", wide, teacher, temperature=1.0
    )
    assert total("kd", peak, teacher, temperature=1.0) > total("kd", wide, teacher, temperature=1.0)


@pytest.mark.parametrize("name", ["reverse_kl", "kd"])
def test_kl_either_way_is_the_distance_of_logits_where_both_are_sure(name):
    # both sure and apart: ln p differs by 2e4 for the class that has all the weight
    value = total(name, rows([1e4, -1e4]), rows([-1e4, 1e4]), temperature=1.0)
    assert value.item() == pytest.approx(2e4)


# symmetric KL


def test_symmetric_kl_is_half_of_both_ways():
    # (3/4, 1/4) against (1/2, 1/2): ½ Σ (p − q) ln(p / q) = ½ (¼ ln 1.5 + ¼ ln 2) = ⅛ ln 3
    value = total("symmetric_kl", rows([math.log(3), 0]), rows([0, 0]), temperature=1.0)
    assert value.item() == pytest.approx(math.log(3) / 8)


@pytest.mark.parametrize("name", ["symmetric_kl", "js"])
def test_a_symmetric_divergence_is_the_same_with_the_sides_exchanged(name):
    student, teacher = pair(7, 3)
    torch.testing.assert_close(total(name, student, teacher), total(name, teacher, student))


def test_symmetric_kl_is_the_mean_of_kl_and_reverse_kl():
    student, teacher = pair(7, 3)
    expected = (total("kd", student, teacher) + total("reverse_kl", student, teacher)) / 2
    torch.testing.assert_close(total("symmetric_kl", student, teacher), expected)


# Jensen-Shannon


def test_jensen_shannon_by_hand():
    # p = (3/4, 1/4), q = (1/4, 3/4): m = (1/2, 1/2), each way 3/4 ln 1.5 − 1/4 ln 2
    expected = 0.75 * math.log(1.5) - 0.25 * math.log(2)
    value = total("js", rows([math.log(3), 0]), rows([0, math.log(3)]), temperature=1.0)
    assert value.item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_jensen_shannon_of_answers_without_overlap_is_ln_2_times_the_squared_temperature(
    temperature,
):
    value = total("js", rows([1e4, -1e4]), rows([-1e4, 1e4]), temperature=temperature)
    assert value.item() == pytest.approx(temperature**2 * math.log(2))


def test_jensen_shannon_is_bounded_by_ln_2_for_each_sample():
    student, teacher = (random_logits(20, 5, seed=seed, scale=20) for seed in range(2))
    values = [
        [total(name, *each, temperature=1.0) for name in ("js", "kd")]
        for each in zip(student.split(1), teacher.split(1), strict=True)
    ]
    bounded, unbounded = torch.tensor(values).T
    assert bounded.min() > 0
    assert bounded.max() <= math.log(2)
    assert unbounded.max() > 10


def test_the_roots_of_jensen_shannon_obey_the_triangle_inequality():
    one, two, three = (random_logits(1, 4, seed=seed) for seed in range(3))
    ways = [total("js", *each).sqrt() for each in ((one, two), (two, three), (one, three))]
    assert max(ways) <= sum(ways) / 2
    assert min(ways) > 0


# generalised Jensen-Shannon


def test_generalised_jensen_shannon_by_hand():
    # no overlap: β KL(p_t ‖ m) = −β ln β, and the other way −(1 − β) ln(1 − β)
    expected = -0.2 * math.log(0.2) - 0.8 * math.log(0.8)
    value = total("gjs", rows([1e4, -1e4]), rows([-1e4, 1e4]), temperature=1.0, beta=0.2)
    assert value.item() == pytest.approx(expected)


def test_generalised_jensen_shannon_with_half_a_share_is_jensen_shannon():
    student, teacher = pair(7, 3)
    torch.testing.assert_close(
        total("gjs", student, teacher, beta=0.5), total("js", student, teacher)
    )


def test_generalised_jensen_shannon_over_a_small_share_is_kl():
    student, teacher = pair(7, 3)
    found = total("gjs", student, teacher, beta=1e-6) / 1e-6
    torch.testing.assert_close(found, total("kd", student, teacher), rtol=1e-3, atol=0)


def test_generalised_jensen_shannon_over_the_rest_of_a_large_share_is_reverse_kl():
    student, teacher = pair(7, 3)
    found = total("gjs", student, teacher, beta=1 - 1e-6) / 1e-6
    torch.testing.assert_close(found, total("reverse_kl", student, teacher), rtol=1e-3, atol=0)


def test_exchanging_the_sides_exchanges_their_shares():
    student, teacher = pair(7, 3)
    torch.testing.assert_close(
        total("gjs", student, teacher, beta=0.2), total("gjs", teacher, student, beta=0.8)
    )
    assert total("gjs", student, teacher, beta=0.2) != pytest.approx(
        total("gjs", teacher, student, beta=0.2)
    )
