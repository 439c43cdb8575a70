"""What can be done with a run, sweep, search or pipeline: stop it, begin again, keep its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import streamlit as st

from pages.parts.deeds import attempt
from pages.parts.services import store


def stop_button(
    label: str,
    action: Callable[[str], object],
    job_id: str,
    *,
    requested: bool = False,
    help: str | None = None,
) -> None:
    """Ask what is under way to stop; requested: whether that was done already."""
    st.button(
        "Stopping …" if requested else label,
        icon=":material/stop_circle:",
        disabled=requested,
        on_click=attempt,
        args=(action, job_id),
        help=help,
    )


def again_button(
    label: str,
    action: Callable[[str], object],
    job_id: str,
    *,
    icon: str = ":material/replay:",
    help: str | None = None,
) -> None:
    """Take up again what has ended, but not well."""
    st.button(label, type="primary", icon=icon, on_click=attempt, args=(action, job_id), help=help)


def settings_download(
    label: str, data: str | Callable[[], str], job_id: str, key: str, help: str
) -> None:
    """Hand out what is to be done as a file, which the command line takes."""
    st.download_button(
        label,
        data=data,
        file_name=f"{job_id}.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        help=help,
        key=key,
    )


def delete_popover(told: str, action: Callable[[str], None], job_id: str) -> None:
    """Delete what has ended, told what goes with it."""
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(told)
        st.button("Delete for good", type="primary", on_click=action, args=(job_id,))


def queued(created: float, closing: str) -> None:
    """The place in the queue of what was handed in at that time."""
    ahead = store().waiting(before=created)
    waiting = f"Queued, {ahead} ahead." if ahead else "Waiting for a worker."
    st.progress(0.0, text=f"{waiting} {closing}")


def gallery_badge(shown: bool) -> None:
    """Beside a name, where it comes from, if that is the gallery."""
    if shown:
        st.badge("from the gallery", icon=":material/collections:", color="gray")


def made_there(what: str, created: float, machine: Mapping[str, str | int], then: str) -> None:
    """When and on what machine something of the gallery's was made, and what to do here."""
    made = datetime.fromtimestamp(created)
    st.caption(
        f"A real {what}, made on {made:%d %B %Y} on {machine['system']} with {machine['cores']} "
        f"cores. {then}"
    )
