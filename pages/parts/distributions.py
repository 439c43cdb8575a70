"""The three models' answers to one test sample, side by side, softened while a slider is dragged.

All of it happens in the browser, on the logits that the run kept: no step of the slider, and no
step to another sample, asks the server for anything.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from kdcore.charts import LOOKS

HERE = Path(__file__).parent

_view = st.components.v2.component(
    "answers",
    html=(HERE / "distributions.html").read_text(encoding="utf-8"),
    css=(HERE / "distributions.css").read_text(encoding="utf-8"),
    js=(HERE / "distributions.js").read_text(encoding="utf-8"),
)


def distributions(archive: bytes, *, seeds: tuple[int, ...], temperature: float, key: str) -> None:
    """Draw the answers kept in an npz archive of a run.

    archive: labels (N,), images (N, C, H, W) uint8 or points (N, D), class_names (K,), and the raw
    logits of teacher (1 or S, N, K), control and distilled (S, N, K). temperature: where the
    slider starts.
    """
    looks = {name: {"label": look.label, "colour": look.colour} for name, look in LOOKS.items()}
    _view(
        key=key,
        data={
            **_payload(archive),
            "looks": looks,
            "seeds": list(seeds),
            "trained": temperature,
        },
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _payload(archive: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(archive)) as arrays:
        return {
            "classes": [str(name) for name in arrays["class_names"]],
            "labels": arrays["labels"].tolist(),
            **_inputs(arrays["images"]),
            **{name: _packed(arrays[name], "<f4") for name in LOOKS},
        }


def _inputs(inputs: np.ndarray) -> dict[str, Any]:
    """Pictures, or points of the plane with where their axes begin and end."""
    if inputs.ndim == 4:
        return {"images": _packed(inputs, "u1")}
    ends = [inputs.min(0).tolist(), inputs.max(0).tolist()]
    return {"points": {**_packed(inputs[:, :2], "<f4"), "ends": ends}}


def _packed(array: np.ndarray, kind: str) -> dict[str, Any]:
    """Numbers as the browser reads them: their shape, and their bytes in base64."""
    content = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {"shape": list(array.shape), "bytes": base64.b64encode(content).decode()}
