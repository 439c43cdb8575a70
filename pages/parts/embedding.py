"""Where each model puts the test samples: three clouds of points, chosen in one and seen in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from kdcore.inside_charts import class_colours
from kdcore.result import ARMS, ArmName
from pages.parts.answers_kit import component, looks, packed
from pages.parts.look import Files, answers_of, pool_of

TITLES = {"pca": "PCA", "tsne": "t-SNE"}

_view = component("embedding", "embedding", "panels_kit")


def embedding(
    files: Files,
    at: Mapping[ArmName, np.ndarray],
    notes: Mapping[ArmName, str],
    name: str,
    run_name: str,
) -> list[int]:
    """Draw the first test samples at their places (N, 2); returns those that are chosen.

    notes: below each model's panel; name: of what is drawn, and of the files that it is saved as;
    run_name: stands in them.
    """
    found = _view(
        key=f"inside.{name}.{files[0]}",
        data={**_payload(files, name, at, notes), "run": run_name},
        on_chosen_change=lambda: None,
        default={"chosen": None},
    )
    count = len(next(iter(at.values())))
    return [int(place) for place in found.chosen or () if 0 <= int(place) < count]


@st.cache_resource(max_entries=12, show_spinner=False)
def _payload(
    files: Files, name: str, _at: Mapping[ArmName, np.ndarray], _notes: Mapping[ArmName, str]
) -> dict[str, Any]:
    """What the browser is told of the first seed's models."""
    at = _at
    pool, names = pool_of(files, 0), answers_of(files).class_names
    panels = [
        {
            "name": arm,
            "note": _notes[arm],
            "at": _whole(at[arm]),
            "answers": packed(pool.predicted[arm][: len(at[arm])], "<u2"),
        }
        for arm in ARMS
        if arm in at
    ]
    count = len(next(iter(at.values())))
    return {
        "of": f"{files[0]}.{name}",
        "name": name,
        "title": f"Where does each model put the test samples? {TITLES[name]}",
        "classes": list(names),
        "colours": class_colours(len(names)),
        "labels": packed(pool.labels[:count], "<u2"),
        "looks": looks(),
        "panels": panels,
    }


def _whole(places: np.ndarray) -> dict[str, Any]:
    """Places as 16-bit multiples of one step: a thousandth of a pixel is lost."""
    step = float(np.abs(places).max(initial=0.0)) / 32767 or 1.0
    return {**packed(np.round(places / step), "<i2"), "step": step}
