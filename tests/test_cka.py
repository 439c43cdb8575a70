"""How alike two layers are."""

from itertools import permutations

import numpy as np
import pytest

from kdcore.measure.cka import linear_cka

RANDOM = np.random.default_rng(0)
LAYER = RANDOM.standard_normal((40, 5))
TURN = np.linalg.qr(RANDOM.standard_normal((5, 5)))[0]


def gram(features):
    return features @ features.T


def alike(one, other):
    return float(linear_cka([gram(one)], [gram(other)])[0, 0])


def plain(one, other):
    """As Kornblith et al. write it, over features: ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖), of centred ones."""
    one, other = one - one.mean(0), other - other.mean(0)
    norm = np.linalg.norm
    return norm(other.T @ one) ** 2 / (norm(one.T @ one) * norm(other.T @ other))


def unbiased(k, ell):
    """HSIC as the mean over all four different samples, Song et al., 2012."""
    four = list(permutations(range(len(k)), 4))
    return np.mean([k[i, j] * (ell[i, j] + ell[q, r] - 2 * ell[i, q]) for i, j, q, r in four])


def test_a_layer_is_alike_to_itself_turned_mirrored_scaled_and_moved():
    assert alike(LAYER, LAYER) == pytest.approx(1)
    assert alike(LAYER, 3 * LAYER @ TURN + 7) == pytest.approx(1, abs=1e-5)
    assert alike(LAYER, -LAYER) == pytest.approx(1)


def test_but_not_to_itself_stretched_along_one_direction():
    assert alike(LAYER, LAYER * [30, 1, 1, 1, 1]) < 0.7


def test_it_is_the_normalised_mean_over_four_different_samples():
    one, other = RANDOM.standard_normal((7, 3)), RANDOM.standard_normal((7, 4))
    k, ell = gram(one), gram(other)
    expected = unbiased(k, ell) / np.sqrt(unbiased(k, k) * unbiased(ell, ell))
    assert alike(one, other) == pytest.approx(expected, abs=1e-5)


def test_with_many_samples_of_narrow_layers_it_is_the_usual_figure():
    one = RANDOM.standard_normal((900, 4))
    other = one @ RANDOM.standard_normal((4, 3)) + RANDOM.standard_normal((900, 3))
    assert alike(one, other) == pytest.approx(plain(one, other), abs=0.01)


def test_unrelated_layers_wider_than_there_are_samples_are_not_alike():
    one, other = RANDOM.standard_normal((2, 60, 2000))
    assert plain(one, other) > 0.9
    assert abs(alike(one, other)) < 0.1


def test_each_layer_is_held_against_each():
    found = linear_cka([gram(LAYER), gram(LAYER[:, :1])], [gram(LAYER @ TURN)])
    assert found.shape == (2, 1)
    assert found[0, 0] == pytest.approx(1, abs=1e-5)
    assert found[1, 0] < 0.7


def test_a_layer_that_gives_the_same_for_all_samples_is_like_nothing():
    assert np.isnan(alike(LAYER, np.ones((40, 2))))


def test_three_samples_are_too_few():
    with pytest.raises(ValueError, match="too few"):
        alike(LAYER[:3], LAYER[:3])


def test_layers_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="same samples"):
        alike(LAYER, LAYER[:30])
