"""Three budgets, all of them in the address: size, latency, accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from kdcore.decide import Budgets, start
from kdcore.model_table import SHARE, Model
from pages.parts.models_picker import DATA, TIMED, tasks_of, ways_of
from pages.parts.services import verbatim

VERSION = "1"
"""Of the address: what another one means by its names is not known here."""


@dataclass(frozen=True)
class Field:
    """One input: its name in the address, its label, bounds, step, and factor to the engine's."""

    name: str
    label: str
    low: float
    high: float
    step: float
    factor: float

    @property
    def key(self) -> str:
        """In the session."""
        return f"decide.{self.name}"


SIZE = Field("size", "Size at most, kB", 0.1, 1e7, 1.0, 1000.0)
MICROSECONDS = Field("latency", "Latency at most, µs", 0.1, 1e8, 1.0, 1e-3)
SHARE_OF = Field("share", "Latency at most, % of its teacher's", 0.1, 10_000.0, 1.0, 0.01)
ACCURACY = Field("accuracy", "Accuracy at least, %", 0.1, 100.0, 0.5, 0.01)
FIELDS = (SIZE, MICROSECONDS, SHARE_OF, ACCURACY)
NAMES = ("v", "data", "timed", *(field.name for field in FIELDS))

WRITTEN = "decide.written"
"""Session key of the address that the page wrote last, to tell it from one that was followed."""

FILLED = "decide.filled"
"""Session key of the data and the kind of latency that budgets were filled in for."""


def arrive(models: list[Model]) -> None:
    """Take over what the address names, once, and say what is wrong with it.

    Where it names nothing, the page is as it was left.
    """
    state = st.session_state
    asked = {name: st.query_params[name] for name in NAMES if name in st.query_params}
    if not asked:
        asked = state.get(WRITTEN, {})
    elif asked == state.get(WRITTEN):
        asked = {} if SIZE.key in state else asked  # coming back from another page, it is empty
    if not asked:
        return
    wrong = _follow(asked, models)
    for sentence in wrong:
        st.warning(sentence, icon=":material/link_off:")


def _follow(asked: Mapping[str, str], models: list[Model]) -> list[str]:
    """Set the widgets to what an address names; what can't be meant, in sentences."""
    state, wrong = st.session_state, []
    if asked.get("v", VERSION) != VERSION:
        wrong.append(
            "This link was made by another version of the app, which may mean something else by it."
        )
    task = _choice("data", asked, DATA, tasks_of(models), wrong)
    some = [each for each in models if each.task == task]
    by = _choice("timed", asked, TIMED, ways_of(some), wrong)
    for field in FIELDS:
        text = asked.get(field.name, "")
        state[field.key] = value = _number(text, field)
        if text and value is None:
            wrong.append(
                f"{verbatim(repr(text[:40]))} in this link is no budget, so it was left out: "
                f"*{field.label}* takes a number from {field.low:g} to {field.high:,.0f}."
            )
    if any(field.name in asked for field in FIELDS):
        state[FILLED] = (task, by == SHARE)
    return wrong


def _choice(
    name: str, asked: Mapping[str, str], key: str, options: list[str], wrong: list[str]
) -> str:
    """One of a few that an address names, or the first."""
    text = asked.get(name, "")
    if text in options:
        st.session_state[key] = text
        return text
    st.session_state.pop(key, None)
    if text:
        wrong.append(
            f"{verbatim(repr(text[:80]))} in this link is not here: no finished model has it. "
            "Another choice stands in its place."
        )
    return options[0]


def _number(text: str, field: Field) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and field.low <= value <= field.high else None


def fill_in(models: list[Model], task: str, by: str) -> None:
    """Begin with budgets that make sense for these data: once for each choice of data and kind of
    latency; what was typed, or named by the address, stays.
    """
    state, of = st.session_state, (task, by == SHARE)
    before = state.get(FILLED)
    if before == of:
        return
    state[FILLED] = of
    begin = start(models, by)
    values = {SHARE_OF if by == SHARE else MICROSECONDS: begin.latency}
    if before is None or before[0] != task:
        values |= {SIZE: begin.size, ACCURACY: begin.accuracy}
    for field, value in values.items():
        state[field.key] = None if value is None else round(value / field.factor, 6)


def budgets(by: str) -> Budgets:
    """The three inputs; an empty one means that it does not matter."""
    latency = SHARE_OF if by == SHARE else MICROSECONDS
    found: list[float | None] = []
    for column, field in zip(st.columns(3), (SIZE, latency, ACCURACY), strict=True):
        with column:
            value = st.number_input(
                field.label,
                min_value=field.low,
                max_value=field.high,
                value=None,
                step=field.step,
                format="%g",
                key=field.key,
                placeholder="does not matter",
            )
        found.append(None if value is None else value * field.factor)
    return Budgets(by, *found)


def write_address(task: str, by: str) -> None:
    """Say in the address what is shown: every value, so that it means the same to everybody."""
    shown = {"v": VERSION, "data": task, "timed": by}
    other = MICROSECONDS if by == SHARE else SHARE_OF
    for field in FIELDS:
        if field != other:
            value = st.session_state.get(field.key)
            shown[field.name] = "" if value is None else f"{value:.10g}"
    if any(st.query_params.get(name) != value for name, value in shown.items()):
        st.query_params.update(shown)
    if other.name in st.query_params:
        del st.query_params[other.name]
    st.session_state[WRITTEN] = shown


def link() -> str:
    """The address that opens this page as it stands."""
    return f"{st.context.url or ''}?{urlencode(st.session_state[WRITTEN])}"
