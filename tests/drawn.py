"""Pictures made for tests: as files in folders and zips, and as what they are packed into."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed=0, size=(8, 8), mode="L", form="PNG", **how):
    """A random picture as a file's content."""
    width, height = size
    shape = {"L": (), "RGB": (3,), "RGBA": (4,), "LA": (2,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *shape), np.uint8)
    return encoded(Image.fromarray(pixels, mode), form, **how)


def encoded(image, form="PNG", **how):
    file = io.BytesIO()
    image.save(file, form, **how)
    return file.getvalue()


def class_folders(classes=("cats", "dogs"), each=10, top="", **how):
    """Paths and contents of pictures, all different, some for each class."""
    return {
        f"{top}{name}/{index:03}.png": picture(seed=1000 * number + index, **how)
        for number, name in enumerate(classes)
        for index in range(each)
    }


def zipped(files, path: Path, packing=zipfile.ZIP_DEFLATED) -> Path:
    """A zip of paths (or ZipInfos) and contents."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpacked(files, folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def upload(content: bytes, name: str) -> io.BytesIO:
    """What a page gets of a visitor: an open file with a name."""
    file = io.BytesIO(content)
    file.name = name
    return file
