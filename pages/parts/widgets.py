"""Widgets over one value of the form, kept in the session under `form.<name>`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from kdcore.knobs import Choice, Knob, Range

FEW_OPTIONS = 4  # up to so many are shown side by side


def knob(label: str, group: str, of: Knob) -> None:
    """The widget that a knob's bounds ask for."""
    key = f"{group}.{of.name}"
    st.session_state.setdefault(f"form.{key}", shown(of.default))
    if isinstance(of.bounds, Range):
        slider(label, key, of.bounds)
    elif isinstance(of.bounds, Choice):
        pick(label, key, of.bounds, of.default)
    else:
        st.text_input(label, key=f"form.{key}", help=of.bounds.help, persist_state="session")


def pick(label: str, name: str, choice: Choice, default: Any) -> None:
    """One of a few options side by side, or of many in a list."""
    key = f"form.{name}"
    if st.session_state[key] not in choice.options:
        st.session_state[key] = default
    common: dict[str, Any] = {
        "key": key,
        "format_func": option_words,
        "help": choice.help or None,
        "persist_state": "session",
    }
    if len(choice.options) <= FEW_OPTIONS:
        st.segmented_control(label, choice.options, required=True, **common)
    else:
        st.selectbox(label, choice.options, **common)


def slider(label: str, name: str, limits: Range) -> None:
    """A slider over a knob's range, widened where a loaded recipe lies outside it."""
    value = st.session_state[f"form.{name}"]
    numbers = (value, limits.low, limits.high, limits.step)
    number = float if any(isinstance(each, float) for each in numbers) else int
    if type(value) is not number:  # JSON may say 2 for 2.0
        st.session_state[f"form.{name}"] = value = number(value)
    st.slider(
        label,
        min_value=number(min(limits.low, value)),
        max_value=number(max(limits.high, value)),
        step=number(limits.step) if limits.step else None,
        key=f"form.{name}",
        help=limits.help or None,
        persist_state="session",
    )


def ladder(label: str, rungs: Sequence[Any], name: str, help: str) -> None:
    """A slider over chosen values, with one more rung where a loaded recipe lies between them."""
    value = st.session_state[f"form.{name}"]
    if value not in rungs:
        rungs = sorted([*rungs, value], key=lambda rung: (isinstance(rung, str), rung))
    st.select_slider(label, rungs, key=f"form.{name}", help=help, persist_state="session")


def select(
    label: str,
    names: Sequence[str],
    name: str,
    title: Callable[[str], str],
    help: str | None = None,
    on_change: Callable[..., None] | None = None,
    args: tuple[Any, ...] = (),
) -> None:
    """One of many by its title."""
    st.selectbox(
        label,
        names,
        key=f"form.{name}",
        format_func=title,
        help=help,
        on_change=on_change,
        args=args,
        persist_state="session",
    )


def number(label: str, name: str, *, low: float = 0.0, high: float = 1e6, help: str = "") -> None:
    """A number to be typed, for what spans several powers of ten."""
    key = f"form.{name}"
    st.session_state[key] = min(max(st.session_state[key], low), high)
    st.number_input(
        label,
        min_value=low,
        max_value=high,
        step=0.1,
        format="%g",
        key=key,
        help=help or None,
        persist_state="session",
    )


def ago(moment: float) -> str:
    """How long ago a moment was, as one says it; seconds since the epoch."""
    seconds = max(0.0, time.time() - moment)
    for length, name in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= length:
            count = round(seconds / length)
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''} ago"
    return "just now"


def whole(text: str) -> int | None:
    """The count that an address spells, or None where it spells none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


def duration(seconds: float) -> str:
    """A time to wait, no more exact than it is known."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def option_words(option: str | int | bool) -> str:
    """An option as a reader sees it."""
    return ("yes" if option else "no") if isinstance(option, bool) else str(option)


def words(name: str) -> str:
    """A field's name as a reader sees it."""
    return name.replace("_", " ")


def shown(value: Any) -> Any:
    """A list of widths as it is typed; anything else as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
