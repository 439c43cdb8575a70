"""One sweep, live or finished: its progress, its map, and what can be read off it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from kdcore.axes import dimensions
from kdcore.errors import KdError
from kdcore.runs.sweeps import SweepRun, blank_table, member_table
from kdcore.sweep import Sweep, changed
from kdcore.sweep_charts import (
    MEASURES,
    MOST_TEXTS,
    Measure,
    Side,
    member_words,
    setting_words,
    side,
    sweep_map,
    with_words,
)
from pages.parts.job import again_button, settings_download, stop_button
from pages.parts.look import camera, picture_format
from pages.parts.run_view import PHASES
from pages.parts.services import catalogue, plainly, runner, verbatim
from pages.parts.sweep_reading import all_members, lines_and_front, reading
from pages.parts.widgets import duration, whole

SHOWN = "sweep.shown"
"""Session key of the sweep that was looked at last, for whoever comes back from elsewhere."""

POLL_SECONDS = 0.4
SLOW_POLL_SECONDS = 1.5
MANY = 300
"""From so many members on, a live map is drawn less often."""

MOST_ASKS = 40
"""So often it is asked whether sizes and latencies are there."""


def show_sweep(sweep_id: str) -> None:
    """Show a sweep; while it is under way, look for more of it."""
    run = runner().sweeps.get(sweep_id)
    st.session_state[SHOWN] = sweep_id
    _header(run)
    if run.left:
        every = POLL_SECONDS if run.total < MANY else SLOW_POLL_SECONDS
        st.fragment(_watch, run_every=every)(sweep_id, _ended(run))
    st.fragment(_shown)(sweep_id)


def _ended(run: SweepRun) -> tuple[int, float]:
    """What is different once there is more to be drawn."""
    return run.left, run.changed


@plainly
def _watch(sweep_id: str, seen: tuple[int, float]) -> None:
    """Tell how far it is, and have the page drawn anew where members have ended: figures that stay
    as they are would cost the very processor that the students learn on.
    """
    run = runner().sweeps.get(sweep_id)
    runner().reconcile_soon()
    if _ended(run) != seen:
        st.rerun()
    _progress(run)


@plainly
def _shown(sweep_id: str) -> None:
    run = runner().sweeps.get(sweep_id)
    table, sides = _table(run), sides_of(run.sweep)
    _failures(run, table)
    shown, x, y = _slice(table, sides)
    _map(run, shown, x, y)
    reading(shown)
    if run.left:
        return  # what more there is to draw would cost the very processor that they learn on
    _await_costs(run, table)
    lines_and_front(table, shown, x, y, _chosen())
    all_members(table, sides, f"parallel.{run.id}")
    picture_format()


def show_blank(sweep: Sweep | None, place: DeltaGenerator) -> None:
    """The map of a sweep that is not painted yet, with all its cells and no number."""
    if sweep is None or len(sweep) > MOST_TEXTS:
        place.empty()
        return
    figure = _kept_blank(sweep.to_json(), sweep)
    place.plotly_chart(
        figure,
        key="sweep.blank",
        config={"displayModeBar": False, "staticPlot": True},
        alt="The map before it is painted: a cell for each setting, none measured.",
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def _kept_blank(sweep_json: str, _sweep: Sweep) -> go.Figure:
    sides = sides_of(_sweep)
    table = with_words(blank_table(_sweep), sides)
    return sweep_map(table, sides[0], sides[1] if len(sides) > 1 else None, "difference")


def _table(run: SweepRun) -> pd.DataFrame:
    """All members; read anew only once something is different, for a thousand take a while."""
    return _kept_table(run.id, run.changed, tuple(run.counts.items()), len(run.costs), run)


@st.cache_data(max_entries=32, show_spinner=False)
def _kept_table(
    sweep_id: str, changed: float, counts: tuple[tuple[str, int], ...], costs: int, _run: SweepRun
) -> pd.DataFrame:
    table = member_table(_run, runner().sweeps.members(sweep_id))
    return with_words(table, sides_of(_run.sweep))


@st.cache_data(max_entries=64, show_spinner=False)
def _kept_control_axes(sweep_json: str) -> tuple[str, ...]:
    return Sweep.from_json(sweep_json).control_axes()


def sides_of(sweep: Sweep) -> list[Side]:
    """A sweep's axes as a reader sees them."""
    try:
        known = dimensions(sweep.recipe, catalogue())
    except KdError:  # data or an architecture that is not here any more
        known = ()
    return [side(axis, known) for axis in sweep.axes]


def _header(run: SweepRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(verbatim(run.name), anchor=False)
        st.space("stretch")
        if run.left:
            told = "What is measured is kept."
            stop_button("Cancel", runner().sweeps.request_stop, run.id, help=told)
        elif run.counts.get("done", 0) < run.total:
            told = "What is measured is kept; the rest is tried again."
            again_button("Go on", runner().restart_sweep, run.id, help=told)
        told = f"The same from a terminal: python -m kdcore sweep {run.id}.json --out DIR"
        settings_download("Sweep", run.sweep.to_json, run.id, "sweep.json", told)
        st.download_button(
            "CSV",
            data=lambda: _table(run).drop(columns="words").to_csv(index=False),
            file_name=f"{run.id}.csv",
            mime="text/csv",
            icon=":material/table:",
            on_click="ignore",
            key="sweep.csv",
        )


def _progress(run: SweepRun) -> None:
    headway = runner().sweeps.headway(run.id)
    text = f"{run.counts.get('done', 0):,} of {run.total:,} settings done"
    if headway.seconds_left is not None:
        text += f", about {duration(headway.seconds_left)} left"
    elif headway.phase is None:
        text += ", waiting for a worker"
    elif headway.phase != "students":
        text += f", {PHASES[headway.phase][0].lower()}{PHASES[headway.phase][1:]}"
    st.progress(headway.share, text=f"{text}. You may close this tab; the sweep goes on.")


def _failures(run: SweepRun, table: pd.DataFrame) -> None:
    """Why members failed, each reason once."""
    failed = table[table["state"] == "failed"]
    for reason, count in failed["error"].value_counts().head(3).items():
        st.warning(
            f"{count} of {run.total} failed: {verbatim(str(reason))}", icon=":material/error:"
        )
    for state, icon in (("cancelled", "block"), ("interrupted", "power_off")):
        count = run.counts.get(state, 0)
        if count and not run.left:
            st.info(
                f"{count} of {run.total} settings were {state}; press *Go on* to run them.",
                icon=f":material/{icon}:",
            )


def _await_costs(run: SweepRun, table: pd.DataFrame) -> None:
    """Look again, for a while, for sizes and latencies: they are measured once all is quiet."""
    if run.costs or table["student.key"].nunique() < 2:
        return
    asked = f"sweep.costs.{run.id}"

    def look() -> None:
        st.session_state[asked] = st.session_state.get(asked, 0) + 1
        if runner().sweeps.get(run.id).costs or st.session_state[asked] == MOST_ASKS:
            st.rerun()  # the timer stops with the page that set it

    more = st.session_state.get(asked, 0) < MOST_ASKS
    st.fragment(look, run_every=SLOW_POLL_SECONDS if more else None)()


def _slice(table: pd.DataFrame, sides: Sequence[Side]) -> tuple[pd.DataFrame, Side, Side | None]:
    """The two sides that are drawn, and the members at one value of each other side."""
    x, y = sides[0], sides[1] if len(sides) > 1 else None
    for other in sides[2:]:
        name = st.selectbox(other.title, other.names, key=f"at.{other.field}")
        table = table[table[other.field] == other.values[other.names.index(name)]]
    return table, x, y


def _map(run: SweepRun, table: pd.DataFrame, x: Side, y: Side | None) -> None:
    measure = st.segmented_control(
        "Shown",
        list(MEASURES),
        format_func=lambda each: MEASURES[each],
        default="difference",
        required=True,
        key="show",
        bind="query-params",
        label_visibility="collapsed",
    )
    state = (run.id, run.changed, *run.counts.items())
    figure = _kept_map(state, measure, _chosen(), tuple(table["place"]), run.sweep, table, x, y)
    st.plotly_chart(
        figure,
        key="sweep.map",
        on_select=_remember_cell,
        selection_mode="points",
        config={**camera("map"), "modeBarButtons": [["toImage"]]},
        alt="A map of all settings: each measured cell with its number.",
    )
    hatched = table["verdict"].isin(["no clear difference", "too few seeds"]).any()
    words = "Hatched: no clear difference. " if hatched and measure != "control" else ""
    whole_map = table["verdict"].notna().all()
    words += "Every cell is measured" if whole_map else "Cells with a number are measured"
    st.caption(f"{words}, none is filled in between. Click one to see what it says.")
    rows = table[table["place"] == _chosen()].to_dict("records")
    if rows:
        _member(run.sweep, rows[0], [each for each in (x, y) if each is not None])


@st.cache_resource(max_entries=32, show_spinner=False)
def _kept_map(
    state: tuple[object, ...],
    measure: Measure,
    chosen: int | None,
    places: tuple[int, ...],
    _sweep: Sweep,
    _table: pd.DataFrame,
    _x: Side,
    _y: Side | None,
) -> go.Figure:
    """Of a thousand cells, a figure takes longer than all the rest of the page."""
    control_axes = _kept_control_axes(_sweep.to_json())
    return sweep_map(_table, _x, _y, measure, control_axes, chosen)


def _chosen() -> int | None:
    return whole(st.query_params.get("cell", ""))


def _remember_cell() -> None:
    """Keep the cell that was clicked in the address."""
    points = st.session_state["sweep.map"].selection.points
    places = [point.get("customdata") for point in points]
    place = places[0] if places else None
    if isinstance(place, list):
        place = place[0]
    if place is not None:
        st.query_params["cell"] = str(place)


def _member(sweep: Sweep, row: Mapping[Hashable, Any], sides: Sequence[Side]) -> None:
    """What one cell is, and what can be done with it."""
    with st.container(border=True):
        st.markdown(f"**{verbatim(setting_words(row, sides))}**")
        st.markdown(f"{verbatim(member_words(row))}.")
        with st.container(horizontal=True):
            if st.button("Open", icon=":material/open_in_new:", key="sweep.open"):
                st.switch_page("pages/distill.py", query_params={"run": row["run_id"]})
            if st.button(
                "Use settings",
                icon=":material/tune:",
                key="sweep.use",
                help="Fills the form on Distill, to run this setting with curves and sizes.",
            ):
                setting = list(sweep.settings())[row["place"]]
                st.session_state["open_recipe"] = changed(sweep.recipe, setting).to_json()
                st.switch_page("pages/distill.py")
