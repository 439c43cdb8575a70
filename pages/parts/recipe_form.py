"""The form that makes a recipe: widgets in, Recipe out.

Each widget keeps its value in the session under `form.<field>`; `fill` writes a recipe into them,
`recipe` reads one out. Bounds, steps and help texts come from the definitions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.catalogue import Catalogue, TaskRecord
from kdcore.errors import KdError
from kdcore.fits import Networks
from kdcore.recipe import (
    FEWEST_SEEDS_FOR_A_VERDICT,
    Augmentation,
    ModelChoice,
    Recipe,
    Scheme,
    Training,
    Transfer,
    bounds,
    brief,
    content_hash,
)
from kdcore.shelf import TrainedTeacher
from kdcore.spoken import percent
from kdcore.uploads import ONNX
from pages.parts.cards import ratio
from pages.parts.method_form import (
    given_options,
    loss_fields,
    loss_values,
    method_form,
    show_formula,
)
from pages.parts.model_form import choice, given, is_own_teacher, models_form
from pages.parts.scheme_form import chain, scheme_fields, scheme_form, scheme_options, scheme_values
from pages.parts.services import catalogue as services_catalogue
from pages.parts.services import harmless, own_teachers, runner
from pages.parts.training_form import training_form
from pages.parts.transfer_form import transfer_form
from pages.parts.widgets import ago, slider

PRESETS = Path(__file__).parents[2] / "assets" / "recipes"
_SIMPLE = [name for name in Training.model_fields if name != "augmentation"]
FIRST_PRESET = "digits-few-labels"
ASK_AGAIN_SECONDS = 1.5

BEGAN_WITH = "form.began_with"
"""Session key of the preset that the form held last."""

PICKED = "form.picked"
"""Session key that is there after a click on a preset."""


@st.cache_data
def presets() -> dict[str, Recipe]:
    """The recipes that come with the project, by file name, the landing page's first."""
    found = {path.stem: Recipe.load(path) for path in sorted(PRESETS.glob("*.json"))}
    return {FIRST_PRESET: found.pop(FIRST_PRESET), **found}


def fill(recipe: Recipe) -> None:
    """Write a recipe into the form; call it before the form is drawn, or from a callback."""
    values: dict[str, Any] = {
        "task": recipe.task,
        "teacher_labelled": recipe.teacher_labelled,
        **loss_values(recipe, services_catalogue()),
        "layers_for": [recipe.teacher, recipe.student],
        **scheme_values(recipe),
        "teachers": recipe.teachers,
        "seeds": len(recipe.seeds),
        "seed_list": recipe.seeds,
        "teacher_seed": recipe.teacher_seed,
    }
    for group in ("method", "extra", *(f"helper{position}" for position in range(9))):
        _forget(group)
    explicit = given_options(recipe) | scheme_options(recipe)
    for role in ("teacher", "student"):
        model: ModelChoice = getattr(recipe, role)
        values[f"{role}.architecture"] = model.weights or model.architecture
        explicit |= _given(role, model)
    values |= explicit | {"given": tuple(explicit)}
    values |= _training_values("teacher_training", recipe.teacher_training)
    values |= _training_values("training", recipe.training)
    values |= {f"transfer.{name}": value for name, value in recipe.transfer.model_dump().items()}
    _write(values)


def fill_teacher(teacher: TrainedTeacher) -> None:
    """Choose a teacher that was trained before, and leave the rest as it is."""
    part = teacher.part
    model = ModelChoice(**part["teacher"])
    others = [name for name in st.session_state["form.given"] if not name.startswith("teacher.")]
    explicit = _given("teacher", model)
    _write(
        {
            "teacher.architecture": model.architecture,
            "teachers": "one",
            "teacher_labelled": part["teacher_labelled"],
            "teacher_seed": part["seed"],
            "given": (*others, *explicit),
            **explicit,
            **_training_values("teacher_training", Training(**part["teacher_training"])),
        }
    )


def fill_own_teacher(name: str) -> None:
    """Choose a teacher that was brought along, and leave the rest as it is."""
    _write({"teacher.architecture": name})


def _given(role: str, model: ModelChoice) -> dict[str, Any]:
    """The options that a recipe gives a model; the others go back to their defaults."""
    _forget(f"{role}.{model.architecture}")
    return given(role, model)


def _training_values(role: str, training: Training) -> dict[str, Any]:
    changes = training.augmentation.model_dump().items()
    return {
        **{f"{role}.{name}": getattr(training, name) for name in _SIMPLE},
        **{f"{role}.augmentation.{name}": value for name, value in changes},
    }


def _write(values: dict[str, Any]) -> None:
    for name, value in values.items():
        st.session_state[f"form.{name}"] = value


def fill_task(name: str) -> None:
    """Choose a task, and leave the rest as it is; an empty form takes the first preset's."""
    if not is_filled():
        fill(presets()[FIRST_PRESET])
    st.session_state["form.task"] = name


def _forget(group: str) -> None:
    """Let a group's knobs go back to their defaults."""
    for key in [key for key in st.session_state if str(key).startswith(f"form.{group}.")]:
        del st.session_state[key]


def is_filled() -> bool:
    """Whether this session's form holds a recipe already."""
    return "form.task" in st.session_state


def recipe_form(catalogue: Catalogue) -> Recipe | None:
    """Draw the form; returns its recipe, or None after saying what is wrong with it."""
    transfer_form(catalogue)
    models_form(catalogue, catalogue.task(st.session_state["form.task"]), fill_teacher)
    sizes = st.container()
    scheme_form(catalogue, catalogue.task(st.session_state["form.task"]))
    drawing = st.container()
    method_form(catalogue, networks(catalogue))
    _effort()
    formula = st.container()
    untrained = is_own_teacher() or st.session_state["form.scheme.kind"] == "peers"
    training_form(catalogue.task(st.session_state["form.task"]).kind, untrained)
    with formula:
        try:
            recipe = current_recipe(catalogue)
        except KdError as error:
            st.error(harmless(str(error)), icon=":material/error:")
            return None
        show_formula(recipe, catalogue)
    with sizes:
        told = _sizes(recipe, catalogue.task(recipe.task))
    with drawing:
        _scheme(recipe, catalogue.task(recipe.task), told)
    return recipe


def _sizes(recipe: Recipe, task: TaskRecord) -> bool:
    """What both networks cost, before anything is trained, and whether the teacher is there.

    False where nobody can tell yet what they cost.
    """
    costs = _costs(recipe, task)
    if costs is not None:
        st.caption(costs)
    else:  # the engine is starting, or at work
        st.fragment(_ask_again, run_every=ASK_AGAIN_SECONDS)(recipe, task)
    kept = runner().shelf.find_teacher(content_hash(recipe.teacher_part(recipe.teacher_seed)))
    if kept is not None and recipe.teachers == "one" and not recipe.scheme.peers:
        st.caption(
            f":material/check: This teacher was trained {ago(kept.trained)}, "
            f"{percent(kept.accuracy)} on validation: it is used again."
        )
    return costs is not None


def _scheme(recipe: Recipe, task: TaskRecord, told: bool) -> None:
    """Who learns from whom, as a drawing; with sizes, where the engine has time to tell them."""
    scheme = recipe.scheme
    if scheme == Scheme():
        return
    if scheme.co_teachers:
        models, arrow = [recipe.teacher, *scheme.co_teachers, recipe.student], "+"
    elif scheme.peers:
        models, arrow = [*[recipe.teacher] * scheme.peers, recipe.student], "⇄"
    else:
        models, arrow = [recipe.teacher, *scheme.assistants, recipe.student], "→"
    sizes = [_size(each, task) if told and each.architecture != ONNX else None for each in models]
    details = [f"{size[0]:,} parameters" if size else "" for size in sizes]
    arrows = [arrow] * (len(models) - 1)
    if scheme.co_teachers:
        arrows[-1] = "→"
    st.html(chain([brief(each) for each in models], details, arrows))


def _ask_again(recipe: Recipe, task: TaskRecord) -> None:
    if _costs(recipe, task) is not None:
        st.rerun()


def _costs(recipe: Recipe, task: TaskRecord) -> str | None:
    """Parameters and MACs in a sentence; None while nobody can tell."""
    student = _size(recipe.student, task)
    if student is None:
        return None
    if recipe.teacher.architecture == ONNX:
        return f"Student: {student[0]:,} parameters, {student[1]:,} MACs."
    teacher = _size(recipe.teacher, task)
    return teacher and (
        f"Teacher: {teacher[0]:,} parameters, {teacher[1]:,} MACs. Student: {student[0]:,} "
        f"({ratio(student[0], teacher[0])}), {student[1]:,} MACs ({ratio(student[1], teacher[1])})."
    )


def _size(model: ModelChoice, task: TaskRecord) -> tuple[int, int] | None:
    kept: dict[str, tuple[int, int]] = st.session_state.setdefault("sizes", {})
    key = f"{task.name} {model.model_dump_json()}"
    if key not in kept:
        try:
            size = runner().sizes(model, task.input_shape, len(task.class_names))
        except KdError:
            return None  # the form says what is wrong with it
        if size is None:
            return None
        kept[key] = size
    return kept[key]


def name_for(recipe: Recipe) -> str:
    """What to call a run of this recipe: a preset's title, or what tells it from others."""
    same = (preset.title for preset in presets().values() if preset.id == recipe.id)
    return next(same, recipe.summary)


def preset_picker(catalogue: Catalogue) -> None:
    """Draw the presets; the first one fills a form that is still empty."""
    if not is_filled():
        fill(presets()[FIRST_PRESET])
    chosen = _matching_preset(catalogue)
    st.markdown("Presets")
    # Buttons, not a picker: a picker has a state, which must go out as soon as a setting is no
    # longer the preset's; a browser that has not heard of that yet sends the old state along with
    # the next setting, which passes for a click, and the visitor's settings are gone.
    with st.container(horizontal=True, gap="xsmall"):
        for name, preset in presets().items():
            st.button(
                preset.title,
                icon=":material/check:" if name == chosen else None,
                key=f"preset.{name}",
                on_click=_pick,
                args=(preset,),
            )
    if chosen is not None:
        st.session_state[BEGAN_WITH] = chosen
    # it stays when a setting is changed: nothing may jump from under the mouse
    preset = preset_began_with()
    if preset is not None:
        st.caption(preset.about if chosen else f"*Before your changes:* {preset.about}")


def _pick(preset: Recipe) -> None:
    st.session_state[PICKED] = True
    fill(preset)


def preset_was_picked() -> bool:
    """Whether the visitor has just picked a preset; said once."""
    return bool(st.session_state.pop(PICKED, False))


def preset_began_with() -> Recipe | None:
    """The preset that the form held last, before anything of it was changed."""
    return presets().get(st.session_state.get(BEGAN_WITH, ""))


def _matching_preset(catalogue: Catalogue) -> str | None:
    try:
        current = current_recipe(catalogue).id
    except KdError:
        return None
    return next((name for name, preset in presets().items() if preset.id == current), None)


def networks(catalogue: Catalogue) -> Networks:
    """What of the chosen models decides which methods can teach between them."""
    state = st.session_state
    kind = state["form.scheme.kind"]
    roles = ["teacher", "student"]
    if kind == "chain":
        roles += [f"helper{position}" for position in range(state["form.scheme.helpers"])]
    names = [state[f"form.{role}.architecture"] for role in roles]
    own = next((each for each in own_teachers() if each.name == names[0]), None)
    if own is not None:
        names[0] = own.architecture
    kinds = [catalogue.architecture(name) for name in names if name != ONNX]
    return Networks(
        answers_only=names[0] == ONNX,
        ensemble=kind == "several",
        peers=kind == "peers",
        without_maps=tuple(dict.fromkeys(each.title for each in kinds if not each.maps)),
    )


def _effort() -> None:
    left, right = st.columns(2)
    with left:
        slider("Seeds", "seeds", bounds(Recipe, "seeds"))
    with right:
        slider("Steps", "training.steps", bounds(Training, "steps"))
    few = st.session_state["form.seeds"] < FEWEST_SEEDS_FOR_A_VERDICT
    if few:
        st.caption(f":material/info: Under {FEWEST_SEEDS_FOR_A_VERDICT} seeds there is no verdict.")


def current_recipe(catalogue: Catalogue) -> Recipe:
    """The form's recipe as it stands. Raises RecipeError where it cannot be meant."""
    value = {k.removeprefix("form."): v for k, v in st.session_state.items() if _is_form(k)}
    seeds = tuple(value["seed_list"])
    if len(seeds) != value["seeds"]:
        seeds = tuple(range(value["seeds"]))
    return Recipe(
        task=value["task"],
        transfer={name: value[f"transfer.{name}"] for name in Transfer.model_fields},
        student=choice(value, "student", catalogue),
        training=_training(value, "training", catalogue),
        seeds=seeds,
        scheme=scheme_fields(value, catalogue),
        **loss_fields(value, catalogue),
        **_teacher(value, catalogue),
    )


def _teacher(value: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """What the recipe says of its teacher; of one brought along, no more."""
    teacher = {"teacher": choice(value, "teacher", catalogue)}
    if is_own_teacher():
        return teacher
    training = _training(value, "teacher_training", catalogue)
    same = {name: value[name] for name in ("teachers", "teacher_labelled", "teacher_seed")}
    return {**teacher, **same, "teacher_training": training}


def _is_form(key: str | int) -> bool:
    return isinstance(key, str) and key.startswith("form.")


def _training(value: dict[str, Any], group: str, catalogue: Catalogue) -> dict[str, Any]:
    simple = {name: value[f"{group}.{name}"] for name in _SIMPLE}
    if catalogue.task(value["task"]).kind != "image":
        return simple  # what was set for pictures waits until there are pictures again
    changes = {name: value[f"{group}.augmentation.{name}"] for name in Augmentation.model_fields}
    return simple | {"augmentation": changes}
