"""Compare: two to six runs side by side: only what differs between them, and what came of it."""

from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import charts, compare_charts, compare_rows
from kdcore.charts import LOOKS
from kdcore.compare_rows import COSTS
from kdcore.compare_tables import (
    FEWEST,
    MOST,
    Against,
    Lettered,
    against,
    alike,
    apart,
    exported,
    lettered,
    outcome_table,
    settings_table,
    together,
    with_interval,
)
from kdcore.result import STUDENTS
from kdcore.runs.store import Run
from kdcore.spoken import settings
from kdcore.statistics import CONFIDENCE
from pages.parts.cards import MARKERS
from pages.parts.look import figure, picture_format, table_download
from pages.parts.runs_picker import examples, link, pick_runs
from pages.parts.services import catalogue, harmless, plainly, run_label, store

GLYPHS = MARKERS | {"triangle-up": "▲", "cross": "✚", "x": "✖"}
VIEWS = ("Accuracy and cost", "All measures")


Drawn = tuple[go.Figure, pd.DataFrame]
"""A figure, and the numbers that it draws."""


@st.cache_resource(max_entries=64, show_spinner=False)
def kept(of: tuple[str, ...], _draw: Callable[[], Drawn]) -> Drawn:
    """A figure that was drawn before; of: all that decides how it looks. Finished runs stay."""
    return _draw()


def show(runs: list[Lettered], name: str, alt: str, draw: Callable[[], Drawn], *of: str) -> None:
    """A figure of these runs, by its name and what else decides how it looks."""
    told = (f"{run.letter} {run.run_id} {run.words}" for run in runs)
    drawn, rows = kept((name, *of, *told), draw)
    figure(drawn, name, alt, lambda: compare_rows.to_take_away(rows, runs, name))


def compared(runs: list[Run]) -> list[Lettered]:
    """The runs under their letters, their settings in words."""
    known = catalogue()
    found = [
        (run.id, run.name, run.result, settings(run.recipe, known))
        for run in runs
        if run.result is not None
    ]
    return lettered(found, [run.id for run in runs if run.shown])


def paired(runs: list[Lettered], reference: Lettered) -> dict[str, Against]:
    """Every other run against the reference, by letter; verdicts hold beside each other."""
    samples = {task.name: task.test for task in catalogue().tasks}.get(reference.recipe.task)
    others = (run for run in runs if run is not reference)
    return together({run.letter: against(run, reference, samples) for run in others})


def named(runs: list[Run], letters: list[Lettered]) -> None:
    """Each run's mark, letter and name, with a link to all of it."""
    with st.container(gap=None):
        for run, each in zip(runs, letters, strict=True):
            colour, _, symbol = compare_charts.RUN_LOOKS[each.letter]
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall"
            ):
                st.html(f'<span style="color:{colour}">{GLYPHS[symbol]}</span>', width="content")
                st.page_link(
                    "pages/distill.py",
                    label=f"**{each.letter}** {run_label(run)}",
                    query_params={"run": run.id},
                )


def say_what_keeps_apart(
    runs: list[Lettered], reference: Lettered, found: dict[str, Against]
) -> None:
    """Which runs can't be compared with the reference, and why."""
    of = {run.letter: run for run in runs}
    said = {letter: apart(of[letter], reference, each) for letter, each in found.items()}
    hard = [sentence for letter, sentence in said.items() if sentence and found[letter].obstacle]
    soft = [sentence for sentence in said.values() if sentence and sentence not in hard]
    if hard:
        st.warning(harmless("\n\n".join(hard)), icon=":material/link_off:")
    if soft:
        st.info(harmless("\n\n".join(soft)), icon=":material/info:")


def tables(runs: list[Lettered], reference: Lettered, found: dict[str, Against]) -> None:
    """What was set differently, and what came of it; a row a run."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("What was set differently?", anchor=False, width="content")
        every = st.toggle("All settings", key="all", bind="query-params")
    changes = settings_table(runs, every=every)
    if changes.empty:
        st.caption("Nothing: these runs have the same recipe, and so the same numbers.")
    elif every:
        st.table(changes.T.map(_plain), alt="Every setting of each run.")
    else:
        st.table(changes.map(_plain), alt="The settings that differ, a row a run.")
    st.subheader("What came of it?", anchor=False)
    st.table(
        outcome_table(runs, reference, found).map(_plain), alt="Accuracies, differences and costs."
    )
    st.caption(" ".join(_how_to_read(runs, reference, found)))
    with st.container(horizontal=True, vertical_alignment="center"):
        rows = partial(exported, runs, reference, found)
        table_download(rows, "compared-runs", "All of it as CSV")
        with st.popover("Copy link", icon=":material/link:", type="tertiary"):
            st.markdown("Opens these runs as they stand here, in this app.")
            st.code(link(), language=None, wrap_lines=True)


def _plain(cell: object) -> object:
    """What a stranger may have named, safe in a cell that is read as Markdown."""
    return harmless(cell) if isinstance(cell, str) else cell


def _how_to_read(
    runs: list[Lettered], reference: Lettered, found: dict[str, Against]
) -> Iterator[str]:
    """What the cells of the outcomes are, sentence by sentence."""
    yield (
        "Accuracy on the test split after the last step, mean ± standard deviation over the seeds. "
        "Differences are in points and paired by seed, with Student's 95 % interval: the gain is "
        "each run's distilled student minus its own on labels alone, the other its distilled "
        f"student minus that of {reference.letter}."
    )
    rivals = with_interval(each.difference for each in found.values())
    if rivals > 1:
        yield (
            f"{rivals} runs are held against {reference.letter}: their verdicts are corrected for "
            "that (Holm, 1979), so an interval may leave out zero and no claim be made."
        )
    gains = with_interval(run.result.difference for run in runs)
    if gains > 1:
        yield (
            f"Each gain is judged by itself, as on the run's own page: of {gains} without any true "
            f"gain, {(1 - CONFIDENCE) * gains:.2g} would look clear on average."
        )
    if any(run.latency_ms is not None for run in runs):
        yield (
            "Latency: the median call of one sample, measured where and when each ran; in brackets "
            "where eight in ten calls lie."
        )
    for letters in alike(runs):
        yield f"{_listed(letters)} are the same network: their latencies differ by chance alone."


def differences(runs: list[Lettered], reference: Lettered, found: dict[str, Against]) -> None:
    """Both kinds of difference with their intervals."""

    def gains() -> Drawn:
        own = {run.letter: (run.result.difference, run.result.verdict) for run in runs}
        rows = compare_rows.difference_rows(runs, own)
        return compare_charts.gains(rows), rows

    def rivals() -> Drawn:
        gaps = {
            letter: (each.difference, each.verdict)
            for letter, each in found.items()
            if each.difference and each.verdict
        }
        rows = compare_rows.difference_rows(runs, gaps)
        letters = [run.letter for run in runs]
        return compare_charts.rivals(rows, reference.letter, letters), rows

    left, right = st.columns(2)
    with left:
        alt = "Each run's difference to labels alone, with its 95 % interval."
        show(runs, "gains", alt, gains)
    with right:
        if any(each.difference for each in found.values()):
            alt = f"Each run's difference to {reference.letter}, with its 95 % interval."
            show(runs, "against-reference", alt, rivals, reference.letter)
        else:
            st.info(
                f"No run can be paired with {reference.letter}. Choose another reference, or run "
                "again on the same data with the same seeds."
            )


def learning(runs: list[Lettered], ended: list[Run]) -> None:
    """One student's curve in every run."""
    arm = st.segmented_control(
        "Curve of",
        STUDENTS[::-1],
        default="distilled",
        required=True,
        format_func=lambda name: LOOKS[name].short,
        key="student",
        bind="query-params",
    )

    def curves() -> Drawn:
        events = {run.id: charts.frame(store().events(run.id)[0]) for run in ended}
        points = {run.letter: events[run.run_id] for run in runs if len(events[run.run_id])}
        rows = compare_rows.curve_rows(runs, points, arm)
        return compare_charts.curves(rows, arm), rows

    alt = f"Validation accuracy of each run over the steps: {LOOKS[arm].label}."
    show(runs, f"curves-{arm}", alt, curves)
    missing = [run.letter for run in runs if run.run_id in _members(ended)]
    if missing:
        st.caption(f"{_listed(missing)} kept no curve, as settings of a map do.")


def _members(ended: list[Run]) -> set[str]:
    return {run.id for run in ended if run.sweep_id is not None}


def weighing(runs: list[Lettered]) -> None:
    """Accuracy against a cost, or all measures side by side."""
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        view = st.segmented_control(
            "Look at", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params"
        )
    if view == VIEWS[1]:
        show(runs, "measures", "All measures of each run, worst to best.", lambda: measured(runs))
        _say_shared(runs)
        return
    known = compare_rows.known_costs(runs)
    with right:
        cost = st.selectbox("Against", known, format_func=lambda name: COSTS[name].name, key="cost")
    alt = f"Accuracy of each run's distilled student against its {COSTS[cost].name.lower()}."
    show(runs, f"accuracy-{cost}", alt, lambda: weighed(runs, cost))
    if cost == "latency":
        _say_shared(runs)


def measured(runs: list[Lettered]) -> Drawn:
    """All measures side by side."""
    rows = compare_rows.measure_rows(runs)
    return compare_charts.profiles(rows), rows


def weighed(runs: list[Lettered], cost: str) -> Drawn:
    """Accuracy against one cost."""
    rows = compare_rows.cost_rows(runs, cost)
    return compare_charts.trade_off(rows, cost), rows


def _say_shared(runs: list[Lettered]) -> None:
    """Latencies of equal networks differ by luck alone, so the charts draw none of it."""
    for letters in alike(runs):
        st.caption(
            f"{_listed(letters)} are the same network: here each has the median of their latencies."
        )


def _listed(letters: list[str]) -> str:
    return letters[0] if len(letters) == 1 else f"{', '.join(letters[:-1])} and {letters[-1]}"


@plainly
def views(ended: list[Run], place: int) -> None:
    """Tables and charts; changing one of them draws no more than these."""
    runs = compared(ended)
    reference = runs[place]
    found = paired(runs, reference)
    named(ended, runs)
    say_what_keeps_apart(runs, reference, found)
    tables(runs, reference, found)
    differences(runs, reference, found)
    same = [run for run in runs if run.recipe.task == reference.recipe.task]
    if len(same) < FEWEST:
        st.info(
            f"Curves and costs are drawn of runs on the same data; no other run here was tested on "
            f"{harmless(reference.settings['Data'])}."
        )
    else:
        if len(same) < len(runs):
            names = _listed([run.letter for run in same])
            st.caption(f"Below are {names} alone: the others were tested on different data.")
        left, right = st.columns(2)
        with left:
            learning(same, ended)
        with right:
            weighing(same)
    picture_format()


def page() -> None:
    """The pickers, and two to six runs side by side."""
    ended, place = pick_runs()
    if len(ended) < FEWEST:
        what = "one more finished run" if ended else f"{FEWEST} to {MOST} finished runs"
        st.info(f"Choose {what} above, or tick them on the page Runs.")
        if not ended:
            st.markdown("Or begin with some of the gallery:")
            examples()
        st.page_link("pages/runs.py", label="Go to Runs", icon=":material/list_alt:")
        return
    st.fragment(views)(ended, place)


st.title("Compare", anchor=False)
page()
