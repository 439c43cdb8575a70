"""Decide: three budgets, and which model to ship, in one sentence that says how sure it is."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from kdcore.decide import RULE, Advice, Budgets, advise
from kdcore.decide_words import doubts, verdict, wobble
from kdcore.model_table import Model
from kdcore.runs.store import LISTED
from pages.parts.all_models import (
    all_models,
    how_measured,
    opened,
    teachers_differ,
    to_run,
    weighed,
)
from pages.parts.budgets import arrive, budgets, fill_in, link, write_address
from pages.parts.finished_pipelines import results_of
from pages.parts.handover import handover, handover_row
from pages.parts.job import settings_download
from pages.parts.look import picture_format
from pages.parts.models_picker import finished_models, pick_task, pick_timing, samples_of
from pages.parts.run_view import recipe_download
from pages.parts.services import store, verbatim


def say(advice: Advice) -> None:
    """The sentence, and what makes it less sure than it sounds."""
    words = verdict(advice)
    sentence = f"{words.before} **{verbatim(words.name)}**{verbatim(words.after)}"
    if advice.choice is None:
        st.warning(sentence, icon=":material/block:")
    else:
        st.success(sentence, icon=":material/local_shipping:")
    st.caption(verbatim(" ".join(doubts(advice))))


def hand_over(model: Model) -> None:
    """What a stakeholder takes away of the chosen model's run or pipeline."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if model.pipeline:
            _of_pipeline(model)
        else:
            run = store().get(model.run_id)
            handover(run)
            _command_line(
                "recipe", f"run {run.id}.json --out {run.id}", partial(recipe_download, run)
            )
        to_run(model)
        copy_link()
    if model.role != "distilled":  # the same of a pipeline: it began with such a run
        st.caption("The bundle holds the distilled student of that run, not this model.")


def _of_pipeline(model: Model) -> None:
    """The model's row, and the stages that made it."""
    found = next((each for each in results_of(model.run_id) if each.name == model.run), None)
    if found is None:
        return  # deleted just now
    result, key = found.result, f"{model.run_id}-{found.place + 1}"
    handover_row(key, model.run, result, model.row)
    download = partial(
        *(settings_download, "Pipeline", result.pipeline.to_json(), key, f"pipeline.{key}"),
        "The recipe and the stages of this model.",
    )
    _command_line("pipeline", f"pipeline {key}.json --out {key}", download)


def _command_line(what: str, words: str, download: Callable[[], None]) -> None:
    """How the same model is made without this page."""
    with st.popover("Command line", icon=":material/terminal:"):
        st.markdown(f"Download the {what}; it gives the same model from a terminal:")
        download()
        st.code(f"python -m kdcore {words}", language="sh", wrap_lines=True)


def copy_link() -> None:
    """The address with every budget in it."""
    with st.popover("Copy link", icon=":material/link:", type="tertiary"):
        st.markdown("Opens this page with these budgets, in this app.")
        st.code(link(), language=None, wrap_lines=True)


def charts(models: list[Model], limits: Budgets, advice: Advice) -> None:
    """What the budgets leave, by size and by latency."""
    chosen = None if advice.choice is None else advice.choice.key
    left, right = st.columns(2)
    with left:
        weighed(models, "size", limits, "decide", chosen)
    with right:
        weighed(models, "latency", limits, "decide", chosen)
    st.caption(
        "Shaded: over the size or latency budget of that chart, or under the accuracy. Hollow: "
        "misses some budget. Dotted: no other model is better in both; grey: another one is. "
        f"{teachers_differ(models, limits.by)}"
    )
    opened(models, "decide")
    with st.expander("How was this chosen, and how was it measured?"):
        st.markdown(RULE)
        st.markdown(how_measured(limits.by))
        if wobbling := wobble(models, limits.by):
            st.markdown(verbatim(wobbling))
        st.markdown(
            f"Weighed here are the models of the newest {LISTED} finished runs and of the newest "
            f"{LISTED} pipelines, the gallery's among them; settings of maps and searches are not."
        )
    picture_format()


def page() -> None:
    """The pickers, the sentence, the charts."""
    known = finished_models()
    if not known:
        st.info("There is no finished run yet to choose from. Press Distill on the first page.")
        st.page_link("pages/distill.py", label="Go to Distill", icon=":material/experiment:")
        return
    arrive(known)
    left, right = st.columns(2)
    with left:
        task = pick_task(known)
    models = [each for each in known if each.task == task]
    with right:
        by = pick_timing(models)
    fill_in(models, task, by)
    limits = budgets(by)
    write_address(task, by)
    advice = advise(models, limits, samples_of(task))
    say(advice)
    if advice.choice is not None:
        hand_over(advice.choice)
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            if advice.nearest is not None:
                to_run(advice.nearest)
            copy_link()
    charts(models, limits, advice)
    st.subheader("All models", anchor=False)
    all_models(models, by)


st.title("Decide", anchor=False)
page()
