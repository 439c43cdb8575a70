"""Boundaries of the three models in the plane, side by side and through training."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.inside_charts import class_colours
from kdcore.insides import Boundaries
from kdcore.result import ARMS
from pages.parts.answers_kit import component, looks, packed
from pages.parts.look import Files, answers_of

POINTS = 400
"""Test points that are drawn over the plane: more would hide it."""

_view = component("boundaries", "boundaries", "panels_kit")


def boundaries(files: Files, found: Boundaries, run_name: str) -> None:
    """Draw them; they play in the browser. run_name: stands in what is saved."""
    data = {**_payload(files, found), "run": run_name}
    _view(key=f"inside.boundaries.{files[0]}", data=data)


@st.cache_resource(max_entries=12, show_spinner=False)
def _payload(files: Files, _found: Boundaries) -> dict[str, Any]:
    kept = answers_of(files)
    return {
        "of": files[0],
        "name": "boundaries",
        "title": "Where does each model draw the line?",
        "classes": list(kept.class_names),
        "colours": class_colours(len(kept.class_names)),
        "looks": looks(),
        "steps": _found.steps.tolist(),
        "low": _found.low.tolist(),
        "high": _found.high.tolist(),
        "points": packed(kept.inputs[:POINTS], "<f4"),
        "labels": kept.labels[:POINTS].tolist(),
        "panels": [
            {
                "name": arm,
                "note": "after its last step" if len(_found.chosen[arm]) == 1 else "",
                "chosen": packed(_found.chosen[arm], "<u2"),
                "sure": packed((255 * _found.sure[arm]).round(), "u1"),
                "accuracy": _found.accuracy[arm].tolist(),
            }
            for arm in ARMS
        ],
    }
