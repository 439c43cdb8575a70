"""One test sample under a dragged temperature: answers, loss, gradient, order of wrong classes.

All of it happens in the browser, on a few hundred samples' logits of one seed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import streamlit as st

from kdcore.answers import PROBE
from kdcore.result import ARMS
from pages.parts.answers_kit import component, inputs, looks, packed
from pages.parts.look import Files, answers_of
from pages.parts.moments import Lesson
from pages.parts.run_picker import samples_said

PICTURE_BYTES = 1_500_000
"""So much of pictures goes to a browser at once."""

_view = component("soft_sample", "soft_sample", "sample_kit")


def soft_sample(files: Files, seed: int, sample: int | None, taught: Lesson) -> None:
    """Draw the view of one seed; sample: the test sample to begin with, by place."""
    places = _places(files, sample)
    _view(
        key=f"soft.{files[0]}",
        data={
            **_payload(files, seed, sample),
            "looks": looks(),
            "moments": [asdict(each) for each in taught.moments],
            "moved": taught.moved,
            "start": places.index(sample) if sample in places else None,
        },
    )


def stepped_said(files: Files) -> str:
    """Which test samples can be stepped through."""
    kept, count = answers_of(files), len(_places(files, None))
    if count == len(kept):
        return samples_said(kept)
    return (
        f"the first {count:,} of {kept.tested or len(kept):,} test samples (any other is a click "
        "away on Where they differ)"
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _payload(files: Files, seed: int, sample: int | None) -> dict[str, Any]:
    kept = answers_of(files)
    places = _places(files, sample)
    of_seed = {arm: kept.logits[arm][min(seed, len(kept.logits[arm]) - 1)] for arm in ARMS}
    return {
        "classes": list(kept.class_names),
        "labels": kept.labels[places].tolist(),
        "numbers": places,
        **inputs(kept.inputs[places]),
        **{arm: packed(of_seed[arm][None, places], "<f4") for arm in ARMS},
    }


def _places(files: Files, sample: int | None) -> list[int]:
    """The first samples, as many as travel well, and the one that is asked for."""
    kept = answers_of(files)
    each = max(1, kept.inputs[0].nbytes)
    count = min(len(kept), PROBE, max(50, PICTURE_BYTES // each))
    places = list(range(count))
    if sample is not None and count <= sample < len(kept):
        places.append(sample)
    return places


def sample_asked(count: int) -> int | None:
    """The `?sample=` of the address, counted from one as a reader does, as a place; or None."""
    text = st.query_params.get("sample", "")
    place = int(text) - 1 if text.isascii() and text.isdigit() else -1
    return place if 0 <= place < count else None
