"""Soft targets by class, likeness of classes, confusion, outcomes and confidence, by hand."""

import math

import numpy as np
import pytest

from kdcore.measure import calibration, classes, outcomes
from kdcore.measure.soft import softmax


def logits(*rows):
    return np.log(np.array(rows))


# classes


def test_the_mean_soft_target_is_the_mean_over_the_samples_of_a_class():
    answers = logits([0.8, 0.2], [0.6, 0.4], [0.1, 0.9])
    found = classes.mean_soft_targets(answers, np.array([0, 0, 1]), 1.0)
    assert found == pytest.approx(np.array([[0.7, 0.3], [0.1, 0.9]]))


def test_a_class_without_samples_has_no_mean():
    found = classes.mean_soft_targets(logits([0.8, 0.2]), np.array([0]), 1.0)
    assert found[0] == pytest.approx([0.8, 0.2])
    assert np.isnan(found[1]).all()


def test_classes_with_like_soft_targets_join_first_at_their_jensen_shannon_distance():
    targets = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    first, second = classes.similarity_tree(targets)
    assert list(first[:3]) == [0, 1, 0]
    assert second[2] == pytest.approx(math.sqrt(math.log(2)))  # nothing in common


def test_a_distance_is_worked_by_hand():
    # rows (1, 0) and (½, ½), middle (¾, ¼): entropies 0, log 2 and that of the middle
    middle = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    ((_, _, distance, _),) = classes.similarity_tree(np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert distance == pytest.approx(math.sqrt(middle - math.log(2) / 2))


def test_a_class_without_samples_is_like_no_other():
    targets = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [np.nan] * 3])
    assert classes.similarity_tree(targets)[-1][2] == pytest.approx(math.sqrt(math.log(2)))


def test_confusion_counts_true_classes_down_and_answers_across():
    found = classes.confusion(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert classes.recall(found)[:2] == pytest.approx([0.5, 0.5])
    assert np.isnan(classes.recall(found)[2])


# outcomes


def test_each_outcome_is_told_from_the_four_answers():
    #                 fixed  broke  copied  beat  all right
    labels = np.array([0, 0, 0, 0, 0])
    teacher = np.array([0, 0, 1, 2, 0])
    control = np.array([1, 0, 2, 0, 0])
    distilled = np.array([0, 1, 1, 0, 0])
    found = outcomes.outcomes(labels, teacher, control, distilled)
    where = {name: np.flatnonzero(mask).tolist() for name, mask in found.items()}
    assert where == {"fixed": [0], "broke": [1], "copied": [2], "beat": [3]}


def test_a_mistake_that_the_control_makes_too_is_not_copied():
    found = outcomes.outcomes(*(np.array([each]) for each in (0, 1, 1, 1)))
    assert not found["copied"].any()


def test_mcnemar_is_the_binomial_worked_by_hand():
    # ten discordant pairs, 1 to 9: 2 · (1 + 10) / 2¹⁰
    assert outcomes.mcnemar(1, 9) == pytest.approx(22 / 1024)
    assert outcomes.mcnemar(9, 1) == pytest.approx(22 / 1024)
    assert outcomes.mcnemar(4, 4) == 1
    assert outcomes.mcnemar(0, 0) == 1


# confidence


def test_the_calibration_error_is_weighted_by_the_bins_counts():
    # three answers at 0.9, two of them right; one at 0.3, wrong
    sure, right = np.array([0.9, 0.9, 0.9, 0.35]), np.array([True, True, False, False])
    found = calibration.reliability(sure, right)
    assert found.counts.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    assert found.accuracy[9] == pytest.approx(2 / 3)
    assert found.error == pytest.approx(3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.35)


def test_full_confidence_is_in_the_last_bin():
    found = calibration.reliability(np.array([1.0, 1.0]), np.array([True, True]))
    assert found.counts[-1] == 2
    assert found.error == 0


def test_the_fitted_temperature_makes_confidence_what_is_right():
    # sure to σ(4) but right in 3 of 4: T must make σ(4 / T) = 3/4, so T = 4 / log 3
    answers = np.array([[4.0, 0.0]] * 4)
    found = calibration.fitted_temperature(answers, np.array([0, 0, 0, 1]))
    assert found == pytest.approx(4 / math.log(3), rel=2e-3)


def test_a_temperature_without_bound_is_held_to_the_ends():
    answers = np.array([[4.0, 0.0]] * 4)
    assert calibration.fitted_temperature(answers, np.zeros(4, dtype=int)) == calibration.COLDEST
    assert calibration.fitted_temperature(answers, np.ones(4, dtype=int)) == calibration.HOTTEST


def test_the_fit_finds_the_temperature_that_the_labels_were_drawn_at():
    random = np.random.default_rng(0)
    answers = random.normal(0, 4, (20_000, 5))
    labels = (softmax(answers, 2.5).cumsum(1) > random.random((20_000, 1))).argmax(1)
    assert calibration.fitted_temperature(answers, labels) == pytest.approx(2.5, rel=0.05)


def test_coverage_takes_the_surest_first():
    kept, accuracy = calibration.coverage(
        np.array([0.5, 0.9, 0.7, 0.6]), np.array([False, True, True, False])
    )
    assert kept.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert accuracy == pytest.approx([1, 1, 2 / 3, 1 / 2])
