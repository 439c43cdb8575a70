"""Scrolling to what has just begun, where a small screen would not show it."""

from __future__ import annotations

import streamlit as st

_scroll = st.components.v2.component(
    "bring_into_view",
    html="<span></span>",
    js="""
    export default function ({ parentElement }) {
      const place = parentElement.host ?? parentElement;
      if (place.getBoundingClientRect().top > window.innerHeight * 0.8) {
        place.scrollIntoView({ behavior: "smooth", block: "start" });
      }
    }
    """,
)


JUST_LAUNCHED = "just_launched"
"""Session key of what this visitor has started and not seen yet."""


def launched(job_id: str) -> None:
    """Draw the page anew, with what was started just now: the address names it by now."""
    st.session_state[JUST_LAUNCHED] = job_id
    st.rerun()


def bring_into_view(job_id: str) -> None:
    """Scroll here, if it was started just now, and this is below what the visitor sees."""
    if st.session_state.pop(JUST_LAUNCHED, None) == job_id:
        _scroll(key=f"view.{job_id}")
