"""Methods on relations of samples, each against its formula in numpy, and what all share."""

import pytest
import torch

from tests.relation_formulas import NAMES, ORACLES, gradient, random, rotation, terms, total


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [2, 3, 7])
@pytest.mark.parametrize("widths", [(3, 3), (2, 40), (40, 2)])
def test_a_method_equals_its_formula_written_in_numpy(name, batch, widths):
    student, teacher = (random(batch, width, seed=seed) for seed, width in enumerate(widths))
    found = {term: value.item() for term, value in terms(name, student, teacher).items()}
    # pkt adds 1e-7 where the logarithm would be taken of 0
    accuracy = {"rel": 1e-4, "abs": 1e-9} if name == "pkt" else {"rel": 1e-9, "abs": 1e-15}
    assert found == pytest.approx(ORACLES[name](student.numpy(), teacher.numpy()), **accuracy)


# what holds for many methods


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [2, 6])
def test_the_loss_and_its_gradient_are_zero_where_the_student_equals_the_teacher(name, batch):
    features = random(batch, 4)
    for value in terms(name, features, features.clone()).values():
        assert value.item() == pytest.approx(0, abs=1e-15)
    assert gradient(name, features, features.clone()).abs().max() < 1e-12


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_every_term_is_positive_where_relations_differ(name, seed):
    student, teacher = random(5, 3, seed=seed), random(5, 4, seed=seed + 10)
    assert min(terms(name, student, teacher).values()) > 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [2, 4])
def test_the_gradient_agrees_with_finite_differences(name, batch):
    student, teacher = random(batch, 3).requires_grad_(), random(batch, 5, seed=1)
    assert torch.autograd.gradcheck(lambda features: total(name, features, teacher), student)


@pytest.mark.parametrize("name", NAMES)
def test_turning_all_embeddings_changes_nothing(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    turned = terms(name, student @ rotation(4), teacher @ rotation(3))
    torch.testing.assert_close(turned, terms(name, student, teacher))


@pytest.mark.parametrize("name", NAMES)
def test_enlarging_all_embeddings_changes_nothing(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    enlarged = terms(name, 300 * student, 0.01 * teacher)
    torch.testing.assert_close(enlarged, terms(name, student, teacher))


@pytest.mark.parametrize("name", NAMES)
def test_moving_all_embeddings_matters_only_to_products(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    moved = total(name, student + random(1, 4, seed=2), teacher)
    same = pytest.approx(total(name, student, teacher).item(), rel=1e-6)
    assert (moved.item() == same) == (name == "rkd")


@pytest.mark.parametrize("name", NAMES)
def test_stretching_each_embedding_matters_to_all_but_cosines(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    stretched = total(name, student * random(6, 1, seed=2).exp(), teacher)
    same = pytest.approx(total(name, student, teacher).item(), rel=1e-6)
    assert (stretched.item() == same) == (name == "pkt")


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_batch_does_not_matter(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    order = torch.tensor([3, 0, 5, 4, 1, 2])
    ordered = terms(name, student[order], teacher[order])
    torch.testing.assert_close(ordered, terms(name, student, teacher))
    mixed_up = total(name, student[order], teacher)
    assert mixed_up.item() != pytest.approx(total(name, student, teacher).item())


@pytest.mark.parametrize("name", NAMES)
def test_a_method_leaves_the_features_as_they_are(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    before = student.clone(), teacher.clone()
    terms(name, student, teacher)
    torch.testing.assert_close((student, teacher), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("zeros", ["neither", "student", "teacher"])
def test_a_single_sample_has_no_relations(name, dtype, zeros):
    student, teacher = random(1, 4).to(dtype), random(1, 3, seed=1).to(dtype)
    if zeros != "neither":
        (student if zeros == "student" else teacher).zero_()
    # only the product with itself may differ, 0 against 1
    expected = 1 if name == "similarity" and zeros != "neither" else 0
    assert total(name, student, teacher).item() == pytest.approx(expected, abs=1e-4)
    slope = gradient(name, student, teacher)
    assert slope.isfinite().all()
    assert slope.abs().max() < 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", ["student", "teacher", "both"])
@pytest.mark.parametrize("alike", ["two", "all", "zeros", "two zeros"])
def test_samples_that_are_alike_give_finite_values_and_gradients(name, dtype, side, alike):
    sides = {"student": random(5, 4), "teacher": random(5, 3, seed=1)}
    for each in sides if side == "both" else [side]:
        values = sides[each]
        if alike == "two":
            values[1] = values[0]
        elif alike == "all":
            values[:] = values[0].clone()
        else:
            values[: 2 if alike == "two zeros" else None] = 0
    student, teacher = (each.to(dtype) for each in sides.values())
    for value in terms(name, student, teacher).values():
        assert value.isfinite()
    assert gradient(name, student, teacher).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", ["student", "teacher", "both"])
@pytest.mark.parametrize("alike", ["all", "zeros"])
def test_a_batch_that_is_all_alike_gives_a_bounded_gradient(name, side, alike):
    sides = {"student": random(5, 4), "teacher": random(5, 3, seed=1)}
    for each in sides if side == "both" else [side]:
        sides[each][:] = 0 if alike == "zeros" else sides[each][0].clone()
    assert gradient(name, *sides.values()).abs().max() < 1e3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("alike", ["two", "two zeros"])
def test_two_samples_that_coincide_do_not_throw_the_student_far_away(name, alike):
    student, teacher = random(5, 4).float(), random(5, 3, seed=1).float()
    student[1] = student[0]
    if alike == "two zeros":
        student[:2] = 0
    # beside each other by a hundredth, they get a gradient of some hundreds at most
    near = student + 0.01 * random(5, 4, seed=2).float()
    assert gradient(name, near, teacher).abs().max() < 1e4
    assert gradient(name, student, teacher).abs().max() < 1e4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_values_and_gradients_are_finite_in_fewer_bits(name, dtype, scale):
    student, teacher = (scale * random(6, 4)).to(dtype), (scale * random(6, 3, seed=1)).to(dtype)
    exact = total(name, student.double(), teacher.double()).item()
    assert total(name, student, teacher).item() == pytest.approx(
        exact, rel=1e-3 if dtype == torch.float32 else 0.2
    )
    slope = gradient(name, student, teacher)
    assert slope.isfinite().all()
    assert slope.abs().max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_step_against_the_gradient_brings_the_student_nearer(name):
    student, teacher = random(6, 4), random(6, 3, seed=1)
    slope = gradient(name, student, teacher)
    nearer = student - 1e-4 * slope / slope.norm()
    assert total(name, nearer, teacher) < total(name, student, teacher)
