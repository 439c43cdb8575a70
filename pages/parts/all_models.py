"""All finished models of a task: accuracy against a cost, filtered, and two questions answered."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from kdcore import decide_words, spoken
from kdcore.charts import LOOKS
from kdcore.decide import Budgets, fastest_under, smallest_within, usual_teacher
from kdcore.decide_charts import COSTS, Cost, to_take_away, weigh, weighed_rows
from kdcore.model_table import PROTOCOL, SHARE, Model, table
from kdcore.result import ARMS
from pages.parts.look import camera, table_download
from pages.parts.services import plainly, verbatim

OPENED = "models.opened."
"""Before a place's name, the session key of the model that was clicked last there."""

NAMES: dict[Cost, str] = {"size": "File size", "latency": "Latency", "macs": "MACs"}


def all_models(models: list[Model], by: str) -> None:
    """The chart, its filters, and the two questions; by: as in `Model.latency`."""
    st.fragment(_views)(models, by)


@plainly
def _views(models: list[Model], by: str) -> None:
    shown = _filtered(models)
    cost: Cost = st.segmented_control(
        "Accuracy against",
        COSTS,
        default=COSTS[0],
        required=True,
        format_func=NAMES.get,
        key="models.cost",
        persist_state="session",
    )
    if not shown:
        st.info("No model passes these filters: choose more roles or networks.")
        return
    left, right = st.columns([3, 2], gap="large")
    with left:
        weighed(shown, cost, Budgets(by), "all")
    with right:
        _smallest(shown, by)
        _fastest(shown, by)
        opened(shown, "all")
    st.caption("Dotted: no other model is better in both. " + how_measured(by))
    table_download(lambda: table(shown, by), "all-models", "All of these models as CSV")


def _filtered(models: list[Model]) -> list[Model]:
    networks = sorted({network(each) for each in models})
    left, middle, right = st.columns([2, 2, 2], vertical_alignment="bottom")
    with left:
        roles = st.pills(
            "Models",
            ARMS,
            default=ARMS,
            selection_mode="multi",
            format_func=lambda role: LOOKS[role].short,
            key="models.roles",
        )
    with middle:
        chosen = st.multiselect(
            "Networks", networks, key="models.networks", placeholder="all networks"
        )
    with right:
        text = st.text_input(
            "Find", key="models.find", placeholder="in names of models and runs", type="default"
        )
    wanted = text.strip().lower()
    return [
        each
        for each in models
        if each.role in roles
        and (not chosen or network(each) in chosen)
        and wanted in f"{each.name} {each.run}".lower()
    ]


def network(model: Model) -> str:
    """A model's architecture, which its name begins with."""
    return model.name.partition(", ")[0]


def weighed(
    models: list[Model], cost: Cost, budgets: Budgets, place: str, chosen: str | None = None
) -> None:
    """A chart of these models that can be clicked, or why there is none; place: whose `opened`
    shows what was clicked; chosen: the key of the model to be ringed.
    """
    name = f"{place}-{cost}"
    rows = weighed_rows(models, cost, budgets)
    if not len(rows):
        st.info(
            f"Of none of these models the {NAMES[cost].lower()} was measured"
            + (" on that machine: choose another *Latency*." if cost == "latency" else ".")
        )
        return
    st.plotly_chart(
        _drawn(rows, cost, str(budgets), chosen, budgets),
        key=f"figure.{name}",
        on_select=_remember(f"figure.{name}", place),
        selection_mode="points",
        config={**camera(name), "modeBarButtons": [["toImage"]]},
        alt=f"Test accuracy of every model against its {NAMES[cost].lower()}.",
    )
    missing = len(models) - len(rows)
    if missing:
        are = "is" if missing == 1 else "are"
        st.caption(f"{missing} more {are} not drawn: that cost was not measured of them.")
    table_download(lambda: to_take_away(rows, cost, budgets.by), name)


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawn(
    rows: pd.DataFrame, cost: Cost, told: str, chosen: str | None, _budgets: Budgets
) -> go.Figure:
    """A chart that was drawn before: building one takes longer than all the rest of the page.

    told: the budgets, in a form by which a chart can be found again.
    """
    return weigh(rows, cost, _budgets, chosen)


def _remember(key: str, place: str) -> Callable[[], None]:
    def keep() -> None:
        points = st.session_state[key].selection.points
        found = [point.get("customdata") for point in points]
        clicked = found[0] if found else None
        if isinstance(clicked, list):
            clicked = clicked[0]
        if clicked is not None:
            st.session_state[OPENED + place] = clicked

    return keep


def opened(models: list[Model], place: str) -> None:
    """The model that was clicked last there, if it is among these, and the way to its run."""
    clicked = st.session_state.get(OPENED + place)
    found = next((each for each in models if each.key == clicked), None)
    if found is None:
        st.caption("Click a mark to see its run.")
        return
    with st.container(border=True):
        about = f"{decide_words.accuracy(found)}, {_size(found)}"
        st.markdown(f"**{verbatim(found.name)}**: {verbatim(about)}")
        to_run(found)


def to_run(model: Model) -> None:
    """A link to the newest run or pipeline that has a model."""
    page, what, query = "pages/distill.py", "run", {"run": model.run_id}
    if model.pipeline:
        page, what, query = "pages/compress.py", "pipeline", {"pipeline": model.run_id}
    label = f"Open the {what} {verbatim(model.run)}"
    st.page_link(page, label=label, icon=":material/open_in_new:", query_params=query)


def _size(model: Model) -> str:
    return "size not measured" if model.bytes is None else spoken.size(model.bytes)


def _smallest(models: list[Model], by: str) -> None:
    """The smallest within so many points of a teacher."""
    teachers = {each.key: each for each in models if each.role == "teacher"}
    usual = usual_teacher(models)
    if usual is None:
        st.caption("To ask for the smallest model near a teacher, let teachers pass the filter.")
        return
    left, right = st.columns([2, 3])
    with left:
        points = st.number_input(
            "Smallest within, points", 0.0, 100.0, 1.0, 0.5, format="%g", key="models.points"
        )
    with right:
        keys = list(teachers)
        key = st.selectbox(
            "of the teacher",
            keys,
            index=keys.index(usual.key),
            format_func=lambda key: f"{network(teachers[key])}, {100 * teachers[key].mean:.1f} %",
            key="models.teacher",
        )
    found = smallest_within(models, teachers[key], points)
    _answer(found, by, "No model's size was measured.")


def _fastest(models: list[Model], by: str) -> None:
    """The fastest under a size."""
    megabytes = st.number_input(
        "Fastest under, MB" if by != SHARE else "Fastest beside its own teacher under, MB",
        0.001,
        1e4,
        1.0,
        0.1,
        format="%g",
        key="models.megabytes",
    )
    found = fastest_under(models, 1e6 * megabytes, by)
    _answer(found, by, "No model so small has its latency measured here.")
    if warning := teachers_differ(models, by):
        st.caption(warning)


def teachers_differ(models: list[Model], by: str) -> str:
    """A warning where shares of several teachers' latencies stand side by side; else empty."""
    if by != SHARE or len({each.teacher.network for each in models}) < 2:
        return ""
    return "Teachers differ here: a small share of a slow teacher's latency may still be slow."


def _answer(found: Model | None, by: str, otherwise: str) -> None:
    if found is None:
        st.markdown(otherwise)
        return
    latency = found.latency(by)
    timed = "" if latency is None else f", {decide_words.latency(latency, by)}"
    itself = ", the teacher itself" if found.role == "teacher" else ""
    about = f"{decide_words.accuracy(found)}, {_size(found)}{timed}"
    st.markdown(f":material/arrow_right: **{verbatim(found.name)}**: {verbatim(about)}{itself}")


def how_measured(by: str) -> str:
    """What the costs are, and how each latency was taken."""
    where = f"on {verbatim(by)}"
    if by == SHARE:
        where = "on the machine of each run, as a share of its teacher's there"
    return (
        f"Latency {where}: {PROTOCOL}. Equal networks share it, whatever they learned: the median "
        "over all times that one of them was measured. Size: the ONNX file with its weights "
        "inside, of the first seed. Accuracy: on the test split after the last step, mean ± "
        "standard deviation over the seeds."
    )
