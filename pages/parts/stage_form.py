"""The widgets of a stage; each keeps its value in the session under `<stage>.<field>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kdcore.pipeline import FineTune
from kdcore.pipeline_axes import BY, CALIBRATIONS, KEEP, WAYS

WHAT = {"channels": "channels", "weights": "single weights"}
SCOPES = {"network": "of the whole network", "layer": "of each layer"}


def _prune(stage: str) -> None:
    what = _pick(
        "What goes",
        stage,
        "what",
        WHAT,
        "Channels make a network smaller and faster. Single weights become zeros, which shorten "
        "its file only once it is compressed.",
    )
    _percent(stage)
    rounds = _whole("Rounds", stage, "rounds", 1, 20, 1, "All at once, or part by part.")
    if rounds > 1:
        _training(f"{stage}.between", "between two rounds")
    if what == "weights":
        _pick("The smallest", stage, "scope", SCOPES, "Where the smallest are looked for.")
        _set(f"{stage}.rewind", False)
        st.checkbox(
            "Rewind to the first weights",
            key=f"{stage}.rewind",
            help="What is left goes back to where it was before all training: a lottery ticket "
            "(Frankle and Carbin, 2018). Train on afterwards.",
            persist_state="session",
        )


def _fine_tune(stage: str) -> None:
    _training(stage, "")


def _quantize(stage: str) -> None:
    how = _select("Numbers in", stage, "how", WAYS, "Few bits are not faster by themselves.")
    if how == "aware":
        _training(f"{stage}.tune", "with rounding in it")
    else:
        options = KEEP if how == "static" else {name: KEEP[name] for name in ("none", "ends")}
        keep = _select(
            "Layers left in float32",
            stage,
            "keep",
            options,
            "Which are the most sensitive is measured on validation samples, and shown.",
        )
        if keep == "sensitive":
            _whole("How many", stage, "kept", 1, 100, 1, "Of the most sensitive layers.")
    if how == "static":
        _select("Ranges by", stage, "calibration", CALIBRATIONS, "Of the activations.")
        _whole("Training samples for the ranges", stage, "samples", 1, 10_000, 32, "")
    if how != "float16":
        _pick(
            "Bits of a weight",
            stage,
            "bits",
            {7: "7", 8: "8"},
            "Eight overflow on processors without VNNI: the file answers otherwise there.",
        )


def _share(stage: str) -> None:
    _whole(
        "Bits to tell a weight's number",
        stage,
        "bits",
        1,
        8,
        1,
        "Each layer's weights share two to the power of so many numbers; Huffman's code says which "
        "(Han, Mao and Dally, 2015).",
    )


FIELDS: dict[str, Callable[[str], None]] = {
    "prune": _prune,
    "fine-tune": _fine_tune,
    "quantize": _quantize,
    "share": _share,
}
"""What draws each kind of stage."""


def stage_values(kind: str, stage: str) -> dict[str, Any]:
    """A stage's values as its widgets hold them; what does not belong to them is left out."""

    def of(*names: str) -> dict[str, Any]:
        return {name: st.session_state[f"{stage}.{name}"] for name in names}

    if kind == "prune":
        found = of("what", "share", "rounds")
        if found["rounds"] > 1:
            found["between"] = stage_values("fine-tune", f"{stage}.between")
        found |= of("scope", "rewind") if found["what"] == "weights" else {}
    elif kind == "fine-tune":
        found = of("steps", "learning_rate", "by")
    elif kind == "share":
        found = of("bits")
    else:
        found = of("how") | (of("bits") if _state(f"{stage}.how") != "float16" else {})
        if found["how"] == "aware":
            found["tune"] = stage_values("fine-tune", f"{stage}.tune")
        else:
            found |= of("keep")
        if found.get("keep") == "sensitive":
            found |= of("kept")
        if found["how"] == "static":
            found |= of("calibration", "samples")
    return {"kind": kind, **found}


def _training(stage: str, when: str) -> None:
    """What a training on is set by; `when` it happens within another stage."""
    usual = FineTune()
    after = f" {when}" if when else ""
    _whole(f"Steps{after}", stage, "steps", 1, 1_000_000, 20, "Optimizer steps.", usual.steps)
    _set(f"{stage}.learning_rate", usual.learning_rate)
    st.number_input(
        "Learning rate",
        min_value=1e-6,
        max_value=10.0,
        step=1e-3,
        format="%g",
        key=f"{stage}.learning_rate",
        help="Usually smaller than the one it was trained at.",
        persist_state="session",
    )
    _select("It learns from the labels and", stage, "by", BY, "Whose answers it learns.")


def _percent(stage: str) -> None:
    """The share that goes, told in percent."""
    key = f"{stage}.share"
    _set(key, 0.5)
    st.slider(
        "Share that goes",
        min_value=min(0.05, st.session_state[key]),
        max_value=max(0.95, st.session_state[key]),
        step=0.05,
        format="percent",
        key=key,
        persist_state="session",
    )


def _whole(
    label: str,
    stage: str,
    name: str,
    low: int,
    high: int,
    step: int,
    help: str,
    usual: int | None = None,
) -> int:
    key = f"{stage}.{name}"
    _set(key, low if usual is None else usual)
    return int(
        st.number_input(
            *(label, low, high),
            step=step,
            key=key,
            help=help or None,
            persist_state="session",
        )
    )


def _pick(label: str, stage: str, name: str, options: dict[Any, str], help: str) -> Any:
    """One of two or three, side by side."""
    key = f"{stage}.{name}"
    _set(key, next(iter(options)))
    return st.segmented_control(
        label,
        list(options),
        key=key,
        required=True,
        format_func=options.get,
        help=help,
        persist_state="session",
    )


def _select(label: str, stage: str, name: str, options: dict[str, str], help: str) -> str:
    """One of a list; what no longer fits becomes the first."""
    key = f"{stage}.{name}"
    if st.session_state.get(key) not in options:
        st.session_state[key] = next(iter(options))
    return str(
        st.selectbox(
            label,
            list(options),
            key=key,
            format_func=options.get,
            help=help,
            persist_state="session",
        )
    )


def _set(key: str, value: Any) -> None:
    st.session_state.setdefault(key, value)


def _state(key: str) -> Any:
    return st.session_state[key]
