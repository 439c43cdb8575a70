"""Own data: upload, look, keep; and what is kept, to be renamed, deleted or distilled on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from kdcore import ingest
from kdcore.errors import DataError
from kdcore.ingest import Kept, Preview, limits
from kdcore.samples import CLASSES, EACH
from kdcore.settings import Settings
from kdcore.spoken import size
from pages.parts.deeds import ask_about_files, save
from pages.parts.picture_grid import picture_grid
from pages.parts.services import store, verbatim

OPEN_TASK = "open_task"
"""Session key under which this page hands a task over to the page Distill."""

PREVIEW = "data.preview"
"""Session key of what was read last, with the upload and side that it was read from."""

JUST_KEPT = "data.just_kept"
"""Session key of the task that was kept last."""

LAYOUTS = """
* **.zip** of one folder a class, with its pictures inside (PNG, JPEG and the like). Folders
  `train`, `val` and `test` around the class folders are taken as the splits.
* **.npz** with the arrays `images` (N, H, W) or (N, H, W, C), `labels` (N,), and, if you like,
  `class_names`.
* **.csv** with a picture a row: its label, then the pixels of a square, grey or colour.

What has no split gets one: each class is dealt out to training, validation and test by itself.
Pictures become squares of one size. At most {megabytes}; it all stays on this machine.
"""

EXTENSIONS = ["zip", "npz", "csv"]


def data_folder() -> Path:
    """Where own data are kept."""
    return Settings.from_environment().data


def distill_on(task: str) -> None:
    """Open the page Distill with this task chosen."""
    st.session_state[OPEN_TASK] = task
    st.switch_page("pages/distill.py")


# bringing


def bring() -> None:
    """The upload, what was found in it, and the button that keeps it."""
    _say_kept()
    upload = st.file_uploader(
        "A .zip of class folders, an .npz of arrays, or a .csv of pixels",
        type=EXTENSIONS,
        max_upload_size=limits.UPLOAD_BYTES // limits.MB,
        key=f"data.upload.{st.session_state.setdefault('data.uploads', 0)}",
    )
    with st.expander("How must the file be laid out?", icon=":material/folder_zip:"):
        st.markdown(LAYOUTS.format(megabytes=limits.megabytes(limits.UPLOAD_BYTES)))
    if upload is None:
        st.session_state.pop(PREVIEW, None)
        return
    left, right = st.columns([3, 1])
    name = left.text_input(
        "Name", Path(upload.name).stem, max_chars=limits.CLASS_NAME, key=f"name.{upload.file_id}"
    )
    side = right.selectbox(
        "Resize to",
        [0, *limits.SIDES],
        format_func=lambda side: f"{side}×{side}" if side else "what fits",
        key="data.side",
    )
    try:
        preview = _read(upload, side or None)
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    _show(preview)
    if st.button("Keep", type="primary", icon=":material/save:", key="data.keep"):
        _keep(preview, name)


def _read(upload: st.runtime.uploaded_file_manager.UploadedFile, side: int | None) -> Preview:
    """Read the upload once, not at every rerun; a refusal is repeated without reading again."""
    read_from = (upload.file_id, side)
    if st.session_state.get(PREVIEW, (None,))[0] != read_from:
        st.session_state.pop(PREVIEW, None)  # before the next one fills the memory
        with st.spinner("Reading the pictures …"):
            try:
                found: Preview | str = ingest.inspect(upload, upload.name, side=side)
            except DataError as error:
                found = str(error)
        st.session_state[PREVIEW] = (read_from, found)
    found = st.session_state[PREVIEW][1]
    if isinstance(found, str):
        raise DataError(found)
    return found


def _show(preview: Preview) -> None:
    st.markdown(f"**{verbatim(preview.summary)}.**")
    for warning in preview.warnings:
        st.warning(verbatim(warning), icon=":material/warning:")
    left, right = st.columns([5, 3], gap="large")
    with left:
        names = preview.class_names[:CLASSES]
        picture_grid(
            [(name, preview.first(name, EACH)) for name in names], len(preview.class_names)
        )
    with right:
        table = pd.DataFrame(preview.counts)
        table.index.name = "class"
        st.dataframe(table, alt="How many pictures each class has in each split.")


def _keep(preview: Preview, name: str) -> None:
    try:
        with st.spinner("Keeping the pictures …"):
            kept = ingest.keep(preview.named(name), data_folder())
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.session_state[JUST_KEPT] = st.session_state["data.task"] = kept.task
    st.session_state.pop(PREVIEW, None)
    st.session_state["data.uploads"] += 1  # another uploader, an empty one
    st.rerun()


def _say_kept() -> None:
    task = st.session_state.get(JUST_KEPT)
    kept = next((each for each in ingest.kept(data_folder()) if each.task == task), None)
    if kept is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(f"Kept: {verbatim(kept.name)}.", icon=":material/check:")
        if st.button(
            "Distill on it", type="primary", icon=":material/experiment:", key="data.distill"
        ):
            distill_on(kept.task)


# kept


def kept_list() -> None:
    """All that is kept, newest first."""
    found = ingest.kept(data_folder())
    st.subheader("Kept", anchor=False)
    if not found:
        st.caption("Nothing yet. What you keep will be listed here, and offered on Distill.")
    for each in found:
        with st.container(border=True, key=f"kept.{each.task}"):
            _kept(each)


def _kept(each: Kept) -> None:
    st.markdown(f"**{verbatim(each.name)}**")
    st.caption(f"{verbatim(each.about)} {size(ingest.size(each.task, data_folder()))}.")
    with st.container(horizontal=True):
        if st.button("Distill on it", icon=":material/experiment:", key=f"distill.{each.task}"):
            distill_on(each.task)
        with st.popover("Rename", icon=":material/edit:"), st.form(f"rename.{each.task}"):
            st.text_input("Name", each.name, max_chars=limits.CLASS_NAME, key=f"name.{each.task}")
            st.form_submit_button("Save", on_click=_rename, args=(each.task,))
        if st.button("Delete", icon=":material/delete:", key=f"delete.{each.task}"):
            confirm_delete(each)


def _rename(task: str) -> None:
    save(ingest.rename, task, st.session_state[f"name.{task}"], data_folder())


@st.dialog("Delete for good?")
def confirm_delete(each: Kept) -> None:
    """Ask once more, and say which runs it is to be missed by."""
    uses = [
        run for run in store().find() if each.task in (run.recipe.task, run.recipe.transfer.source)
    ]
    ask_about_files(each.name, uses, ingest.delete, each.task, data_folder())
