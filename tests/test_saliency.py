"""What a model looks at, found by covering."""

import numpy as np
import pytest

from kdcore.panel import Scale
from kdcore.saliency import BATCH, MOST, MOST_WORK, Windows, by_pixel, occlusion, too_much, windows

PLAIN = Scale(np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), np.float32))


class Corner:
    """A model of two classes that believes in the second by the upper left pixel alone."""

    most_at_once = 0

    def get_inputs(self):
        return [type("Input", (), {"name": "input"})]

    def run(self, _outputs, feed):
        self.most_at_once = max(self.most_at_once, len(feed["input"]))
        pixel = feed["input"][:, 0, 0, 0]
        return [np.stack([np.zeros_like(pixel), pixel], 1)]


def test_covering_the_pixel_that_matters_loses_all_the_log_odds_and_any_other_none():
    picture = np.array([[[3, 9], [9, 9]]], np.uint8)
    found = occlusion(Corner(), PLAIN, picture, Windows(1, (0, 1), (0, 1)))
    assert found.place == 1
    assert found.share == pytest.approx(1 / (1 + np.exp(-3)))
    assert found.lost.tolist() == [[3, 0], [0, 0]]


def test_what_speaks_against_a_class_is_below_zero():
    picture = np.array([[[3, 9], [9, 9]]], np.uint8)
    found = occlusion(Corner(), PLAIN, picture, Windows(1, (0, 1), (0, 1)), place=0)
    assert found.lost.tolist() == [[-3, 0], [0, 0]]


def test_what_is_covered_has_the_training_samples_mean():
    scale = Scale(np.full((1, 1, 1), 3, np.float32), np.ones((1, 1, 1), np.float32))
    found = occlusion(Corner(), scale, np.full((1, 2, 2), 3, np.uint8), Windows(1, (0, 1), (0, 1)))
    assert not found.lost.any()


def test_a_pixel_has_the_mean_over_the_windows_that_cover_it():
    over = Windows(2, (0,), (0, 1))
    found = occlusion(Corner(), PLAIN, np.full((1, 2, 3), 4, np.uint8), over)
    assert found.lost.tolist() == [[4, 0]]
    assert by_pixel(found, over, 2, 3).tolist() == [[4, 2, 0], [4, 2, 0]]


def test_a_model_is_asked_in_small_batches_and_answers_as_if_it_were_asked_at_once():
    model, picture = Corner(), np.full((1, 8, 8), 3, np.uint8)
    every = tuple(range(8))
    found = occlusion(model, PLAIN, picture, Windows(1, every, every))
    assert model.most_at_once == BATCH
    expected = np.zeros((8, 8))
    expected[0, 0] = 3
    assert found.lost.tolist() == expected.tolist()


def test_models_that_would_keep_everybody_waiting_are_refused_in_a_sentence():
    most = MOST_WORK // 17  # the fewest windows are 16, and the whole picture is asked too
    assert too_much(most) == ""
    assert too_much(4_000_000_000).startswith(
        "These models make 4.00 billion multiply-accumulates for one picture"
    )


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (32, 32), (64, 64), (40, 70)])
@pytest.mark.parametrize("macs", [0, 100_000_000])
def test_windows_cover_every_pixel_and_are_no_more_than_the_models_allow(shape, macs):
    over = windows(*shape, macs)
    assert len(over) <= (MOST if not macs else 16)
    covered = np.zeros(shape, bool)
    for top in over.tops:
        for left in over.lefts:
            assert top + over.size <= shape[0]
            assert left + over.size <= shape[1]
            covered[top : top + over.size, left : left + over.size] = True
    assert covered.all()
