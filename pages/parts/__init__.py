"""What several pages share."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

# Until a server has seen its first st.navigation, streamlit takes a folder named `pages` for its
# older kind of app and runs a page's file without app.py. Every page imports this package before
# it draws anything, so that a server's very first visitor, too, comes in through app.py.
if getattr(PagesManager, "uses_pages_directory", False):
    PagesManager.uses_pages_directory = False
    st.rerun()
