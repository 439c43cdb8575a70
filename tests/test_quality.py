"""What answers are worth, against scikit-learn and scipy, and samples that were made harder."""

import numpy as np
import pytest
from scipy.stats import binomtest, t
from sklearn import metrics

from kdcore.measure import intervals, robustness
from kdcore.measure.quality import agreement, quality
from kdcore.measure.robustness import Disturbance, disturbances, disturbed


@pytest.fixture(scope="module")
def answers():
    """400 answers of seven classes, of which the last has no samples, but is chosen at times."""
    random = np.random.default_rng(3)
    labels = random.integers(6, size=400)
    logits = random.standard_normal((400, 7)).astype(np.float32)
    logits[np.arange(400), labels] += 1.5
    return logits, labels


@pytest.fixture(scope="module")
def judged(answers):
    return quality(*answers)


# quality


def test_macro_figures_are_scikit_learns_over_the_classes_that_have_samples(answers, judged):
    logits, labels = answers
    expected = metrics.precision_recall_fscore_support(
        labels, logits.argmax(1), labels=range(6), average="macro", zero_division=0
    )
    found = [each.value for each in (judged.precision, judged.recall, judged.f1)]
    assert found == pytest.approx(expected[:3])


def test_figures_of_each_class_are_scikit_learns(answers, judged):
    logits, labels = answers
    expected = metrics.precision_recall_fscore_support(
        labels, logits.argmax(1), labels=range(6), zero_division=0
    )
    of = judged.by_class
    for ours, theirs in zip((of.precision, of.recall, of.f1, of.samples), expected, strict=True):
        assert ours[:6] == pytest.approx(theirs)
    assert np.isnan([of.precision[6], of.recall[6], of.f1[6]]).all()


def test_accuracy_top_five_and_loss_are_scikit_learns(answers, judged):
    logits, labels = answers
    assert judged.accuracy.value == metrics.accuracy_score(labels, logits.argmax(1))
    among_five = metrics.top_k_accuracy_score(labels, logits, k=5, labels=range(7))
    assert judged.top5.value == among_five
    powers = np.exp(logits.astype(np.float64))
    answered = powers / powers.sum(1, keepdims=True)
    expected = metrics.log_loss(labels, answered, labels=range(7))
    assert judged.loss.value == pytest.approx(expected, rel=1e-5)


def test_among_five_classes_there_is_no_top_five():
    assert quality(np.eye(5, dtype=np.float32), np.arange(5)).top5 is None


def test_a_model_that_is_sure_and_half_right_is_off_by_half():
    sure = np.array([[50.0, 0.0], [50.0, 0.0]], np.float32)
    found = quality(sure, np.array([0, 1]))
    assert found.error == pytest.approx(0.5)
    assert found.reliability.counts[-1] == 2


def test_a_class_that_is_never_chosen_has_no_precision_to_speak_of():
    found = quality(np.array([[2.0, 1.0], [2.0, 1.0]], np.float32), np.array([0, 1]))
    assert found.by_class.precision.tolist() == [0.5, 0.0]
    assert found.by_class.f1.tolist() == pytest.approx([2 / 3, 0.0])


def test_the_bootstrap_is_that_of_drawing_samples_with_replacement(answers, judged):
    logits, labels = answers
    random, chosen = np.random.default_rng(1), logits.argmax(1)
    drawn = []
    for _ in range(150):
        some = random.integers(400, size=400)
        drawn.append(
            metrics.f1_score(
                labels[some], chosen[some], labels=range(6), average="macro", zero_division=0
            )
        )
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (judged.f1.low, judged.f1.high) == pytest.approx((low, high), abs=0.02)
    assert judged.f1.low < judged.f1.value < judged.f1.high


def test_models_agree_where_they_choose_the_same_class():
    one = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    other = np.array([[3, 0], [0, 2], [0, 5], [0, 1]], np.float32)
    assert agreement(one, other).value == 0.75
    with pytest.raises(ValueError, match="not of one test set"):
        agreement(one, other[:3])


# intervals


@pytest.mark.parametrize(("count", "of"), [(0, 20), (7, 20), (20, 20), (481, 500)])
def test_the_interval_of_a_share_is_wilsons(count, of):
    expected = binomtest(count, of).proportion_ci(method="wilson")
    found = intervals.share(count, of)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.value == count / of


def test_the_interval_over_seeds_is_students():
    values = [0.91, 0.93, 0.94, 0.96]
    found = intervals.over_seeds(values)
    low, high = t.interval(0.95, 3, np.mean(values), np.std(values, ddof=1) / 2)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert intervals.over_seeds([0.9]) == intervals.Interval(0.9, None, None)


def test_the_interval_of_a_mean_is_two_standard_errors_wide_on_each_side():
    found = intervals.of_mean(np.array([1.0, 3.0]))
    assert (found.value, found.high - found.value) == pytest.approx((2, 1.96), abs=1e-4)
    assert intervals.of_mean(np.array([1.0])).low is None


# harder samples


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(60, 190, (300, 3, 16, 16)).astype(np.uint8)


def test_pictures_get_noise_blur_and_shift_and_points_noise_alone(pictures):
    kinds = [each.kind for each in disturbances(pictures)]
    assert kinds == ["noise"] * 3 + ["blur"] * 3 + ["shift"] * 3
    assert {each.kind for each in disturbances(np.zeros((5, 2), np.float32))} == {"noise"}
    assert disturbances(np.zeros((5, 40), np.int64)) == ()  # words have no pixels
    small = disturbances(np.zeros((5, 1, 8, 8), np.uint8))
    assert [each.words for each in small if each.kind == "shift"] == ["1 px", "2 px"]


@pytest.mark.parametrize("kind", ["noise", "blur", "shift"])
def test_harder_samples_are_the_same_each_time_and_harder_with_strength(pictures, kind):
    ways = [each for each in disturbances(pictures) if each.kind == kind]
    apart = []
    for way in ways:
        found = disturbed(pictures, way)
        assert found.shape == pictures.shape
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, disturbed(pictures, way))
        apart.append(np.abs(found.astype(float) - pictures).mean())
    assert apart[0] > 0
    if kind != "shift":  # a picture of noise is as unlike itself however far it moves
        assert apart == sorted(apart)


def test_noise_has_the_deviation_that_it_says(pictures):
    found = disturbed(pictures, Disturbance("noise", 0.05)).astype(float) - pictures
    assert found.std() == pytest.approx(0.05 * 255, rel=0.02)
    points = np.random.default_rng(0).normal(0, [1, 9], (4000, 2)).astype(np.float32)
    moved = disturbed(points, Disturbance("noise", 0.5)) - points
    assert moved.std(0) == pytest.approx([0.5, 4.5], rel=0.05)


def test_a_blur_spreads_a_dot_as_far_as_it_says():
    dot = np.zeros((1, 1, 33, 33), np.uint8)
    dot[0, 0, 16, 16] = 255
    spread = disturbed(dot, Disturbance("blur", 1 / 33))[0, 0]
    # a Gaussian of deviation 1 in two dimensions: 255 / 2π in the middle
    assert spread[16, 16] == pytest.approx(255 / (2 * np.pi), abs=1)
    assert spread[16, 17] == pytest.approx(spread[16, 16] * np.exp(-0.5), abs=1)


def test_a_shift_moves_each_picture_whole_into_one_of_four_directions(pictures):
    found = disturbed(pictures, Disturbance("shift", 4.0))
    seen = set()
    for before, after in zip(pictures, found, strict=True):
        ways = {
            "up": (before[:, 4:], after[:, :-4]),
            "down": (before[:, :-4], after[:, 4:]),
            "left": (before[:, :, 4:], after[:, :, :-4]),
            "right": (before[:, :, :-4], after[:, :, 4:]),
        }
        (way,) = (name for name, pair in ways.items() if np.array_equal(*pair))
        seen.add(way)
    assert seen == {"up", "down", "left", "right"}
    assert robustness.disturbed(pictures[:1], Disturbance("shift", 4.0)).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(("classes", "each"), [(100, 2), (10, 3), (2, 50)])
def test_a_model_that_is_always_right_has_no_doubt_in_any_class(classes, each):
    labels = np.repeat(np.arange(classes), each)
    found = quality(10 * np.eye(classes)[labels], labels)
    for told in (found.precision, found.recall, found.f1):
        assert (told.value, told.low, told.high) == (1.0, 1.0, 1.0)
