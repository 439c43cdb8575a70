"""The dark-knowledge map: mean soft target of each true class, under a dragged temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from kdcore.answers import Answers
from kdcore.result import ARMS
from pages.parts.answers_kit import component, looks, packed
from pages.parts.look import Files, answers_of
from pages.parts.moments import Temperature, named

MOST_LOGITS = 200_000
"""Numbers of each model that a browser softens at every step of the slider, in some 10 ms."""

_view = component("dark_knowledge", "dark_knowledge")


def dark_knowledge(files: Files, seed: int, trained: Sequence[Temperature]) -> None:
    """Draw the maps of one seed; trained: the temperatures of the training."""
    data = {**_payload(files, seed), "looks": looks(), "moments": named(trained)}
    _view(key=f"dark.{files[0]}", data=data)


@st.cache_resource(max_entries=12, show_spinner=False)
def _payload(files: Files, seed: int) -> dict[str, Any]:
    kept = answers_of(files)
    places = balanced(kept)
    told = {
        arm: whole_numbers(kept.logits[arm][min(seed, len(kept.logits[arm]) - 1)][places])
        for arm in ARMS
    }
    all_of_them = len(places) == len(kept)
    over = f"all {len(kept):,}" if all_of_them else f"{len(places):,}, as many of each class,"
    return {
        "classes": list(kept.class_names),
        "labels": kept.labels[places].tolist(),
        "note": f"Rows: true class; columns: what it is taken for. Means of softmax(logits / T) "
        f"over {over} of the kept test samples, worked out in this browser.",
        **told,
    }


def balanced(kept: Answers) -> np.ndarray:
    """Places of all samples, or, of too many for a browser, of as many of each class."""
    most = MOST_LOGITS // len(kept.class_names)
    if len(kept) <= most:
        return np.arange(len(kept))
    turn = np.empty(len(kept), dtype=np.int64)
    for label in range(len(kept.class_names)):
        members = np.flatnonzero(kept.labels == label)
        turn[members] = np.arange(len(members))
    return np.sort(np.argsort(turn, kind="stable")[:most])


def whole_numbers(values: np.ndarray) -> dict[str, Any]:
    """Logits (M, K) as 16-bit multiples of one step: a thousandth of a logit is lost at most."""
    step = float(np.abs(values).max()) / 32767 or 1.0
    return {**packed(np.round(values / step), "<i2"), "step": step}
