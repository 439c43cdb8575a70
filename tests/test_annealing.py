"""Methods that change as the training goes on: annealing, a learnt temperature."""

import math

import pytest
import torch

from kdcore import methods
from tests.logit_formulas import (
    gradient,
    learnt_temperature,
    np_ctkd,
    pair,
    random_logits,
    rows,
    total,
)

# annealing


@pytest.mark.parametrize(
    ("done", "factor"),
    [(0.0, 0.1), (0.049, 0.1), (0.051, 0.2), (0.26, 0.6), (0.499, 1.0), (0.5, 1.0), (1.0, 1.0)],
)
def test_annealing_lets_the_teacher_grow_to_full_size(done, factor):
    # highest 10, share 1/2: a stage lasts 0.05 of the steps
    student, teacher = pair(7, 3)
    expected = (student - factor * teacher).square().sum(1).mean() / 3
    torch.testing.assert_close(total("annealing", student, teacher, done=done), expected)


@pytest.mark.parametrize("share", [0.25, 0.5])
@pytest.mark.parametrize("highest", [1, 4])
def test_annealings_stages_are_equally_long(share, highest):
    zeros, teacher = torch.zeros(1, 2).double(), rows([1.0, 1.0])
    times = [(each + 0.5) / 240 for each in range(240)]
    options = {"share": share, "highest": highest}
    values = [total("annealing", zeros, teacher, done=done, **options).item() for done in times]
    factors = [math.sqrt(value) for value in values]
    assert factors == sorted(factors)
    for stage in range(1, highest):
        factor = pytest.approx(stage / highest)
        assert sum(each == factor for each in factors) == 240 * share / highest
    assert factors[-1] == pytest.approx(1)


def test_annealing_by_hand():
    # Φ = 1/10: teacher (10, 20) becomes (1, 2); ((3 − 1)² + (2 − 2)²) / 2
    assert total("annealing", rows([3, 2]), rows([10, 20]), done=0.0).item() == pytest.approx(2)


def test_annealing_is_zero_for_a_student_who_is_the_teacher_made_small():
    teacher = random_logits(7, 3)
    assert total("annealing", teacher / 10, teacher, done=0.0).item() == pytest.approx(0, abs=1e-25)
    assert total("annealing", teacher, teacher, done=0.0) > 0.1
    assert total("annealing", teacher, teacher, done=0.6).item() == 0.0


def test_annealing_on_the_full_teacher_is_twice_regression():
    student, teacher = pair(7, 3)
    expected = 2 * total("regression", student, teacher)
    torch.testing.assert_close(total("annealing", student, teacher, done=0.5), expected)


@pytest.mark.parametrize(
    ("done", "factors"), [(0.0, (0, 1)), (0.29, (0, 1)), (0.3, (1, 0)), (1.0, (1, 0))]
)
def test_annealing_hears_the_teacher_first_and_the_labels_after(done, factors):
    assert methods.get("annealing").pace(done, share=0.3, highest=10) == factors


# curriculum temperature


def test_a_learnt_temperature_begins_at_the_sigmoid_of_one():
    adapter = methods.get("ctkd").adapter((), (), 0, highest=20.0)
    assert [parameter.shape for parameter in adapter.parameters()] == [()]
    assert adapter(0.0).item() == pytest.approx(1 + 20 / (1 + math.exp(-1)))


@pytest.mark.parametrize(("theta", "temperature"), [(-50.0, 1.0), (0.0, 4.0), (50.0, 7.0)])
def test_a_learnt_temperature_lies_between_1_and_1_more_than_the_highest(theta, temperature):
    assert learnt_temperature(theta, highest=6.0)(-1.0).item() == pytest.approx(temperature)


@pytest.mark.parametrize("done", [0.0, 0.01, 1.0])
def test_curriculum_kd_is_kd_at_the_learnt_temperature(done):
    # σ(0) = 1/2: T = 11
    student, teacher = pair(7, 3)
    found = total("ctkd", student, teacher, done=done, adapter=learnt_temperature(0.0))
    torch.testing.assert_close(found, total("kd", student, teacher, temperature=11.0))


@pytest.mark.parametrize(
    ("done", "turned"),
    [(0.0, 0.0), (0.01, -(1 - math.sqrt(0.5)) / 2), (0.02, -0.5), (0.04, -1.0), (0.7, -1.0)],
)
def test_the_gradient_turns_against_the_student_along_half_a_cosine(done, turned):
    student, teacher = pair(7, 3)
    arrays = student.numpy(), teacher.numpy(), None, None
    slope = (
        np_ctkd(*arrays, theta=0.5 + 1e-5)["soft"] - np_ctkd(*arrays, theta=0.5 - 1e-5)["soft"]
    ) / 2e-5
    adapter = learnt_temperature(0.5)
    total("ctkd", student, teacher, done=done, adapter=adapter, ramp=0.04).backward()
    assert abs(slope) > 1e-3
    assert adapter.theta.grad.item() == pytest.approx(turned * slope, rel=1e-6, abs=1e-12)


def test_a_step_down_the_gradient_makes_the_students_loss_larger():
    student, teacher = pair(7, 3)
    adapter = learnt_temperature(0.0)
    before = total("ctkd", student, teacher, adapter=adapter)
    before.backward()
    with torch.no_grad():
        adapter.theta -= 0.1 * adapter.theta.grad
    assert total("ctkd", student, teacher, adapter=adapter) > before


@pytest.mark.parametrize("done", [0.0, 0.02, 1.0])
def test_the_students_gradient_is_not_turned(done):
    student, teacher = pair(7, 3)
    found = gradient("ctkd", student, teacher, done=done, adapter=learnt_temperature(0.0))
    torch.testing.assert_close(found, gradient("kd", student, teacher, temperature=11.0))
