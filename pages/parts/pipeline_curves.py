"""How a pipeline's networks learn: live while they do, and to be looked at again afterwards."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from kdcore import charts
from kdcore.pipeline import Pipeline
from kdcore.result import Event
from kdcore.runs.pipelines import PipelineRun
from kdcore.tuning_charts import laps_table, tuning_curves
from kdcore.waterfall import Lap
from pages.parts.look import figure
from pages.parts.services import runner


def live_curves(run: PipelineRun) -> None:
    """Of the member that is worked on: its recipe's training, then that of its stages."""
    told, laps = runner().pipelines.heard(run.id, run.place)
    if not told and not laps:
        return
    level = _level(told or runner().pipelines.heard(run.id, _began(run, run.place))[0])
    _draw(run.pipeline.member(run.place), told, laps, level, f"{run.id}.live")


def kept_curves(run: PipelineRun, place: int) -> None:
    """The same of a member of a pipeline that has ended, folded away."""
    told, laps = _kept(run.id, run.attempt, place)
    if not told and not laps:
        return
    with st.expander("How did they learn?", icon=":material/show_chart:"):
        level = _level(told or _kept(run.id, run.attempt, _began(run, place))[0])
        _draw(run.pipeline.member(place), told, laps, level, run.id, ended=True)


@st.cache_resource(max_entries=64, show_spinner=False)
def _kept(pipeline_id: str, attempt: int, place: int) -> tuple[list[Event], list[Lap]]:
    return runner().pipelines.heard(pipeline_id, place)


def _began(run: PipelineRun, place: int) -> int:
    """The first member of the same recipe: its students' training was told under that one."""
    recipes = [member.recipe for member in run.pipeline.members()]
    return next(first for first in range(place + 1) if recipes[first] is recipes[place])


def _draw(
    pipeline: Pipeline,
    told: list[Event],
    laps: list[Lap],
    level: float | None,
    name: str,
    *,
    ended: bool = False,
) -> None:
    """Side by side, or what there is of them."""
    points, recipe = charts.frame(told), pipeline.recipe
    of_stages = bool(laps) or (bool(pipeline.tunes()) and not ended)
    columns = st.columns(bool(len(points)) + of_stages)
    if len(points):
        teacher_only = not (points["arm"] != "teacher").any()
        steps = recipe.teacher_training.steps if teacher_only else recipe.training.steps
        with columns[0]:
            _of_recipe(points, steps, name, ended)
    if of_stages:
        with columns[-1]:
            _of_stages(pipeline, laps, level, name, ended)


def _of_recipe(points: pd.DataFrame, steps: int, name: str, ended: bool) -> None:
    figure(
        charts.accuracy_curves(points, steps),
        f"pipeline-students-{name}",
        "Validation accuracy of both students over the steps, with the teacher's level.",
        (lambda: points) if ended else None,
    )


def _of_stages(
    pipeline: Pipeline, laps: list[Lap], teacher: float | None, name: str, ended: bool
) -> None:
    title = "Does training on bring it back?"
    drawn = charts.awaited(title, "the stages' training, live")
    if laps:
        drawn = tuning_curves(laps, pipeline, teacher)
    figure(
        drawn,
        f"pipeline-tuning-{name}",
        "Validation accuracy over the steps of training on, compressed and not.",
        (lambda: laps_table(laps)) if ended else None,
    )


def _level(told: list[Event]) -> float | None:
    """The teacher's accuracy on validation, where it was told."""
    of = [e.metrics["accuracy"] for e in told if e.arm == "teacher" and "accuracy" in e.metrics]
    return of[-1] if of else None
