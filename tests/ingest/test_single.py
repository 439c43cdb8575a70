"""One picture that a visitor shows: opened within limits, fitted to a task."""

import numpy as np
import pytest
from PIL import Image

from kdcore.errors import DataError
from kdcore.ingest import limits, single
from kdcore.ingest.single import fitted, open_one
from tests.drawn import encoded, picture


def opened(content):
    return open_one(content, "mine.png")


def test_a_picture_of_the_tasks_size_stays_as_it_is():
    content = picture(3, size=(8, 8))
    pixels = np.asarray(opened(content))
    for cut in (True, False):
        np.testing.assert_array_equal(fitted(opened(content), (1, 8, 8), cut=cut)[0], pixels)


def test_only_the_middle_is_taken_or_the_whole_is_stretched():
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 200
    image = Image.fromarray(wide)
    assert (fitted(image, (1, 4, 4), cut=True) == 200).all()
    assert 50 < fitted(image, (1, 4, 4), cut=False).mean() < 80  # a third of 200


def test_a_grey_picture_is_coloured_for_a_task_in_colour_and_the_other_way_round():
    grey, colour = opened(picture(size=(9, 9))), opened(picture(size=(9, 9), mode="RGB"))
    three = fitted(grey, (3, 8, 8), cut=True)
    assert (three == three[:1]).all()
    assert fitted(colour, (1, 8, 8), cut=True).shape == (1, 8, 8)


def test_what_is_transparent_is_white():
    clear = encoded(Image.new("RGBA", (5, 5), (0, 0, 0, 0)))
    assert (np.asarray(opened(clear)) == 255).all()


def test_what_is_no_picture_is_refused_in_a_sentence():
    with pytest.raises(DataError, match=r"'mine.png' cannot be read \(no picture inside\); give"):
        opened(b"hello")


def test_a_damaged_picture_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="cannot be read"):
        opened(picture(size=(60, 60))[:200])


def test_a_file_beyond_the_limits_is_refused(monkeypatch):
    monkeypatch.setattr(single, "BYTES", 10)
    with pytest.raises(DataError, match="shrink it first"):
        opened(picture())
    monkeypatch.setattr(single, "BYTES", 10_000)
    monkeypatch.setattr(limits, "PICTURE_PIXELS", 10)
    with pytest.raises(DataError, match="million pixels"):
        opened(picture())
