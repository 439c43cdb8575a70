"""The three models' answers to one test sample, side by side, softened while a slider is dragged.

All of it happens in the browser, on the logits that the run kept: no step of the slider, and no
step to another sample, asks the server for anything.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from kdcore.charts import LOOKS
from pages.parts.answers_kit import component, inputs, looks, packed
from pages.parts.moments import Temperature, named

_view = component("answers", "distributions", "sample_kit")


def distributions(
    archive: bytes, *, seeds: tuple[int, ...], trained: Sequence[Temperature], key: str
) -> None:
    """Draw the answers kept in an npz archive of a run.

    archive: labels (N,), images (N, C, H, W) uint8 or points (N, D), class_names (K,), and the raw
    logits of teacher (1 or S, N, K), control and distilled (S, N, K). trained: the temperatures of
    the training, at the first of which the slider starts.
    """
    _view(
        key=key,
        data={
            **_payload(archive),
            "looks": looks(),
            "seeds": list(seeds),
            "moments": named(trained),
        },
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _payload(archive: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(archive)) as arrays:
        return {
            "classes": [str(name) for name in arrays["class_names"]],
            "labels": arrays["labels"].tolist(),
            **inputs(arrays["images"]),
            **{name: packed(arrays[name], "<f4") for name in LOOKS},
        }
