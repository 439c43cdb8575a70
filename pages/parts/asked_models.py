"""A finished run's models, opened once for all visitors."""

from __future__ import annotations

import streamlit as st

from kdcore import panel
from kdcore.panel import Panel, Scale
from kdcore.result import ARMS
from kdcore.runs.store import Run
from pages.parts.kept import Kept
from pages.parts.services import runner

MODEL_BYTES = 200_000_000
"""Of sessions that are kept open."""

IN_MEMORY = 2
"""A session takes about so many times its file: the weights, and room to work in."""

Names = tuple[tuple[str, str], ...]
"""A run's files to ask its models from: role and name, as `panel.names` gives them."""


def why_no_teacher(run: Run) -> str:
    """Why a run's teacher does not answer, where its file is not among the run's."""
    if run.recipe.teacher.weights:
        return (
            "The teacher was brought along as an ONNX file, which is run in a process of its own "
            "during training and never beside the page"
        )
    if run.shown:
        return (
            "The teacher's file is too large for the gallery; press Distill to run the same here, "
            "and it answers too"
        )
    return "The teacher is no single file"


@st.cache_resource(show_spinner=False)
def _opened() -> Kept[tuple[Panel, Scale, int]]:
    return Kept(MODEL_BYTES)


def models(names: Names) -> tuple[Panel, Scale]:
    """A run's sessions, by its files' names: one each for all visitors, the oldest let go."""

    def opened() -> tuple[Panel, Scale, int]:
        files = {role: runner().shelf.get(name) for role, name in names}
        sessions = {arm: files[f"{arm}.onnx"] for arm in ARMS if f"{arm}.onnx" in files}
        taken = IN_MEMORY * sum(map(len, sessions.values()))
        return panel.opened(sessions), Scale.from_json(files["scale"]), taken

    asked, scale, _ = _opened().get(names, opened, lambda each: each[2])
    return asked, scale
