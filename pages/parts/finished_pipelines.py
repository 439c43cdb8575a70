"""What finished pipelines gave, each read once: one that is done stays as it is."""

from __future__ import annotations

import streamlit as st

from kdcore.runs.pipelines import Named
from kdcore.runs.store import LISTED
from pages.parts.services import runner


@st.cache_resource(max_entries=2 * LISTED, show_spinner=False)
def results_of(pipeline_id: str) -> list[Named]:
    """The results of one that is done, one for each of its settings, under their names."""
    return runner().pipelines.results(pipeline_id)
