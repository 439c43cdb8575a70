"""A run's answers, read once, and what every page that looks at them needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import answers
from kdcore.answers import Answers, Pool
from kdcore.errors import HomeError
from kdcore.runs.store import Run
from pages.parts.kept import Kept
from pages.parts.services import runner

Files = tuple[str, ...]
"""Names of a run's files of answers: by content, so that what is derived of them never ages."""

ANSWER_BYTES = 150_000_000
POOL_BYTES = 100_000_000
"""Of answers that are kept: those of three runs at least, and all of their seeds in a row."""

FORMATS = ("PNG", "SVG")


def files_of(run: Run) -> Files:
    """The files that a run's answers are kept in. Raises HomeError where it has none."""
    assert run.result is not None
    found = answers.names(run.result.artifacts)
    if not found:
        raise HomeError(
            f"the run {run.name!r} kept no answers; run its recipe again to look inside"
        )
    return found


# cache_resource: the same frozen record for all visitors, never copied


@st.cache_resource(show_spinner=False)
def _answers() -> Kept[Answers]:
    return Kept(ANSWER_BYTES)


@st.cache_resource(show_spinner=False)
def _pools() -> Kept[Pool]:
    return Kept(POOL_BYTES)


def answers_of(files: Files) -> Answers:
    """What the models answered."""

    def read() -> Answers:
        return answers.read(*[runner().shelf.get(name) for name in files])

    return _answers().get(files, read, lambda kept: kept.bytes)


def pool_of(files: Files, seed: int | None) -> Pool:
    """Of one seed, by place, or of all."""
    kept = answers_of(files)
    return _pools().get((files, seed), lambda: kept.pooled(seed), lambda pool: pool.bytes)


def figure(
    drawn: go.Figure, name: str, alt: str, rows: Callable[[], pd.DataFrame] | None = None
) -> None:
    """A chart with its picture to take away, and its numbers too where `rows` gives them."""
    st.plotly_chart(drawn, key=f"figure.{name}", alt=alt, config=camera(name))
    if rows is not None:
        table_download(rows, name)


def table_download(rows: Callable[[], pd.DataFrame], name: str, label: str = "CSV") -> None:
    """A button that hands out a table; it is made when the button is pressed."""
    st.download_button(
        label,
        data=lambda: rows().to_csv(index=False, float_format="%.10g").encode(),
        file_name=f"{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        key=f"csv.{name}",
        help="The numbers of this figure.",
    )


def picture_format() -> None:
    """In which format the camera above each chart saves it."""
    st.segmented_control(
        "The camera above a chart saves it as",
        FORMATS,
        default=FORMATS[0],
        required=True,
        key="look.format",
        persist_state="session",
    )


def camera(name: str) -> dict[str, Any]:
    """A chart's buttons, of which one saves its picture under that name."""
    chosen = st.session_state.get("look.format") or FORMATS[0]
    return {
        "displaylogo": False,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"format": chosen.lower(), "filename": name, "scale": 2},
    }
