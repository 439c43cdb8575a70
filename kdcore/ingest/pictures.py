"""Pictures in class folders, read one by one into an array."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kdcore.errors import DataError
from kdcore.ingest import limits, splits
from kdcore.ingest.files import Entry
from kdcore.ingest.labelled import (
    Labelled,
    Pictures,
    check_result,
    choose_side,
    extremes,
    grey_if_all_are,
    resized,
)
from kdcore.ingest.limits import few, plural
from kdcore.ingest.splits import Indices, natural

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Only these are opened: Pillow knows others that start programs of their own."""
SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm"),
}
SPLIT_FOLDERS = {
    **{"train": 0, "training": 0},
    **{"val": 1, "valid": 1, "validation": 1},
    **{"test": 2, "testing": 2},
}
GREY_MODES = {"1", "L", "LA", "I"}


@dataclass(frozen=True)
class Found:
    """A picture file, its class, and its split as a place in SPLITS."""

    entry: Entry
    class_name: str
    place: int


@dataclass(frozen=True)
class Look:
    """What a picture's header says."""

    found: Found
    size: tuple[int, int]
    grey: bool


def read_folders(entries: Sequence[Entry], side: int | None) -> Labelled:
    """Pictures of class folders, resized to one side. Raises DataError beyond the limits."""
    found, notes = sort_out(entries)
    raw = _class_names(found)
    names = splits.clean_names(raw)
    splits.check(names, *_labels(found, raw))
    looks, blind = _look(found)
    side = choose_side([min(look.size) for look in looks], side)
    check_result(len(looks), 1 if all(look.grey for look in looks) else 3, side)
    pictures, good, damaged = _draw(looks, side)
    bad = {**blind, **damaged}
    _check_bad(bad, len(found))
    return Labelled(
        grey_if_all_are(pictures),
        *_labels([look.found for look in good], raw),
        names,
        extremes(look.size for look in good),
        (*notes, *_bad_words(bad)),
    )


# which file is what


def sort_out(entries: Sequence[Entry]) -> tuple[list[Found], list[str]]:
    """Each picture's class and split by the folders that it is in, and notes on what is not used.

    Folders around everything are looked through; train, validation (or val, valid) and test
    folders are splits if there is nothing beside them.
    """
    pictures = [entry for entry in entries if _suffix(entry.parts[-1]) in SUFFIXES]
    if not pictures:
        raise DataError(
            "there are no pictures in it; put PNG or JPEG files into one folder for each class"
        )
    top = _wrapping(pictures)
    inside = [entry for entry in pictures if len(entry.parts) > top + 1]
    firsts = {entry.parts[top].lower() for entry in inside}
    if inside and firsts <= set(SPLIT_FOLDERS):
        found = [
            Found(e, e.parts[top + 1], SPLIT_FOLDERS[e.parts[top].lower()])
            for e in inside
            if len(e.parts) > top + 2
        ]
    else:
        found = [Found(entry, entry.parts[top], 0) for entry in inside]
    if not found:
        raise DataError(
            f"its {plural(len(pictures), 'picture')} are in no class folders; "
            "put them into one folder for each class, named like the class"
        )
    return found, _notes(entries, pictures, len(pictures) - len(found))


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2].lower()


def _wrapping(pictures: Sequence[Entry]) -> int:
    """How many folders stand around all class or split folders."""
    top = 0
    while True:
        inside = [entry.parts for entry in pictures if len(entry.parts) > top + 1]
        deeper = any(len(parts) > top + 2 for parts in inside)
        if len({parts[top] for parts in inside}) != 1 or not deeper:
            return top
        top += 1


def _notes(entries: Sequence[Entry], pictures: Sequence[Entry], loose: int) -> list[str]:
    notes = []
    known = {entry.parts for entry in pictures}
    others = [entry.path for entry in entries if entry.parts not in known]
    zips = [path for path in others if path.lower().endswith(".zip")]
    rest = [path for path in others if path not in set(zips)]
    if zips:
        notes.append(f"Left out as zips inside of it, which are not opened: {few(zips)}.")
    if rest:
        notes.append(f"Left out as no pictures: {few(rest)}.")
    if loose:
        notes.append(f"Left out as in no class folder: {plural(loose, 'picture')}.")
    return notes


def _class_names(found: Sequence[Found]) -> list[str]:
    """The folders' names, 'class 2' before 'class 10'."""
    return sorted({each.class_name for each in found}, key=lambda name: (natural(name), name))


def _labels(found: Sequence[Found], class_names: Sequence[str]) -> tuple[Indices, Indices]:
    """Labels and places (N,)."""
    number = {name: index for index, name in enumerate(class_names)}
    labels = np.array([number[each.class_name] for each in found], np.int64)
    return labels, np.array([each.place for each in found], np.int64)


# reading


def _look(found: Sequence[Found]) -> tuple[list[Look], dict[str, str]]:
    """Headers of the pictures, and why some could not be read, by path."""
    looks, bad = [], {}
    for each in found:
        try:
            with opened(each.entry.read(), each.entry.path) as image:
                grey = image.mode in GREY_MODES or image.mode.startswith("I;16")
                looks.append(Look(each, image.size, grey))
        except DataError:
            raise
        except Exception as error:  # decoders raise anything on a damaged file
            bad[each.entry.path] = why(error)
            _check_bad(bad, len(found))
    return looks, bad


def _draw(looks: Sequence[Look], side: int) -> tuple[Pictures, list[Look], dict[str, str]]:
    """Pictures (N, C, side, side) of those that can be read to their end, and why others not."""
    grey = all(look.grey for look in looks)
    pictures = np.empty((len(looks), 1 if grey else 3, side, side), np.uint8)
    good: list[Look] = []
    bad: dict[str, str] = {}
    for look in looks:
        path = look.found.entry.path
        try:
            with opened(look.found.entry.read(), path) as image:
                pictures[len(good)] = drawn(image, side, grey)
            good.append(look)
        except DataError:
            raise
        except Exception as error:  # decoders raise anything on a damaged file
            bad[path] = why(error)
            _check_bad(bad, len(looks))
    return pictures[: len(good)], good, bad


def opened(content: bytes, path: str) -> Image.Image:
    """A picture file whose pixels are still to be read. Raises DataError where they are many."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(path) from None
    if image.width * image.height > limits.PICTURE_PIXELS:
        raise _too_many_pixels(path)
    return image


def _too_many_pixels(path: str) -> DataError:
    return DataError(
        f"{path!r} has more than {limits.PICTURE_PIXELS / 1e6:,.0f} million pixels; "
        "shrink it, or leave it out"
    )


def drawn(image: Image.Image, side: int, grey: bool) -> Pictures:
    """A picture as (C, side, side): upright, on white where it is transparent, resized."""
    pixels = np.asarray(resized(plain(image, 2 * side).convert("L" if grey else "RGB"), side))
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def plain(image: Image.Image, side: int) -> Image.Image:
    """A picture in grey (L) or RGB: upright, on white where it is transparent.

    side: pixels that are enough; a large JPEG is read at a fraction of its size.
    """
    image.draft(image.mode, (side, side))
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):
        deep = np.asarray(image).clip(0, 65535).astype(np.uint16)
        image = Image.fromarray((deep >> 8).astype(np.uint8))
    if image.mode == "F":
        raise _UnusableError("pixels that are decimals")
    grey = image.mode in GREY_MODES
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if grey else "RGB")


# what cannot be read


class _UnusableError(Exception):
    """A sound picture of a kind that is not taken."""


def why(error: Exception) -> str:
    """What is wrong with a picture, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "no picture inside"
    return str(error) if isinstance(error, _UnusableError) else "damaged"


def _check_bad(bad: dict[str, str], total: int) -> None:
    if len(bad) > limits.CORRUPT_SHARE * total:
        raise DataError(
            f"more than {limits.CORRUPT_SHARE:.0%} of the {total:,} pictures cannot be read, "
            f"such as {few(list(bad), 3)}; check how they were made"
        )


def _bad_words(bad: dict[str, str]) -> list[str]:
    reasons = Counter(bad.values())
    return [
        f"Left out as unreadable ({reason}): "
        f"{few([path for path, why in bad.items() if why == reason])}."
        for reason in reasons
    ]
