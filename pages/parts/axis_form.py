"""Up to two axes of a form: what varies, and over which values.

The widgets keep their values in the session under `<form>.x`, `<form>.y` and, for each field that
was chosen there, under `<form>.x.<field>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from kdcore.axes import Dimension, spelled
from kdcore.sweep import Axis

NONE = ""
"""Stands for no axis."""

LABELS = {"x": "First axis", "y": "Second axis"}


def axes_picker(
    form: str, known: Sequence[Dimension], *, first: Mapping[str, str], optional: bool
) -> list[Axis]:
    """Draw both axes; returns those that are there.

    known: what may vary; first: by axis, the field of a form that nobody has touched; optional:
    whether the first axis may be left out as well. Raises RecipeError on values that cannot be.
    """
    x = _axis(form, "x", known, first.get("x", NONE), optional)
    if x is None:
        return []
    others = [each for each in known if each.field != x.field]
    y = _axis(form, "y", others, first.get("y", NONE), True)
    return [x] if y is None else [x, y]


def give_axes(form: str, axes: Sequence[Axis]) -> None:
    """Write the first two of these axes into the widgets."""
    for name, axis in zip(LABELS, [*axes[:2], None, None], strict=False):
        if axis is None:
            st.session_state[f"{form}.{name}"] = NONE
        else:
            set_axis(form, name, axis.field, [spelled(value) for value in axis.values])


def set_axis(form: str, name: str, field: str, values: Sequence[str]) -> None:
    """Write an axis into its widgets, its values as they are typed."""
    st.session_state[f"{form}.{name}"] = field
    if field:
        st.session_state[f"{form}.{name}.{field}"] = [each for each in values if each]


def _axis(
    form: str, name: str, known: Sequence[Dimension], first: str, optional: bool
) -> Axis | None:
    """Pick what varies, and over which values."""
    titles = {each.field: each.title for each in known}
    fields = [NONE, *titles] if optional else [*titles]
    key = f"{form}.{name}"
    if st.session_state.get(key) not in fields:
        st.session_state[key] = first if first in fields else fields[0]
    none = "none: vary one thing only" if name == "y" else "none: as set above"
    field = st.selectbox(
        LABELS[name],
        fields,
        key=key,
        format_func=lambda each: titles.get(each, none),
        persist_state="session",
    )
    if field == NONE:
        return None
    dimension = next(each for each in known if each.field == field)
    return Axis(field=field, values=_values(key, dimension))


def _values(axis: str, dimension: Dimension) -> tuple[object, ...]:
    key = f"{axis}.{dimension.field}"
    options = {spelled(rung): rung for rung in dimension.rungs}
    st.session_state.setdefault(key, [spelled(rung) for rung in dimension.usual])
    own = [each for each in st.session_state[key] if each not in options]
    chosen = st.multiselect(
        "Its values",
        [*options, *own],
        key=key,
        format_func=lambda each: dimension.words(options.get(each, each)),
        accept_new_options=dimension.numeric,
        help="Take some, or type your own." if dimension.numeric else None,
        placeholder="choose at least one",
        label_visibility="collapsed",
        persist_state="session",
    )
    return _in_order(dimension.read(chosen), dimension)


def _in_order(values: Sequence[object], dimension: Dimension) -> tuple[object, ...]:
    """Numbers from small to large, and after them, or else, names as they are listed."""
    rungs = list(dimension.rungs)
    return tuple(
        sorted(
            values,
            key=lambda value: (
                (0, value) if isinstance(value, int | float) else (1, rungs.index(value))
            ),
        )
    )
