"""What is drawn or photographed becomes a picture as the task has them: size, place, ink."""

from dataclasses import replace

import numpy as np
import pytest

from kdcore import drawn
from kdcore.drawn import Layout, centre_of_mass, drawing, layout, photograph, strokes, thickness
from kdcore.errors import DataError

EIGHT = Layout((8, 8), 8.0, 2.0, None, (4.0, 4.0), by_mass=False, paper=0, ink=255)
MNIST = Layout((28, 28), 20.0, 2.0, None, (14.0, 14.0), by_mass=True, paper=0, ink=255)


def line(*points):
    return np.array(points, float)


def bars(*places, side=12, paper=0, ink=200):
    """Pictures with an upright bar each, 2 wide and 8 high, from that row and column."""
    pictures = np.full((len(places), 1, side, side), paper, np.uint8)
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[0, row : row + 8, column : column + 2] = ink
    return pictures


# how a task lays out its pictures


def test_the_centre_of_mass_is_weighed_by_ink():
    ink = np.zeros((4, 6))
    ink[1, 1], ink[1, 4] = 1.0, 0.5
    # columns (1.5 · 1 + 4.5 · 0.5) / 1.5 = 2.5; both lie in row 1, whose centre is at 1.5
    assert centre_of_mass(ink) == pytest.approx((1.5, 2.5))


def test_a_long_bar_is_as_thick_as_it_is_wide():
    ink = np.zeros((90, 20))
    ink[5:85, 8:11] = 1
    assert thickness(ink) == pytest.approx(3, rel=0.05)  # 2 · 240 / 166, corners rounded


def test_size_ink_and_place_are_read_off_the_pictures():
    found = layout(bars((2, 5), (2, 5), (2, 5), paper=10))
    assert (found.shape, found.longest) == ((12, 12), 8.0)
    assert found.centre == pytest.approx((6.0, 6.0))
    assert (found.paper, found.ink) == (10, 200)


def test_pictures_of_dark_ink_on_light_paper_are_known_as_such():
    found = layout(bars((2, 5), (2, 5), paper=250, ink=30))
    assert (found.paper, found.ink) == (250, 30)


def test_the_centre_is_the_mass_where_that_is_what_stays_in_place():
    pictures = np.zeros((2, 1, 12, 12), np.uint8)
    # a block of 3×2 and a far pixel as heavy as a third of it: the mass is at (6, 6) in both,
    # the boxes are each other's mirror image
    pictures[0, 0, 5:7, 4:7] = pictures[1, 0, 5:7, 5:8] = 255
    pictures[0, 0, 5:7, 8] = pictures[1, 0, 5:7, 3] = 255
    assert layout(pictures).by_mass
    boxes = bars((2, 5), (2, 5))
    boxes[0, 0, 2, 6] = boxes[1, 0, 9, 5] = 40  # the ink shifts, its box does not
    assert not layout(boxes).by_mass


def test_blank_pictures_are_nothing_to_draw_like():
    with pytest.raises(DataError, match="all blank"):
        layout(np.zeros((3, 1, 8, 8), np.uint8))


# drawing


def test_an_upright_stroke_fills_the_height_by_a_pen_of_the_tasks_own():
    (picture,) = drawing([line((300, 250), (300, 700))], EIGHT)
    # 8 high, 2 wide, about the middle: columns 3 and 4; its ends are round
    assert (picture[1:7, 3:5] == 255).all()
    assert (picture[:, [0, 1, 2, 5, 6, 7]] <= 20).all()
    assert (picture[[0, 7], 3:5] > 150).all()
    assert (picture[[0, 7], 3:5] < 255).all()


def test_where_and_how_large_one_draws_makes_no_difference():
    stroke = line((0, 0), (200, 400), (400, 100))
    small, large = drawing([stroke / 4 + 700], MNIST), drawing([2 * stroke], MNIST)
    np.testing.assert_array_equal(small, large)


def test_the_drawings_mass_lies_where_the_tasks_does():
    picture = drawing([line((100, 100), (100, 800), (400, 800))], MNIST)
    assert centre_of_mass(picture[0] / 255) == pytest.approx((14, 14), abs=0.51)
    rows = np.flatnonzero(picture[0].max(1) > 127)
    assert np.ptp(rows) + 1 == 20


def test_a_dot_is_a_dot():
    picture = drawing([line((900, 30))], MNIST)
    assert (picture[0, 13:15, 13:15] > 150).all()
    assert picture.sum() == pytest.approx(np.pi * 255, rel=0.05)  # a disc of radius 1


def test_where_all_of_a_tasks_pictures_hold_as_much_ink_a_thin_drawing_gets_a_thicker_pen():
    stroke = [line((300, 250), (300, 700))]
    plenty = drawing(stroke, replace(EIGHT, amount=18.0))
    assert plenty.sum() / 255 == pytest.approx(18, rel=0.1)
    assert drawing(stroke, EIGHT).sum() / 255 < 16


def test_ink_is_drawn_dark_where_the_tasks_paper_is_light():
    (picture,) = drawing([line((300, 250), (300, 700))], replace(EIGHT, paper=250, ink=30))
    assert (picture[1:7, 3:5] == 30).all()
    assert (picture[:, 0] == 250).all()


def test_an_empty_sheet_is_a_sentence():
    with pytest.raises(DataError, match="nothing is drawn yet"):
        drawing(strokes([]), EIGHT)


def test_strokes_are_points_within_the_sheet():
    (first, second) = strokes([[0, 10, 2000, -5], [], [7, 8]])
    assert first.tolist() == [[0, 10], [1000, 0]]
    assert second.tolist() == [[7, 8]]


@pytest.mark.parametrize(
    "told", [None, "x", [["a", 1]], [[1, 2, 3]], [[float("nan"), 1]], [[0, 0] * 20_001], [[]] * 301]
)
def test_what_is_no_drawing_is_refused_in_a_sentence(told):
    with pytest.raises(DataError, match="draw"):
        strokes(told)


# photographs


def sheet(light=True):
    """A photograph of an upright bar, 20 by 100 of 200 by 300, under uneven light."""
    paper = np.linspace(180, 230, 300)[None] + np.linspace(0, 20, 200)[:, None]
    paper[50:150, 60:80] -= 120
    return (paper if light else 255 - paper).astype(np.uint8)


@pytest.mark.parametrize("light", [True, False])
def test_ink_is_what_stands_out_from_the_paper_however_the_light_falls(light):
    ink = drawn.ink_on_paper(sheet(light))
    assert (ink[55:145, 63:77] == 1).all()
    ink[50:150, 60:80] = 0
    assert ink.max() == 0


def test_a_photographed_stroke_is_as_long_and_central_as_the_tasks_own():
    (picture,) = photograph(sheet(), MNIST)
    # 100 pixels become 20, and 20 become 4
    assert (picture[4:24, 12:16] == 255).all()
    picture[4:24, 12:16] = 0
    assert picture.max() == 0


def test_a_thin_pen_is_made_as_thick_as_the_tasks_own():
    thin = np.full((200, 300), 220, np.uint8)
    thin[50:150, 60:63] = 40  # of 100 pixels, 3: 0.6 of 20
    (picture,) = photograph(thin, MNIST)
    ink = picture / 255
    assert thickness(ink) == pytest.approx(2, abs=0.3)
    assert np.ptp(np.flatnonzero(ink.max(1) > 0.15)) + 1 == 20


def test_a_thick_pen_is_left_as_it_is():
    ink = drawn.ink_on_paper(sheet())
    np.testing.assert_array_equal(drawn.thickened(ink, MNIST), ink)


def test_ink_off_the_middle_is_moved_by_whole_pixels():
    ink = np.zeros((28, 28))
    ink[2:22, 1:4] = 1
    ink[2:12, 4:9] = 1
    # columns (60 · 2.5 + 50 · 6.5) / 110 = 4.3 and rows (60 · 12 + 50 · 7) / 110 = 9.7, to 14
    there = drawn.placed(ink, MNIST)
    np.testing.assert_allclose(there[6:26, 11:14], 1)
    assert there.sum() == pytest.approx(110)


def test_paper_without_ink_is_a_sentence():
    with pytest.raises(DataError, match="no ink to be seen"):
        photograph(np.full((50, 80), 190, np.uint8), MNIST)
