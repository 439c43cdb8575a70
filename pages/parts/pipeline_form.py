"""The form that makes a pipeline: stages in an order, over a recipe to start from.

Each stage has a number of its own, which moving it does not change; its widgets keep their values
in the session under `compress.<number>.<field>`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.errors import KdError, RecipeError
from kdcore.pipeline import LAST, FineTune, Pipeline, Prune, Quantize, Share, told
from kdcore.recipe import Recipe
from pages.parts.services import harmless
from pages.parts.stage_form import FIELDS, stage_values
from pages.parts.vary_form import forget_further, give, vary

EXAMPLES = Path(__file__).parents[2] / "assets" / "pipelines"

KINDS = {"prune": Prune, "fine-tune": FineTune, "quantize": Quantize, "share": Share}
ADD = {
    "prune": "Prune",
    "fine-tune": "Train on",
    "quantize": "Fewer bits",
    "share": "Share weights",
}
MOST_STAGES = 12

FIRST = (Prune(), FineTune(steps=200), Quantize())
"""The stages of a form that nobody has touched."""

ORDER = "compress.order"
COUNT = "compress.count"
GIVEN = "compress.given"
"""Session keys: the stages' numbers in order; how many there ever were; the recipe of the pipeline
that was opened, with what to call it."""

FROM = "compress.from"
RUN, OPENED = "run", "opened"


@st.cache_data
def examples() -> dict[str, Pipeline]:
    """The pipelines that come with the project, by file name."""
    return {path.stem: Pipeline.load(path) for path in sorted(EXAMPLES.glob("*.json"))}


def example_picker() -> None:
    """Draw the pipelines that come with the project; each fills the form, and sets its recipe."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown("Examples", width="content")
        for name, each in examples().items():
            st.button(each.title, key=f"example.{name}", on_click=fill, args=(each, each.title))


def is_filled() -> bool:
    """Whether this session's form holds stages already."""
    return ORDER in st.session_state


def fill(pipeline: Pipeline, title: str) -> None:
    """Write a pipeline into the form; title: what its recipe is called there."""
    st.session_state[ORDER] = []
    for stage in pipeline.stages:
        _append(stage)
    give(pipeline, st.session_state[ORDER])
    st.session_state[GIVEN] = (pipeline.recipe, title)
    st.session_state[FROM] = OPENED


def prepare() -> None:
    """Fill the form of a new visitor with the usual stages."""
    if not is_filled():
        st.session_state[ORDER] = []
        for stage in FIRST:
            _append(stage)


def source() -> str:
    """Where the recipe comes from: a finished run, or the pipeline that was opened."""
    options = [RUN, OPENED] if GIVEN in st.session_state else [RUN]
    if st.session_state.get(FROM) not in options:
        st.session_state[FROM] = RUN
    if len(options) == 1:
        return RUN
    titles = {RUN: "A finished run", OPENED: st.session_state[GIVEN][1]}
    chosen = st.segmented_control(
        "Start from the distilled student of",
        options,
        key=FROM,
        required=True,
        format_func=titles.get,
        persist_state="session",
    )
    return str(chosen)


def given() -> tuple[Recipe, str]:
    """The recipe of the pipeline that was opened, and what to call it."""
    recipe, title = st.session_state[GIVEN]
    return recipe, title


def pipeline_form(recipe: Recipe | None) -> Pipeline | None:
    """Draw the stages; returns the pipeline, or None where there is no recipe, or after saying
    what is wrong with it.
    """
    stages: list[dict[str, Any]] = []
    order = st.session_state[ORDER]
    for place, number in enumerate(order):
        with st.container(border=True, key=f"compress.stage.{number}"):
            stages.append(_stage(place, number, len(order)))
    _adding(len(order))
    if recipe is None:
        return None
    try:
        if not stages:
            raise RecipeError("there is no stage yet; add one")
        single = Pipeline(recipe=recipe, stages=stages)
        pipeline = Pipeline(recipe=recipe, stages=stages, axes=vary(single, order))
        pipeline.check_apart()
    except KdError as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return None
    same = (each.title for each in examples().values() if each.id == pipeline.id)
    return pipeline.model_copy(update={"title": next(same, "")})


def name_for(pipeline: Pipeline, origin: str) -> str:
    """What to call a pipeline: an example's own name, or its stages, and whose student it takes."""
    if pipeline.title:
        return pipeline.title
    varied = f", {len(pipeline)} settings" if pipeline.axes else ""
    return f"{' → '.join(map(told, pipeline.stages))}{varied}: {origin}"


# stages


def _append(stage: Prune | FineTune | Quantize | Share) -> int:
    """Write a stage behind the others; returns its number."""
    state = st.session_state
    number = state[COUNT] = state.get(COUNT, 0) + 1
    state[ORDER] = [*state[ORDER], number]
    state[f"compress.{number}.kind"] = stage.kind
    for name, value in _flat(stage.model_dump()).items():
        if name != "kind":
            state[f"compress.{number}.{name}"] = value
    return number


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """A stage's fields, those of a training within it by dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        elif value is not None:
            found[name] = value
    return found


def _stage(place: int, number: int, count: int) -> dict[str, Any]:
    """Draw a stage with its place among the others; returns its values."""
    kind = st.session_state[f"compress.{number}.kind"]
    st.session_state[f"compress.{number}.kind"] = kind  # kept, though no widget holds it
    with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall"):
        st.markdown(f"**{place + 1}. {ADD[kind]}**", width="stretch")
        moves = (("up", -1, place == 0), ("down", 1, place == count - 1))
        for name, by, off in moves:
            st.button(
                f":material/arrow_{name}ward:",
                type="tertiary",
                disabled=off,
                key=f"compress.{name}.{number}",
                on_click=_move,
                args=(number, by),
                help=f"Move stage {place + 1} {name}",
            )
        st.button(
            ":material/close:",
            type="tertiary",
            key=f"compress.remove.{number}",
            on_click=_remove,
            args=(number,),
            help=f"Leave stage {place + 1} out",
        )
    FIELDS[kind](f"compress.{number}")
    return stage_values(kind, f"compress.{number}")


def _move(number: int, by: int) -> None:
    order = list(st.session_state[ORDER])
    place = order.index(number)
    order.insert(place + by, order.pop(place))
    _reordered(order)


def _remove(number: int) -> None:
    _reordered([each for each in st.session_state[ORDER] if each != number])


def _reordered(order: list[int]) -> None:
    st.session_state[ORDER] = order
    forget_further()


def _adding(count: int) -> None:
    """Buttons that add a stage: before what has to be last, if that is there."""
    with st.container(horizontal=True, gap="xsmall"):
        for kind, title in ADD.items():
            st.button(
                title,
                icon=":material/add:",
                type="tertiary",
                key=f"compress.add.{kind}",
                disabled=count >= MOST_STAGES,
                on_click=_add,
                args=(kind,),
            )


def _add(kind: str) -> None:
    state = st.session_state
    number = _append(KINDS[kind]())
    others = [each for each in state[ORDER] if each != number]
    last = bool(others) and state[f"compress.{others[-1]}.kind"] in LAST
    place = len(others) - (1 if last and kind not in LAST else 0)
    _reordered([*others[:place], number, *others[place:]])
