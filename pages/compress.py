"""Compress: a finished run's student goes through stages, and each is judged."""

import pandas as pd
import streamlit as st

from kdcore.errors import KdError, RunError
from kdcore.pipeline import Pipeline
from kdcore.pipeline_tables import foreseen_table
from kdcore.recipe import Recipe
from kdcore.waterfall import Foreseen
from pages.parts.all_models import all_models
from pages.parts.bring_into_view import bring_into_view, launched
from pages.parts.look import picture_format
from pages.parts.models_picker import finished_models, pick_task, pick_timing
from pages.parts.pipeline_form import (
    RUN,
    example_picker,
    fill,
    given,
    is_filled,
    name_for,
    pipeline_form,
    source,
)
from pages.parts.pipeline_form import prepare as prepare_form
from pages.parts.pipeline_time import foretell, label, time_words
from pages.parts.pipeline_view import show_list, show_pipeline
from pages.parts.run_picker import LAST, pick_run
from pages.parts.services import harmless, plainly, runner, store, verbatim

FORESEEN = "compress.foreseen"
"""Session key of the pipeline that was asked about last, and of what shapes tell of it."""

ASK_AGAIN_SECONDS = 1.5

ALL = "all-models"
"""In the address, where all models begin."""


def launch(pipeline: Pipeline, origin: str) -> None:
    """Submit the pipeline, and make it the one this page shows."""
    submitted = runner().submit_pipeline(pipeline, name_for(pipeline, origin))
    st.query_params["pipeline"] = submitted.id
    launched(submitted.id)


@st.fragment
@plainly
def controls(recipe: Recipe | None, origin: str) -> None:
    """The stages, their button, and what is known before it is pressed."""
    place = st.container()  # above the form, so that the first thing to do is in sight
    pipeline = pipeline_form(recipe)
    known = None if pipeline is None else foresee(pipeline)
    possible = pipeline is not None and not isinstance(known, str)
    ahead = store().waiting()
    time_told = foretell(pipeline) if possible and pipeline is not None else None
    waits = possible and time_told is None and not ahead
    with place:
        pressed = st.button(
            label(ahead, time_told),
            type="primary",
            icon=":material/compress:",
            width="stretch",
            disabled=not possible,
            key="compress.start",
        )
        if pipeline is not None:
            st.caption(f"{effort(pipeline)} {time_words(time_told, ahead)}")
            every = ASK_AGAIN_SECONDS if known is None or waits else None
            st.fragment(prediction, run_every=every)(pipeline, waits)
        if pressed and pipeline is not None:
            plainly(launch)(pipeline, origin)


def effort(pipeline: Pipeline) -> str:
    """How many networks are trained, as far as a recipe tells."""
    members, recipes = pipeline.members(), pipeline.recipes()
    seeds, scheme = len(pipeline.recipe.seeds), pipeline.recipe.scheme
    teachers = 1 if pipeline.recipe.teachers == "one" else seeds
    students = 2 * seeds * len(recipes)
    plain = not (scheme.assistants or scheme.co_teachers or scheme.peers) and len(recipes) == 1
    count = f"{teachers + students}" if plain else f"at least {teachers + students}"
    text = f"Trains {count} networks: the recipe's teacher, unless it is kept, and its students."
    if pipeline.axes:
        text = f"{len(members):,} settings × {seeds} seed{'s' * (seeds > 1)}. {text}"
    again = 2 * seeds * sum(len(member.tunes()) for member in members)
    if again:
        text += f" Then {again:,} trainings on, half of them of students that are not compressed."
    return text


def foresee(pipeline: Pipeline) -> tuple[Foreseen, ...] | str | None:
    """What shapes tell, or the sentence that says why it cannot be done; None while nobody has
    the time to look.
    """
    first = pipeline.member(0)
    asked = st.session_state.get(FORESEEN)
    if asked is not None and asked[0] == first.id:
        return asked[1]
    try:
        found: tuple[Foreseen, ...] | str | None = runner().foresee(first)
    except KdError as error:
        found = str(error)
    if found is not None:
        st.session_state[FORESEEN] = (first.id, found)
    return found


@plainly
def prediction(pipeline: Pipeline, waits: bool) -> None:
    """Sizes before anything is trained, or why the pipeline cannot be run.

    waits: whether the page still waits to be told how long it takes.
    """
    if waits and runner().forecast(pipeline) is not None:
        st.rerun()
    before = st.session_state.get(FORESEEN, (None,))[0]
    found = foresee(pipeline)
    if found is not None and before != st.session_state[FORESEEN][0]:
        st.rerun()  # the button may have to be disabled, and nobody has to be asked again
    if isinstance(found, str):
        st.error(harmless(found), icon=":material/error:")
    elif found is None:
        st.caption("Sizes are predicted as soon as the engine has a moment.")
    elif found:
        with st.expander("Predicted sizes", icon=":material/straighten:"):
            table: pd.DataFrame = foreseen_table(found)
            st.dataframe(
                table,
                hide_index=True,
                column_config={"After": st.column_config.TextColumn(width=135)},
                alt="Predicted sizes after each stage.",
            )
            of = "The first setting's, from" if len(pipeline) > 1 else "From"
            st.caption(
                f"{of} shapes alone: weights without the rest of their file. A dash stands where "
                "only training can tell."
            )


def welcome() -> None:
    """What to do first, and what came of the newest pipeline."""
    st.subheader("Choose a student, set its stages, and press Compress", anchor=False)
    found = newest()
    below = f" Below stands the newest one, and then [all models there are](#{ALL})."
    st.markdown(
        "Its recipe is trained anew with the same seeds. The distilled student goes through the "
        "stages, and each model is held against the student that was **trained on as long and not "
        f"compressed**.{'' if found is None else below}"
    )
    if found is not None:
        show_pipeline(found)
    show_list(but=found)


def newest() -> str | None:
    """The newest pipeline that is done here, or else the gallery's; None where there is none."""
    done = runner().pipelines.listed()
    own = [each for each in done if not each.shown]
    return next((each.id for each in own or done), None)


@plainly
def prepare() -> None:
    """Fill the form of a new visitor: with the pipeline that the address names, or as usual."""
    pipeline_id = st.query_params.get("pipeline")
    if not is_filled():
        try:
            if pipeline_id is not None:
                run = runner().pipelines.get(pipeline_id)
                fill(run.pipeline, "The pipeline shown here")
            elif "run" not in st.query_params:
                begin_with_the_gallery()
        except RunError:
            pass  # said where the pipeline would be shown
    prepare_form()


def begin_with_the_gallery() -> None:
    """Who has neither runs nor pipelines starts from the run of which the shown one was made."""
    if LAST in st.session_state or not all(each.shown for each in store().done()):
        return
    found = newest()
    made_of = found and store().exhibit(runner().pipelines.get(found).pipeline.recipe.id)
    if made_of:
        st.session_state[LAST] = made_of.id


def base() -> tuple[Recipe | None, str]:
    """Whose student is compressed, and what to call it."""
    if source() == RUN:
        run = pick_run()
        return (None, "") if run is None else (run.recipe, run.name)
    recipe, title = given()
    st.caption(verbatim(recipe.summary))
    return recipe, title


@plainly
def outcome() -> None:
    """The pipeline in the address, or a welcome."""
    pipeline_id = st.query_params.get("pipeline")
    if pipeline_id is None:
        welcome()
        return
    bring_into_view(pipeline_id)
    show_pipeline(pipeline_id)
    show_list(but=pipeline_id)


@plainly
def every_model() -> None:
    """All models of all runs and pipelines against what they cost."""
    known = finished_models()
    if not known:
        return
    st.subheader("Which of all models?", anchor=ALL)
    left, right = st.columns(2)
    with left:
        task = pick_task(known)
    models = [each for each in known if each.task == task]
    with right:
        by = pick_timing(models)
    all_models(models, by)
    if newest() is None:  # else it stands under the pipeline's charts
        picture_format()


prepare()
st.title("How small can it get?", anchor=False)
example_picker()
recipe, origin = base()
left, right = st.columns([3, 9], gap="large")
with left:
    controls(recipe, origin)
with right:
    outcome()
    if "pipeline" not in st.query_params:
        every_model()
