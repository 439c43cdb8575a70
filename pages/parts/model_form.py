"""Teacher and student: any architecture that fits the data, or a teacher that is there already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kdcore import uploads
from kdcore.catalogue import ArchitectureRecord, Catalogue, MethodRecord, TaskRecord
from kdcore.errors import RecipeError
from kdcore.knobs import Knob, Widths, settle
from kdcore.recipe import ModelChoice, brief
from kdcore.shelf import TrainedTeacher
from kdcore.spoken import percent
from kdcore.uploads import OwnTeacher
from pages.parts.services import is_own, own_teachers, runner, verbatim
from pages.parts.widgets import ago, knob, select, shown, words

OFFERED = 8
"""So many trained teachers are offered again."""


def models_form(
    catalogue: Catalogue, task: TaskRecord, take: Callable[[TrainedTeacher], None]
) -> None:
    """Draw both pickers; `take` fills the form with a teacher that was trained before."""
    for column, role in zip(st.columns(2), ("teacher", "student"), strict=True):
        with column:
            pick_model(catalogue, task, role, role.title())
            if role == "teacher":
                _trained_before(task, take)


def pick_model(catalogue: Catalogue, task: TaskRecord, role: str, title: str) -> None:
    """One model's architecture and its options, under the role's name in the form."""
    own = {each.name: each for each in own_teachers()} if role == "teacher" else {}
    refusals = {each.name: each.refuses(task) for each in catalogue.architectures}
    refusals |= {name: misfit(each, task, catalogue) for name, each in own.items()}
    fitting = [name for name, reason in refusals.items() if reason is None]
    reasons = "".join(f"\n- {reason}" for reason in refusals.values() if reason is not None)
    key = f"form.{role}.architecture"
    if st.session_state[key] not in fitting:
        _say_gone(st.session_state[key], own, refusals, title)
        st.session_state[key] = fitting[0]
    if len(fitting) > 1:
        select(
            title,
            fitting,
            f"{role}.architecture",
            lambda name: (
                f"{own[name].title} (own)" if name in own else catalogue.architecture(name).title
            ),
            help=f"Not for this data:\n{reasons}" if reasons else None,
        )
    else:
        only = catalogue.architecture(fitting[0]).title
        st.markdown(
            f"{title}: **{only}**, the only network for this data.",
            help=f"Not for this data:\n{reasons}" if reasons else None,
        )
    name = st.session_state[key]
    if name in own:
        st.caption(verbatim(own[name].about))
        return
    architecture = catalogue.architecture(name)
    for each in architecture.knobs:
        label = f"{title} {architecture.title}: {words(each.name)}"
        knob(label, f"{role}.{architecture.name}", each)


def _say_gone(
    name: str, own: dict[str, OwnTeacher], refusals: dict[str, str | None], title: str
) -> None:
    if name not in own and not is_own(name):
        reason = refusals.get(name) or f"there is no architecture {verbatim(name)}"
        st.caption(f":material/info: {title}: {reason}; another was taken.")
    elif name not in own:
        st.warning(
            f"The teacher {verbatim(name)} is not here: deleted since, or kept on another machine. "
            "Choose another.",
            icon=":material/warning:",
        )


def misfit(own: OwnTeacher, task: TaskRecord, catalogue: Catalogue) -> str | None:
    """Why an own teacher cannot teach a task, in a sentence; else None."""
    if own.info is None:
        return catalogue.architecture(own.architecture).refuses(task)
    reason = uploads.misfit(own.info, task.kind, task.input_shape, len(task.class_names))
    return reason and f"{own.title}: {reason}"


def _trained_before(task: TaskRecord, take: Callable[[TrainedTeacher], None]) -> None:
    found = [each for each in runner().shelf.teachers() if each.part["task"] == task.name]
    if not found:
        return
    with st.popover("Trained before", icon=":material/history:", width="stretch"):
        for each in found[:OFFERED]:
            st.button(
                f"**{percent(each.accuracy)}** · {teacher_words(each)} · {ago(each.trained)}",
                key=f"trained.{each.key}",
                on_click=take,
                args=(each,),
                type="tertiary",
                help="Its accuracy on validation. Taken as it is, without training.",
            )


def teacher_words(teacher: TrainedTeacher) -> str:
    """What a trained teacher is, in a few words."""
    part = teacher.part
    labels = part["teacher_labelled"]
    seen = "" if labels == "all" else f", {labels:,} labels"
    seed = f", seed {part['seed']}" if part["seed"] else ""
    steps = part["teacher_training"]["steps"]
    return f"{brief(ModelChoice(**part['teacher']))}, {steps:,} steps{seen}{seed}"


# what was chosen


def is_own_teacher() -> bool:
    """Whether the form's teacher is one that was brought along."""
    return is_own(st.session_state["form.teacher.architecture"])


def choice(value: dict[str, Any], role: str, catalogue: Catalogue) -> dict[str, Any]:
    """A recipe's teacher or student out of the form's values."""
    name = value[f"{role}.architecture"]
    if is_own(name):
        return uploads.get(name, runner().settings.home).choice
    architecture = catalogue.architecture(name)
    return {
        "architecture": name,
        "options": options(value, f"{role}.{name}", architecture),
    }


def given(role: str, model: ModelChoice) -> dict[str, Any]:
    """The options that a recipe gives a model, as the form keeps them."""
    group = f"{role}.{model.architecture}"
    return {f"{group}.{name}": shown(value) for name, value in model.options.items()}


def options(
    value: dict[str, Any],
    group: str,
    definition: ArchitectureRecord | MethodRecord,
    knobs: tuple[Knob, ...] | None = None,
) -> dict[str, Any]:
    """What differs from the defaults, and what the filled-in recipe gave, as it gave it.

    Raises RecipeError on what the definition does not take: here, and not in a worker.
    """
    found = {}
    knobs = definition.knobs if knobs is None else knobs
    for each in knobs:
        key = f"{group}.{each.name}"
        if key in value:
            chosen = _parsed(value[key], key) if isinstance(each.bounds, Widths) else value[key]
            if shown(chosen) != shown(each.default) or key in value["given"]:
                found[each.name] = chosen
    settle(f"the {definition.title}", knobs, found)
    return found


def _parsed(text: str, name: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        role, wrong = name.split(".")[0], words(name.split(".")[-1])
        if role.startswith("helper"):
            role = f"helper {int(role.removeprefix('helper')) + 1}"
        raise RecipeError(
            f"the {role}'s {wrong} are {text!r}; give whole numbers, such as 256, 256"
        ) from None
