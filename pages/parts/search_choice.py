"""What a search found, and the test figure of the one setting that is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from kdcore.axes import Dimension
from kdcore.runs.searches import SearchRun
from kdcore.runs.store import Run
from kdcore.search import TEST_SEEDS, Search, Tried, ranked
from kdcore.spoken import kilobytes, percent
from kdcore.statistics import accuracy_text, verdict_sentence
from pages.parts.deeds import attempt
from pages.parts.run_view import MARKS
from pages.parts.services import runner

SHOWN = 8
"""Of the best settings, in the table."""


def best(
    run: SearchRun, tried: Sequence[Tried], known: Mapping[str, Dimension], test: Run | None
) -> None:
    """The best settings, one of which is chosen; test: the run of its test figure, if any."""
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
            row["File, kB"] = kilobytes(each.size or 0)
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
                on_click=attempt,
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
        return f"{test.progress.phase}, {percent(test.progress.done, 0)}"
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
