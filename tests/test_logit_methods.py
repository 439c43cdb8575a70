"""Methods on logits, each against its formula written in numpy, and what holds for many."""

import pytest
import torch

from kdcore import methods
from tests.logit_formulas import (
    BATCH,
    DIVERGENCES,
    EVERY,
    ORACLES,
    SHAPES,
    SOFT,
    WITHOUT_LABELS,
    gradient,
    pair,
    random_logits,
    terms,
    total,
)


def assert_like_oracle(name, student, teacher, labels, temperature=4.0, **options):
    takes = {"temperature": temperature} if methods.get(name).takes_temperature else {}
    found = terms(name, student, teacher, labels, **takes, **options)
    arrays = (student.numpy(), teacher.numpy(), labels.numpy())
    expected = ORACLES[name](*arrays, temperature, **options)
    assert {term: value.item() for term, value in found.items()} == pytest.approx(
        expected, rel=1e-6 if name == "standardised" else 1e-9, abs=1e-11
    )


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_method_equals_its_formula_written_in_numpy(name, shape):
    assert_like_oracle(name, *pair(*shape), BATCH[: shape[0]])


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_a_method_equals_its_formula_at_other_temperatures(name, temperature):
    assert_like_oracle(name, *pair(7, 3), BATCH, temperature)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gjs", {"beta": 0.7}),
        ("dkd", {"target_weight": 2.5, "nontarget_weight": 0.5}),
        ("dist", {"classes_weight": 3.0, "samples_weight": 0.5}),
        ("virtual_teacher", {"correct": 0.6}),
    ],
)
def test_a_method_equals_its_formula_with_other_options(name, options):
    assert_like_oracle(name, *pair(7, 3), BATCH, **options)


# what holds for many methods


@pytest.mark.parametrize("name", [*DIVERGENCES, "regression"])
@pytest.mark.parametrize("shape", [(1, 2), (7, 3), (4, 1000)])
def test_the_loss_and_its_gradient_are_zero_where_the_student_equals_the_teacher(name, shape):
    logits = random_logits(*shape)
    for value in terms(name, logits, logits.clone(), BATCH[: shape[0]]).values():
        assert value.item() == pytest.approx(0, abs=1e-12)
    slope = gradient(name, logits, logits.clone(), BATCH[: shape[0]])
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*DIVERGENCES, "regression"])
@pytest.mark.parametrize("seed", range(3))
def test_every_term_is_positive_where_the_student_differs(name, seed):
    student, teacher = random_logits(4, 5, seed=seed), random_logits(4, 5, seed=seed + 10)
    assert min(terms(name, student, teacher).values()) > 1e-3


@pytest.mark.parametrize("name", [*SOFT, "ctkd", "label", "smoothing"])
def test_shifting_a_samples_logits_changes_nothing(name):
    student, teacher = pair(7, 3)
    shift = random_logits(7, 1, seed=2)
    torch.testing.assert_close(
        terms(name, student + shift, teacher - 2 * shift, BATCH),
        terms(name, student, teacher, BATCH),
    )


@pytest.mark.parametrize("name", WITHOUT_LABELS)
def test_labels_are_unused(name):
    student, teacher = pair(7, 3)
    with_labels = terms(name, student, teacher, BATCH)
    torch.testing.assert_close(terms(name, student, teacher), with_labels, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["smoothing", "virtual_teacher"])
def test_a_method_without_a_teacher_ignores_it(name):
    student, teacher = pair(7, 3)
    without = terms(name, student, torch.full_like(teacher, torch.nan), BATCH)
    torch.testing.assert_close(without, terms(name, student, teacher, BATCH), rtol=0, atol=0)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(1, 3), (3, 4), (2, 2)])
def test_the_gradient_agrees_with_finite_differences(name, shape):
    student, teacher = pair(*shape)
    labels = BATCH[: shape[0]]
    student.requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: total(name, logits, teacher, labels), student)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("teacher", [[-1e4, 1e4, 0.0], [1e4, -1e4, 0.0], [1.0, 2.0, 3.0]])
def test_logits_of_ten_thousand_give_finite_values_and_gradients(name, dtype, teacher):
    student = torch.tensor([[1e4, -1e4, 0.0], [0.5, 0.0, -0.5]], dtype=dtype)
    target = torch.tensor([teacher, [-1e4, 0.0, 1e4]], dtype=dtype)
    for count, labels in ((1, None), (2, None), (1, [0]), (2, [0, 2])):
        known = None if labels is None else torch.tensor(labels)
        assert total(name, student[:count], target[:count], known).isfinite()
        assert gradient(name, student[:count], target[:count], known).isfinite().all()


@pytest.mark.parametrize("name", EVERY)
def test_in_half_the_bits_values_are_near_and_gradients_finite(name):
    student, teacher = pair(7, 10)
    # both rounded first, so that only the computation differs
    short, target = student.bfloat16(), teacher.bfloat16()
    exact = total(name, short.double(), target.double(), BATCH).item()
    assert total(name, short, target, BATCH).item() == pytest.approx(exact, rel=0.1, abs=0.1)
    assert gradient(name, short, target, BATCH).isfinite().all()


@pytest.mark.parametrize("name", EVERY)
def test_a_student_without_any_opinion_gets_a_finite_gradient(name):
    teacher = random_logits(4, 3)
    slope = gradient(name, torch.zeros(4, 3), teacher.float(), BATCH[:4])
    assert slope.isfinite().all()


@pytest.mark.parametrize(
    ("name", "share"),
    [("reverse_kl", 1.0), ("symmetric_kl", 1.0), ("js", 0.25), ("gjs", 0.09)],
)
def test_at_a_high_temperature_centred_logits_are_regressed(name, share):
    student, teacher = pair(3, 6)
    student = student - student.mean(1, keepdim=True)
    teacher = teacher - teacher.mean(1, keepdim=True)
    expected = share * total("regression", student, teacher)
    found = total(name, student, teacher, temperature=1e4)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "share"),
    [
        ("reverse_kl", {}, 1.0),
        ("symmetric_kl", {}, 1.0),
        ("js", {}, 0.25),
        ("gjs", {"beta": 0.1}, 0.09),
        ("gjs", {"beta": 0.7}, 0.21),
    ],
)
def test_near_its_minimum_a_divergence_is_so_many_times_as_steep_as_kl(name, options, share):
    teacher = random_logits(3, 6)
    student = teacher + random_logits(3, 6, seed=1, scale=1e-3)
    expected = share * total("kd", student, teacher, temperature=4.0)
    found = total(name, student, teacher, temperature=4.0, **options)
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=0)
