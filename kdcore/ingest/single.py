"""One picture that a visitor shows to models: opened within limits, and made to fit a task."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from kdcore.errors import DataError
from kdcore.ingest import limits
from kdcore.ingest.labelled import Pictures
from kdcore.ingest.limits import megabytes
from kdcore.ingest.pictures import opened, plain, why

BYTES = 25 * limits.MB
DRAFT = 640
"""A JPEG is read at the smallest fraction of its size whose sides are at least this."""


def open_one(content: bytes, name: str) -> Image.Image:
    """A picture file's content, upright, on white where it is transparent: grey (L) or RGB.

    Raises DataError, a sentence, where it is no picture or too large.
    """
    if len(content) > BYTES:
        raise DataError(
            f"{name!r} has {megabytes(len(content))}, and at most {megabytes(BYTES)} are taken; "
            "shrink it first"
        )
    try:
        with opened(content, name) as image:
            return plain(image, DRAFT)
    except DataError:
        raise
    except Exception as error:  # decoders raise anything on a damaged file
        raise DataError(
            f"{name!r} cannot be read ({why(error)}); give a PNG, JPEG, WebP or other usual picture"
        ) from None


def fitted(image: Image.Image, shape: tuple[int, ...], *, cut: bool) -> Pictures:
    """A picture (C, H, W) in a task's own size and colours; one of that size stays as it is.

    cut: whether only its middle is taken, in the task's proportions, in place of stretching it.
    """
    channels, height, width = shape
    size = (width, height)
    image = image.convert("L" if channels == 1 else "RGB")
    if cut:
        image = ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    elif image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
