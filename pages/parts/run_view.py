"""One run, live or finished: its progress, verdict, curves, costs and answers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from kdcore import charts
from kdcore.recipe import brief
from kdcore.result import ARMS, Result
from kdcore.runs.store import RESTARTABLE, Run
from kdcore.statistics import accuracy_text, verdict_sentence
from pages.parts.cards import card
from pages.parts.devices import devices, of_run
from pages.parts.distributions import distributions
from pages.parts.handover import handover
from pages.parts.job import (
    again_button,
    gallery_badge,
    made_there,
    queued,
    settings_download,
    stop_button,
)
from pages.parts.look import figure, picture_format
from pages.parts.moments import temperatures
from pages.parts.scheme_form import chain
from pages.parts.services import catalogue, gone, harmless, plainly, runner, store, verbatim
from pages.parts.widgets import duration

POLL_SECONDS = 0.3
CLOSING = "You may close this tab; the run goes on."
PHASES = {
    "data": "Downloading the data, once",
    "teacher": "Training the teacher",
    "assistants": "Training the assistants, seed by seed",
    "students": "Training both students, all seeds side by side",
    "measuring": "Exporting the models and measuring their latency",
}
FURTHER = (
    ("pages/soft_targets.py", "What do these answers teach?", ":material/thermostat:"),
    ("pages/differences.py", "Where do the models differ?", ":material/difference:"),
    ("pages/inside.py", "What is inside the models?", ":material/layers:"),
    ("pages/compress.py", "Can the student be smaller still?", ":material/compress:"),
)
"""Pages that look further into a finished run: path, question and icon."""

MARKS = {
    "better": ":material/trending_up:",
    "worse": ":material/trending_down:",
    "no clear difference": ":material/drag_handle:",
    "too few seeds": ":material/help:",
}


def show_run(run: Run) -> None:
    """Show a run; while it is under way, look again a few times a second."""
    every = None if run.ended else POLL_SECONDS
    st.fragment(_watched, run_every=every)(run.id, ended=run.ended)


@plainly
def _watched(run_id: str, ended: bool) -> None:
    run = store().get(run_id)
    if run.ended != ended:
        st.rerun()  # the whole page once more: the timer stops or starts
    if not run.ended:
        runner().reconcile_soon()
    points = _points(run)
    _header(run)
    if run.result is not None:
        _verdict(run.result)
    if len(points):
        _curves(run, points)
        _pull(points)
    if run.result is not None:
        _chain(run.result)
        _arms(run.result, run.ended)
        if run.result.measured:
            _costs(run.result, "the gallery's" if run.shown else "this")
        if run.ended:
            devices(of_run(run), run.id, "on the gallery's machine" if run.shown else "here")
            _answers(run)


def _points(run: Run) -> pd.DataFrame:
    if run.ended:
        return _kept_points(run.id, run.attempt)
    return charts.frame(store().events(run.id)[0])


@st.cache_data(max_entries=64, show_spinner=False)
def _kept_points(run_id: str, attempt: int) -> pd.DataFrame:
    return charts.frame(store().events(run_id)[0])


def _header(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(verbatim(run.name), anchor=False, width="content")
        gallery_badge(run.shown)
        st.space("stretch")
        if not run.ended:
            stop_button("Cancel", runner().cancel, run.id, requested=run.stop_requested)
        elif run.state in RESTARTABLE:
            again_button("Start again", runner().restart, run.id)
        if run.ended:
            recipe_download(run)
            handover(run)
    if run.shown and run.result is not None:
        then = "Press *Distill* to run your own settings here."
        made_there("run", run.created, run.result.machine, then)
    if run.state == "queued":
        queued(run.created, CLOSING)
    elif run.state == "running":
        _progress(run)
    elif run.state == "failed":
        st.error(f"The run failed: {harmless(str(run.error))}", icon=":material/error:")
    elif run.state == "interrupted":
        st.warning(f"Interrupted: {run.error}.", icon=":material/power_off:")
    elif run.state == "cancelled":
        kept = "; what it had measured is kept" if run.attempt else " before it began"
        st.info(f"You cancelled this run{kept}.", icon=":material/block:")
    if run.sweep_id is not None:
        st.page_link(
            "pages/sweep.py",
            label="One setting of a map. Press Distill for its curves, sizes and answers.",
            icon=":material/grid_on:",
            query_params={"sweep": run.sweep_id, "cell": str(run.place)},
        )
    missing = gone(run.recipe) if run.ended else None
    if missing is not None:
        st.caption(f":material/database_off: {verbatim(missing)}. It cannot be run again.")


def recipe_download(run: Run) -> None:
    """A button that hands out the run's recipe as a file."""
    told = f"The same numbers from a terminal: python -m kdcore run {run.id}.json"
    settings_download("Recipe", run.recipe.to_json(), run.id, f"recipe.{run.id}", told)


def _progress(run: Run) -> None:
    progress = run.progress
    if progress is None:
        st.progress(0.0, text=f"Starting. {CLOSING}")
        return
    text = PHASES[progress.phase]
    if progress.seconds_left is not None and progress.done < 1:
        text += f", about {duration(progress.seconds_left)} left"
    again = f" (attempt {run.attempt})" if run.attempt > 1 else ""
    st.progress(progress.done, text=f"{text}{again}. {CLOSING}")


def _verdict(result: Result) -> None:
    box = {"better": st.success, "worse": st.error}.get(result.verdict, st.info)
    box(f"**{verdict_sentence(result.difference)}**", icon=MARKS[result.verdict])
    st.caption(
        f"{_teachers(result)}. Both students of a seed start from the same weights, see the same "
        "labelled batches and take the same steps. Test accuracy after the last step."
    )


def _teachers(result: Result) -> str:
    recipe = result.recipe
    if recipe.scheme.peers:
        return (
            "No teacher beforehand: the first peer of each seed stands in its place, which learned "
            "together with the student and from it"
        )
    if recipe.teacher.weights:
        return f"One teacher for all seeds, brought along as `{recipe.teacher.weights}`"
    if recipe.scheme.co_teachers:
        count = 1 + len(recipe.scheme.co_teachers)
        return f"{count} teachers, their probabilities averaged, count as one model"
    each = "One teacher for all seeds" if recipe.teachers == "one" else "One teacher for each seed"
    return each + ", kept from an earlier run" * result.teacher_reused


def _curves(run: Run, points: pd.DataFrame) -> None:
    teacher_only = not (points["arm"] != "teacher").any()
    steps = run.recipe.teacher_training.steps if teacher_only else run.recipe.training.steps
    is_accuracy = points["metric"] == "accuracy"
    left, right = st.columns(2)
    with left:
        alt = "Validation accuracy of both students over the steps, with the teacher's level."
        figure(
            charts.accuracy_curves(points, steps),
            f"accuracy-{run.id}",
            alt,
            (lambda: points[is_accuracy]) if run.ended else None,
        )
    with right:
        figure(
            charts.loss_curves(points, steps),
            f"loss-{run.id}",
            "Each loss term of both students over the steps.",
            (lambda: points[~is_accuracy]) if run.ended else None,
        )


def _pull(points: pd.DataFrame) -> None:
    """What a weight of 1,000 means: how hard each term pulls on the student's weights."""
    shares = charts.gradient_shares(points)
    if shares:
        parts = " · ".join(f"{name} **{100 * share:.0f}\u00a0%**" for name, share in shares.items())
        st.caption(
            f"Share of the gradient: {parts}",
            help="The norm of each weighted term's gradient by the distilled student's weights, "
            "over the sum of all; the mean over the seeds.",
        )


def _chain(result: Result) -> None:
    """The assistants between teacher and student, with what each reads."""
    if not result.chain:
        return
    recipe = result.recipe
    links = (recipe.teacher, *recipe.scheme.assistants, recipe.student)
    arms = (result.arms["teacher"], *result.chain, result.arms["distilled"])
    st.html(chain([brief(each) for each in links], [accuracy_text(a.accuracy) for a in arms]))


def _arms(result: Result, ended: bool) -> None:
    for column, name in zip(st.columns(3), ARMS, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.html(card(name, result, ended))
    if result.compared:
        pairs = "; ".join(
            f"{catalogue().method(name).title}: `{ours}` with the teacher's `{theirs}`"
            for name, ours, theirs in result.compared
        )
        st.caption(f"Layers compared, the student's first. {pairs}.")
    if result.precision != "float32":
        st.caption(
            f"Both students' training steps were computed in {result.precision}, which was faster "
            "here or asked for; all models are judged in float32."
        )
    beside = result.arms["distilled"].adapter_parameters
    if beside:
        st.caption(
            f"While it was distilled, the student had {beside:,} more parameters beside it, which "
            "met the teacher's features. They are thrown away: no part of its size or its file."
        )


def _costs(result: Result, whose: str) -> None:
    for column, cost in zip(st.columns(2), ("size", "latency"), strict=True):
        with column:
            figure(
                charts.cost_scatter(result.arms, cost, whose),
                f"accuracy-{cost}",
                f"Test accuracy of the three models against their {cost}.",
                lambda: charts.cost_rows(result.arms),
            )
    picture_format()
    if result.latency_doubt:
        st.warning(result.latency_doubt, icon=":material/timer_off:")
    machine = result.machine
    st.caption(
        f"Latency on {whose} machine ({machine['system']}, {machine['cores']} cores): onnxruntime "
        f"{machine['onnxruntime']}, float32, one thread, warmed up, calls interleaved, median of "
        "60 samples; students that are one network share it. Size: the ONNX file with its weights "
        "inside. Both of the first seed's models."
    )


def _answers(run: Run) -> None:
    if run.result is None or "logits" not in run.result.artifacts:
        return
    st.subheader("What do the three models answer?", anchor=False)
    archive = runner().shelf.get(run.result.artifacts["logits"])
    seeds, trained = run.recipe.seeds, temperatures(run.recipe)
    distributions(archive, seeds=seeds, trained=trained, key=f"answers.{run.id}")
    with st.container(horizontal=True):
        for page, label, icon in FURTHER:
            st.page_link(page, label=label, icon=icon, query_params={"run": run.id})
