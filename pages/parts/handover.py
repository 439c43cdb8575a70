"""What has ended, handed over: its report and its bundle, made when their button is pressed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from kdcore.handover.made import Made, Passing
from kdcore.runs.pipelines import Pipelines
from kdcore.runs.store import Run
from kdcore.shelf import Shelf
from kdcore.waterfall import ENDS, PipelineResult
from pages.parts.services import runner

if TYPE_CHECKING:
    from kdcore.handover.finished import Finished

MOST_BYTES = 48_000_000
"""Of reports that are kept for whoever asks next, and of bundles: nine or ten reports."""

TOO_OLD = (
    "A report and a bundle need more than an older version kept of this pipeline: run it again."
)

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
    shelf, pipelines = runner().shelf, runner().pipelines
    _buttons(
        run.id,
        run.result.artifacts.values(),
        partial(report_of, run, shelf, pipelines, _made("reports")),
        partial(bundle_of, run, shelf, _made("bundles")),
        "the distilled student",
    )


def handover_row(key: str, name: str, result: PipelineResult, place: int) -> None:
    """Two buttons for a model of a pipeline.

    key: of the pipeline and its setting; name: what to call them; place: the model's row.
    """
    if result.run is None:
        st.caption(TOO_OLD)
        return
    shelf, row = runner().shelf, result.rows[place]
    of = PipelineRow(f"{key}-{place}", name, result, place)
    own = row.name in ENDS
    _buttons(
        of.key,
        [*result.run.artifacts.values(), row.file.onnx],
        partial(report_of_row, of, shelf, _made("reports")),
        partial(bundle_of_row, of, shelf, _made("bundles")),
        "the distilled student" if own else "this model and the distilled student, in float32,",
    )


def _buttons(
    key: str,
    files: Iterable[str],
    report: Callable[[], bytes],
    bundle: Callable[[], bytes],
    whom: str,
) -> None:
    """Report and bundle. key: of what is handed over; files: names of those on the shelf that it
    takes; whom: what the bundle holds.
    """
    folder = runner().shelf.folder
    gone = not all((folder / name).is_file() for name in files)
    why_not = "Files of it are gone; repeat it to hand it over." if gone else ""
    st.download_button(
        "Report",
        data=report,
        file_name=f"report-{key}.html",
        mime="text/html",
        icon=":material/article:",
        on_click="ignore",
        disabled=gone,
        help=why_not
        or "One HTML file of 5 MB to read, print or send: verdict, sizes, who pays, examples, and "
        "what was not tested. It needs no network. The first time the models are timed on this "
        "machine for it: about ten seconds, while the button turns. Where others' models are timed "
        "just then, or something disturbs it, ask again after a minute.",
        key=f"report.{key}",
    )
    st.download_button(
        "Bundle",
        data=bundle,
        file_name=f"kd-{key}.zip",
        mime="application/zip",
        icon=":material/package_2:",
        on_click="ignore",
        disabled=gone,
        help=why_not
        or f"A zip to use {whom} elsewhere: ONNX and weights, labels, model card, a script that "
        "predicts and one that measures. They need onnxruntime and numpy alone.",
        key=f"bundle.{key}",
    )


# these are called in a thread of their own, where nothing of streamlit may be asked; what has ended
# never changes, but for a run's name and what pipelines make of its student


def report_of(run: Run, shelf: Shelf, pipelines: Pipelines, made: Made) -> bytes:
    """The run's report, as far as a page can afford it, with its students in int8."""
    from kdcore.handover.finished import from_shelf
    from kdcore.handover.since import in_int8

    assert run.result is not None  # only such a run has the button
    result = run.result
    since = {
        name: each
        for name, each in in_int8(result, (of for _, _, of in pipelines.done())).items()
        if (shelf.folder / each.file).is_file()
    }

    def gathered() -> Finished:
        files = {name: shelf.get(each.file) for name, each in since.items()}
        told = from_shelf(run.name, result, shelf, files)
        return replace(told, made={name: each.how for name, each in since.items()})

    return _report(("report", run.id, run.name, *since.items()), gathered, made)


def bundle_of(run: Run, shelf: Shelf, made: Made) -> bytes:
    """The run's bundle."""
    from kdcore.handover.finished import from_shelf

    assert run.result is not None
    result = run.result
    return _bundle(("bundle", run.id, run.name), lambda: from_shelf(run.name, result, shelf), made)


class PipelineRow(NamedTuple):
    """A model of a pipeline, to be handed over."""

    key: str
    name: str
    result: PipelineResult
    place: int

    def made_as(self, what: str) -> Hashable:
        """A key of what is made of it: another attempt took other seconds."""
        return (what, self.key, self.name, self.result.seconds)


def report_of_row(of: PipelineRow, shelf: Shelf, made: Made) -> bytes:
    """The report of the run that the stages began from, and of the row's model."""
    from kdcore.handover.stage import of_row

    _, name, result, place = of
    return _report(of.made_as("report"), lambda: of_row(name, result, place, shelf), made)


def bundle_of_row(of: PipelineRow, shelf: Shelf, made: Made) -> bytes:
    """The bundle of the row's model."""
    from kdcore.handover.stage import of_row

    _, name, result, place = of
    named = partial(of_row, name, result, place, shelf, as_file=True)
    return _bundle(of.made_as("bundle"), named, made)


def _report(key: Hashable, gathered: Callable[[], Finished], made: Made) -> bytes:
    from kdcore.handover.facts import PAGE_MACS
    from kdcore.handover.report import report
    from kdcore.handover.timing import BUSY, FAILED, timed_here

    asked = monotonic()

    def make() -> bytes:
        told = gathered()
        timed = timed_here(told, WAIT - (monotonic() - asked))
        if isinstance(timed, str):
            page = report([told], most_macs=PAGE_MACS, untimed=timed)
            return Passing(page) if timed in (BUSY, FAILED) else page
        page = report([told], [timed], most_macs=PAGE_MACS)
        return Passing(page) if any(cell.noisy for cell in timed.latency) else page

    return made.get(key, make)


def _bundle(key: Hashable, gathered: Callable[[], Finished], made: Made) -> bytes:
    from kdcore.handover.bundle import bundle

    return made.get(key, lambda: bundle(gathered()))
