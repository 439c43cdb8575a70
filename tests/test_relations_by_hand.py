"""Similarity, relational KD and probabilistic transfer: values worked by hand."""

import math

import pytest
import torch

from tests.relation_formulas import gradient, random, rotation, rows, terms, total

# similarity


def test_similarity_by_hand():
    # student (1, 0), (0, 1): rows of G (1, 0), (0, 1); teacher 1, 1: rows (1, 1) / √2;
    # four gaps, 1 − 1/√2 and 1/√2 twice each: (3 − 2√2 + 1) / 4
    value = total("similarity", rows([1, 0], [0, 1]), rows([1], [1]))
    assert value.item() == pytest.approx((4 - 2 * math.sqrt(2)) / 4)


def test_similarity_normalises_rows_of_products_and_not_the_features():
    # features 1, 2: both rows of G, (1, 2) and (2, 4), are (1, 2) / √5; teacher 1, 1: (1, 1) / √2
    gaps = [1 / math.sqrt(5) - 1 / math.sqrt(2), 2 / math.sqrt(5) - 1 / math.sqrt(2)]
    value = total("similarity", rows([1], [2]), rows([1], [1]))
    assert value.item() == pytest.approx(2 * sum(gap**2 for gap in gaps) / 4)


def test_similarity_compares_maps_of_any_size():
    student, teacher = random(5, 2, 4, 4), random(5, 3, 2, 3, seed=1)
    flat = total("similarity", student.flatten(1), teacher.flatten(1))
    torch.testing.assert_close(total("similarity", student, teacher), flat)


def test_similarity_does_not_feel_the_order_of_channels_and_places():
    student, teacher = random(5, 2, 4, 4), random(5, 3, 2, 3, seed=1)
    found = total("similarity", student.flip(1).transpose(2, 3), teacher.flip(3))
    torch.testing.assert_close(found, total("similarity", student, teacher))


# relational KD


def test_relational_kd_by_hand():
    # student on a line at 0, 1, 3: distances 1, 2, 3 over 2; teacher an equal triangle: 1, 1, 1.
    # Huber of ½, 0 and ½ is ⅛, 0 and ⅛, in six of nine pairs: 25 · 2 · ¼ / 9.
    # Cosines at the corners 1, −1, 1 against ½: ⅛, 1 and ⅛, each twice: 50 · 2 · 1¼ / 27
    triangle = rows([0, 0], [1, 0], [0.5, math.sqrt(0.75)])
    found = terms("rkd", rows([0], [1], [3]), triangle)
    assert found["distances"].item() == pytest.approx(25 * 0.5 / 9)
    assert found["angles"].item() == pytest.approx(50 * 2.5 / 27)


def test_relational_kds_weights_are_factors():
    student, teacher = random(5, 4), random(5, 3, seed=1)
    plain = terms("rkd", student, teacher, distance_weight=1.0, angle_weight=1.0)
    found = terms("rkd", student, teacher, distance_weight=3.0, angle_weight=0.5)
    torch.testing.assert_close(found["distances"], 3 * plain["distances"])
    torch.testing.assert_close(found["angles"], plain["angles"] / 2)


@pytest.mark.parametrize("side", [0, 1])
def test_relational_kd_does_not_feel_how_the_figure_lies_nor_its_size(side):
    sides = [random(6, 4), random(6, 4, seed=1)]
    expected = terms("rkd", *sides)
    sides[side] = 7 * sides[side] @ rotation(4) + random(1, 4, seed=2)
    torch.testing.assert_close(terms("rkd", *sides), expected)


def test_relational_kd_does_not_feel_a_mirror_but_a_stretched_axis():
    student, teacher = random(6, 4), random(6, 3, seed=1)
    mirror, stretch = rows([-1, 1, 1, 1]), rows([4, 1, 1, 1])
    torch.testing.assert_close(
        terms("rkd", student * mirror, teacher), terms("rkd", student, teacher)
    )
    assert min(terms("rkd", student * stretch, student).values()) > 1e-2


def test_two_samples_have_one_distance_and_no_angle_to_differ_in():
    # the one distance is its own mean, and both cosines at a sample are 1 and 0
    for value in terms("rkd", random(2, 4), random(2, 3, seed=1)).values():
        assert value.item() == pytest.approx(0, abs=1e-15)


def test_the_mean_distance_is_taken_over_samples_apart():
    # 0, 0, 2, 2 has distances 0 and 2: divided by 2 they are 0 and 1, as of the teacher's
    student = rows([0], [0], [2], [2])
    teacher = rows([5, 0], [5, 0], [5, 9], [5, 9])
    for value in terms("rkd", student, teacher).values():
        assert value.item() == pytest.approx(0, abs=1e-15)


# probabilistic transfer


def test_probabilistic_transfer_by_hand():
    # student at right angles: (1, ½) is (⅔, ⅓); teacher in line: (½, ½);
    # KL = ½ ln(½ : ⅔) + ½ ln(½ : ⅓) = ½ ln 9/8
    value = total("pkt", rows([1, 0], [0, 1]), rows([1, 1], [2, 2]))
    assert value.item() == pytest.approx(math.log(9 / 8) / 2, rel=1e-6)


def test_probabilistic_transfer_is_kl_with_the_teacher_first():
    # the sides exchanged: ⅔ ln 4/3 + ⅓ ln 2/3
    value = total("pkt", rows([1, 1], [2, 2]), rows([1, 0], [0, 1]))
    expected = 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)
    assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("side", [0, 1])
def test_probabilistic_transfer_does_not_feel_each_samples_length_nor_a_turn(side):
    sides = [random(6, 4), random(6, 4, seed=1)]
    expected = total("pkt", *sides)
    sides[side] = random(6, 1, seed=2).exp() * sides[side] @ rotation(4)
    torch.testing.assert_close(total("pkt", *sides), expected)
    sides[side][0] *= -1
    assert total("pkt", *sides).item() != pytest.approx(expected.item())


def test_a_student_of_opposite_samples_is_finite_in_probabilistic_transfer():
    # student (1), (−1): P = (1, 0) up to ε; teacher: (½, ½): KL is large, not infinite
    student, teacher = rows([1], [-1]), rows([1], [1])
    assert 5 < total("pkt", student, teacher).item() < 20
    assert gradient("pkt", student, teacher).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [2, 128, 512])
@pytest.mark.parametrize("side", [0, 1])
def test_opposite_samples_are_no_neighbours_in_fewer_bits_either(dtype, width, side):
    sides = [random(64, width).to(dtype), random(64, width, seed=1).to(dtype)]
    sides[side] = torch.cat([sides[side][:32], -3 * sides[side][:32]])
    assert total("pkt", *sides).isfinite()
    assert gradient("pkt", *sides).isfinite().all()
