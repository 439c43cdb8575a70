"""Soft targets: what a temperature makes of the answers, and what is passed on by them."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import look_charts, look_tables
from kdcore.measure.classes import similarity_tree
from kdcore.recipe import Recipe
from kdcore.result import ARMS, ArmName
from kdcore.runs.store import Run
from pages.parts.dark_knowledge import dark_knowledge
from pages.parts.look import Files, answers_of, figure, files_of, picture_format, pool_of
from pages.parts.run_picker import pick_run, pick_seed, samples_said
from pages.parts.services import catalogue, plainly
from pages.parts.soft_sample import Weights, sample_asked, soft_sample

VIEWS = ("One sample", "Dark knowledge", "Likeness")
TEMPERATURES = (0.5, 1.0, 2.0, 4.0, 8.0, 20.0)


def weights(recipe: Recipe) -> tuple[Weights, str]:
    """The two weights of the formula, and what to say where the run's own loss is another."""
    used = next((each for each in recipe.extra if each.name == "kd"), None)
    plain = catalogue().method("kd")
    method = catalogue().method(recipe.method.name)
    hard = method.hard_weight if recipe.hard_weight is None else recipe.hard_weight
    if recipe.method.name == "kd" or used is not None:
        given = recipe.soft_weight if used is None else used.weight
        return Weights(hard, plain.soft_weight if given is None else given), ""
    note = (
        f"This student learned by {method.title}; the formula here is that of plain soft targets, "
        "with its paper's weights: what they would have taught."
    )
    return Weights(plain.hard_weight, plain.soft_weight), note


def one_sample(run: Run, files: Files, seed: int) -> None:
    """The temperature, the formula, the arrows."""
    of_loss, note = weights(run.recipe)
    if note:
        st.caption(note)
    asked = sample_asked(len(answers_of(files)))
    soft_sample(files, seed, asked, weights=of_loss, temperature=run.recipe.temperature)


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
    trained = run.recipe.temperature
    choices = sorted({*TEMPERATURES, trained})
    temperature = st.segmented_control(
        "Temperature of the trees",
        choices,
        default=trained,
        required=True,
        format_func=lambda t: f"{t:g}, as trained" if t == trained else f"{t:g}",
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
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        view = st.segmented_control(
            "Look at", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params"
        )
    with right:
        seed = pick_seed(run, pooled=False)
    assert seed is not None
    files = files_of(run)
    {VIEWS[0]: one_sample, VIEWS[1]: maps, VIEWS[2]: likeness}[view](run, files, seed)
    st.caption(
        f"Of {samples_said(answers_of(files))}, after the last step of seed "
        f"{run.recipe.seeds[seed]}."
    )


def maps(run: Run, files: Files, seed: int) -> None:
    """The dark-knowledge maps."""
    dark_knowledge(files, seed, temperature=run.recipe.temperature)


def page() -> None:
    """The run, and the views of it."""
    run = pick_run()
    if run is not None:
        st.fragment(views)(run)


st.title("Soft targets", anchor=False)
page()
