"""How far a pipeline is, which of its stages is under way, and what can be done with it."""

from __future__ import annotations

import streamlit as st

from kdcore.pipeline import told
from kdcore.pipeline_settings import after_stages
from kdcore.result import Progress
from kdcore.runs.pipelines import PipelineRun
from kdcore.runs.store import RESTARTABLE
from pages.parts.deeds import attempt
from pages.parts.job import (
    again_button,
    delete_popover,
    gallery_badge,
    made_there,
    queued,
    settings_download,
    stop_button,
)
from pages.parts.run_view import PHASES as OF_RUNS
from pages.parts.services import runner, verbatim
from pages.parts.widgets import duration

CLOSING = "You may close this tab; it goes on."
PHASES = OF_RUNS | {
    "exporting": "Exporting what the stages begin from",
    "measuring": "Measuring the latency of all models, in turns",
}


def header(run: PipelineRun) -> None:
    """Its name, where it was made, and what can be done with it now."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(verbatim(run.name), anchor=False, width="content")
        gallery_badge(run.shown)
    results = [member.result for member in run.members if member.result is not None]
    if run.shown and results:
        then = "Press *Compress* to run your own here."
        made_there("pipeline", run.created, results[0].machine, then)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not run.ended:
            stop_button(
                "Stop", runner().pipelines.request_stop, run.id, requested=run.stop_requested
            )
        elif run.state in RESTARTABLE:
            again_button("Start again", runner().restart_pipeline, run.id)
        words = "Its recipe and stages, for the command line."
        settings_download("Pipeline", run.pipeline.to_json(), run.id, "pipeline.json", words)
        if run.ended and not run.shown:
            words = "Its models go with it; the run that it started from stays."
            delete_popover(words, _delete, run.id)


def _delete(pipeline_id: str) -> None:
    attempt(runner().delete_pipeline, pipeline_id)
    st.query_params.pop("pipeline", None)


def progress(run: PipelineRun) -> None:
    """How far it is, or how it ended where that was not well."""
    if run.state == "queued":
        queued(run.created, CLOSING)
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
    now = run.progress
    if now is None:
        st.progress(0.0, text=f"Starting. {CLOSING}")
        return
    if now.phase == "compressing":
        text, done = _stage(run, now)
    else:
        text, done = PHASES[now.phase], now.done
    if now.seconds_left is not None and done < 1:
        text += f", about {duration(now.seconds_left)} left of that"
    of = f"{run.place + 1} of {len(run.members)}. " if len(run.members) > 1 else ""
    again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    st.progress(min(1.0, done), text=f"{of}{text}{again}. {CLOSING}")


def _stage(run: PipelineRun, now: Progress) -> tuple[str, float]:
    """The stage that is under way, and the share of it that is done."""
    pipeline = run.pipeline.member(run.place)
    count = len(pipeline.stages)
    # what has a row is judged; the rest of the whole is this stage's
    number = len(after_stages(run.members[run.place].rows)) + 1
    whole = now.done * (count + 1)
    if whole < 1 and pipeline.tunes():
        return "Training the uncompressed student on, for as long", whole
    number = min(number, count)
    share = min(1.0, max(0.0, whole - number))
    return f"Stage {number} of {count}: {told(pipeline.stages[number - 1])}", share
