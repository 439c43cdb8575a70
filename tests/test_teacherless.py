"""Methods without a teacher: label smoothing and the virtual teacher."""

import math

import pytest
import torch
from torch.nn import functional as F

from kdcore.methods import UNLABELLED
from tests.logit_formulas import (
    BATCH,
    gradient,
    pair,
    random_logits,
    rows,
    total,
)

# label smoothing


def test_smoothing_by_hand():
    # p_s = (3/4, 1/4): −(ln 3/4 + ln 1/4) / 2 = ln 4 − ln 3 / 2
    value = total("smoothing", rows([math.log(3), 0]), rows([0, 0]), torch.tensor([1]))
    assert value.item() == pytest.approx(math.log(4) - math.log(3) / 2)


@pytest.mark.parametrize("classes", [2, 1000])
def test_smoothing_is_least_without_any_opinion(classes):
    flat = torch.full((3, classes), 2.0, dtype=torch.float64)
    labels = torch.zeros(3, dtype=torch.long)
    assert total("smoothing", flat, flat, labels).item() == pytest.approx(math.log(classes))
    assert gradient("smoothing", flat, flat, labels).abs().max() < 1e-12
    assert total("smoothing", flat + random_logits(3, classes), flat, labels) > math.log(classes)


@pytest.mark.parametrize("smoothed", [0.1, 0.3])
def test_smoothing_beside_the_labels_is_cross_entropy_with_smoothed_labels(smoothed):
    student, teacher = pair(7, 3)
    hard = F.cross_entropy(student, BATCH, ignore_index=UNLABELLED)
    expected = F.cross_entropy(student, BATCH, ignore_index=UNLABELLED, label_smoothing=smoothed)
    found = (1 - smoothed) * hard + smoothed * total("smoothing", student, teacher, BATCH)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["smoothing", "virtual_teacher"])
def test_only_samples_with_a_label_count_where_there_is_no_teacher(name):
    student, teacher = pair(7, 3)
    known = BATCH != UNLABELLED
    expected = total(name, student[known], teacher[known], BATCH[known])
    torch.testing.assert_close(total(name, student, teacher, BATCH), expected)
    slope = gradient(name, student, teacher, BATCH)
    assert slope[~known].abs().max() == 0
    assert slope[known].abs().amax(1).min() > 0


@pytest.mark.parametrize("name", ["smoothing", "virtual_teacher"])
def test_without_any_label_and_teacher_there_is_nothing_to_learn(name):
    student, teacher = pair(7, 3)
    assert total(name, student, teacher).item() == 0.0
    assert gradient(name, student, teacher).abs().max() == 0


# the virtual teacher


def test_the_virtual_teacher_by_hand():
    # (3/4, 1/4) at T = 1 against (1/2, 1/2): 3/4 ln 1.5 − 1/4 ln 2
    options = {"temperature": 1.0, "correct": 0.75}
    value = total("virtual_teacher", rows([0, 0]), rows([0, 0]), torch.tensor([0]), **options)
    assert value.item() == pytest.approx(0.75 * math.log(1.5) - 0.25 * math.log(2))


def test_the_virtual_teacher_is_softened_too():
    # (9/10, 1/10) at T = 2 is (3/4, 1/4): √9 to √1
    options = {"temperature": 2.0, "correct": 0.9}
    value = total("virtual_teacher", rows([0, 0]), rows([0, 0]), torch.tensor([1]), **options)
    assert value.item() == pytest.approx(4 * (0.75 * math.log(1.5) - 0.25 * math.log(2)))


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("correct", [0.5, 0.99])
def test_the_virtual_teacher_has_nothing_more_to_say_to_a_student_just_as_sure(classes, correct):
    labels = torch.tensor([1, 0, UNLABELLED])
    student = torch.full((3, classes), math.log((1 - correct) / (classes - 1))).double()
    student[[0, 1], labels[:2]] = math.log(correct)
    student += random_logits(3, 1)
    value = total("virtual_teacher", student, student, labels, correct=correct)
    assert value.item() == pytest.approx(0, abs=1e-9)
    surer = student.clone()
    surer[0, 1] += 1
    assert total("virtual_teacher", surer, student, labels, correct=correct) > 1e-6


def test_the_virtual_teacher_treats_all_other_classes_the_same():
    student, teacher = pair(4, 5)
    labels = torch.zeros(4, dtype=torch.long)
    order = torch.tensor([0, 3, 1, 4, 2])
    torch.testing.assert_close(
        total("virtual_teacher", student[:, order], teacher, labels),
        total("virtual_teacher", student, teacher, labels),
    )
