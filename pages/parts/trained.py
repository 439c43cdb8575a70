"""The teachers that runs have trained: used again by every recipe that says the same of them."""

from __future__ import annotations

import streamlit as st

from kdcore.shelf import TrainedTeacher
from kdcore.spoken import percent
from pages.parts.deeds import attempt
from pages.parts.model_form import teacher_words
from pages.parts.recipe_form import fill_task, fill_teacher
from pages.parts.services import runner, verbatim
from pages.parts.widgets import ago


def trained_list() -> None:
    """All of them, newest first."""
    st.caption(
        "Each teacher is kept with what it was trained by. A recipe that says the same of its "
        "teacher takes it as it is. Accuracy is on validation."
    )
    found = runner().shelf.teachers()
    if not found:
        st.caption("None yet. The first run trains one.")
    for each in found:
        with st.container(border=True, key=f"trained.{each.key}"):
            _trained(each)


def _trained(each: TrainedTeacher) -> None:
    st.markdown(f"**{percent(each.accuracy)}** on {verbatim(each.part['task'])}")
    st.caption(f"{verbatim(teacher_words(each))}, trained {ago(each.trained)}.")
    with st.container(horizontal=True):
        if st.button("Distill with it", icon=":material/experiment:", key=f"distill.{each.key}"):
            fill_task(each.part["task"])
            fill_teacher(each)
            st.switch_page("pages/distill.py")
        st.button(
            "Forget",
            icon=":material/delete:",
            key=f"forget.{each.key}",
            on_click=attempt,
            args=(runner().shelf.remove_teacher, each.key),
            help="The next run that needs it trains it anew.",
        )
