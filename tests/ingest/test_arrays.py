"""Pictures in an .npz: its three layouts, its labels, and nothing ever unpickled."""

import io
import zipfile

import numpy as np
import pytest

from kdcore.errors import DataError
from kdcore.ingest import inspect, limits
from tests.drawn import upload

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (20, 8, 8), np.uint8)
COLOUR = RANDOM.integers(0, 256, (20, 8, 8, 3), np.uint8)
LABELS = np.arange(20) % 2


def saved(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return upload(file.getvalue(), "own.npz")


def looked(images=GREY, labels=LABELS, side=None, **others):
    return inspect(saved(images=images, labels=labels, **others), "Own", side=side)


def refused(*arguments, **arrays):
    with pytest.raises(DataError) as caught:
        looked(*arguments, **arrays)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# layouts


def test_grey_pictures_are_taken_as_they_are():
    assert np.array_equal(looked().pictures[:, 0], GREY)
    assert looked().summary == "20 pictures of 8×8 pixels, in grey"


def test_the_channel_may_be_said_last_or_first():
    for images in (GREY[..., None], GREY[:, None]):
        assert np.array_equal(looked(images).pictures[:, 0], GREY)
    for images in (COLOUR, COLOUR.transpose(0, 3, 1, 2)):
        assert np.array_equal(looked(images).pictures, COLOUR.transpose(0, 3, 1, 2))


def test_colours_that_are_grey_all_over_are_grey():
    assert looked(np.repeat(GREY[..., None], 3, 3)).shape == (1, 8, 8)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_decimals_from_0_to_1_become_bytes(kind):
    preview = looked((GREY / 255).astype(kind))
    assert np.array_equal(preview.pictures[:, 0], GREY)


def test_arrays_in_columns_first_order_are_read_as_they_are_meant():
    assert np.array_equal(looked(np.asfortranarray(GREY)).pictures[:, 0], GREY)


def test_pictures_of_another_size_are_resized():
    images = np.full((20, 30, 40), 7, np.uint8)
    preview = looked(images)
    assert preview.shape == (1, 28, 28)
    assert (preview.pictures == 7).all()
    assert preview.summary == "20 pictures of 40×30 pixels, resized to 28×28, in grey"
    assert looked(images, side=10).shape == (1, 10, 10)


# labels


def test_numbers_are_class_names_in_their_order():
    preview = looked(labels=np.where(LABELS, 10, 9))
    assert preview.class_names == ("9", "10")
    assert preview.labels.tolist() == LABELS.tolist()


def test_text_labels_are_class_names_in_the_order_in_which_people_count():
    preview = looked(labels=np.where(LABELS, "class 2", "class 10"))
    assert preview.class_names == ("class 2", "class 10")
    assert preview.labels.tolist() == (1 - LABELS).tolist()


def test_class_names_name_numbers_and_order_text():
    for labels in (LABELS, np.where(LABELS, "ant", "bee")):
        preview = looked(labels=labels, class_names=np.array(["bee", "ant"]))
        assert preview.class_names == ("bee", "ant")
        assert preview.labels.tolist() == LABELS.tolist()


def test_sorted_labels_are_split_evenly_all_the_same():
    preview = looked(labels=np.sort(LABELS))
    assert preview.counts["test"] == {"0": 2, "1": 2}


def test_arrays_that_nobody_asked_for_are_left_out_and_said():
    assert looked(extra=LABELS).warnings == ("Left out as not asked for: 'extra'.",)


# what is refused


@pytest.mark.parametrize("key", ["images", "labels"])
def test_a_missing_array_is_named(key):
    arrays = {"images": GREY, "labels": LABELS}
    del arrays[key]
    with pytest.raises(DataError, match=f"own.npz has no array '{key}'"):
        inspect(saved(**arrays), "Own")


@pytest.mark.parametrize("key", ["images", "labels", "class_names"])
def test_python_objects_are_never_opened(key):
    arrays = {"images": GREY, "labels": LABELS, key: np.array([open] * 20, object)}
    assert f"the array '{key}' holds Python objects" in refused(**arrays)


@pytest.mark.parametrize("shape", [(20,), (20, 8), (20, 8, 8, 2), (20, 1, 1, 8, 8), (20, 0, 8)])
def test_another_shape_is_refused(shape):
    assert f"images have the shape {shape}" in refused(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("kind", [np.int64, bool, "U3", complex])
def test_another_type_is_refused(kind):
    assert "give uint8 from 0 to 255, or decimals from 0 to 1" in refused(GREY.astype(kind))


@pytest.mark.parametrize(
    ("pixel", "sentence"),
    [(255.0, "go from 0 to 255"), (-1.0, "go from -1 to 0"), (np.nan, "are not numbers")],
)
def test_decimals_beyond_0_and_1_are_refused(pixel, sentence):
    images = np.zeros((20, 8, 8))
    images[3, 4, 5] = pixel
    assert sentence in refused(images)


@pytest.mark.parametrize(
    "labels", [LABELS[:19], LABELS[:, None], LABELS.astype(float), LABELS.astype(bool)]
)
def test_labels_of_another_length_or_kind_are_refused(labels):
    assert "for each of the 20 images" in refused(labels=labels)


@pytest.mark.parametrize(
    ("labels", "stranger"), [(LABELS + 1, "2"), (-LABELS, "-1"), (LABELS.astype("U"), "'0'")]
)
def test_a_label_without_a_class_name_is_refused(labels, stranger):
    sentence = refused(labels=labels, class_names=np.array(["a", "b"]))
    assert f"the label {stranger} is none of the 2 class_names" in sentence


def test_class_names_of_another_kind_are_refused():
    assert "give one text a class" in refused(class_names=np.arange(2))


def test_a_class_name_without_pictures_is_refused():
    sentence = refused(class_names=np.array(["a", "b", "c"]))
    assert "class 'c': fewer than 3 pictures" in sentence


def test_one_class_is_refused():
    assert "only one class, '0'" in refused(labels=np.zeros(20, int))


def test_pictures_that_would_not_fit_in_memory_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "RESULT_BYTES", 20 * 64 - 1)
    assert "choose a smaller side" in refused()


def test_an_array_that_claims_to_be_longer_than_its_file_is_refused_unread():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for key, shape in {"images": (10**9, 100, 100), "labels": (10**9,)}.items():
            header = io.BytesIO()
            claim = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(header, claim)
            archive.writestr(f"{key}.npy", header.getvalue() + bytes(100))
    with pytest.raises(DataError, match="the array 'images' is damaged"):
        inspect(upload(packed.getvalue(), "own.npz"), "Own")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY no header", b"\x93NUMPY\x09\x00"])
def test_an_array_without_a_header_is_refused(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("images.npy", content)
        archive.writestr("labels.npy", content)
    with pytest.raises(DataError, match="the array 'images' is damaged"):
        inspect(upload(packed.getvalue(), "own.npz"), "Own")


def test_pixels_damaged_in_the_file_are_refused():
    content = bytearray(saved(images=GREY, labels=LABELS).getvalue())
    content[400] ^= 255
    with pytest.raises(DataError, match="'images' is damaged"):
        inspect(upload(bytes(content), "own.npz"), "Own")


def test_what_is_no_npz_is_refused():
    with pytest.raises(DataError, match=r"own\.npz is damaged, or no zip at all"):
        inspect(upload(b"nothing", "own.npz"), "Own")
