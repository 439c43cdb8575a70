"""The ways in which a visitor gives the models something to answer: each yields one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from numpy.typing import NDArray

from kdcore import drawn
from kdcore.answers import Answers
from kdcore.drawn import Layout
from kdcore.ingest.single import fitted, open_one
from kdcore.runs.store import Run
from pages.parts.services import is_own
from pages.parts.sheets import plane, sketch

SUFFIXES = ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"]


@dataclass(frozen=True, eq=False)
class Shown:
    """One sample as the run's data are kept: (C, H, W) uint8 or (D,) float32.

    id: tells one drawing from the next; label: its true class, where that is known.
    """

    sample: NDArray[Any]
    id: str
    label: int | None = None


@dataclass(frozen=True, eq=False)
class Looked:
    """The run, some of its test samples, and how they are laid out where they are grey."""

    run: Run
    kept: Answers
    layout: Layout | None


def ways(looked: Looked) -> dict[str, Any]:
    """By name, the ways that a run's task allows for."""
    shape = looked.kept.inputs.shape[1:]
    if shape == (2,):
        return {"Choose a point": choose_point, "Test sample": test_sample}
    if len(shape) == 1:
        return {"Test sample": test_sample}
    draw = {"Draw": draw_it} if looked.layout is not None else {}
    return {**draw, "Upload": upload, "Photograph": photograph, "Test sample": test_sample}


def draw_it(looked: Looked) -> Shown | None:
    """A drawing, placed as the task's own pictures are."""
    assert looked.layout is not None
    names = looked.kept.class_names
    digits = all(name.isdigit() for name in names)
    number, told = sketch(looked.layout, "Draw a digit here" if digits else "Draw here")
    if not told:
        return None
    return Shown(drawn.drawing(drawn.strokes(told), looked.layout), number)


def choose_point(looked: Looked) -> Shown | None:
    """A point of the plane."""
    at = plane(looked.kept, looked.run.id)
    return None if at is None else Shown(at, f"{at[0]:.6g},{at[1]:.6g}")


def upload(looked: Looked) -> Shown | None:
    """A picture file."""
    file = st.file_uploader("A picture", type=SUFFIXES, key="try.upload")
    return None if file is None else _picture(looked, file)


def photograph(looked: Looked) -> Shown | None:
    """A picture that the camera takes."""
    file = st.camera_input("A photograph", key="try.camera")
    return None if file is None else _picture(looked, file)


def test_sample(looked: Looked) -> Shown:
    """One of the run's own test samples: also the way for whoever uses no pointer."""
    count = len(looked.kept)
    number = st.number_input("Test sample", 1, count, key=f"try.sample.{looked.run.id}")
    place = int(number) - 1
    return Shown(looked.kept.inputs[place], "", int(looked.kept.labels[place]))


def _picture(looked: Looked, file: Any) -> Shown:
    """A file as the models see it: fitted to the task, or its ink placed as the task's own."""
    content = file.getvalue()
    shape = looked.kept.inputs.shape[1:]
    image = open_one(content, file.name)
    if looked.layout is not None and image.size != (shape[2], shape[1]):
        inked = st.toggle(
            "Find the ink",
            value=True,
            key="try.inked",
            help="Takes what stands out from plain paper, and makes it as large, as bright and as "
            "centred as in the run's own pictures. Without it, the whole picture is shrunk.",
        )
        if inked:
            return Shown(drawn.photograph(drawn.small(image), looked.layout), file.file_id)
    # own data were stretched when they were kept; what came ready-made was cut
    return Shown(fitted(image, shape, cut=not is_own(looked.run.recipe.task)), file.file_id)
