"""The app's entry: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages.parts.services import plainly, start

ASSETS = Path(__file__).parent / "assets"

st.set_page_config(page_title="Knowledge distillation, live", page_icon="⚗️", layout="wide")
st.logo(ASSETS / "logo.svg", size="large")
page = st.navigation(
    {
        "": [
            st.Page(
                "pages/distill.py", title="Distill", icon=":material/experiment:", default=True
            ),
            st.Page("pages/runs.py", title="Runs", icon=":material/list_alt:"),
        ],
        "Tune": [
            st.Page("pages/sweep.py", title="Sweep", icon=":material/grid_on:"),
            st.Page("pages/search.py", title="Search", icon=":material/manage_search:"),
            st.Page("pages/compress.py", title="Compress", icon=":material/compress:"),
        ],
        "Look": [
            st.Page("pages/soft_targets.py", title="Soft targets", icon=":material/thermostat:"),
            st.Page(
                "pages/differences.py", title="Where they differ", icon=":material/difference:"
            ),
            st.Page("pages/inside.py", title="Inside", icon=":material/layers:"),
            st.Page("pages/try_it.py", title="Try it", icon=":material/draw:"),
        ],
        "Choose": [
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/decide.py", title="Decide", icon=":material/local_shipping:"),
        ],
        "Bring your own": [
            st.Page("pages/data.py", title="Data", icon=":material/database:"),
            st.Page("pages/teachers.py", title="Teachers", icon=":material/school:"),
        ],
    },
    position="top",
)
start()
plainly(page.run)()
