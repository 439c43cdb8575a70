"""The app's entry: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages.parts.services import plainly, start

ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="Knowledge distillation, live", page_icon="⚗️", layout="wide")
st.logo(ASSETS / "logo.svg", size="large")
page = st.navigation(
    [
        st.Page("pages/distill.py", title="Distill", icon=":material/experiment:", default=True),
        st.Page("pages/search.py", title="Search", icon=":material/manage_search:"),
