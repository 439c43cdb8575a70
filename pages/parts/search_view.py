"""One search, live or ended: how far it is, what it found, and the test figure of one setting."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import get_args

import streamlit as st

from kdcore import charts
from kdcore.axes import Dimension, dimensions
from kdcore.errors import KdError
from kdcore.runs.searches import SearchRun
from kdcore.runs.store import RESTARTABLE
from kdcore.search import Fate, Search, Tried
from pages.parts.deeds import attempt
from pages.parts.job import (
    again_button,
    delete_popover,
    settings_download,
    stop_button,
)
from pages.parts.run_view import PHASES
from pages.parts.search_choice import best
from pages.parts.search_figures import figures
from pages.parts.services import catalogue, harmless, plainly, runner, verbatim
from pages.parts.widgets import ago, duration

POLL_SECONDS = 1.0
LISTED = 10

QUIET_SECONDS = 6.0
"""A search under way that is silent for so long has let a run in."""

FATES: dict[Fate, str] = {
    "finished": "tried to the end",
    "given up": "given up early, as they lagged behind",
    "failed": "failed",
}


def show_search(search_id: str) -> None:
    """Show a search; while it is under way, look again."""
    search = runner().searches.get(search_id)
    test = runner().searches.test_of(search)
    moving = not search.ended or (test is not None and not test.ended)
    st.fragment(_watched, run_every=POLL_SECONDS if moving else None)(search_id, moving)


@plainly
def _watched(search_id: str, moving: bool) -> None:
    run = runner().searches.get(search_id)
    test = runner().searches.test_of(run)
    if moving != (not run.ended or (test is not None and not test.ended)):
        st.rerun()  # the whole page once more: the timer stops or starts
    if moving:
        runner().reconcile_soon()
    known = _dimensions(run.search)
    _header(run)
    _progress(run)
    tried = _tried(run.id, (run.standing.tried if run.standing else 0, run.state, run.attempt))
    _counts(run, tried)
    if not any(each.fate == "finished" for each in tried):
        _awaited(run)
        return
    best(run, tried, known, test)
    figures(run, known)


@st.cache_data(max_entries=64, show_spinner=False)
def _tried(search_id: str, standing: tuple[int, str, int]) -> list[Tried]:
    """Read anew only where the search has come further."""
    return runner().searches.tried(search_id)


def show_list() -> None:
    """Earlier searches, newest first."""
    found = runner().searches.find(limit=LISTED)
    if found:
        st.subheader("Earlier searches", anchor=False)
    for run in found:
        tried = run.standing.tried if run.standing else 0
        st.page_link(
            "pages/search.py",
            label=f"{verbatim(run.name)} ({run.state}, {tried:,} tried, {ago(run.created)})",
            icon=":material/history:",
            query_params={"search": run.id},
        )


def _dimensions(search: Search) -> dict[str, Dimension]:
    try:
        return {each.field: each for each in dimensions(search.recipe, catalogue())}
    except KdError:  # data or an architecture that is not here any more
        return {}


# how far it is


def _header(run: SearchRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(verbatim(run.name), anchor=False)
        st.space("stretch")
        if not run.ended:
            told = "What was tried is kept, and you can go on later."
            stop, requested = runner().searches.request_stop, run.stop_requested
            stop_button("Stop", stop, run.id, requested=requested, help=told)
        elif run.state in RESTARTABLE:
            told, play = "Where it left off; nothing is tried again.", ":material/play_arrow:"
            again_button("Go on", runner().resume_search, run.id, icon=play, help=told)
        if run.ended:
            _more(run)
            told = "All its trials go with it; a run of its test figure stays."
            delete_popover(told, _delete, run.id)
        told = f"The same from a terminal: python -m kdcore search {run.id}.json --out DIR"
        settings_download("Search", run.search.to_json, run.id, "search.json", told)


def _more(run: SearchRun) -> None:
    """Extend the budget, in whatever it is counted."""
    with st.popover("Extend", icon=":material/more_time:"):
        search, more = run.search, {}
        if search.trials is not None:
            more["trials"] = st.number_input("settings more", 0, 1000, 20, 10, key="search.more")
        if search.minutes is not None:
            more["minutes"] = st.number_input(
                "minutes more", 0.0, 600.0, 5.0, 1.0, format="%g", key="search.longer"
            )
        st.button(
            "Search on",
            type="primary",
            icon=":material/play_arrow:",
            disabled=not any(more.values()),
            on_click=attempt,
            args=(runner().resume_search, run.id),
            kwargs=more,
        )


def _delete(search_id: str) -> None:
    attempt(runner().searches.delete, search_id)
    st.query_params.clear()


def _progress(run: SearchRun) -> None:
    closing = "You may close this tab; the search goes on."
    if run.state == "queued":
        st.progress(0.0, text=f"Waiting for a worker. {closing}")
    elif run.state == "running":
        _under_way(run, closing)
    elif run.state == "failed":
        st.error(f"The search failed: {harmless(str(run.error))}", icon=":material/error:")
    elif run.state == "interrupted":
        st.warning(
            "Interrupted: the engine stopped while this search was under way. What was tried is "
            "kept; press Go on.",
            icon=":material/power_off:",
        )
    elif run.state == "cancelled":
        st.info("You stopped this search; what was tried is kept.", icon=":material/block:")


def _under_way(run: SearchRun, closing: str) -> None:
    standing = run.standing
    if standing is None:
        st.progress(0.0, text=f"Starting. {closing}")
        return
    if time.time() - run.heartbeat > QUIET_SECONDS:
        closing = f"Letting other runs in. {closing}"
    text = f"{standing.tried:,} tried"
    if run.search.trials is not None:
        text += f" of {run.search.trials:,}"
    if standing.seconds_left is not None:
        text += f", about {duration(standing.seconds_left)} left"
    if standing.phase is not None and standing.phase != "students":
        text += f". {PHASES[standing.phase]}"
    st.progress(standing.done, text=f"{text}. {closing}")


def _counts(run: SearchRun, tried: Sequence[Tried]) -> None:
    if not tried:
        return
    fates = [(fate, sum(each.fate == fate for each in tried)) for fate in get_args(Fate)]
    words = [f"{count:,} {FATES[fate]}" for fate, count in fates if count]
    again = sum(each.same_as is not None for each in tried)
    words += [f"{again:,} of them proposed once more, and not tried twice"] if again else []
    st.caption(f"{len(tried):,} settings in {duration(run.seconds)}: {', '.join(words)}.")
    last = next((each for each in reversed(tried) if each.fate == "failed"), None)
    if last is not None:
        st.caption(f":material/error: The last that failed: {verbatim(last.error)}")


def _awaited(run: SearchRun) -> None:
    if run.ended:
        st.info("No setting was tried to its end, so that there is nothing to choose from.")
        return
    st.plotly_chart(
        charts.awaited("Does it still get better?", "the first settings, in a moment"),
        key="search.awaited",
        alt="An empty chart, waiting for the first setting.",
    )
