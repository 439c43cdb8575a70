"""Decoupled KD, DIST and standardised logits: values worked by hand."""

import math

import pytest
import torch

from kdcore.methods import UNLABELLED
from tests.logit_formulas import (
    BATCH,
    SHAPES,
    gradient,
    pair,
    random_logits,
    rows,
    terms,
    total,
)

# decoupled KD


def test_decoupled_kd_by_hand():
    # teacher (1/2, 3/8, 1/8), student (1/4, 3/8, 3/8), label 0
    # b: (1/2, 1/2) against (1/4, 3/4); others: (3/4, 1/4) against (1/2, 1/2)
    teacher, student = rows([0.5, 0.375, 0.125]).log(), rows([0.25, 0.375, 0.375]).log()
    found = terms("dkd", student, teacher, torch.tensor([0]), temperature=1.0)
    assert found["target"].item() == pytest.approx((math.log(2) + math.log(2 / 3)) / 2)
    expected = 8 * (0.75 * math.log(1.5) - 0.25 * math.log(2))
    assert found["other classes"].item() == pytest.approx(expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_decoupled_kd_with_the_teachers_own_weights_is_kd(shape, temperature):
    # equation 7: KD = KL(b) + (1 − p_y) KL(others), sample by sample
    student, teacher = pair(*shape)
    losses = []
    for ours, theirs, label in zip(student, teacher, BATCH % shape[1], strict=False):
        rest = 1 - (theirs / temperature).softmax(0)[label].item()
        options = {"temperature": temperature, "target_weight": 1.0, "nontarget_weight": rest}
        losses.append(total("dkd", ours[None], theirs[None], label[None], **options))
    expected = total("kd", student, teacher, temperature=temperature)
    torch.testing.assert_close(sum(losses) / len(losses), expected)


def test_two_classes_leave_nothing_to_rank():
    student, teacher = pair(5, 2)
    found = terms("dkd", student, teacher, BATCH[:5], target_weight=1.0)
    assert found["other classes"].item() == 0.0
    torch.testing.assert_close(found["target"], total("kd", student, teacher))


def test_the_target_term_does_not_feel_the_order_of_the_other_classes():
    student, teacher = pair(4, 5)
    labels = torch.zeros(4, dtype=torch.long)
    order = torch.tensor([0, 3, 1, 4, 2])
    before, after = (terms("dkd", each, teacher, labels) for each in (student, student[:, order]))
    torch.testing.assert_close(after["target"], before["target"])
    assert after["other classes"] != pytest.approx(before["other classes"])


def test_the_other_classes_term_does_not_feel_the_logit_of_the_label():
    student, teacher = pair(4, 5)
    labels = torch.zeros(4, dtype=torch.long)
    surer = student.clone()
    surer[:, 0] += 3
    before, after = (terms("dkd", each, teacher, labels) for each in (student, surer))
    torch.testing.assert_close(after["other classes"], before["other classes"])
    assert after["target"] != pytest.approx(before["target"])


def test_for_a_hidden_label_the_teachers_choice_stands_in():
    student, teacher = pair(7, 3)
    chosen = torch.where(BATCH == UNLABELLED, teacher.argmax(1), BATCH)
    assert (chosen != BATCH).sum() == 2
    expected = terms("dkd", student, teacher, chosen)
    torch.testing.assert_close(terms("dkd", student, teacher, BATCH), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("done", "warm_up", "share"),
    [(0.0, 0.08, 0), (0.02, 0.08, 0.25), (0.08, 0.08, 1), (0.9, 0.08, 1), (0.0, 0.0, 1)],
)
def test_decoupled_kd_rises_while_it_warms_up(done, warm_up, share):
    student, teacher = pair(7, 3)
    full = terms("dkd", student, teacher, BATCH)
    found = terms("dkd", student, teacher, BATCH, done=done, warm_up=warm_up)
    torch.testing.assert_close(found, {name: share * value for name, value in full.items()})


# DIST


def test_dist_by_hand():
    # one sample: teacher ∝ (1, 2, 3), student ∝ (1, 3, 2): centred (−1, 0, 1) and (−1, 1, 0),
    # ρ = 1/2; T² · β (1 − ρ) = 1 · 2 · 1/2
    found = terms("dist", rows([1, 3, 2]).log(), rows([1, 2, 3]).log(), temperature=1.0)
    assert found["between classes"].item() == pytest.approx(1.0)
    assert found["within classes"].item() == 0.0


def test_dist_is_largest_where_the_order_is_reversed():
    # two classes and opposite answers: ρ = −1 over classes and over samples, T² · 2 · 2 each
    student = rows([1, 0], [0, 1])
    found = terms("dist", student, -student, temperature=3.0)
    assert found["between classes"].item() == pytest.approx(36)
    assert found["within classes"].item() == pytest.approx(36)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dist_is_zero_for_a_student_who_is_the_teacher_watered_down(temperature):
    # p_s = (1 − λ) p_t + λ / C correlates with p_t in every row and every column
    answer = (random_logits(7, 3) / temperature).softmax(1)
    student = temperature * (0.3 * answer + 0.7 / 3).log()
    found = terms("dist", student, temperature * answer.log(), temperature=temperature)
    assert [value.item() for value in found.values()] == pytest.approx([0, 0], abs=1e-9)


def test_each_sample_may_be_watered_down_by_another_share():
    student, teacher = pair(7, 3)
    share = torch.rand(7, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    watered = (share * student.softmax(1) + (1 - share) / 3).log()
    before, after = (
        terms("dist", each, teacher, temperature=1.0) for each in (student.log_softmax(1), watered)
    )
    torch.testing.assert_close(after["between classes"], before["between classes"])
    assert after["within classes"] != pytest.approx(before["within classes"])


def test_the_order_of_samples_does_not_feel_what_is_added_to_all():
    student, teacher = pair(7, 3)
    mixed = (0.4 * student.softmax(1) + 0.6 * rows([0.1, 0.2, 0.7])).log()
    before, after = (terms("dist", each, teacher, temperature=1.0) for each in (student, mixed))
    torch.testing.assert_close(after["within classes"], before["within classes"])
    assert after["between classes"] != pytest.approx(before["between classes"])


def test_the_order_of_classes_is_a_matter_of_each_sample_alone():
    student, teacher = pair(3, 4)
    alone = [
        terms("dist", student[[row]], teacher[[row]])["between classes"].item() for row in range(3)
    ]
    together = terms("dist", student, teacher)["between classes"].item()
    assert together == pytest.approx(sum(alone) / 3)


def test_dist_does_not_throw_a_student_without_any_opinion_far_away():
    teacher = random_logits(4, 3).float()
    # a student that is off by a hundredth gets a gradient of some hundreds at most
    near = gradient("dist", random_logits(4, 3, seed=1, scale=0.01).float(), teacher).abs().max()
    assert near < 1e4
    assert gradient("dist", torch.zeros(4, 3), teacher).abs().max() < 1e4


# standardised logits


def test_standardised_kd_by_hand():
    # two classes: every pair of logits becomes ±1/√2; opposite answers at T = √2 are σ(±1),
    # and KL = (2 σ(1) − 1) · ln(σ(1) / σ(−1)) = 2 σ(1) − 1
    value = total("standardised", rows([7, 0]), rows([2, 3]), temperature=math.sqrt(2))
    sure = 1 / (1 + math.exp(-1))
    assert value.item() == pytest.approx(2 * (2 * sure - 1), rel=1e-6)


def test_standardised_kd_does_not_feel_scale_nor_shift():
    student, teacher = pair(7, 5)
    scale = random_logits(7, 1, seed=2).exp()
    shift = random_logits(7, 1, seed=3)
    expected = total("standardised", student, teacher)
    found = total("standardised", scale * student + shift, teacher / scale - shift)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_standardised_kd_feels_a_sign():
    _, teacher = pair(7, 5)
    assert total("standardised", 2 * teacher + 1, teacher).item() == pytest.approx(0, abs=1e-9)
    assert total("standardised", -teacher, teacher) > 0.1


def test_standardised_kd_is_kd_for_logits_of_mean_0_and_deviation_1():
    student, teacher = (
        (each - each.mean(1, keepdim=True)) / each.std(1, keepdim=True) for each in pair(7, 5)
    )
    found = total("standardised", student, teacher, temperature=2.0)
    expected = total("kd", student, teacher, temperature=2.0)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_the_gradient_of_standardised_kd_is_across_scale_and_shift():
    student, teacher = pair(7, 5)
    slope = gradient("standardised", student, teacher)
    centred = student - student.mean(1, keepdim=True)
    assert slope.abs().max() > 1e-3
    assert slope.sum(1).abs().max() < 1e-12
    assert (slope * centred).sum(1).abs().max() < 1e-6
