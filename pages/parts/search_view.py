"""One search, live or ended: how far it is, what it found, and the test figure of one setting."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, get_args

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import charts
from kdcore.axes import Dimension, dimensions
from kdcore.errors import KdError
from kdcore.runs.searches import SearchRun
from kdcore.runs.store import RESTARTABLE, Run
from kdcore.search import TEST_SEEDS, Fate, Search, Tried, ranked
from kdcore.statistics import accuracy_text, verdict_sentence
from pages.parts.look import figure, picture_format
from pages.parts.run_view import MARKS, PHASES
from pages.parts.services import catalogue, plainly, runner, verbatim
from pages.parts.widgets import ago, duration

POLL_SECONDS = 1.0
LISTED = 10
SHOWN = 8
"""Of the best settings, in the table."""

QUIET_SECONDS = 6.0
"""A search under way that is silent for so long has let a run in."""

IMPORTANCE_EVERY = 5
"""Finished trials after which a search under way has its importance computed anew: that takes
longer than all other figures."""

FATES: dict[Fate, str] = {
    "finished": "tried to the end",
    "given up": "given up early, as they lagged behind",
    "failed": "failed",
}

ALTS = {
    "front": "Accuracy on validation against a cost, for each setting that was tried.",
    "history": "Accuracy on validation of each setting in turn, and the best so far.",
    "importance": "How much each of the things that vary decides.",
    "slice": "Accuracy on validation against one of the things that vary.",
    "contour": "Accuracy on validation over two of the things that vary.",
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
    _best(run, tried, known, test)
    _charts(run, known)


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
            st.button(
                "Stopping …" if run.stop_requested else "Stop",
                icon=":material/stop_circle:",
                disabled=run.stop_requested,
                on_click=_try,
                args=(runner().searches.request_stop, run.id),
                help="What was tried is kept, and you can go on later.",
            )
        elif run.state in RESTARTABLE:
            st.button(
                "Go on",
                type="primary",
                icon=":material/play_arrow:",
                on_click=_try,
                args=(runner().resume_search, run.id),
                help="Where it left off; nothing is tried again.",
            )
        if run.ended:
            _more(run)
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("All its trials go with it; a run of its test figure stays.")
                st.button("Delete for good", type="primary", on_click=_delete, args=(run.id,))
        st.download_button(
            "Search",
            data=run.search.to_json,
            file_name=f"{run.id}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            help=f"The same from a terminal: python -m kdcore search {run.id}.json --out DIR",
            key="search.json",
        )


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
            on_click=_try,
            args=(runner().resume_search, run.id),
            kwargs=more,
        )


def _try(action: Any, *arguments: Any, **more: Any) -> None:
    try:
        action(*arguments, **more)
    except KdError as error:
        st.toast(str(error), icon=":material/error:")


def _delete(search_id: str) -> None:
    _try(runner().searches.delete, search_id)
    st.query_params.clear()


def _progress(run: SearchRun) -> None:
    closing = "You may close this tab; the search goes on."
    if run.state == "queued":
        st.progress(0.0, text=f"Waiting for a worker. {closing}")
    elif run.state == "running":
        _under_way(run, closing)
    elif run.state == "failed":
        st.error(f"The search failed: {run.error}", icon=":material/error:")
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


# what it found


def _best(
    run: SearchRun, tried: Sequence[Tried], known: Mapping[str, Dimension], test: Run | None
) -> None:
    search = run.search
    many = len(search.goals) > 1
    found = ranked(tried, only_best=many)
    st.subheader("Which trade-offs are there?" if many else "Which did best?", anchor=False)
    shown = found if many else found[:SHOWN]
    st.dataframe(
        _table(shown, search, known),
        hide_index=True,
        alt="The best settings with their accuracy on validation.",
        height=min(35 * (len(shown) + 1) + 3, 320),
    )
    _chosen(run, shown, known, test)


def _table(shown: Sequence[Tried], search: Search, known: Mapping[str, Dimension]) -> pd.DataFrame:
    rows = []
    for each in shown:
        row: dict[str, Any] = {"Trial": each.number, "On validation": accuracy_text(each.accuracy)}
        if "size" in search.goals:
            row["File, kB"] = f"{(each.size or 0) / 1000:,.1f}"
        if "latency" in search.goals:
            row["Latency, µs"] = f"{1000 * (each.latency_ms or 0):,.1f}"
        for span in search.space:
            row[_title(span.field, known)] = _words(each.setting.get(span.field), span.field, known)
        rows.append(row)
    return pd.DataFrame(rows)


def _chosen(
    run: SearchRun, shown: Sequence[Tried], known: Mapping[str, Dimension], test: Run | None
) -> None:
    """One of the best: to Distill, or its test figure."""
    numbers = {each.number: each for each in shown}
    if test is not None and run.tested is not None:
        _tested(run, run.tested, test)
        return
    if run.ended:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            number = st.selectbox(
                "The setting you choose",
                list(numbers),
                key=f"search.choice.{run.id}.{run.attempt}",
                format_func=lambda each: _label(numbers[each], known),
                width=420,
            )
            _to_distill(run, numbers[number])
            st.button(
                "Take the test figure",
                type="primary",
                icon=":material/verified:",
                on_click=_try,
                args=(runner().take_test, run.id, number),
                help="Once, for the setting you choose: an ordinary run with its control.",
            )
    st.caption(
        f"The best of many is lucky as well: its figure on validation is **optimistic**, the more "
        "so the more settings were tried. When the search has ended, choose one: its test figure "
        f"is taken once, over {TEST_SEEDS} seeds and beside the same student without a teacher."
    )


def _to_distill(run: SearchRun, tried: Tried) -> None:
    if st.button("To Distill", icon=":material/tune:", help="Opens the form with this setting."):
        st.session_state["open_recipe"] = run.search.candidate(tried.setting).to_json()
        st.switch_page("pages/distill.py")


def _tested(run: SearchRun, number: int, test: Run) -> None:
    """The two figures of the chosen setting side by side, once the run is done."""
    tried = next((t for t in runner().searches.tried(run.id) if t.number == number), None)
    if tried is None:
        return
    with st.container(border=True):
        st.markdown(f"**The chosen setting, trial {number}**")
        left, right = st.columns(2)
        left.metric(
            "On validation, as the search judged it",
            accuracy_text(tried.accuracy),
            help="The best of many: optimistic.",
        )
        result = test.result
        right.metric(
            "On test, taken once",
            accuracy_text(result.arms["distilled"].accuracy) if result else _waiting(test),
            help="Samples that neither training nor the search has seen.",
        )
        if result is not None:
            control = accuracy_text(result.arms["control"].accuracy)
            st.markdown(f"{MARKS[result.verdict]} {verdict_sentence(result.difference)}")
            st.caption(
                f"The same student on labels alone: {control} on test. The figure on validation "
                f"is the best of many, and so optimistic; the test figure is the one to tell."
            )
        elif test.ended:
            st.warning(f"The run is {test.state}: open it to start it again.")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                "pages/distill.py",
                label="Open the run",
                icon=":material/open_in_new:",
                query_params={"run": test.id},
            )
            _to_distill(run, tried)


def _waiting(test: Run) -> str:
    if test.state == "running" and test.progress is not None:
        return f"{test.progress.phase}, {test.progress.done:.0%}"
    return f"{test.state} …" if not test.ended else "none"


def _label(tried: Tried, known: Mapping[str, Dimension]) -> str:
    setting = ", ".join(
        f"{_title(field, known)} {_words(value, field, known)}"
        for field, value in tried.setting.items()
    )
    return f"trial {tried.number}: {accuracy_text(tried.accuracy)}, {setting}"


def _title(field: str, known: Mapping[str, Dimension]) -> str:
    return known[field].title if field in known else field


def _words(value: Any, field: str, known: Mapping[str, Dimension]) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3g}"
    return known[field].words(value) if field in known else str(value)


# charts


def _charts(run: SearchRun, known: Mapping[str, Dimension]) -> None:
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
