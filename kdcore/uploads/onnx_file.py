"""What an uploaded ONNX model takes and gives, in figures and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from kdcore.errors import UploadError
from kdcore.uploads import limits
from kdcore.uploads.apart import Apart

Layout = Literal["NCHW", "NHWC", "NHW", "flat"]
Dtype = Literal["float32", "float16", "uint8"]
Picture = tuple[int, int, int]

INFO_BYTES = 100_000


@dataclass(frozen=True)
class OnnxInfo:
    """One ONNX classifier of pictures.

    input_shape: with the batch first, None where any size will do. layout: where the channels
    are, "NHW" for grey pictures without them, "flat" for one row of values a picture.
    classes: None where only running it will tell. notes: sentences on what is odd about it.
    """

    input_name: str
    input_shape: tuple[int | None, ...]
    input_dtype: Dtype
    layout: Layout
    output_name: str
    classes: int | None
    opset: int
    parameters: int
    notes: tuple[str, ...] = ()

    @property
    def batch(self) -> int | None:
        """How many pictures it takes at a time; None for any number."""
        return self.input_shape[0]

    @property
    def summary(self) -> str:
        """What it is, in a line."""
        sides = "×".join("any" if side is None else str(side) for side in self.input_shape[1:])
        classes = "numbers" if self.classes is None else f"{self.classes:,} numbers"
        return (
            f"takes {sides} {self.input_dtype} ({_LAYOUTS[self.layout]}) and gives {classes} a "
            f"picture; {self.parameters:,} parameters, opset {self.opset}"
        )

    def picture(self, shape: Picture) -> Picture:
        """Channels, height and width that pictures (C, H, W) must be brought to.

        Raises UploadError where its row of values is no picture's.
        """
        axes = dict(zip(_AXES[self.layout], self.input_shape[1:], strict=True))
        if self.layout == "flat":
            return _flat(axes["F"], shape)
        channels = 1 if self.layout == "NHW" else axes["C"]
        return channels or shape[0], axes["H"] or shape[1], axes["W"] or shape[2]

    def changes(self, shape: Picture) -> tuple[str, ...]:
        """Sentences on what is done to pictures (C, H, W) before it sees them."""
        channels, height, width = self.picture(shape)
        said = []
        if channels != shape[0]:
            colour = (
                "Colours are made grey" if channels == 1 else "Grey is repeated for each colour"
            )
            said.append(f"{colour}, as the model takes {channels} of {shape[0]} channels.")
        if (height, width) != shape[1:]:
            said.append(
                f"Pictures are resized from {shape[1]}×{shape[2]} to {height}×{width} (bilinear)."
            )
        if self.input_dtype == "uint8":
            said.append("Pixels go in as whole numbers from 0 to 255, whatever scale is chosen.")
        return tuple(said)


_LAYOUTS: dict[Layout, str] = {
    "NCHW": "channels, height, width",
    "NHWC": "height, width, channels",
    "NHW": "height, width, grey",
    "flat": "one row of pixels",
}
_AXES: dict[Layout, str] = {"NCHW": "CHW", "NHWC": "HWC", "NHW": "HW", "flat": "F"}


def inspect_onnx(
    content: bytes, *, seconds: float = limits.SECONDS, memory: int = limits.MEMORY_BYTES
) -> OnnxInfo:
    """What an ONNX file takes and gives; it is read in a process of its own, and not run.

    Raises UploadError, a sentence, where it cannot be a teacher.
    """
    limits.first_look(content, "ONNX")
    apart = Apart("look", memory, seconds)
    try:
        return load(apart, content)
    finally:
        apart.close()


def load(apart: Apart, content: bytes) -> OnnxInfo:
    """Have a process read the model; what it says of it. Raises UploadError as it refuses."""
    reply = apart.ask(content, doing="Loading", most=INFO_BYTES)
    try:
        return TypeAdapter(OnnxInfo).validate_json(reply)
    except ValidationError:
        raise UploadError("the model's process gave no sensible answer; export it again") from None


def misfit(info: OnnxInfo, kind: str, input_shape: tuple[int, ...], classes: int) -> str | None:
    """Why an ONNX model cannot teach a task, in a sentence; else None."""
    if kind != "image":
        return f"it takes pictures, and the task gives {kind}s"
    if info.classes not in (None, classes):
        return (
            f"it answers {info.classes:,} numbers a picture, but the task has {classes:,} classes"
        )
    try:
        info.picture(as_picture(input_shape))
    except UploadError as error:
        return str(error)
    return None


def as_picture(shape: tuple[int, ...]) -> Picture:
    """A task's input shape, known to be a picture's."""
    channels, height, width = shape
    return channels, height, width


def _flat(values: int | None, shape: Picture) -> Picture:
    """The picture that a row of so many values is: of the task's shape, or else a square."""
    if values is None or values == math.prod(shape):
        return shape
    for channels in (shape[0], 1, 3):
        side = math.isqrt(values // channels)
        if channels * side * side == values:
            return channels, side, side
    raise UploadError(
        f"the model takes {values:,} values a picture, which is no square picture in grey or "
        f"colour; give one that takes {math.prod(shape):,} values, {'×'.join(map(str, shape))}"
    )
