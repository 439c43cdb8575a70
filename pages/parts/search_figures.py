"""The figures of a search: its course, what decides, and two of the things that vary, closely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore.axes import Dimension
from kdcore.runs.searches import SearchRun
from pages.parts.look import figure, picture_format
from pages.parts.services import runner

IMPORTANCE_EVERY = 5
"""Finished trials after which a search under way has its importance computed anew: that takes
longer than all other figures."""

ALTS = {
    "front": "Accuracy on validation against a cost, for each setting that was tried.",
    "history": "Accuracy on validation of each setting in turn, and the best so far.",
    "importance": "How much each of the things that vary decides.",
    "slice": "Accuracy on validation against one of the things that vary.",
    "contour": "Accuracy on validation over two of the things that vary.",
}


def figures(run: SearchRun, known: Mapping[str, Dimension]) -> None:
    """The figures of a search, two in a row."""
    from kdcore import search_charts  # late: Optuna takes a second, and this page alone needs it

    study = runner().searches.study(run.id)
    fields = [span.field for span in run.search.space]
    varied = [field for field in fields if field in search_charts.varied(study)]
    titles = tuple((field, each.title) for field, each in known.items())
    finished = search_charts.finished(study)
    seldom = finished if run.ended else finished - finished % IMPORTANCE_EVERY
    draw = partial(_draw, run.id, finished, titles)
    names = [f"front {goal}" for goal in run.search.goals if goal != "accuracy"] or ["history"]
    places = _places(len(names) + 1)
    for place, name in zip(places, names, strict=False):
        with place:
            draw(name)
    with places[-1]:
        _draw(run.id, seldom, titles, "importance")
    if varied:
        one, other = _pair(varied, dict(titles))
        places = _places(2)
        with places[0]:
            draw(f"slice {one}")
        if other is not None:
            with places[1]:
                draw(f"contour {one} {other}")
                st.caption("Points are measured; the colours between them are filled in.")
    picture_format()


def _places(count: int) -> list[Any]:
    return [place for _ in range(0, count, 2) for place in st.columns(2)][:count]


def _pair(varied: Sequence[str], titles: Mapping[str, str]) -> tuple[str, str | None]:
    """The fields to look at more closely."""
    with st.container(horizontal=True):
        one = st.selectbox(
            "Look along",
            varied,
            key="search.one",
            format_func=lambda field: titles.get(field, field),
            width=260,
        )
        others = [field for field in varied if field != one]
        if not others:
            return one, None
        other = st.selectbox(
            "and",
            others,
            key=f"search.other.{one}",
            format_func=lambda field: titles.get(field, field),
            width=260,
        )
    return one, other


def _draw(search_id: str, finished: int, titles: tuple[tuple[str, str], ...], name: str) -> None:
    drawn = _figure(search_id, finished, titles, name)
    rows = partial(_rows, search_id, titles)
    figure(drawn, f"search-{name.replace(' ', '-')}", ALTS[name.split()[0]], rows)


def _rows(search_id: str, titles: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    """The trials that all figures are drawn from."""
    from kdcore import search_charts

    goals = runner().searches.get(search_id).search.goals
    return search_charts.rows(runner().searches.study(search_id), goals, dict(titles))


@st.cache_data(max_entries=64, show_spinner=False)
def _figure(
    search_id: str, finished: int, titles: tuple[tuple[str, str], ...], name: str
) -> go.Figure:
    """A figure over so many finished trials: drawn once for all who look."""
    from kdcore import search_charts

    study = runner().searches.study(search_id)
    kind, *fields = name.split()
    match kind:
        case "front":
            goals = runner().searches.get(search_id).search.goals
            return search_charts.front(study, goals, fields[0])
        case "history":
            return search_charts.history(study)
        case "importance":
            return search_charts.importance(study, dict(titles))
        case "slice":
            return search_charts.slice_of(study, fields[0], dict(titles))
        case _:
            return search_charts.contour(study, *fields, dict(titles))
