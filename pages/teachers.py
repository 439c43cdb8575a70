"""Teachers: bring your own, see what it reads, and what was trained here."""

import streamlit as st

from pages.parts.own_teacher import bring, kept_list
from pages.parts.services import catalogue, plainly
from pages.parts.trained import trained_list


@plainly
def own() -> None:
    """Teachers that were brought along."""
    bring(catalogue())
    kept_list(catalogue())


@plainly
def trained() -> None:
    """Teachers that runs have trained."""
    trained_list()


st.title("Teachers", anchor=False)
yours, ours = st.tabs([":material/upload: Bring your own", ":material/history: Trained here"])
with yours:
    own()
with ours:
    trained()
