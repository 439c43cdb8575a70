"""Entropy, KL, the two loss terms, the gradient and the order of wrong classes, worked by hand."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from kdcore.measure import soft

LOG = math.log


def logits(*probabilities):
    return np.log(np.array(probabilities))


def test_softmax_of_log_probabilities_is_those_probabilities():
    assert soft.softmax(logits(0.5, 0.3, 0.2)) == pytest.approx([0.5, 0.3, 0.2])


def test_a_temperature_of_two_takes_the_square_root():
    # √0.64 : √0.36 = 0.8 : 0.6
    assert soft.softmax(logits(0.64, 0.36), 2.0) == pytest.approx([8 / 14, 6 / 14])


def test_large_logits_overflow_nothing():
    assert soft.softmax(np.array([1e4, 0.0])) == pytest.approx([1, 0])
    assert soft.log_softmax(np.array([1e4, 0.0])) == pytest.approx([0, -1e4])


def test_the_entropy_of_an_even_answer_is_the_log_of_its_classes():
    assert soft.entropy(np.zeros((1, 4))) == pytest.approx([LOG(4)])
    assert soft.entropy(logits(0.5, 0.25, 0.25)) == pytest.approx(1.5 * LOG(2))


def test_the_divergence_is_worked_by_hand_and_has_a_direction():
    one, other = logits(0.5, 0.5), logits(0.75, 0.25)
    # 0.5 log(0.5/0.75) + 0.5 log(0.5/0.25) = 0.5 log(4/3)
    assert soft.divergence(one, other) == pytest.approx(0.5 * LOG(4 / 3))
    assert soft.divergence(other, one) == pytest.approx(0.75 * LOG(1.5) + 0.25 * LOG(0.5))
    assert soft.divergence(one, one) == pytest.approx(0)


def test_the_loss_is_hard_times_surprise_and_soft_times_t_squared_divergence():
    teacher, student = logits([0.64, 0.36]), logits([0.5, 0.5])
    found = soft.loss(teacher, student, np.array([0]), temperature=2, hard=0.1, soft=0.9)
    warm = 8 / 14 * LOG(8 / 7) + 6 / 14 * LOG(6 / 7)  # against an even answer
    assert found.cross_entropy == pytest.approx([LOG(2)])
    assert found.soft == pytest.approx([4 * warm])
    assert found.total == pytest.approx([0.1 * LOG(2) + 0.9 * 4 * warm])


def test_the_gradient_of_each_part_is_worked_by_hand():
    teacher, student = logits([0.64, 0.36]), logits([0.5, 0.5])
    found = soft.gradient(teacher, student, np.array([0]), temperature=2, hard=0.1, soft=0.9)
    assert found.hard == pytest.approx(0.1 * np.array([[-0.5, 0.5]]))
    assert found.soft == pytest.approx(0.9 * 2 * np.array([[0.5 - 8 / 14, 0.5 - 6 / 14]]))
    assert found.total.sum() == pytest.approx(0)


def test_the_gradient_is_the_slope_of_the_loss():
    random = np.random.default_rng(0)
    teacher, student = random.normal(0, 3, (2, 1, 5))
    labels, weights = np.array([3]), {"temperature": 4.0, "hard": 0.3, "soft": 0.7}
    found = soft.gradient(teacher, student, labels, **weights).total[0]
    for place in range(5):
        step = np.zeros((1, 5))
        step[0, place] = 1e-5
        ahead = soft.loss(teacher, student + step, labels, **weights).total
        behind = soft.loss(teacher, student - step, labels, **weights).total
        assert found[place] == pytest.approx((ahead - behind) / 2e-5, abs=1e-7)


# the order of the wrong classes


def test_the_same_order_agrees_fully_and_the_reverse_not_at_all():
    teacher = np.array([[9.0, 1, 2, 3], [9.0, 1, 2, 3]])
    student = np.array([[0.0, 10, 20, 30], [0.0, 3, 2, 1]])
    assert soft.rank_agreement(teacher, student, np.array([0, 0])) == pytest.approx([1, -1])


def test_one_exchange_of_neighbours_among_three_is_a_half():
    # ranks 0 1 2 and 1 0 2: 1 − 6·2 / (3·8)
    teacher, student = np.array([[9.0, 1, 2, 3]]), np.array([[9.0, 2, 1, 3]])
    assert soft.rank_agreement(teacher, student, np.array([0])) == pytest.approx([0.5])


def test_the_true_class_is_no_part_of_the_order():
    teacher, student = np.array([[1.0, 99, 2, 3]]), np.array([[1.0, -99, 2, 3]])
    assert soft.rank_agreement(teacher, student, np.array([1])) == pytest.approx([1])


def test_it_is_scipys_correlation_of_ranks():
    random = np.random.default_rng(1)
    teacher, student = random.normal(size=(2, 20, 7))
    labels = random.integers(0, 7, 20)
    for row, found in enumerate(soft.rank_agreement(teacher, student, labels)):
        wrong = np.arange(7) != labels[row]
        expected = spearmanr(teacher[row, wrong], student[row, wrong]).statistic
        assert found == pytest.approx(expected)


def test_two_classes_have_no_order_of_wrong_ones():
    assert np.isnan(soft.rank_agreement(np.ones((1, 2)), np.ones((1, 2)), np.array([0]))).all()
