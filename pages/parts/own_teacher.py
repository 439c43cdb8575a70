"""Own teachers: upload, look, keep; and those that are kept, to be tried, renamed or deleted."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pandas as pd
import streamlit as st

from kdcore import charts, uploads
from kdcore.catalogue import Catalogue, TaskRecord
from kdcore.errors import KdError, UploadError
from kdcore.ingest.limits import CLASS_NAME as LONGEST_NAME
from kdcore.trial import Trial
from kdcore.uploads import SCALES, OwnTeacher, limits
from pages.parts.deeds import ask_about_files, save
from pages.parts.look import figure
from pages.parts.model_form import misfit, options
from pages.parts.recipe_form import fill_own_teacher, fill_task
from pages.parts.services import own_teachers, runner, store, to_be_downloaded, verbatim
from pages.parts.widgets import knob, words

LOOKED = "teachers.looked"
"""Session key of what was found in the last upload, with what it was read by."""

JUST_KEPT = "teachers.just_kept"
"""Session key of the teacher that was kept last."""

PATIENCE = 30.0
"""Seconds that a trial waits for an engine that is starting, or at work on a run."""

KINDS = """
* **.onnx**: any classifier of pictures in one file, from Keras, JAX, PyTorch or a vendor: one
  input of pictures, one row of numbers a picture out, logits or probabilities. It runs in a process
  of its own, with limits on memory and time. Its classes must be in the order of the data's.
* **.safetensors**: weights for one of the networks that Distill offers, such as
  `teacher.safetensors` of a run here.

Files that run programs when they are opened, such as pickled PyTorch models, are not taken.
At most {megabytes} MB; it all stays on this machine.
"""


def bring(catalogue: Catalogue) -> None:
    """The upload, what was found in it, and the button that keeps it."""
    _say_kept()
    upload = st.file_uploader(
        "An .onnx model, or .safetensors weights",
        type=["onnx", "safetensors"],
        max_upload_size=limits.FILE_BYTES // limits.MB,
        key=f"teachers.upload.{st.session_state.setdefault('teachers.uploads', 0)}",
    )
    with st.expander("What can be a teacher?", icon=":material/school:"):
        st.markdown(KINDS.format(megabytes=limits.FILE_BYTES // limits.MB))
    if upload is None:
        st.session_state.pop(LOOKED, None)
        return
    name = st.text_input(
        "Name", Path(upload.name).stem, max_chars=LONGEST_NAME, key=f"name.{upload.file_id}"
    )
    how: dict[str, Any] = {}
    if upload.name.lower().endswith(".safetensors"):
        how = _architecture(catalogue)
    scale = st.selectbox(
        "Pixels go in as",
        list(SCALES),
        format_func=lambda scale: f"{scale}: {SCALES[scale]}",
        key="teachers.scale",
        help="If you do not know, keep it, and try it on its data: all of them are tried.",
    )
    content = upload.getvalue()
    try:
        found = _looked(upload.file_id, content, {**how, "title": name, "scale": scale})
    except KdError as error:
        st.error(verbatim(str(error)), icon=":material/error:")
        return
    _show(found)
    if st.button("Keep", type="primary", icon=":material/save:", key="teachers.keep"):
        _keep(found, content)


def _architecture(catalogue: Catalogue) -> dict[str, Any]:
    """The network that the weights are for."""
    st.session_state.setdefault("form.given", ())
    name = st.selectbox(
        "The weights are for",
        [each.name for each in catalogue.architectures],
        format_func=lambda name: catalogue.architecture(name).title,
        key="teachers.architecture",
    )
    chosen = catalogue.architecture(name)
    group = f"brought.{chosen.name}"
    with st.container(horizontal=True):
        for each in chosen.knobs:
            knob(words(each.name).capitalize(), group, each)
    return {"architecture": chosen.name, "group": group, "definition": chosen}


def _looked(file_id: str, content: bytes, how: dict[str, Any]) -> OwnTeacher:
    """What the file holds; an ONNX model is read once, not at every rerun."""
    definition, group = how.pop("definition", None), how.pop("group", "")
    if definition is not None:
        values = {k.removeprefix("form."): v for k, v in st.session_state.items()}
        return uploads.look(content, **how, options=options(values, group, definition))
    if st.session_state.get(LOOKED, ("",))[0] != file_id:
        with st.spinner("Looking at the model …"):
            try:
                found: OwnTeacher | str = uploads.look(content, **how)
            except KdError as error:
                found = str(error)
        st.session_state[LOOKED] = (file_id, found)
    found = st.session_state[LOOKED][1]
    if isinstance(found, str):
        raise UploadError(found)
    return found.described(how["title"], how["scale"])


def _show(found: OwnTeacher) -> None:
    if found.info is None:
        st.markdown(
            f"**{found.parameters:,} parameters.** Once kept, try them on their data: that shows "
            "whether they fit."
        )
        return
    st.markdown(f"It {verbatim(found.info.summary)}.")
    for note in found.info.notes:
        st.caption(f":material/info: {verbatim(note)}")


def _keep(found: OwnTeacher, content: bytes) -> None:
    try:
        with st.spinner("Keeping it …"):
            kept = uploads.keep(found, content, runner().settings.ready_home())
    except KdError as error:
        st.error(verbatim(str(error)), icon=":material/error:")
        return
    st.session_state[JUST_KEPT] = kept.name
    st.session_state.pop(LOOKED, None)
    st.session_state["teachers.uploads"] += 1  # another uploader, an empty one
    st.rerun()


def _say_kept() -> None:
    name = st.session_state.pop(JUST_KEPT, None)
    kept = next((each for each in own_teachers() if each.name == name), None)
    if kept is not None:
        st.success(
            f"Kept: {verbatim(kept.title)}. Try it below, before a run is spent on it.",
            icon=":material/check:",
        )


# kept


def kept_list(catalogue: Catalogue) -> None:
    """All that is kept, newest first."""
    st.subheader("Kept", anchor=False)
    found = own_teachers()
    if not found:
        st.caption("Nothing yet. What you keep will be listed here, and offered on Distill.")
    for each in found:
        with st.container(border=True, key=f"kept.{each.name}"):
            _kept(each, catalogue)


def _kept(each: OwnTeacher, catalogue: Catalogue) -> None:
    st.markdown(f"**{verbatim(each.title)}**")
    st.caption(verbatim(each.about))
    tasks = [task for task in catalogue.tasks if misfit(each, task, catalogue) is None]
    tasks.sort(key=lambda task: (to_be_downloaded(task), len(_changes(each, task))))
    if tasks:
        _try_out(each, tasks)
    else:
        st.caption(":material/info: No data here fits it; bring some on the page Data.")
    with st.container(horizontal=True):
        with st.popover("Rename", icon=":material/edit:"), st.form(f"rename.{each.name}"):
            st.text_input("Name", each.title, max_chars=LONGEST_NAME, key=f"title.{each.name}")
            st.form_submit_button("Save", on_click=_rename, args=(each.name,))
        if st.button("Delete", icon=":material/delete:", key=f"delete.{each.name}"):
            confirm_delete(each)


def _changes(each: OwnTeacher, task: TaskRecord) -> tuple[str, ...]:
    """What is done to a task's pictures before an own teacher sees them."""
    channels, height, width = task.input_shape
    return () if each.info is None else each.info.changes((channels, height, width))


def _try_out(each: OwnTeacher, tasks: list[TaskRecord]) -> None:
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    titles = {task.name: task.title for task in tasks}
    name = left.selectbox("On", list(titles), format_func=titles.get, key=f"task.{each.name}")
    task = next(task for task in tasks if task.name == name)
    for change in _changes(each, task):
        st.caption(f":material/info: {change}")
    tries: dict[tuple[str, str], Any] = st.session_state.setdefault("teachers.tries", {})
    if middle.button(
        "Try it",
        icon=":material/quiz:",
        key=f"try.{each.name}",
        width="stretch",
        disabled=to_be_downloaded(task),
        help="Not downloaded yet; the page Data does." if to_be_downloaded(task) else None,
    ):
        with st.spinner(f"Reading {task.title} …"):
            try:
                tries[each.name, task.name] = _tried(each.name, task.name)
            except KdError as error:
                tries[each.name, task.name] = str(error)
    if right.button(
        "Distill", icon=":material/experiment:", key=f"distill.{each.name}", width="stretch"
    ):
        fill_task(task.name)
        fill_own_teacher(each.name)
        st.switch_page("pages/distill.py")
    if (each.name, task.name) in tries:
        _show_trial(each, task, tries[each.name, task.name])


def _tried(teacher: str, task: str) -> Trial | None:
    """How much it reads; None where the engine stays busy for longer than a visitor waits."""
    deadline = monotonic() + PATIENCE
    found = runner().trial(teacher, task)
    while found is None and monotonic() < deadline:
        sleep(0.5)
        found = runner().trial(teacher, task)
    return found


def _show_trial(each: OwnTeacher, task: TaskRecord, trial: Any) -> None:
    if isinstance(trial, str):
        st.error(verbatim(trial), icon=":material/error:")
        return
    if trial is None:
        st.info(
            "The engine is starting, or at work on a run; try again in a moment.",
            icon=":material/hourglass_top:",
        )
        return
    read = list(trial.accuracy.items())
    figure(
        charts.trial_bars(trial.accuracy, each.scale, len(task.class_names)),
        f"trial-{each.name}-{task.name}",
        "How much of the validation pictures it reads with its pixels on each scale.",
        lambda: pd.DataFrame(read, columns=["scale of pixels", "accuracy"]),
    )
    ours, best = trial.accuracy[each.scale], trial.accuracy[trial.best]
    if best > ours and st.button(
        f"Take its pixels as “{trial.best}”", type="primary", key=f"scale.{each.name}"
    ):
        _rescale(each, trial.best)
    if best < 2 / len(task.class_names):
        st.warning(
            "That is hardly more than guessing. Are its classes in the order of this data's?",
            icon=":material/warning:",
        )


def _rescale(each: OwnTeacher, scale: uploads.Scale) -> None:
    """Another scale is another teacher: earlier runs keep the one they had."""
    home = runner().settings.home
    content = uploads.load(each, home)
    kept = uploads.keep(each.described(each.title, scale), content, home)
    if not _uses(each):
        uploads.delete(each.name, home)
    tries = st.session_state["teachers.tries"]
    st.session_state["teachers.tries"] = tries | {
        (kept.name, task): trial for (name, task), trial in tries.items() if name == each.name
    }
    st.rerun()


def _uses(each: OwnTeacher) -> list[Any]:
    return [run for run in store().find() if run.recipe.teacher.weights == each.name]


def _rename(name: str) -> None:
    home = runner().settings.home
    save(uploads.rename, name, st.session_state[f"title.{name}"], home)


@st.dialog("Delete for good?")
def confirm_delete(each: OwnTeacher) -> None:
    """Ask once more, and say which runs it is to be missed by."""
    ask_about_files(each.title, _uses(each), uploads.delete, each.name, runner().settings.home)
