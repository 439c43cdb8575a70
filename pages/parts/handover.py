"""A finished run, handed over: its report and its bundle, made when their button is pressed."""

from __future__ import annotations

from threading import Lock

import streamlit as st

from kdcore.errors import HomeError, KdError
from kdcore.runs.store import Run
from pages.parts.services import runner, store

BUSY_SECONDS = 60.0
"""A visitor waits so long for another one's file to be made, before he is told to try again."""


@st.cache_resource(show_spinner=False)
def _turn() -> Lock:
    """One file is made at a time: each holds a run's answers and models in memory."""
    return Lock()


def handover(run: Run) -> None:
    """Buttons for a run that is done and kept its models; nothing for any other."""
    if run.state != "done" or run.result is None or "scale" not in run.result.artifacts:
        return
    st.download_button(
        "Report",
        data=lambda: report_of(run.id),
        file_name=f"report-{run.id}.html",
        mime="text/html",
        icon=":material/article:",
        on_click="ignore",
        help="One HTML file of 5 MB to read, print or send: verdict, sizes, who pays, examples, "
        "what was not tested. It works without a network.",
        key=f"report.{run.id}",
    )
    st.download_button(
        "Bundle",
        data=lambda: bundle_of(run.id),
        file_name=f"kd-{run.id}.zip",
        mime="application/zip",
        icon=":material/package_2:",
        on_click="ignore",
        help="A zip to use the distilled student elsewhere: ONNX and weights, labels, model card, "
        "a script that predicts and one that measures. It needs onnxruntime and numpy alone.",
        key=f"bundle.{run.id}",
    )


def report_of(run_id: str) -> bytes:
    """The run's report; a page that only says what is wrong where there can be none."""
    from kdcore.handover.facts import PAGE_MACS
    from kdcore.handover.finished import from_shelf
    from kdcore.handover.report import report

    run = store().get(run_id)
    assert run.result is not None
    with _taken():
        return report([from_shelf(run.name, run.result, runner().shelf)], most_macs=PAGE_MACS)
