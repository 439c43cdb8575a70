"""Pictures that come as arrays in one .npz file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdcore.errors import DataError
from kdcore.ingest import splits
from kdcore.ingest.files import open_zip
from kdcore.ingest.labelled import (
    Labelled,
    Pictures,
    check_result,
    choose_side,
    grey_if_all_are,
    resized,
)
from kdcore.ingest.limits import few
from kdcore.ingest.splits import Indices

KEYS = ("images", "labels", "class_names")
BLOCK = 4096


def read_npz(file: BinaryIO, name: str, side: int | None) -> Labelled:
    """images (N, H, W), (N, H, W, C) or (N, C, H, W), labels (N,), and class_names if wanted.

    Nothing in it is unpickled. Raises DataError on anything else.
    """
    with open_zip(file, name) as archive:
        held = {path.removesuffix(".npy") for path in archive.namelist()}
        for key in KEYS[:2]:
            if key not in held:
                raise DataError(
                    f"{name} has no array {key!r}; save it with numpy.savez(file, images=…, "
                    f"labels=…), instead of {few(sorted(held)) if held else 'nothing'}"
                )
        shape, dtype = _header(archive, "images")
        _check_shape(shape, dtype)
        labels = _array(archive, "labels")
        given = _array(archive, "class_names") if "class_names" in held else None
        class_names, numbers = number_labels(labels, given, shape[0])
        splits.check(class_names, numbers, np.zeros_like(numbers))
        channels, height, width = _layout(shape)
        side = choose_side([min(height, width)], side)
        check_result(shape[0], channels, side)
        pictures = as_bytes(_channels_first(_array(archive, "images")))
    others = sorted(held - set(KEYS))
    notes = [f"Left out as not asked for: {few(others)}."] if others else []
    return finished(pictures, numbers, class_names, side, notes)


def finished(
    pictures: Pictures,
    labels: Indices,
    class_names: tuple[str, ...],
    side: int,
    notes: list[str],
) -> Labelled:
    """Pictures (N, C, H, W) of one size made square, grey if all of them are."""
    height, width = pictures.shape[2:]
    square = grey_if_all_are(squares(pictures, side))
    places = np.zeros_like(labels)
    sizes = ((width, height), (width, height))
    return Labelled(square, labels, places, class_names, sizes, tuple(notes))


def squares(pictures: Pictures, side: int) -> Pictures:
    """Pictures (N, C, H, W) resized to (N, C, side, side)."""
    if pictures.shape[2:] == (side, side):
        return pictures
    drawn = np.empty((*pictures.shape[:2], side, side), np.uint8)
    for picture, target in zip(pictures, drawn, strict=True):
        for plane, pixels in zip(picture, target, strict=True):
            pixels[:] = np.asarray(resized(Image.fromarray(plane), side))
    return drawn


# what is in the file


def _header(archive: ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, read without its content, which must be as long as they say."""
    with _opened(archive, key) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(file)
        start = file.tell()
    if dtype.hasobject:
        raise DataError(
            f"the array {key!r} holds Python objects, which are never opened; "
            "save plain numbers or text"
        )
    size = dtype.itemsize
    for length in shape:
        size *= length
    if start + size != archive.getinfo(f"{key}.npy").file_size:
        raise _damaged(key)
    return shape, dtype


def _array(archive: ZipFile, key: str) -> npt.NDArray[Any]:
    _header(archive, key)
    with _opened(archive, key) as file:
        content: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return content


@contextmanager
def _opened(archive: ZipFile, key: str) -> Iterator[IO[bytes]]:
    """An array's file, whose damage is said in a sentence."""
    try:
        with archive.open(f"{key}.npy") as file:
            yield file
    except Exception:  # unpacking a damaged file raises anything
        raise _damaged(key) from None


def _damaged(key: str) -> DataError:
    return DataError(f"the array {key!r} is damaged; save or upload the file again")


def _check_shape(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype != np.uint8 and dtype.kind != "f":
        raise DataError(f"images are {dtype}; give uint8 from 0 to 255, or decimals from 0 to 1")
    if _layout(shape) == (0, 0, 0) or 0 in shape:
        raise DataError(
            f"images have the shape {shape}; give (N, H, W), (N, H, W, C) or (N, C, H, W) "
            "with 1 or 3 channels C"
        )


def _layout(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of pictures of that shape; zeros where it is none of theirs."""
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    if len(shape) == 4 and shape[3] in (1, 3):
        return shape[3], shape[1], shape[2]
    if len(shape) == 4 and shape[1] in (1, 3):
        return shape[1], shape[2], shape[3]
    return 0, 0, 0


def _channels_first(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if images.ndim == 3:
        return images[:, None]
    return images.transpose(0, 3, 1, 2) if images.shape[3] in (1, 3) else images


def as_bytes(images: npt.NDArray[Any]) -> Pictures:
    """Pixels as uint8, decimals from 0 to 1 scaled. Raises DataError on other decimals."""
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    pixels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), BLOCK):
        part = images[start : start + BLOCK].astype(np.float64)
        low, high = part.min(), part.max()
        if not (low >= 0 and high <= 1):  # nan is neither
            found = "are not numbers" if np.isnan(part).any() else f"go from {low:g} to {high:g}"
            raise DataError(
                f"some pixels of images {found}; give decimals from 0 to 1, or uint8 from 0 to 255"
            )
        pixels[start : start + BLOCK] = (part * 255).round()
    return pixels


# labels


def number_labels(
    labels: npt.NDArray[Any], given: npt.NDArray[Any] | None, count: int
) -> tuple[tuple[str, ...], Indices]:
    """Class names, and each label's place among them.

    labels: whole numbers or text, one for each of count pictures; given: names (K,) of the
    classes 0 to K − 1, or of all the text labels.
    """
    if labels.shape != (count,) or labels.dtype.kind not in "iuU":
        raise DataError(
            f"labels have the shape {labels.shape} of {labels.dtype}; give one whole number "
            f"or text for each of the {count:,} images"
        )
    if given is None:
        values, numbers = np.unique(labels, return_inverse=True)
        order = sorted(range(len(values)), key=lambda i: splits.natural(str(values[i])))
        if labels.dtype.kind != "U":
            order = list(range(len(values)))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return splits.clean_names([str(values[i]) for i in order]), place[numbers]
    if given.ndim != 1 or given.dtype.kind != "U":
        raise DataError(
            f"class_names have the shape {given.shape} of {given.dtype}; give one text a class"
        )
    names = [str(each) for each in given]
    known = set(names) if labels.dtype.kind == "U" else set(range(len(names)))
    stranger = sorted(set(labels.tolist()) - known)
    if stranger:
        raise DataError(
            f"the label {stranger[0]!r} is none of the {len(names):,} class_names; "
            "add its name, or correct it"
        )
    if labels.dtype.kind == "U":
        place_of = {name: index for index, name in enumerate(names)}
        labels = np.array([place_of[str(each)] for each in labels])
    return splits.clean_names(names), labels.astype(np.int64)
