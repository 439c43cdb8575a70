"""Pictures of each class side by side, pixel by pixel, on a desk and on a phone."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape

import streamlit as st
from PIL import Image

from kdcore.samples import Picture, small

BLOCKS = (
    "display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));"
    "gap:.45rem 1.6rem"
)
ROW = (
    "display:grid;grid-template-columns:5rem repeat({count},minmax(0,1fr));gap:3px;"
    "align-items:center;max-width:32rem"
)
LABEL = (
    "font-size:.85rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding-right:.3rem"
)
PICTURE = (
    "width:100%;aspect-ratio:1;display:block;border-radius:3px;image-rendering:pixelated;"
    "outline:1px solid rgba(128,128,128,.25);outline-offset:-1px"
)


def picture_grid(rows: Sequence[tuple[str, Sequence[Picture]]], classes: int) -> None:
    """One row a class: its name, then its pictures; says how many classes are not shown."""
    widest = max((len(pictures) for _, pictures in rows), default=0)
    st.html(f'<div style="{BLOCKS}">{"".join(_row(*row, widest) for row in rows)}</div>')
    if classes > len(rows):
        more = classes - len(rows)
        st.caption(f"And {more:,} more {'class' if more == 1 else 'classes'}.")


def _row(name: str, pictures: Sequence[Picture], count: int) -> str:
    images = "".join(
        f'<img style="{PICTURE}" src="{source(each)}" alt="{escape(name)}">' for each in pictures
    )
    label = f'<div style="{LABEL}" title="{escape(name)}">{escape(name)}</div>'
    return f'<div style="{ROW.format(count=count)}">{label}{images}</div>'


def source(picture: Picture) -> str:
    """A picture as an address that an <img> takes."""
    file = io.BytesIO()
    Image.fromarray(small(picture)).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
