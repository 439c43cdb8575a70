"""What varies over a pipeline: up to two axes of its stages' settings and of its recipe.

An axis names a stage by the number that moving it does not change, "#3.share" here for
"stages.0.share" there, so that it stays with its stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from kdcore.axes import Dimension
from kdcore.errors import KdError
from kdcore.pipeline import Pipeline
from kdcore.pipeline_axes import pipeline_dimensions
from kdcore.sweep import Axis
from kdcore.sweep_charts import Side, side
from pages.parts.axis_form import axes_picker, give_axes
from pages.parts.services import catalogue, verbatim

FORM = "compress"
FURTHER = "compress.axes"
"""Session key of the axes that the widgets cannot say, such as a third one."""


def known_dimensions(pipeline: Pipeline) -> tuple[Dimension, ...]:
    """What may vary over a pipeline; nothing where its data or models are not here any more."""
    try:
        return pipeline_dimensions(pipeline.stages, pipeline.recipe, catalogue())
    except KdError:
        return ()


def sides_of(pipeline: Pipeline) -> list[Side]:
    """A pipeline's axes as a reader sees them."""
    known = known_dimensions(pipeline)
    return [side(axis, known) for axis in pipeline.axes]


def vary(pipeline: Pipeline, order: Sequence[int]) -> tuple[Axis, ...]:
    """Draw the axes over a pipeline that has none yet; order: its stages' numbers.

    Raises RecipeError, a sentence, on values that cannot be.
    """
    known = [
        replace(each, field=_by_number(each.field, order)) for each in known_dimensions(pipeline)
    ]
    varied = any(st.session_state.get(f"{FORM}.{name}") for name in ("x", "y"))
    with st.expander("Try several settings", icon=":material/grid_on:", expanded=varied):
        st.caption("Each combination is a pipeline of its own, from the same students.")
        chosen = axes_picker(FORM, known, first={}, optional=True)
        further = _further()
    places = [axis.model_copy(update={"field": _by_place(axis.field, order)}) for axis in chosen]
    return (*places, *further)


def give(pipeline: Pipeline, order: Sequence[int]) -> None:
    """Write a pipeline's axes into the form, as far as the widgets can say them."""
    known = {each.field for each in known_dimensions(pipeline)}
    said = [axis for axis in pipeline.axes if axis.field in known][:2]
    told = [axis.model_copy(update={"field": _by_number(axis.field, order)}) for axis in said]
    give_axes(FORM, told)
    st.session_state[FURTHER] = tuple(axis for axis in pipeline.axes if axis not in said)


def forget_further() -> None:
    """Drop the axes that no widget holds: they name stages by their places."""
    st.session_state[FURTHER] = ()


def _further() -> tuple[Any, ...]:
    """Axes of an opened pipeline that no widget can say; they can be dropped."""
    axes = st.session_state.get(FURTHER) or ()
    st.session_state[FURTHER] = axes
    for axis in axes:
        values = ", ".join(map(str, axis.values))
        st.caption(f"Also varies {verbatim(axis.field)}: {verbatim(values)}.")
    if axes:
        st.button("Leave that out", on_click=forget_further, icon=":material/close:")
    return tuple(axes)


def _by_number(field: str, order: Sequence[int]) -> str:
    parts = field.split(".", 2)
    if parts[0] != "stages":
        return field
    return f"#{order[int(parts[1])]}.{parts[2]}"


def _by_place(field: str, order: Sequence[int]) -> str:
    number, _, name = field.partition(".")
    if not number.startswith("#"):
        return field
    return f"stages.{order.index(int(number[1:]))}.{name}"
