"""The same models on other devices: a kit to measure them there, and what it found, read back.

A measurement is kept for the visitor's session, whatever page is looked at, and shown wherever
models stand whose files it measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from threading import Lock

import pandas as pd
import streamlit as st

from kdcore.charts import LOOKS
from kdcore.errors import KdError, UploadError
from kdcore.handover import measured
from kdcore.handover.elsewhere import (
    Timed,
    device_chart,
    device_name,
    elsewhere,
    in_words,
    missing,
    unmatched,
)
from kdcore.handover.measured import Measured
from kdcore.result import ARMS
from kdcore.runs.store import Run
from kdcore.shelf import Shelf
from pages.parts.look import figure
from pages.parts.services import harmless, runner, verbatim

KEPT = "devices.measured"
"""Session key of the measurements that this visitor brought, by content."""

MOST_KEPT = 8
ABOUT = (
    "1. Download the kit: these models as ONNX files, and a script that times them.\n"
    "2. On the device, run `python measure_here.py`; it needs onnxruntime and numpy alone.\n"
    "3. Upload the `measured.json` that it writes."
)


@st.cache_resource(show_spinner=False)
def _turn() -> Lock:
    """One kit is made at a time: it holds all models in memory."""
    return Lock()


def devices(models: Sequence[Timed], name: str, here: str = "here") -> None:
    """What other devices take for these models, and the way to find out; name: of the kit, and
    before the widgets' keys; here: where they were judged.
    """
    if not models:
        return
    with st.expander("How fast is it on another device?", icon=":material/devices:"):
        st.markdown(ABOUT)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.download_button(
                "Kit",
                data=partial(_kit, f"measure-{name}", models, runner().shelf, _turn()),
                file_name=f"measure-{name}.zip",
                mime="application/zip",
                icon=":material/package_2:",
                on_click="ignore",
                key=f"devices.kit.{name}",
            )
        _upload(models, name)
        for key, found in list(_kept().items()):
            _device(models, key, found, name, here)


def of_run(run: Run) -> list[Timed]:
    """The three models of a finished run, as far as it kept their files."""
    if run.result is None:
        return []
    result = run.result
    return [
        Timed(LOOKS[arm].label, arm, result.artifacts[f"{arm}.onnx"], {1: timed})
        for arm in ARMS
        if f"{arm}.onnx" in result.artifacts and (timed := result.arms[arm].latency_ms) is not None
    ]


def _kit(name: str, models: Sequence[Timed], shelf: Shelf, turn: Lock) -> bytes:
    """Called in a thread of its own, where nothing of streamlit may be asked."""
    from kdcore.handover.kit import kit

    files = {each.file: each.name for each in models}  # one that two models share goes in once
    with turn:
        return kit(name, [(called, shelf.get(file)) for file, called in files.items()])


def _kept() -> dict[str, Measured]:
    found: dict[str, Measured] = st.session_state.setdefault(KEPT, {})
    return found


def _upload(models: Sequence[Timed], name: str) -> None:
    """Take in what a device found; each file once, also where it is still in the widget."""
    uploaded = st.file_uploader(
        "What measure_here.py wrote",
        type=["json"],
        accept_multiple_files=True,
        max_upload_size=max(1, measured.MOST_BYTES // 1_000_000),
        key=f"devices.upload.{name}.{st.session_state.setdefault('devices.uploads', 0)}",
    )
    if len(uploaded) > MOST_KEPT:
        st.info(f"The last {MOST_KEPT} of these files are shown, and no more.")
    for file in uploaded[-MOST_KEPT:]:
        content = file.getvalue()
        key = hashlib.sha256(content).hexdigest()
        if key in _kept():
            continue
        try:
            found = measured.read(content)
            elsewhere(models, found)  # of other models, it is not taken in
        except UploadError as error:
            st.error(f"{harmless(file.name)}: {harmless(str(error))}", icon=":material/error:")
            continue
        _kept()[key] = found
        while len(_kept()) > MOST_KEPT:
            _kept().pop(next(iter(_kept())))


def _device(models: Sequence[Timed], key: str, found: Measured, name: str, here: str) -> None:
    """One device beside the machine here, if it measured any of these models."""
    try:
        rows = elsewhere(models, found)
    except KdError:
        return  # brought for models that stand elsewhere
    device = found.device.name or "the device"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{verbatim(device_name(found))}**, {verbatim(found.taken[:10])}")
        st.button(
            "Forget",
            icon=":material/close:",
            type="tertiary",
            key=f"devices.forget.{name}.{key[:12]}",
            on_click=_forget,
            args=(key,),
        )
    _chart(rows, device, here, f"{name}-{key[:12]}")
    st.dataframe(in_words(rows, here), hide_index=True, alt=f"Latencies on {device} and {here}.")
    others, absent = unmatched(models, found), missing(models, found)
    st.caption(f"Median of a call, of files of the same content. {_left_out(others, absent)}")


def _left_out(others: Sequence[str], absent: Sequence[str]) -> str:
    """What was measured there and does not stand here, and the other way round."""
    told = ""
    if others:
        told += f"Also measured there, but of none of these models: {verbatim(', '.join(others))}. "
    if absent:
        told += f"Not measured there: {verbatim(', '.join(absent))}."
    return told


def _chart(rows: pd.DataFrame, device: str, here: str, name: str) -> None:
    batches = sorted({int(each) for each in rows.loc[rows["threads"] == 1, "batch"]})
    if not batches:
        st.caption("It was not measured with one thread, as the models here were.")
        return
    key = f"devices.batch.{name}"
    batch = st.session_state.get(key) or batches[0]
    figure(
        device_chart(rows, batch if batch in batches else batches[0], device, here),
        f"device-{name}",
        "Median latency of each model, here and on that device.",
        lambda: rows,
    )
    if len(batches) > 1:
        st.segmented_control(
            "Samples in a call", batches, default=batches[0], required=True, key=key
        )


def _forget(key: str) -> None:
    """Drop a measurement, and empty the uploader, which would bring it back."""
    _kept().pop(key, None)
    st.session_state["devices.uploads"] += 1
