"""Parallel coordinates that can be brushed: every member a line, every axis in its fixed place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from kdcore.charts import LOOKS
from kdcore.sweep_charts import Side

HERE = Path(__file__).parent

_view = st.components.v2.component(
    "parallel",
    html='<div class="parallel"></div>',
    css=(HERE / "parallel.css").read_text(encoding="utf-8"),
    js=(HERE / "parallel.js").read_text(encoding="utf-8"),
)


def parallel(
    table: pd.DataFrame, sides: Sequence[Side], key: str = "sweep.parallel"
) -> list[int] | None:
    """Draw the members of a table; returns the places of those that are brushed, None where
    nothing is.

    Lines take their colour from the difference to the control, on the map's own scale.
    """
    lines = [
        {"title": each.title, "ticks": list(each.names), "at": _places(table, each)}
        for each in sides
    ]
    lines += [_numbers(table, column, title) for column, title in NUMBERS]
    found = _view(
        key=key,
        data={
            "axes": lines,
            "places": [int(place) for place in table["place"]],
            "gains": [float(gain) for gain in table["difference"]],
            "colours": [LOOKS["control"].colour, "#9A9A9A", LOOKS["distilled"].colour],
        },
        on_brushed_change=lambda: None,
        default={"brushed": None},
    )
    if found.brushed is None:
        return None
    known = set(table["place"])
    return [place for place in found.brushed if place in known]


NUMBERS = (
    ("control.mean", "Labels alone, %"),
    ("distilled.mean", "Distilled, %"),
    ("difference", "Difference, points"),
)


def _places(table: pd.DataFrame, side: Side) -> list[int]:
    where = {value: place for place, value in enumerate(side.values)}
    return [where[value] for value in table[side.field]]


def _numbers(table: pd.DataFrame, column: str, title: str) -> dict[str, Any]:
    scale = 1 if column == "difference" else 100
    return {"title": title, "ticks": None, "at": [scale * float(each) for each in table[column]]}
