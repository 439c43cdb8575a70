"""One pipeline, live or ended: how far it is, what each stage changed, and its files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from kdcore import pipeline_charts
from kdcore.errors import KdError
from kdcore.measure.latency import ROUNDS, WARM_UP
from kdcore.pipeline_tables import headline, latency_sentence, shown
from kdcore.runs.pipelines import Member, PipelineRun
from kdcore.runs.store import RESTARTABLE
from kdcore.statistics import verdict
from kdcore.waterfall import PipelineResult, Row, rows_table, sensitivity_table, sweep_table
from pages.parts.look import figure, picture_format, table_download
from pages.parts.pipeline_form import axis_words
from pages.parts.run_view import MARKS
from pages.parts.run_view import PHASES as OF_RUNS
from pages.parts.services import plainly, runner, store, verbatim
from pages.parts.widgets import ago, duration

POLL_SECONDS = 1.0
LISTED = 10
CLOSING = "You may close this tab; it goes on."
PHASES = OF_RUNS | {
    "compressing": "Going through the stages, seed by seed",
    "measuring": "Measuring the latency of all models, in turns",
}
KINDS = {"onnx": "ONNX", "weights": "Weights", "packed": "Packed"}
"""Of a model's files: what their buttons say."""


def show_pipeline(pipeline_id: str) -> None:
    """Show a pipeline; while it is under way, look again every second."""
    moving = not runner().pipelines.get(pipeline_id).ended
    st.fragment(_watched, run_every=POLL_SECONDS if moving else None)(pipeline_id, moving)


@plainly
def _watched(pipeline_id: str, moving: bool) -> None:
    run = runner().pipelines.get(pipeline_id)
    if moving == run.ended:
        st.rerun()  # the whole page once more: the timer stops or starts
    if moving:
        runner().reconcile_soon()
    _header(run)
    _progress(run)
    member = _member(run)
    if member.error is not None and len(run.members) > 1:
        st.error(verbatim(member.error), icon=":material/error:")
    if member.result is not None:
        _verdict(member.result)
    if member.rows:
        _charts(run, member)
        _table(run, member)
        _files(run, member.rows)


def show_list() -> None:
    """Earlier pipelines, newest first."""
    found = runner().pipelines.find(limit=LISTED)
    if found:
        st.subheader("Earlier pipelines", anchor=False)
    for run in found:
        st.page_link(
            "pages/compress.py",
            label=f"{verbatim(run.name)} ({run.state}, {ago(run.created)})",
            icon=":material/history:",
            query_params={"pipeline": run.id},
        )


# how far it is


def _header(run: PipelineRun) -> None:
    st.subheader(verbatim(run.name), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not run.ended:
            st.button(
                "Stopping …" if run.stop_requested else "Stop",
                icon=":material/stop_circle:",
                disabled=run.stop_requested,
                on_click=_try,
                args=(runner().pipelines.request_stop, run.id),
            )
        elif run.state in RESTARTABLE:
            st.button(
                "Start again",
                type="primary",
                icon=":material/replay:",
                on_click=_try,
                args=(runner().restart_pipeline, run.id),
            )
        st.download_button(
            "Pipeline",
            data=run.pipeline.to_json(),
            file_name=f"{run.id}.json",
            mime="application/json",
            icon=":material/download:",
            on_click="ignore",
            help="Its recipe and stages, for the command line.",
            key="pipeline.json",
        )
        if run.ended:
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown("Its models go with it; the run that it started from stays.")
                st.button("Delete for good", type="primary", on_click=_delete, args=(run.id,))


def _try(action: Any, pipeline_id: str) -> None:
    try:
        action(pipeline_id)
    except KdError as error:
        st.toast(str(error), icon=":material/error:")


def _delete(pipeline_id: str) -> None:
    _try(runner().delete_pipeline, pipeline_id)
    st.query_params.pop("pipeline", None)


def _progress(run: PipelineRun) -> None:
    if run.state == "queued":
        ahead = store().waiting(before=run.created)
        waiting = f"Queued, {ahead} ahead." if ahead else "Waiting for a worker."
        st.progress(0.0, text=f"{waiting} {CLOSING}")
    elif run.state == "running":
        _under_way(run)
    elif run.state == "failed":
        st.error(f"The pipeline failed: {verbatim(str(run.error))}", icon=":material/error:")
    elif run.state == "interrupted":
        st.warning(f"Interrupted: {run.error}. Press Start again.", icon=":material/power_off:")
    elif run.state == "cancelled":
        kept = "; what it had judged is kept" if run.attempt else " before it began"
        st.info(f"You stopped this pipeline{kept}.", icon=":material/block:")


def _under_way(run: PipelineRun) -> None:
    progress = run.progress
    if progress is None:
        st.progress(0.0, text=f"Starting. {CLOSING}")
        return
    text = PHASES[progress.phase]
    if progress.seconds_left is not None and progress.done < 1:
        text += f", about {duration(progress.seconds_left)} left of that"
    of = f"{run.place + 1} of {len(run.members)}. " if len(run.members) > 1 else ""
    again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    st.progress(min(1.0, progress.done), text=f"{of}{text}{again}. {CLOSING}")


# what came of it


def _member(run: PipelineRun) -> Member:
    """The setting that is looked at: of several, the one that is chosen."""
    if len(run.members) == 1:
        return run.members[0]
    names = [
        ", ".join(f"{axis_words(field)}: {value}" for field, value in setting.items())
        for setting in run.pipeline.settings()
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.selectbox(
            "Setting",
            range(len(names)),
            format_func=names.__getitem__,
            key=f"pipeline.member.{run.id}",
        )
        table_download(partial(_all_settings, run), f"{run.id}-all", "All settings as CSV")
    return run.members[place]


def _all_settings(run: PipelineRun) -> Any:
    found = [member.result or member.error or "not done" for member in run.members]
    return sweep_table(list(zip(run.pipeline.settings(), found, strict=True)))


def _verdict(result: PipelineResult) -> None:
    last = result.rows[-1]
    mark = MARKS["too few seeds" if last.difference is None else verdict(last.difference)]
    st.markdown(f"{mark} {headline(result)}")


def _charts(run: PipelineRun, member: Member) -> None:
    rows = member.rows
    of = partial(rows_table, rows)
    small, right, fast = st.columns(3)
    with small:
        figure(
            pipeline_charts.sizes(rows),
            "pipeline-size",
            "Bytes on disk of each model, from the teacher to the last stage.",
            of,
        )
    with right:
        figure(
            pipeline_charts.accuracies(rows),
            "pipeline-accuracy",
            "Test accuracy of each model, from the teacher to the last stage.",
            of,
        )
    with fast:
        _latencies(run, rows, of)
    if member.result is not None:
        _said(member.result)


def _latencies(run: PipelineRun, rows: Sequence[Row], of: Any) -> None:
    batches = [each.batch for each in rows[0].latency]
    if not batches:
        if run.ended:
            st.caption("Latency was not measured: it ended before.")
        else:
            st.caption("Latency is measured at the end, all models in turns.")
        return
    batch = st.session_state.get("pipeline.batch", batches[0])
    figure(
        pipeline_charts.latencies(rows, batch if batch in batches else batches[0]),
        "pipeline-latency",
        "Median latency of each model, from the teacher to the last stage.",
        of,
    )
    st.segmented_control(
        "Samples in a call",
        batches,
        default=batches[0],
        required=True,
        key="pipeline.batch",
    )


def _said(result: PipelineResult) -> None:
    """How the figures came about, and which layers were found to be sensitive."""
    picture_format()
    st.caption(
        f"{latency_sentence(result.machine, ROUNDS, WARM_UP)} Hollow: the distilled student with "
        "the same further steps, and nothing else done to it; every stage is held against it. "
        "On disk is the ONNX file as it is, or the packed file of shared weights; zeros take as "
        "much room as other numbers until the file is gzipped."
    )
    if result.sensitivity:
        figure(
            pipeline_charts.sensitivity(result.sensitivity),
            "pipeline-sensitivity",
            "How far the answers move if each layer alone is turned into int8.",
            lambda: sensitivity_table(result),
        )


def _table(run: PipelineRun, member: Member) -> None:
    st.subheader("What is each model worth?", anchor=False)
    st.dataframe(
        shown(member.rows),
        hide_index=True,
        alt="Accuracy, differences with their intervals, sizes and latencies of all models.",
    )
    seeds = len(run.pipeline.recipe.seeds)
    st.caption(
        f"Accuracy: mean ± standard deviation over {seeds} seed{'s' * (seeds != 1)}, on test "
        "samples that no model was trained or chosen on. Difference: to the distilled student "
        "trained on as long, or as it was where no stage trains, paired by seed, with its 95 % "
        "interval. As the teacher, as before all stages: test samples answered alike."
    )


# files


def _files(run: PipelineRun, rows: Sequence[Row]) -> None:
    with st.expander("Every stage's model, and the same from a terminal", icon=":material/save:"):
        for number, row in enumerate(rows):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(verbatim(row.name[:1].upper() + row.name[1:]), width="stretch")
                for kind, label in KINDS.items():
                    name = getattr(row.file, kind)
                    if name:
                        _file(f"{run.id}-{number}", name, label, f"{number}.{kind}")
        st.caption(
            "The first seed's models. ONNX runs in onnxruntime as it is; weights are safetensors; "
            "a packed file holds shared weights, and unpacks to the ONNX file beside it."
        )
        st.code(f"python -m kdcore pipeline {run.id}.json --out DIR", language="sh")


def _file(stem: str, name: str, label: str, key: str) -> None:
    suffix = name.rpartition(".")[2]
    st.download_button(
        label,
        data=partial(runner().shelf.get, name),
        file_name=f"{stem}.{suffix}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        key=f"file.{key}",
    )
