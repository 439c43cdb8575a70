"""One pipeline, live or ended: what each stage changed, how it learned, and its files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from kdcore import pipeline_charts
from kdcore.handover.elsewhere import Timed
from kdcore.measure.latency import ROUNDS, WARM_UP
from kdcore.model_table import ROLES
from kdcore.pipeline_tables import headline, latency_sentence, shown
from kdcore.runs.pipelines import Member, PipelineRun, result_name
from kdcore.statistics import verdict
from kdcore.waterfall import PipelineResult, Row, rows_table, sensitivity_table
from pages.parts.devices import devices
from pages.parts.handover import TOO_OLD, handover_row
from pages.parts.look import figure, picture_format
from pages.parts.pipeline_curves import kept_curves, live_curves
from pages.parts.pipeline_progress import header, progress
from pages.parts.run_view import MARKS
from pages.parts.services import plainly, runner, verbatim
from pages.parts.settings_view import choose_setting
from pages.parts.widgets import ago

POLL_SECONDS = 1.0
LISTED = 10
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
    header(run)
    progress(run)
    if moving:
        live_curves(run)
    place = choose_setting(run)
    member = run.members[place]
    if member.error is not None and len(run.members) > 1:
        st.error(verbatim(member.error), icon=":material/error:")
    if member.result is not None:
        _verdict(member.result)
    if member.rows:
        _charts(run, member)
        _table(run, member)
        if member.result is not None:
            _hand_over(run, place, member.result)
        if not moving:
            kept_curves(run, place)
            here = "on the gallery's machine" if run.shown else "here"
            devices(_timed(member.rows), f"{run.id}-{place + 1}", here)
        _files(run, member.rows)


def show_list(but: str | None = None) -> None:
    """Earlier pipelines, newest first; but: the one that is shown already."""
    found = [each for each in runner().pipelines.find(limit=LISTED) if each.id != but]
    if found:
        st.subheader("Earlier pipelines", anchor=False)
    for run in found:
        st.page_link(
            "pages/compress.py",
            label=f"{verbatim(run.name)} ({_state(run)})",
            icon=":material/history:",
            query_params={"pipeline": run.id},
        )


def _state(run: PipelineRun) -> str:
    return "gallery" if run.shown else f"{run.state}, {ago(run.created)}"


# what came of it


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
        column_config={"Verdict": st.column_config.TextColumn(width=140)},
        alt="Accuracy, differences with their intervals, sizes and latencies of all models.",
    )
    seeds = len(run.pipeline.recipe.seeds)
    st.caption(
        f"Accuracy: mean ± standard deviation over {seeds} seed{'s' * (seeds != 1)}, on test "
        "samples that no model was trained or chosen on. Difference: to the distilled student "
        "trained on as long, or as it was where no stage trains, paired by seed, with its 95 % "
        "interval. As the teacher, as before all stages: test samples answered alike."
    )


def _hand_over(run: PipelineRun, place: int, result: PipelineResult) -> None:
    """Report and bundle of the model after a stage, the last one unless another is chosen."""
    if result.run is None:
        st.caption(TOO_OLD)
        return
    stages = result.stages
    with st.container(horizontal=True, vertical_alignment="bottom"):
        row = st.selectbox(
            "Hand over the model after",
            stages,
            index=len(stages) - 1,
            format_func=lambda row: f"{stages.index(row) + 1}. {result.rows[row].name}",
            width=420,
            key=f"pipeline.hand_over.{run.id}.{place}",
        )
        handover_row(f"{run.id}-{place + 1}", result_name(run, place), result, row)


def _timed(rows: Sequence[Row]) -> list[Timed]:
    """The models whose latency was measured."""
    return [
        Timed(
            row.name,
            ROLES.get(row.name, "distilled"),
            row.file.onnx,
            {each.batch: each.median_ms for each in row.latency},
        )
        for row in rows
        if row.latency
    ]


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
