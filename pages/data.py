"""Data: what there is to distill on, and how to bring your own."""

import streamlit as st

from pages.parts.own_data import bring, kept_list
from pages.parts.services import catalogue, plainly
from pages.parts.task_view import show_task, task_picker


@plainly
def look() -> None:
    """One data set at a time."""
    show_task(task_picker(catalogue()))


@plainly
def own() -> None:
    """The visitor's own pictures."""
    bring()
    kept_list()


st.title("Data", anchor=False)
there_is, yours = st.tabs([":material/visibility: Look", ":material/upload: Bring your own"])
with yours:
    own()  # first: what it keeps is what the other one shows
with there_is:
    look()
