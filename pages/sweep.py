"""Sweep: a whole map of settings from one click, each cell measured."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdcore.errors import RunError
from kdcore.sweep import Sweep
from pages.parts.bring_into_view import bring_into_view, launched
from pages.parts.services import plainly, runner, verbatim
from pages.parts.sweep_form import (
    example_picker,
    fill,
    is_filled,
    name_for,
    read_address,
    show_plan,
    sweep_form,
)
from pages.parts.sweep_view import SHOWN, show_blank, show_sweep
from pages.parts.widgets import ago

RECENT = 5


def launch(sweep: Sweep) -> None:
    """Submit the sweep, and make it the one this page shows."""
    submitted = runner().submit_sweep(sweep, name_for(sweep))
    st.query_params.from_dict({"sweep": submitted.id})
    launched(submitted.id)


@st.fragment
@plainly
def controls(blank: DeltaGenerator | None) -> None:
    """The form, what it would take, and its button; in `blank`, the map as it would be."""
    example_picker()
    place = st.container()
    sweep = sweep_form()
    ahead = runner().store.waiting()
    pressed = place.button(
        f"Paint the map ({ahead} ahead)" if ahead else "Paint the map",
        type="primary",
        icon=":material/grid_on:",
        width="stretch",
        disabled=sweep is None,
        key="paint",
    )
    if sweep is not None:
        with place:
            if pressed:
                plainly(launch)(sweep)
            show_plan(sweep, ahead)
    if blank is not None:
        show_blank(sweep, blank)


def welcome() -> DeltaGenerator:
    """What to do first, what is already there, and a place for the map to be painted."""
    st.subheader("Press Paint the map", anchor=False)
    st.markdown(
        "Every combination of the values on the left is trained for real, with and without the "
        "teacher, over the same seeds. The map fills cell by cell: where the teacher helps, where "
        "it hurts, and where the seeds cannot tell.\n\n"
        "Small dense students learn side by side, so that twenty-five settings take seconds; how "
        "long yours take stands below the button, by a short trial. Press it as it stands, or "
        "begin with an example: **How long?** asks how learning rate and steps decide whether "
        "the teacher helps at all."
    )
    blank = st.empty()
    earlier()
    return blank


def earlier(but: str | None = None) -> None:
    """The newest maps, to be opened."""
    for run in runner().sweeps.find(limit=RECENT):
        if run.id == but:
            continue
        st.page_link(
            "pages/sweep.py",
            label=f"{verbatim(run.name)} ({run.counts.get('done', 0)} of {run.total}, "
            f"{ago(run.created)})",
            icon=":material/history:",
            query_params={"sweep": run.id},
        )


@plainly
def prepare() -> None:
    """Fill the form of a new visitor with what the address names."""
    shown = st.session_state.get(SHOWN)
    if shown is not None and not st.query_params:
        st.query_params.from_dict({"sweep": shown})  # whoever comes back finds what they left
    if is_filled():
        return
    sweep_id = st.query_params.get("sweep")
    if sweep_id is None:
        read_address()
        return
    try:
        fill(runner().sweeps.get(sweep_id).sweep)
    except RunError:
        return  # said where the sweep would be shown


@plainly
def outcome(sweep_id: str) -> None:
    """The sweep in the address."""
    bring_into_view(sweep_id)
    show_sweep(sweep_id)
    with st.expander("Earlier maps", icon=":material/history:"):
        earlier(but=sweep_id)


prepare()
st.title("Where does the teacher help?", anchor=False)
left, right = st.columns([3, 9], gap="large")
with right:
    blank = None if "sweep" in st.query_params else welcome()
with left:
    controls(blank)
with right:
    if blank is None:
        outcome(st.query_params["sweep"])
