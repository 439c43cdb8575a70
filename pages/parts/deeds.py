"""What a click does: done, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from kdcore.errors import KdError
from kdcore.ingest.limits import plural
from kdcore.runs.store import Run
from pages.parts.services import harmless, verbatim


def attempt(action: Callable[..., object], *arguments: object, **more: object) -> bool:
    """Do it, or say in passing why it cannot be done; whether it was done."""
    try:
        action(*arguments, **more)
    except KdError as error:
        st.toast(harmless(str(error)), icon=":material/error:")
        return False
    return True


def save(action: Callable[..., object], *arguments: object, **more: object) -> None:
    """The same of what is typed, and say that it is kept."""
    if attempt(action, *arguments, **more):
        st.toast("Saved", icon=":material/check:")


def delete_button(
    action: Callable[..., object], *arguments: object, disabled: bool = False
) -> None:
    """The last click of a dialog that asks whether to delete."""
    if st.button("Delete for good", type="primary", icon=":material/delete:", disabled=disabled):
        try:
            action(*arguments)
        except KdError as error:
            st.error(harmless(str(error)))
        else:
            st.rerun()


def ask_about_files(
    name: str, uses: Sequence[Run], action: Callable[..., object], *arguments: object
) -> None:
    """Ask once more before files of somebody's own are deleted, and say which runs used them."""
    under_way = [run for run in uses if not run.ended]
    st.markdown(f"**{verbatim(name)}** is taken off the disk. This cannot be undone.")
    if under_way:
        st.info("A run under way needs it. Wait for its end, or cancel it first.")
    elif uses:
        many = plural(len(uses), "run")
        st.markdown(f"{many} used it: their results stay, but they cannot be run again.")
    delete_button(action, *arguments, disabled=bool(under_way))
