"""Class folders, plain or zipped: which picture is what, and how each is drawn."""

import random
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from kdcore.errors import DataError
from kdcore.ingest import inspect, limits
from tests.drawn import class_folders, encoded, picture, unpacked, upload, zipped


@pytest.fixture
def looked(tmp_path):
    """inspect() of files in a zip."""

    def look(files, **how):
        return inspect(zipped(files, tmp_path / "own.zip"), "Own", **how)

    return look


@pytest.fixture
def refused(looked):
    def refuse(files, **how):
        with pytest.raises(DataError) as caught:
            looked(files, **how)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refuse


def gradient(size=(40, 30), mode="RGB"):
    width, height = size
    ramp = np.linspace(0, 255, width * height).reshape(height, width).astype(np.uint8)
    return Image.fromarray(ramp).convert(mode)


def flat(level, size=(8, 8)):
    return encoded(Image.new("L", size, level))


def totals(preview):
    return {split: sum(row.values()) for split, row in preview.counts.items()}


# layouts


def test_a_folder_is_a_class(looked):
    preview = looked(class_folders(("cats", "dogs"), each=10))
    assert preview.class_names == ("cats", "dogs")
    assert preview.counts == {
        "train": {"cats": 7, "dogs": 7},
        "validation": {"cats": 1, "dogs": 1},
        "test": {"cats": 2, "dogs": 2},
    }


def test_a_folder_a_zip_and_an_upload_of_the_same_files_are_the_same_data(tmp_path):
    files = class_folders()
    shuffled = dict(random.Random(0).sample(sorted(files.items()), len(files)))
    path = zipped(shuffled, tmp_path / "own.zip")
    sources = [unpacked(files, tmp_path / "own"), path, upload(path.read_bytes(), "own.zip")]
    first, *others = [inspect(source, "Own") for source in sources]
    for other in others:
        assert np.array_equal(other.pictures, first.pictures)
        assert np.array_equal(other.places, first.places)


@pytest.mark.parametrize("top", ["", "data/", "a/b/c/", "./", "train/"])
def test_folders_around_everything_are_looked_through(looked, top):
    plain, wrapped = looked(class_folders()), looked(class_folders(top=top))
    assert wrapped.class_names == ("cats", "dogs")
    assert np.array_equal(wrapped.pictures, plain.pictures)
    assert np.array_equal(wrapped.places, plain.places)


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Train", "Valid", "Test"), ("training", "validation", "testing")],
)
@pytest.mark.parametrize("top", ["", "data/"])
def test_split_folders_above_the_classes_are_kept_to(looked, names, top):
    files = {}
    for name, each in zip(names, (5, 2, 3), strict=True):
        files |= class_folders(each=each, top=f"{top}{name}/")
    assert totals(looked(files)) == {"train": 10, "validation": 4, "test": 6}


def test_where_only_train_and_test_are_given_validation_is_an_eighth_of_train(looked):
    files = class_folders(each=16, top="train/") | class_folders(each=5, top="test/")
    assert totals(looked(files)) == {"train": 28, "validation": 4, "test": 10}


def test_where_only_train_and_validation_are_given_test_is_two_ninths_of_train(looked):
    files = class_folders(each=18, top="train/") | class_folders(each=5, top="val/")
    assert totals(looked(files)) == {"train": 28, "validation": 10, "test": 8}


def test_a_class_may_be_named_train_where_others_are_no_splits(looked):
    assert looked(class_folders(("train", "car"))).class_names == ("car", "train")


def test_classes_are_in_the_order_in_which_people_count(looked):
    names = [str(number) for number in range(12)]
    assert looked(class_folders(names, each=3)).class_names == tuple(names)


def test_folders_within_a_class_belong_to_it(looked):
    files = class_folders(each=3) | {"cats/more/x.png": picture(99)}
    assert sum(row["cats"] for row in looked(files).counts.values()) == 4


@pytest.mark.parametrize(
    "clutter", ["__MACOSX/cats/._0.png", ".DS_Store", "cats/.hidden.png", "dogs/Thumbs.db"]
)
def test_what_systems_leave_behind_is_passed_over_without_a_word(looked, clutter):
    preview = looked(class_folders() | {clutter: b"clutter"})
    assert preview.warnings == ()
    assert len(preview.pictures) == 20


def test_files_that_are_no_pictures_are_left_out_and_said(looked):
    preview = looked(class_folders() | {"cats/notes.txt": b"notes", "inner.zip": b"PK"})
    assert preview.warnings == (
        "Left out as zips inside of it, which are not opened: 'inner.zip'.",
        "Left out as no pictures: 'cats/notes.txt'.",
    )


def test_pictures_in_no_class_folder_are_left_out_and_said(looked):
    preview = looked(class_folders() | {"cover.png": picture(99)})
    assert preview.warnings == ("Left out as in no class folder: 1 picture.",)


# pixels


def test_grey_pictures_stay_as_they_are(looked):
    preview = looked({f"{name}/{level}.png": flat(level) for name in "ab" for level in (1, 2, 3)})
    assert preview.shape == (1, 8, 8)
    assert sorted(preview.pictures[:, 0, 0, 0].tolist()) == [1, 1, 2, 2, 3, 3]


def test_one_picture_in_colour_makes_all_of_them_colour(looked):
    preview = looked(class_folders() | {"cats/x.png": picture(mode="RGB")})
    assert preview.shape == (3, 8, 8)
    assert "in colour" in preview.summary


def test_pictures_saved_as_colour_but_grey_all_over_are_grey(looked):
    files = {
        f"{name}/{index}.jpg": encoded(gradient((8 + index, 8)), "JPEG")
        for name in "ab"
        for index in range(3)
    }
    assert looked(files).shape == (1, 8, 8)


def test_red_green_and_blue_are_planes_in_that_order(looked):
    red = encoded(Image.new("RGB", (8, 8), (255, 10, 0)))
    preview = looked({f"{name}/{index}.png": red for name in "ab" for index in range(3)})
    assert preview.pictures[0, :, 0, 0].tolist() == [255, 10, 0]


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_every_lossless_format_gives_the_same_pixels(looked, form):
    how = {"lossless": True} if form == "WEBP" else {}
    suffix = {"TIFF": "tif"}.get(form, form.lower())
    files = {
        f"{name}/{index}.{suffix}": picture(index, form=form, **how)
        for name in "ab"
        for index in range(3)
    }
    preview = looked(files)
    expected = np.asarray(Image.open(upload(picture(0), "0.png")))
    assert np.array_equal(preview.pictures[0, 0], expected)


def test_sixteen_bits_are_brought_to_eight(looked):
    deep = encoded(Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)))
    preview = looked({f"{name}/{index}.png": deep for name in "ab" for index in range(3)})
    assert (preview.pictures == 0x80).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_is_white(looked, mode):
    clear = encoded(Image.new(mode, (8, 8)))
    preview = looked({f"{name}/{index}.png": clear for name in "ab" for index in range(3)})
    assert preview.shape == (1, 8, 8)
    assert (preview.pictures == 255).all()


def test_a_photograph_taken_sideways_is_put_upright(looked):
    # orientation 6: the camera was turned; the picture has to be turned clockwise to be upright
    exif = Image.Exif()
    exif[0x0112] = 6
    left_is_white = np.zeros((8, 8), np.uint8)
    left_is_white[:, :4] = 255
    turned = encoded(Image.fromarray(left_is_white), exif=exif)
    preview = looked({f"{name}/{index}.png": turned for name in "ab" for index in range(3)})
    assert (preview.pictures[0, 0, :4] == 255).all()
    assert (preview.pictures[0, 0, 4:] == 0).all()


def test_a_shrunk_picture_is_smoothed_not_sampled(looked):
    board = np.indices((64, 64)).sum(0) % 2 * 255
    checks = encoded(Image.fromarray(board.astype(np.uint8)))
    files = {f"{name}/{index}.png": checks for name in "ab" for index in range(3)}
    inner = looked(files, side=8).pictures[:, :, 1:-1, 1:-1].astype(int)
    assert abs(inner - 127).max() <= 2  # black and white in equal parts


def test_a_large_photograph_read_at_a_fraction_looks_like_one_read_whole(looked):
    large = gradient((800, 800))
    for form in ("PNG", "JPEG"):
        files = {
            f"{name}/{index}.{form}": encoded(large, form) for name in "ab" for index in range(3)
        }
        whole = np.asarray(large.resize((32, 32), Image.Resampling.BILINEAR))[..., 0]
        drawn = looked(files, side=32).pictures[0, 0]
        assert abs(drawn.astype(int) - whole).max() <= 4


# sizes


def test_the_summary_says_how_many_of_which_sizes_became_what(looked):
    files = class_folders(("a",), size=(40, 30)) | class_folders(("b",), size=(300, 200))
    preview = looked(files | {"a/x.png": picture(99, (50, 40))}, side=32)
    assert preview.summary == ("21 pictures of 40×30 to 300×200 pixels, resized to 32×32, in grey")
    assert "Pictures that are not square are stretched to a square." in preview.warnings


def test_pictures_that_fit_are_not_said_to_be_resized(looked):
    assert looked(class_folders()).summary == "20 pictures of 8×8 pixels, in grey"


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ((8, 8), 8),
        ((15, 20), 8),
        ((40, 16), 16),
        ((28, 28), 28),
        ((31, 90), 28),
        ((32, 32), 32),
        ((50, 50), 48),
        ((300, 200), 64),
        ((5, 5), 8),
    ],
)
def test_the_side_is_the_largest_usual_one_that_the_shorter_side_reaches(looked, size, side):
    assert looked(class_folders(each=3, size=size)).shape == (1, side, side)


def test_the_median_picture_decides_on_the_side(looked):
    files = class_folders(("a",), each=7, size=(32, 32)) | class_folders(("b",), each=4)
    assert looked(files).shape == (1, 32, 32)


def test_a_side_may_be_asked_for(looked):
    assert looked(class_folders(), side=20).shape == (1, 20, 20)


@pytest.mark.parametrize("side", [0, 7, 257, -1])
def test_a_side_that_no_network_takes_is_refused(refused, side):
    assert f"the side is {side} pixels; give a whole number from 8 to 256" in refused(
        class_folders(), side=side
    )


def test_the_first_pictures_of_a_class_are_there_to_be_shown(looked):
    preview = looked(class_folders())
    shown = preview.first("dogs", 3)
    assert [each.shape for each in shown] == [(8, 8)] * 3
    expected = np.asarray(Image.open(upload(picture(1000), "0.png")))
    assert np.array_equal(shown[0], expected)
    colour = looked(class_folders(mode="RGB"))
    assert colour.first("cats", 1)[0].shape == (8, 8, 3)


# what is wrong with pictures


def test_a_picture_that_cannot_be_read_is_named_and_left_out(looked):
    broken = picture(1, size=(50, 50))[:900]
    files = class_folders(each=20) | {"cats/broken.png": broken, "dogs/text.png": b"text"}
    preview = looked(files)
    assert len(preview.pictures) == 40
    assert preview.warnings[:2] == (
        "Left out as unreadable (no picture inside): 'dogs/text.png'.",
        "Left out as unreadable (damaged): 'cats/broken.png'.",
    )


def test_decimal_pixels_are_left_out_by_their_reason(looked):
    decimal = encoded(Image.fromarray(np.zeros((8, 8), np.float32)), "TIFF")
    preview = looked(class_folders() | {"cats/x.tiff": decimal})
    assert "(pixels that are decimals): 'cats/x.tiff'" in preview.warnings[0]


def test_more_than_a_tenth_unreadable_is_refused(refused):
    files = class_folders(each=8) | {"cats/x.png": b"x", "cats/y.png": b"y"}
    sentence = refused(files)
    assert "more than 10% of the 18 pictures cannot be read" in sentence
    assert "'cats/x.png'" in sentence


def test_a_file_that_starts_another_program_when_drawn_is_not_opened(refused):
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"
    assert "cannot be read" in refused({f"{c}/{i}.png": script for c in "ab" for i in range(3)})


def test_a_class_of_which_no_picture_can_be_read_is_refused_by_name(refused):
    files = class_folders(each=30) | {f"mice/{index}.png": b"" for index in range(3)}
    assert "class 'mice': fewer than 3 pictures" in refused(files)


@pytest.mark.parametrize("pixels", [(10_001, 5_000), (20_000, 20_000)])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(refused, pixels):
    header = bytearray(encoded(Image.new("1", (1, 1))))
    header[16:24] = pixels[0].to_bytes(4, "big") + pixels[1].to_bytes(4, "big")
    header[29:33] = crc32(header[12:29]).to_bytes(4, "big")
    sentence = refused(class_folders() | {"cats/huge.png": bytes(header)})
    assert "'cats/huge.png' has more than 50 million pixels" in sentence


def test_pictures_that_would_not_fit_in_memory_are_refused_before_they_are_drawn(
    refused, monkeypatch
):
    monkeypatch.setattr(limits, "RESULT_BYTES", 20 * 64 - 1)
    assert "20 pictures of 8×8 pixels would take" in refused(class_folders())


# classes


def test_no_pictures_at_all_is_refused(refused):
    assert "there are no pictures in it" in refused({"cats/notes.txt": b"notes"})
    assert "there are no pictures in it" in refused({})


def test_pictures_without_folders_are_refused(refused):
    files = {f"{index}.png": picture(index) for index in range(5)}
    assert "its 5 pictures are in no class folders" in refused(files)


def test_pictures_right_in_split_folders_are_refused(refused):
    paths = [f"{top}/{index}.png" for top in ("train", "test") for index in range(3)]
    assert "in no class folders" in refused({path: picture() for path in paths})


def test_one_class_is_refused(refused):
    assert "there is only one class, 'cats'" in refused(class_folders(("cats",)))


def test_more_than_a_thousand_classes_are_refused_before_a_picture_is_opened(refused):
    files = {f"{number}/{index}.png": b"" for number in range(1001) for index in range(3)}
    assert refused(files) == "there are 1,001 classes; at most 1,000 are taken"


def test_classes_with_one_or_two_pictures_are_named(refused):
    files = class_folders() | class_folders(("emu", "fox"), each=2)
    sentence = refused(files)
    assert "classes 'emu' and 'fox': fewer than 3 pictures to train on" in sentence


def test_three_pictures_of_a_class_go_one_to_each_split(looked):
    counts = looked(class_folders(each=3)).counts
    assert all(row == {"cats": 1, "dogs": 1} for row in counts.values())


def test_a_class_that_a_given_split_lacks_is_named(refused):
    files = class_folders(each=5, top="train/") | class_folders(("cats",), each=2, top="test/")
    assert "class 'dogs': no picture in test" in refused(files)


def test_splits_without_train_are_refused(refused):
    files = class_folders(top="test/") | class_folders(top="val/")
    assert "there are no training pictures" in refused(files)


def test_class_names_are_shown_without_control_characters_and_cut(looked):
    files = class_folders(("a\x07 \u202eb", "x" * 80))
    assert looked(files).class_names == ("a b", "x" * 60)


def test_classes_that_look_alike_are_refused(refused):
    assert "two classes are both shown as 'a'" in refused(class_folders(("a", "a\x07")))
    assert "two classes" in refused(class_folders(("x" * 61, "x" * 62)))


def test_a_class_of_which_nothing_can_be_shown_is_refused(refused):
    assert "has nothing that can be shown" in refused(class_folders(("a", "\x07")))


def test_uneven_classes_are_warned_of(looked):
    files = class_folders(("a", "b"), each=40)
    few = {path: content for path, content in files.items() if path < "b/004"}
    assert looked(few).warnings == (
        "The classes are uneven: 'a' has 40 pictures, 'b' only 4; "
        "accuracy will say little of the latter.",
    )


def test_pictures_of_test_that_are_in_train_too_are_warned_of(looked):
    files = class_folders(each=9, top="train/") | class_folders(each=2, top="test/")
    assert looked(files | {"test/cats/new.png": picture(99)}).warnings == (
        "4 validation or test pictures are in the training pictures as well, pixel for pixel; "
        "accuracy will look too good.",
    )


# splits


def test_the_same_files_are_always_split_the_same_way(looked):
    first, second = looked(class_folders()), looked(class_folders())
    assert np.array_equal(first.places, second.places)


def test_samples_of_a_class_are_not_split_in_the_order_of_their_files(looked):
    preview = looked(class_folders(each=50))
    cats = preview.places[preview.labels == 0].tolist()
    assert cats != sorted(cats)
    assert cats != sorted(cats, reverse=True)


def test_every_class_has_the_same_shares_of_every_split(looked):
    files = class_folders(("a",), each=50) | class_folders(("b",), each=20)
    assert looked(files).counts == {
        "train": {"a": 35, "b": 14},
        "validation": {"a": 5, "b": 2},
        "test": {"a": 10, "b": 4},
    }


# sources


def test_a_link_in_a_folder_is_refused(tmp_path):
    folder = unpacked(class_folders(), tmp_path / "own")
    (folder / "cats" / "link.png").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match=r"link\.png is a link"):
        inspect(folder, "Own")


def test_a_folder_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FILES", 19)
    with pytest.raises(DataError, match="holds more than 19 files"):
        inspect(unpacked(class_folders(), tmp_path / "own"), "Own")


def test_a_folder_of_too_many_bytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 100)
    with pytest.raises(DataError, match="are taken; leave some pictures out"):
        inspect(unpacked(class_folders(), tmp_path / "own"), "Own")


def test_a_path_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.zip: No such file"):
        inspect(tmp_path / "none.zip", "Own")


def test_another_kind_of_file_is_refused_with_those_that_are_taken(tmp_path):
    with pytest.raises(DataError, match=r"'own\.rar' is nothing that can be read; give a folder"):
        inspect(upload(b"Rar!", "own.rar"), "Own")


def test_a_file_that_is_too_large_is_refused_unread(monkeypatch):
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 2_000_000)
    with pytest.raises(DataError, match=r"own\.zip has 3 MB, and at most 2 MB are taken"):
        inspect(upload(bytes(3_000_000), "own.zip"), "Own")


@pytest.mark.parametrize("name", ["", "  ", "\x07"])
def test_data_without_a_name_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="needs a name"):
        inspect(zipped(class_folders(), tmp_path / "own.zip"), name)
