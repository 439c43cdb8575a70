"""Sheets for mouse, pen and finger: one to draw on, one to choose a point of the plane.

The well-known drawing component, streamlit-drawable-canvas, works with no Streamlit after 1.40.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from kdcore.answers import Answers
from kdcore.charts import CLASS_LOOKS
from kdcore.drawn import THICKEST, UNITS, Layout, strokes

HERE = Path(__file__).parent
MARGIN = 0.1
"""Around the points of the plane, as a share of their width and height."""


def _sheet(name: str) -> Any:
    return st.components.v2.component(
        name,
        html=_text(f"{name}.html"),
        css=_text("sheet.css"),
        js=_text("sheet_kit.js") + _text(f"{name}.js"),
    )


def _text(file: str) -> str:
    return (HERE / file).read_text(encoding="utf-8")


_sketch = _sheet("sketch")
_plane = _sheet("plane")


def sketch(of: Layout, hint: str) -> tuple[str, list[Any]]:
    """A sheet to draw on; returns the drawing's id, which clearing changes, and its strokes.

    It keeps its drawing while another page or another way to try is looked at.
    """
    pen = min(of.thickness / of.longest, THICKEST) * 0.8 * UNITS  # who draws leaves a margin
    found = _sketch(
        key="try.sketch",
        data={"pen": round(pen), "hint": hint, "start": st.session_state.get("try.drawing")},
        on_drawing_change=lambda: None,
    )
    drawing = found.drawing or st.session_state.get("try.drawing") or {"id": "", "strokes": []}
    st.session_state["try.drawing"] = drawing
    return drawing["id"], drawing["strokes"]


def plane(kept: Answers, run_id: str) -> np.ndarray | None:
    """The plane of a toy task; returns the chosen point (2,) float32, or None."""
    low, high = _ends(kept)
    places = (kept.inputs - low) / (high - low) * UNITS
    places[:, 1] = UNITS - places[:, 1]  # on a sheet, y goes down
    found = _plane(
        key="try.plane",
        data={
            "of": run_id,
            "start": None,
            "points": np.column_stack([places.round().astype(int), kept.labels]).tolist(),
            "looks": [_look(kept, number) for number in range(len(kept.class_names))],
        },
        on_point_change=lambda: None,
    )
    if not found.point or found.point["of"] != run_id or not found.point["at"]:
        return None
    x, y = strokes([found.point["at"]])[0][0]
    share = np.array([x, UNITS - y]) / UNITS
    return (low + share * (high - low)).astype(np.float32)


def _ends(kept: Answers) -> tuple[np.ndarray, np.ndarray]:
    low, high = kept.inputs.min(0), kept.inputs.max(0)
    room = MARGIN * (high - low)
    return low - room, high + room


def _look(kept: Answers, number: int) -> dict[str, str]:
    colour, marker = CLASS_LOOKS[number % len(CLASS_LOOKS)]
    return {"name": kept.class_names[number], "colour": colour, "marker": marker}
