"""Soft targets: what a temperature makes of the answers, and what is passed on by them."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import look_charts, look_tables
from kdcore.measure.classes import similarity_tree
from kdcore.result import ARMS, ArmName
from kdcore.runs.store import Run
from pages.parts.dark_knowledge import dark_knowledge
from pages.parts.look import Files, answers_of, figure, files_of, picture_format, pool_of
from pages.parts.moments import lesson, temperatures
from pages.parts.run_picker import look_into_runs, pick_view_and_seed, samples_said
from pages.parts.services import plainly
from pages.parts.soft_sample import sample_asked, soft_sample, stepped_said

VIEWS = ("One sample", "Dark knowledge", "Likeness")
TEMPERATURES = (0.5, 1.0, 2.0, 4.0, 8.0, 20.0)


def one_sample(run: Run, files: Files, seed: int) -> None:
    """The temperature, the formula, the arrows."""
    taught = lesson(run.recipe)
    if taught.note:
        st.caption(taught.note)
    soft_sample(files, seed, sample_asked(len(answers_of(files))), taught)


@st.cache_resource(max_entries=64, show_spinner=False)
def tree(
    files: Files, seed: int, temperature: float, arm: ArmName
) -> tuple[go.Figure, pd.DataFrame]:
    """One model's class tree, drawn, and its joins."""
    names = answers_of(files).class_names
    targets = soft_targets(files, seed, temperature)[arm]
    joined = similarity_tree(targets)
    return look_charts.class_tree(joined, names, arm), look_tables.joins(joined, names)


@st.cache_resource(max_entries=32, show_spinner=False)
def soft_targets(files: Files, seed: int, temperature: float):
    """Each model's mean soft targets."""
    return look_tables.soft_targets(pool_of(files, seed), temperature)


@st.cache_resource(max_entries=16, show_spinner=False)
def orders(files: Files, seed: int) -> tuple[go.Figure, pd.DataFrame]:
    """How well each student keeps the teacher's order, drawn, and sample by sample."""
    rows = look_tables.orders(pool_of(files, seed))
    return look_charts.order_histogram(rows), rows


def likeness(run: Run, files: Files, seed: int) -> None:
    """Which classes are alike to whom, and who keeps the order of the wrong ones."""
    trained = dict(temperatures(run.recipe))
    choices = sorted({*TEMPERATURES, *trained})
    temperature = st.segmented_control(
        "Temperature of the trees",
        choices,
        default=run.recipe.temperature,
        required=True,
        format_func=lambda t: f"{t:g}, {trained[t]}" if t in trained else f"{t:g}",
        key=f"look.tree.{run.id}",
    )
    for column, arm in zip(st.columns(3), ARMS, strict=True):
        with column:
            drawn, rows = tree(files, seed, temperature, arm)
            alt = "Classes joined by how alike their mean soft targets are."
            figure(drawn, f"tree-{arm}", alt, lambda rows=rows: rows)
    st.caption(
        "Classes that join further left are more alike to the model: the distance is "
        "Jensen-Shannon's of their mean soft targets, groups join at their mean distance."
    )
    if len(answers_of(files).class_names) > 2:
        drawn, rows = orders(files, seed)
        alt = "How many samples by Spearman's correlation of each student's order of wrong classes."
        figure(drawn, "order-of-wrong-classes", alt, lambda: rows)
    else:
        st.caption("With two classes there is one wrong class, and no order to keep.")
    picture_format()


@plainly
def views(run: Run) -> None:
    """The seed, the view, and what it shows."""
    view, seed = pick_view_and_seed(run, VIEWS, pooled=False)
    assert seed is not None
    files = files_of(run)
    {VIEWS[0]: one_sample, VIEWS[1]: maps, VIEWS[2]: likeness}[view](run, files, seed)
    of = stepped_said(files) if view == VIEWS[0] else samples_said(answers_of(files))
    st.caption(f"Of {of}, after the last step of seed {run.recipe.seeds[seed]}.")


def maps(run: Run, files: Files, seed: int) -> None:
    """The dark-knowledge maps."""
    dark_knowledge(files, seed, temperatures(run.recipe))


look_into_runs("Soft targets", views)
