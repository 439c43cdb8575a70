"""Pictures that come as rows of pixels in one .csv file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isqrt
from typing import BinaryIO

import numpy as np

from kdcore.errors import DataError
from kdcore.ingest import splits
from kdcore.ingest.arrays import finished, number_labels
from kdcore.ingest.labelled import Labelled, check_result, choose_side
from kdcore.ingest.splits import clean

LABEL = "label"
LONGEST = 1000
"""Characters of a label that are looked at before it is cleaned and cut."""
PLANES = "Each row's colour pixels were read as all red, then all green, then all blue ones."


@dataclass
class _Rows:
    """What has been read so far."""

    labels: list[str] = field(default_factory=list)
    pixels: bytearray = field(default_factory=bytearray)
    width: int = 0


def read_csv(file: BinaryIO, name: str, side: int | None) -> Labelled:
    """A label and the pixels of one picture a row: a square of grey ones, or three of them.

    The label stands first, or under 'label' in a header. Raises DataError on anything else.
    """
    try:
        rows = _rows(file, name)
    except UnicodeDecodeError:
        raise DataError(f"{name} is not text in UTF-8; save it as a CSV file in UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{name} is no table that can be read: {error}") from None
    if not rows.labels:
        raise DataError(f"{name} has no rows; give one row for each picture")
    channels, edge = _square(rows.width, name)
    class_names, labels = number_labels(np.array(rows.labels), None, len(rows.labels))
    splits.check(class_names, labels, np.zeros_like(labels))
    side = choose_side([edge], side)
    check_result(len(labels), channels, side)
    pictures = np.frombuffer(rows.pixels, np.uint8).reshape(-1, channels, edge, edge)
    return finished(pictures, labels, class_names, side, [PLANES] if channels == 3 else [])


def _rows(file: BinaryIO, name: str) -> _Rows:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return _collect(text, name)
    finally:
        text.detach()  # the file stays its owner's, open


def _collect(text: io.TextIOWrapper, name: str) -> _Rows:
    first = text.readline()
    text.seek(0)
    rows, column = _Rows(), 0
    for number, row in _filled(text, delimiter=max(",;\t", key=first.count)):
        if not rows.width:
            column, rows.width = _label_column(row), len(row) - 1
            if _is_header(row):
                continue
        if len(row) != rows.width + 1:
            raise DataError(
                f"line {number:,} of {name} has {len(row):,} values, but the first line has "
                f"{rows.width + 1:,}; give every picture as many"
            )
        rows.labels.append(clean(row.pop(column)[:LONGEST]))
        try:
            rows.pixels += bytes(map(int, row))
        except ValueError:
            rows.pixels += bytes(_pixel(value, number, name) for value in row)
    return rows


def _filled(text: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their line's number."""
    reader = csv.reader(text, delimiter=delimiter)
    for row in reader:
        if row:
            yield reader.line_num, row


def _label_column(row: list[str]) -> int:
    names = [value.strip().lower() for value in row]
    return names.index(LABEL) if LABEL in names else 0


def _is_header(row: list[str]) -> bool:
    """Whether a first row names its columns: one is 'label', or no pixel in it is a number."""
    names = [value.strip().lower() for value in row]
    return LABEL in names or not any(map(_is_number, names[1:]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _pixel(text: str, line: int, name: str) -> int:
    if _is_number(text) and float(text) in range(256):
        return int(float(text))
    raise DataError(
        f"line {line:,} of {name} has the pixel {text[:40]!r}; give whole numbers from 0 to 255"
    )


def _square(width: int, name: str) -> tuple[int, int]:
    """Channels and side of a picture of so many pixels."""
    for channels in (1, 3):
        edge = isqrt(width // channels)
        if edge > 1 and channels * edge * edge == width:
            return channels, edge
    raise DataError(
        f"{name} has {width:,} pixels a row; give a square number of them, such as 784 for 28×28, "
        "or three times one for red, green and blue"
    )
