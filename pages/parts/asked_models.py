"""A finished run's models, opened once for all visitors."""

from __future__ import annotations

import streamlit as st

from kdcore import panel
from kdcore.panel import Panel, Scale
from kdcore.result import ARMS
from pages.parts.services import runner

Names = tuple[tuple[str, str], ...]
"""A run's files to ask its models from: role and name, as `panel.names` gives them."""


@st.cache_resource(max_entries=12, show_spinner=False)
def models(names: Names) -> tuple[Panel, Scale]:
    """A run's sessions, by its files' names: one each for all visitors, the oldest let go."""
    files = {role: runner().shelf.get(name) for role, name in names}
    sessions = {arm: files[f"{arm}.onnx"] for arm in ARMS if f"{arm}.onnx" in files}
    return panel.opened(sessions), Scale.from_json(files["scale"])
