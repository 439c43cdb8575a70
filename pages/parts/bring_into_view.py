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


def bring_into_view(key: str) -> None:
    """Scroll here, once, if this is below what the visitor sees."""
    _scroll(key=key)
