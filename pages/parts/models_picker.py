"""All finished models, and which are weighed: those of one task, with latencies of one machine."""

from __future__ import annotations

import streamlit as st

from kdcore.model_table import SHARE, Model, machines, merged, of_pipeline, of_run
from kdcore.runs.store import LISTED, Listed
from pages.parts.finished_pipelines import results_of
from pages.parts.services import catalogue, runner, store

DATA, TIMED = "models.data", "models.timed"
"""Session keys of the two pickers."""


def finished_models() -> list[Model]:
    """The models of all done runs and pipelines, the newest runs first, each model once."""
    return _read(tuple(store().done()), tuple(runner().pipelines.listed()))


@st.cache_resource(max_entries=8, show_spinner="Reading the finished runs …")
def _read(listed: tuple[Listed, ...], pipelines: tuple[Listed, ...]) -> list[Model]:
    """What is finished stays as it is, but for the names, which these hold."""
    found: list[Model] = []
    for run in store().find(states=("done",), limit=LISTED):
        if run.result is not None:
            found += of_run(run.id, run.name, run.result, gallery=run.shown)
    for pipeline in pipelines:
        for name, result, _ in results_of(pipeline.id):
            found += of_pipeline(pipeline.id, name, result, gallery=pipeline.shown)
    return merged(found)


def tasks_of(models: list[Model]) -> list[str]:
    """The data that models were tested on, those with the most models first."""
    counts: dict[str, int] = {}
    for each in models:
        counts[each.task] = counts.get(each.task, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def ways_of(models: list[Model]) -> list[str]:
    """What `Model.latency` may go by: where all latencies were taken on one machine, that one
    first; else each by its teacher's, for what two machines take says nothing of the models.
    """
    known = machines(models)
    return [*known, SHARE] if len(known) == 1 else [SHARE, *known]


def pick_task(models: list[Model]) -> str:
    """Let the visitor choose the data: accuracies on different data say nothing of each other."""
    titles = {task.name: task.title for task in catalogue().tasks}
    return st.selectbox(
        "Data",
        _options(DATA, tasks_of(models)),
        format_func=lambda name: titles.get(name, name),
        key=DATA,
        help="Only models that were tested on the same data are weighed against each other.",
    )


def pick_timing(models: list[Model]) -> str:
    """Let the visitor choose whose latencies count, `Model.latency`'s `by`."""
    return st.selectbox(
        "Latency",
        _options(TIMED, ways_of(models)),
        format_func=lambda way: way if way == SHARE else f"on {way}",
        key=TIMED,
        help="In µs on one machine; or each model's latency by that of its teacher, which was "
        "measured beside it. That share may be compared over machines, as long as the teachers "
        "are alike.",
    )


def _options(key: str, options: list[str]) -> list[str]:
    """The same, and a choice that is none of them any more is forgotten."""
    if st.session_state.get(key) not in options:
        st.session_state.pop(key, None)
    return options


def samples_of(task: str) -> int | None:
    """How many test samples the task's accuracies are of; None where its data are gone."""
    return next((each.test for each in catalogue().tasks if each.name == task), None)
