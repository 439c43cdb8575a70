"""A finished run, handed over: its report and its bundle, made when their button is pressed."""

from __future__ import annotations

from functools import partial
from threading import Lock

import streamlit as st

from kdcore.runs.store import Run
from kdcore.shelf import Shelf
from pages.parts.services import runner


@st.cache_resource(show_spinner=False)
def _turn() -> Lock:
    """One file is made at a time: each holds a run's answers and models in memory."""
    return Lock()


def handover(run: Run) -> None:
    """Two buttons for a run that is done and kept its models; none for any other."""
    if run.state != "done" or run.result is None:
        return
    if not {"scale", "distilled.onnx"} <= run.result.artifacts.keys():
        return
    shelf, turn = runner().shelf, _turn()
    gone = [name for name in run.result.artifacts.values() if not (shelf.folder / name).is_file()]
    why_not = "Files of this run are gone; repeat it to hand it over." if gone else ""
    st.download_button(
        "Report",
        data=partial(report_of, run, shelf, turn),
        file_name=f"report-{run.id}.html",
        mime="text/html",
        icon=":material/article:",
        on_click="ignore",
        disabled=bool(gone),
        help=why_not
        or "One HTML file of 5 MB to read, print or send: verdict, sizes, who pays, examples, and "
        "what was not tested. It needs no network.",
        key=f"report.{run.id}",
    )
    st.download_button(
        "Bundle",
        data=partial(bundle_of, run, shelf, turn),
        file_name=f"kd-{run.id}.zip",
        mime="application/zip",
        icon=":material/package_2:",
        on_click="ignore",
        disabled=bool(gone),
        help=why_not
        or "A zip to use the distilled student elsewhere: ONNX and weights, labels, model card, a "
        "script that predicts and one that measures. They need onnxruntime and numpy alone.",
        key=f"bundle.{run.id}",
    )


# both are called in a thread of their own, where nothing of streamlit may be asked


def report_of(run: Run, shelf: Shelf, turn: Lock) -> bytes:
    """The run's report, as far as a page can afford it."""
    from kdcore.handover.facts import PAGE_MACS
    from kdcore.handover.finished import from_shelf
    from kdcore.handover.report import report

    assert run.result is not None  # only such a run has the button
    with turn:
        return report([from_shelf(run.name, run.result, shelf)], most_macs=PAGE_MACS)


def bundle_of(run: Run, shelf: Shelf, turn: Lock) -> bytes:
    """The run's bundle."""
    from kdcore.handover.bundle import bundle
    from kdcore.handover.finished import from_shelf

    assert run.result is not None
    with turn:
        return bundle(from_shelf(run.name, run.result, shelf))
