"""A finished run, handed over: its report and its bundle, made when their button is pressed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import monotonic

import streamlit as st

from kdcore.handover.made import Made, Passing
from kdcore.runs.pipelines import Pipelines
from kdcore.runs.store import Run
from kdcore.shelf import Shelf
from pages.parts.services import runner

MOST_BYTES = 48_000_000
"""Of reports that are kept for whoever asks next, and of bundles: nine or ten reports."""

WAIT = 30.0
"""Seconds after which a report is made without times, where others' models are being timed."""


@st.cache_resource(show_spinner=False)
def _made(what: str) -> Made:
    """Reports and bundles apart: these take a moment, and wait for no timing."""
    return Made(MOST_BYTES)


def handover(run: Run) -> None:
    """Two buttons for a run that is done and kept its models; none for any other."""
    if run.state != "done" or run.result is None:
        return
    if not {"scale", "distilled.onnx"} <= run.result.artifacts.keys():
        return
    shelf = runner().shelf
    gone = [name for name in run.result.artifacts.values() if not (shelf.folder / name).is_file()]
    why_not = "Files of this run are gone; repeat it to hand it over." if gone else ""
    st.download_button(
        "Report",
        data=partial(report_of, run, shelf, runner().pipelines, _made("reports")),
        file_name=f"report-{run.id}.html",
        mime="text/html",
        icon=":material/article:",
        on_click="ignore",
        disabled=bool(gone),
        help=why_not
        or "One HTML file of 5 MB to read, print or send: verdict, sizes, who pays, examples, and "
        "what was not tested. It needs no network. The first time the models are timed on this "
        "machine for it: about ten seconds, while the button turns. Where others' models are timed "
        "just then, or something disturbs it, ask again after a minute.",
        key=f"report.{run.id}",
    )
    st.download_button(
        "Bundle",
        data=partial(bundle_of, run, shelf, _made("bundles")),
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


# both are called in a thread of their own, where nothing of streamlit may be asked; a finished run
# never changes, but for its name and what pipelines make of its student


def report_of(run: Run, shelf: Shelf, pipelines: Pipelines, made: Made) -> bytes:
    """The run's report, as far as a page can afford it, with its students in int8."""
    from kdcore.handover.facts import PAGE_MACS
    from kdcore.handover.finished import from_shelf
    from kdcore.handover.report import report
    from kdcore.handover.since import in_int8
    from kdcore.handover.timing import affordable, timed_here

    assert run.result is not None  # only such a run has the button
    result, asked = run.result, monotonic()
    since = {
        name: each
        for name, each in in_int8(result, (of for _, _, of in pipelines.done())).items()
        if (shelf.folder / each.file).is_file()
    }

    def make() -> bytes:
        files = {name: shelf.get(each.file) for name, each in since.items()}
        told = from_shelf(run.name, result, shelf, files)
        told = replace(told, made={name: each.how for name, each in since.items()})
        timed = timed_here(told, WAIT - (monotonic() - asked))
        page = report([told], [] if timed is None else [timed], most_macs=PAGE_MACS)
        clean = timed is not None and not any(cell.noisy for cell in timed.latency)
        return page if clean or not affordable(told) else Passing(page)

    return made.get(("report", run.id, run.name, *since.items()), make)


def bundle_of(run: Run, shelf: Shelf, made: Made) -> bytes:
    """The run's bundle."""
    from kdcore.handover.bundle import bundle
    from kdcore.handover.finished import from_shelf

    assert run.result is not None
    result = run.result
    return made.get(
        ("bundle", run.id, run.name), lambda: bundle(from_shelf(run.name, result, shelf))
    )
