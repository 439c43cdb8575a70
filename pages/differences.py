"""Where they differ: the samples that distillation fixed or broke, the classes, the confidence."""

from functools import partial

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import look_charts, look_tables
from kdcore.charts import LOOKS
from kdcore.look_tables import Contrast, Discordant
from kdcore.result import ARMS
from kdcore.runs.store import Run
from pages.parts.gallery import gallery
from pages.parts.look import (
    Files,
    answers_of,
    figure,
    files_of,
    picture_format,
    pool_of,
    table_download,
)
from pages.parts.run_picker import look_into_runs, pick_view_and_seed, samples_said
from pages.parts.services import plainly

VIEWS = ("Samples", "Confusions", "Classes", "Confidence")
TILES = {
    "fixed": ("Distillation fixed it", "Labels alone are wrong, the distilled student is right."),
    "broke": ("Distillation broke it", "Labels alone are right, the distilled student is wrong."),
    "copied": (
        "Copied the teacher's mistake",
        "Teacher and distilled student make the same mistake, labels alone do not.",
    ),
    "beat": ("Beat the teacher", "The teacher is wrong, the distilled student is right."),
}
ORDERS = {
    "furthest": ("Furthest from the teacher", "All samples, the largest KL(teacher ‖ distilled)."),
    "unsure": ("Least certain", "All samples, the distilled student's largest entropy."),
}
EACH_PAGE = 12


@st.cache_resource(max_entries=12, show_spinner=False)
def contrast(files: Files, seed: int | None) -> Contrast:
    """Where the models differ."""
    return look_tables.contrast(pool_of(files, seed))


@st.cache_resource(max_entries=12, show_spinner=False)
def told_of(files: Files, seed: int | None) -> list[Discordant]:
    """Fixed against broken, seed by seed."""
    return look_tables.discordant(pool_of(files, seed), contrast(files, seed))


Drawn = tuple[go.Figure, pd.DataFrame]
"""A figure, and the numbers that it draws."""


@st.cache_resource(max_entries=12, show_spinner=False)
def confidence_figures(files: Files, seed: int | None) -> dict[str, Drawn]:
    """Reliability as it is and after a fitted temperature, and accuracy by coverage."""
    pool = pool_of(files, seed)
    found, curves = look_tables.confidences(pool), look_tables.coverage_rows(pool)
    drawn = {}
    for name, fitted in (("reliability", False), ("reliability-fitted", True)):
        rows = look_tables.reliability_rows(found, fitted)
        drawn[name] = (look_charts.reliability(rows, found, fitted), rows)
    return {**drawn, "coverage": (look_charts.coverage(curves), curves)}


@st.cache_resource(max_entries=12, show_spinner=False)
def class_figure(files: Files, seed: int | None) -> Drawn:
    """Each class's accuracy."""
    names = answers_of(files).class_names
    rows = look_tables.class_accuracy(look_tables.confusion(pool_of(files, seed), names), names)
    return look_charts.class_dumbbells(rows), rows


@st.cache_resource(max_entries=12, show_spinner=False)
def confusion_figures(files: Files, seed: int | None) -> tuple[dict[str, go.Figure], pd.DataFrame]:
    """Three maps and their difference, and the counts."""
    names = answers_of(files).class_names
    counts = look_tables.confusion(pool_of(files, seed), names)
    most = look_charts.largest_mistake(counts)
    maps = {arm: look_charts.confusion_map(counts[arm], names, arm, most) for arm in ARMS}
    maps["difference"] = look_charts.difference_map(counts, names)
    return maps, look_tables.confusion_rows(counts, names)


# samples


def samples(run: Run, files: Files, seed: int | None) -> None:
    """The tiles, what they filter, and whether fixing outweighs breaking."""
    found = contrast(files, seed)
    shown = _shown()
    with st.container(horizontal=True, gap="small"):
        for name, (title, help) in {**TILES, **ORDERS}.items():
            _tile(name, title, help, found, shown)
    st.caption(_mcnemar_said(told_of(files, seed), run))
    kept, pool = answers_of(files), pool_of(files, seed)
    places = found.outcomes[shown] if shown in found.outcomes else getattr(found, shown)
    true = st.selectbox(
        "True class",
        [None, *range(len(kept.class_names))],
        format_func=lambda i: "any" if i is None else kept.class_names[i],
        key=f"look.true.{files[0]}",
        width=220,
    )
    if true is not None:
        places = places[pool.labels[places] == true]
    if not len(places):
        st.info(f"{TILES[shown][0]}: no such sample. Choose another tile, class or seed.")
        return
    if kept.inputs.ndim == 2 and shown in TILES:
        _plane(files, places, seed, TILES[shown][0])
    first = _page_of(len(places), f"{files[0]}.{seed}.{shown}.{true}")
    gallery(kept, pool, places[first : first + EACH_PAGE], run_id=run.id, seeds=run.recipe.seeds)
    names = kept.class_names
    rows = partial(look_tables.gallery, pool, found, places, names)
    table_download(rows, f"samples-{shown}", "All of these as CSV")


def _shown() -> str:
    asked = st.session_state.get("look.shown") or st.query_params.get("show", "fixed")
    return asked if asked in {**TILES, **ORDERS} else "fixed"


def _tile(name: str, title: str, help: str, found: Contrast, shown: str) -> None:
    count = f"**{len(found.outcomes[name]):,}** · " if name in TILES else ""
    st.button(
        f"{count}{title}",
        type="primary" if name == shown else "secondary",
        help=help,
        key=f"look.tile.{name}",
        on_click=_show,
        args=(name,),
    )


def _show(name: str) -> None:
    st.session_state["look.shown"] = name
    st.query_params["show"] = name


def _mcnemar_said(told: list[Discordant], run: Run) -> str:
    """The first two tiles weighed against each other, for a reader who knows no statistics."""
    seeds = run.recipe.seeds
    if len(told) == 1:
        (one,) = told
        luck = "more than luck would do" if one.p < 0.05 else "luck alone could do that"
        return (
            f"Fixed {one.fixed:,}, broke {one.broke:,}: {luck} (McNemar's exact test, "
            f"p {_p_said(one.p)}). That is of the two students of seed {seeds[one.seed]}; those of "
            "other seeds may differ."
        )
    each = "; ".join(
        f"seed {seeds[one.seed]}: {one.fixed:,} to {one.broke:,}, p {_p_said(one.p)}"
        for one in told
    )
    return (
        "All seeds are pooled: each test sample counts once for each seed. Such samples are not "
        f"independent, so fixed against broken is tested (McNemar, exact) seed by seed: {each}."
    )


def _p_said(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}"


def _plane(files: Files, places, seed: int | None, title: str) -> None:
    kept, pool = answers_of(files), pool_of(files, seed)
    chosen = sorted(set(pool.sample[places].tolist()))
    drawn = look_charts.where_they_lie(
        kept.inputs, kept.labels, chosen, kept.class_names, f"Where are they? {title}"
    )
    figure(drawn, "where-they-lie", "The test points by class, the chosen ones ringed.")


def _page_of(count: int, of: str) -> int:
    """The place of the first sample on this page of the gallery; steps back and forth."""
    key = f"look.page.{of}"
    last = (count - 1) // EACH_PAGE
    page = min(st.session_state.get(key, 0), last)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _step("‹", "Previous samples", key, page - 1, last)
        first = page * EACH_PAGE
        st.markdown(
            f"{first + 1:,}–{min(count, first + EACH_PAGE):,} of {count:,}", width="content"
        )
        _step("›", "Next samples", key, page + 1, last)
    return first


def _step(label: str, help: str, key: str, page: int, last: int) -> None:
    st.button(
        label,
        help=help,
        disabled=not 0 <= page <= last,
        key=f"look.step.{label}",
        on_click=st.session_state.__setitem__,
        args=(key, page),
    )


# confusions, classes, confidence


def confusions(run: Run, files: Files, seed: int | None) -> None:
    """Each model's mistakes, and what distillation changed of them."""
    names = answers_of(files).class_names
    drawn, rows = confusion_figures(files, seed)
    columns = [*st.columns(2), *st.columns(2)]
    for column, (name, chart) in zip(columns, drawn.items(), strict=True):
        with column:
            figure(chart, f"confusions-{name}", f"Shares of each true class by answer: {name}.")
    table_download(lambda: rows, "confusions", "Counts of all three as CSV")
    st.caption(
        f"Rows are true classes, columns answers; {len(names)} classes. Right answers are left "
        f"blank. In the last map, {LOOKS['distilled'].short.lower()} makes the mistake less often "
        "where it has the distilled student's colour, more often where it has the other one."
    )
    picture_format()


def by_class(run: Run, files: Files, seed: int | None) -> None:
    """Which classes gained and lost."""
    drawn, rows = class_figure(files, seed)
    alt = "Each class's accuracy for teacher, labels alone and distilled."
    figure(drawn, "classes", alt, lambda: rows)
    picture_format()


def confidence(run: Run, files: Files, seed: int | None) -> None:
    """Reliability before and after a fitted temperature, and accuracy by coverage."""
    figures = confidence_figures(files, seed)
    for column, name in zip(st.columns(2), ("reliability", "reliability-fitted"), strict=True):
        with column:
            drawn, rows = figures[name]
            alt = "Share of right answers by confidence, bin by bin, for the three models."
            figure(drawn, name, alt, lambda rows=rows: rows)
    st.caption(
        "ECE: the expected calibration error in points, over ten bins of equal width. Both charts "
        "are of every second kept test sample; T was fitted on those between, to make their labels "
        "likeliest (Guo et al., 2017). One T changes no answer, only how sure it sounds."
    )
    drawn, curves = figures["coverage"]
    alt = "Accuracy against the share of samples answered, surest first, for the three models."
    figure(drawn, "coverage", alt, lambda: curves)
    picture_format()


@plainly
def views(run: Run) -> None:
    """The seed, the view, and what it shows."""
    view, seed = pick_view_and_seed(run, VIEWS, pooled=True)
    files = files_of(run)
    draw = dict(zip(VIEWS, (samples, confusions, by_class, confidence), strict=True))[view]
    draw(run, files, seed)
    whose = (
        "Pooled over all seeds: each sample counts once a seed"
        if seed is None and len(run.recipe.seeds) > 1
        else f"Models of seed {run.recipe.seeds[seed or 0]}"
    )
    st.caption(f"{whose}; {samples_said(answers_of(files))}, answered after the last step.")


look_into_runs("Where they differ", views)
