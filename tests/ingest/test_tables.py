"""Pictures as rows of a .csv: where the label stands, what a pixel may be, which line is wrong."""

import numpy as np
import pytest

from kdcore.errors import DataError
from kdcore.ingest import inspect
from tests.drawn import upload

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 64))
HEADER = ",".join(["label", *(f"pixel{number}" for number in range(64))])


def lines(pixels=PIXELS, names=("cat", "dog")):
    return [
        ",".join([names[number % len(names)], *map(str, row)]) for number, row in enumerate(pixels)
    ]


def looked(rows, end="\n", encoding="utf-8"):
    return inspect(upload(end.join([*rows, ""]).encode(encoding), "own.csv"), "Own")


def refused(rows, **how):
    with pytest.raises(DataError) as caught:
        looked(rows, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def are_the_pixels(preview):
    return np.array_equal(preview.pictures.reshape(20, 64), PIXELS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("header", [[], [HEADER]])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_label_and_64_pixels_are_a_picture_of_8_by_8(header, end, encoding):
    preview = looked([*header, *lines()], end, encoding)
    assert are_the_pixels(preview)
    assert preview.class_names == ("cat", "dog")
    assert preview.labels.tolist() == [0, 1] * 10


def test_numbers_as_labels_need_no_header():
    preview = looked(lines(names=("10", "9")))
    assert preview.class_names == ("9", "10")
    assert are_the_pixels(preview)


def test_the_label_may_stand_anywhere_under_its_name():
    rows = [line.split(",") for line in [HEADER.replace("label", "Label"), *lines()]]
    preview = looked([",".join([*row[1:], row[0]]) for row in rows])
    assert are_the_pixels(preview)
    assert preview.class_names == ("cat", "dog")


def test_columns_named_by_numbers_are_a_header_beside_label():
    header = ",".join(["label", *map(str, range(64))])
    assert are_the_pixels(looked([header, *lines()]))


@pytest.mark.parametrize("mark", [";", "\t"])
def test_values_may_be_parted_otherwise(mark):
    assert are_the_pixels(looked([line.replace(",", mark) for line in [HEADER, *lines()]]))


def test_quoted_values_and_whole_numbers_written_as_decimals_are_taken():
    quoted = [",".join(f'"{value}"' for value in line.split(",")) for line in lines()]
    assert are_the_pixels(looked(quoted))
    decimal = [
        ",".join([row.split(",")[0], *(f"{v}.0" for v in row.split(",")[1:])]) for row in lines()
    ]
    assert are_the_pixels(looked(decimal))


def test_three_squares_of_pixels_are_red_green_and_blue_planes():
    pixels = np.repeat([[1, 2, 3]], 20, 0).repeat(64, 1)
    preview = looked(lines(pixels))
    assert preview.shape == (3, 8, 8)
    assert preview.pictures[0, :, 0, 0].tolist() == [1, 2, 3]
    assert any("all red, then all green, then all blue" in each for each in preview.warnings)


@pytest.mark.parametrize("pixel", ["x", "", "256", "-1", "1.5", "nan", "1e3"])
def test_a_pixel_that_is_none_is_refused_with_its_line(pixel):
    rows = [HEADER, *lines()]
    values = rows[5].split(",")
    values[7] = pixel
    rows[5] = ",".join(values)
    assert f"line 6 of own.csv has the pixel {pixel!r}" in refused(rows)


def test_a_row_of_another_length_is_refused_with_its_line():
    rows = lines()
    rows[3] += ",1"
    assert "line 4 of own.csv has 66 values, but the first line has 65" in refused(rows)


def test_a_number_of_pixels_that_is_no_square_is_refused():
    assert "own.csv has 63 pixels a row; give a square number" in refused(lines(PIXELS[:, 1:]))


@pytest.mark.parametrize("rows", [[], [HEADER]])
def test_a_table_without_rows_is_refused(rows):
    assert "own.csv has no rows" in refused(rows)


def test_a_row_without_a_label_is_refused():
    assert "has nothing that can be shown" in refused(lines(names=("", "a")))


def test_one_class_is_refused():
    assert "only one class, 'cat'" in refused(lines(names=("cat",)))


def test_what_is_no_text_is_refused():
    with pytest.raises(DataError, match=r"own\.csv is not text in UTF-8"):
        inspect(upload(b"a,\xff\xfe\n", "own.csv"), "Own")


def test_a_field_without_end_is_refused():
    with pytest.raises(DataError, match=r"own\.csv is no table that can be read"):
        inspect(upload(b'a,"' + b"1" * 200_000, "own.csv"), "Own")


def test_a_label_of_any_length_takes_no_memory_to_speak_of():
    rows = lines(names=("a" * 100_000, "b"))
    assert looked(rows).class_names == ("a" * 60, "b")


def test_an_upload_is_left_open_for_its_owner():
    file = upload("\n".join(lines()).encode(), "own.csv")
    inspect(file, "Own")
    assert not file.closed
