import math

import pytest
from scipy.stats import ttest_rel

from kdcore.statistics import (
    Difference,
    holm,
    mean,
    p_value,
    paired_difference,
    signed,
    spread,
    verdict,
    verdict_sentence,
    verdicts,
)

CONTROL = (0.89, 0.91, 0.90, 0.85, 0.88)
DISTILLED = (0.95, 0.96, 0.97, 0.96, 0.94)


def test_the_mean_is_the_sum_by_the_count():
    assert mean([1, 2, 6]) == 3


def test_the_spread_is_the_sample_deviation():
    # deviations −1, 0, 1 from 2: √(2 / (3 − 1)) = 1
    assert spread([1, 2, 3]) == 1


def test_one_value_has_no_spread():
    assert spread([1]) is None


# the paired interval


def test_a_difference_is_in_points_and_paired_by_seed():
    difference = paired_difference([0.50, 0.60], [0.52, 0.59], 500)
    assert difference.per_seed == pytest.approx((2, -1))
    assert difference.mean == pytest.approx(0.5)


def test_the_interval_of_three_pairs_is_as_worked_by_hand():
    # points 1, 2, 3: mean 2, deviation 1; t(97.5 %, 2 degrees of freedom) = 4.303 (Student's
    # table), so 2 ± 4.303 / √3 = 2 ± 2.484
    difference = paired_difference([0.5, 0.5, 0.5], [0.51, 0.52, 0.53], 500)
    assert difference.low == pytest.approx(2 - 2.484, abs=1e-3)
    assert difference.high == pytest.approx(2 + 2.484, abs=1e-3)


def test_the_interval_is_the_one_of_scipys_paired_t_test():
    interval = ttest_rel(DISTILLED, CONTROL).confidence_interval(0.95)
    difference = paired_difference(CONTROL, DISTILLED, 500)
    assert difference.low == pytest.approx(100 * interval.low)
    assert difference.high == pytest.approx(100 * interval.high)


def test_swapping_the_students_mirrors_the_interval():
    one, other = (
        paired_difference(CONTROL, DISTILLED, 500),
        paired_difference(DISTILLED, CONTROL, 500),
    )
    assert (other.low, other.mean, other.high) == pytest.approx((-one.high, -one.mean, -one.low))


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_pairs_have_a_mean_but_no_interval(seeds):
    difference = paired_difference(CONTROL[:seeds], DISTILLED[:seeds], 500)
    assert math.isfinite(difference.mean)
    assert (difference.low, difference.high) == (None, None)


def test_pairs_that_all_agree_are_known_to_one_sample_and_no_better():
    # deviation 0, taken to be one sample of 500, 0.2 points: 25 ± 4.303 · 0.2 / √3 = 25 ± 0.497
    difference = paired_difference([0.5, 0.5, 0.5], [0.75, 0.75, 0.75], 500)
    assert difference.mean == pytest.approx(25)
    assert difference.low == pytest.approx(25 - 0.497, abs=1e-3)
    assert difference.high == pytest.approx(25 + 0.497, abs=1e-3)


def test_one_sample_more_for_every_seed_is_no_proof():
    difference = paired_difference([0.896, 0.906, 0.876], [0.898, 0.908, 0.878], 500)
    assert verdict(difference) == "no clear difference"


@pytest.mark.parametrize(("control", "distilled"), [([0.5], [0.5, 0.6]), ([0.5], []), ([], [])])
def test_values_that_are_no_pairs_are_refused(control, distilled):
    with pytest.raises(ValueError, match=f"{len(control)} controls and {len(distilled)} students"):
        paired_difference(control, distilled, 500)


# the verdict


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 2.0, "better"),
        (-2.0, -0.1, "worse"),
        (-0.1, 0.1, "no clear difference"),
        (0.0, 2.0, "no clear difference"),
        (-2.0, 0.0, "no clear difference"),
        (0.0, 0.0, "no clear difference"),
        (None, None, "too few seeds"),
    ],
)
def test_the_verdict_claims_only_what_the_interval_leaves_out_zero_for(low, high, expected):
    assert verdict(Difference(1.0, low, high, (1.0,))) == expected


# several at once


def test_the_p_value_is_that_of_scipys_paired_t_test():
    difference = paired_difference(CONTROL, DISTILLED, 500)
    assert p_value(difference) == pytest.approx(ttest_rel(DISTILLED, CONTROL).pvalue)
    assert p_value(paired_difference(CONTROL[:2], DISTILLED[:2], 500)) is None


def test_holms_p_values_are_as_worked_by_hand():
    # 0.005 · 4 = 0.02, 0.01 · 3 = 0.03, 0.03 · 2 = 0.06, and 0.04 · 1 may not be below the last
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.6]) == [1, 1]
    assert holm([]) == []


def test_of_several_verdicts_each_holds_beside_the_others():
    # p is 0.044 (t = 4.59, two degrees of freedom) and, of the other, far below
    weak = paired_difference([0.5] * 3, [0.5165, 0.5265, 0.5365], 500)
    strong = paired_difference([0.5] * 3, [0.79, 0.80, 0.81], 500)
    few = paired_difference([0.5], [0.6], 500)
    assert verdict(weak) == "better"
    assert verdicts({"A": weak}) == {"A": "better"}
    assert verdicts({"A": weak, "B": weak})["A"] == "no clear difference"
    assert verdicts({"A": weak, "B": strong, "C": few}) == {
        "A": "better",
        "B": "better",
        "C": "too few seeds",
    }


def test_the_better_students_sentence():
    assert verdict_sentence(Difference(7.28, 5.65, 8.91, (7.28,) * 5)) == (
        "Distillation helped: the student is 7.3 points more accurate than the same student "
        "trained on labels alone (95 % interval +5.7 to +8.9, 5 paired seeds)."
    )


def test_the_worse_students_sentence():
    assert verdict_sentence(Difference(-4.0, -5.83, -2.17, (-4.0,) * 5)) == (
        "Distillation hurt: the student is 4.0 points less accurate than the same student "
        "trained on labels alone (95 % interval −5.8 to −2.2, 5 paired seeds)."
    )


def test_the_sentence_where_nothing_is_clear():
    assert verdict_sentence(Difference(-0.44, -1.26, 0.37, (-0.44,) * 5)) == (
        "Distillation made no clear difference: −0.4 points against the same student "
        "trained on labels alone (95 % interval −1.3 to +0.4, 5 paired seeds)."
    )


def test_the_sentence_of_a_single_seed():
    assert verdict_sentence(Difference(2.0, None, None, (2.0,))) == (
        "1 seed is too few to tell luck from gain: the difference is +2.0 points so far. "
        "Run at least 3 seeds."
    )


def test_the_sentence_of_two_seeds():
    assert verdict_sentence(Difference(-0.5, None, None, (-1.0, 0.0))) == (
        "2 seeds are too few to tell luck from gain: the difference is −0.5 points so far. "
        "Run at least 3 seeds."
    )


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (7.64, "+7.6"),
        (-0.44, "−0.4"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-0.04, "0.0"),
        (0.04, "0.0"),
        (-71.06, "−71.1"),
    ],
)
def test_a_difference_is_read_with_its_sign_and_never_as_minus_zero(points, expected):
    assert signed(points) == expected
