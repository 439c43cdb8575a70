"""Distill: choose, press, watch, read."""

from contextlib import suppress

import streamlit as st

from kdcore import charts
from kdcore.errors import RunError
from kdcore.recipe import Recipe
from pages.parts.bring_into_view import bring_into_view, launched
from pages.parts.recipe_form import (
    fill,
    fill_task,
    is_filled,
    name_for,
    preset_began_with,
    preset_picker,
    preset_was_picked,
    recipe_form,
)
from pages.parts.run_view import show_run
from pages.parts.services import catalogue, plainly, run_label, runner, store

OPEN_RECIPE = "open_recipe"
"""Session key under which another page hands over the recipe to start from."""

OPEN_TASK = "open_task"
"""Session key under which another page hands over the task to distill on."""

RECENT = 3


def launch(recipe: Recipe) -> None:
    """Submit the recipe, and make its run the one this page shows."""
    run = runner().submit(recipe, name_for(recipe))
    st.query_params["run"] = run.id
    launched(run.id)


@st.fragment
@plainly
def controls() -> None:
    """The form and its button; moving a slider redraws no more than this."""
    preset_picker(catalogue())
    place = st.container()  # above the knobs, so that the first thing to do is in sight
    recipe = recipe_form(catalogue())
    ahead = store().waiting()
    pressed = place.button(
        f"Distill ({ahead} ahead)" if ahead else "Distill",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=recipe is None,
        key="distill",
    )
    if pressed and recipe is not None:
        with place:
            plainly(launch)(recipe)
    if preset_was_picked() and "run" not in st.query_params:
        st.rerun()  # the gallery has that preset's run


def welcome() -> None:
    """What to do first, and what is already there."""
    st.subheader("Press Distill", anchor=False)
    st.markdown(
        "A large **teacher** is trained, then the small **student** twice for each seed: once on "
        "the labels alone, once with the teacher's help. You watch both learn, and in a few "
        "seconds read which one is better, by how much, and whether that could be luck. "
        "Distillation does not always help: try the preset **All labels**, or **Learns too "
        "slowly**, where it loses."
    )
    for run in store().find(limit=RECENT):
        if not run.shown:
            st.page_link(
                "pages/distill.py",
                label=f"{run_label(run)} ({run.state})",
                icon=":material/history:",
                query_params={"run": run.id},
            )
    preset = preset_began_with()
    exhibit = None if preset is None else store().exhibit(preset.id)
    if exhibit is not None:
        show_run(exhibit)
        return
    # drawn already now, so that the browser has the chart library when the first point comes
    st.plotly_chart(
        charts.awaited("Which student is ahead?", "your students' accuracy, live"),
        key="awaited",
        alt="An empty chart, waiting for a run.",
    )


def outcome() -> None:
    """The run in the address, or a welcome."""
    run_id = st.query_params.get("run")
    if run_id is None:
        welcome()
        return
    bring_into_view(run_id)
    show_run(store().get(run_id))


@plainly
def prepare() -> None:
    """Fill the form with what another page hands over, or a new visitor's address names."""
    handed_over = st.session_state.pop(OPEN_RECIPE, None)
    task = st.session_state.pop(OPEN_TASK, None)
    run_id = st.query_params.get("run")
    if handed_over is not None:
        fill(Recipe.from_json(handed_over))
    elif run_id is not None and not is_filled():
        with suppress(RunError):  # said where the run would be shown
            fill(store().get(run_id).recipe)
    if task is not None:
        fill_task(task)


prepare()
st.title("Does the teacher help?", anchor=False)
left, right = st.columns([4, 9], gap="large")
with left:
    controls()
with right:
    outcome()
