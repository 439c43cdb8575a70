"""Sweeps as rows, each of which opens into its members, a page at a time."""

from __future__ import annotations

from datetime import datetime
from math import ceil

import pandas as pd
import streamlit as st

from kdcore.charts import LOOKS
from kdcore.runs.sweeps import MemberRow, SweepRun, member_table
from pages.parts.deeds import delete_button, save
from pages.parts.services import runner, verbatim
from pages.parts.sweep_view import sides_of

MEMBERS_A_PAGE = 50


def show_sweeps(text: str) -> None:
    """The sweeps whose name holds the text, and what to do with the one that is ticked."""
    sweeps = runner().sweeps.find(text)
    if not sweeps:
        return
    st.subheader("Sweeps", anchor=False)
    picked = st.dataframe(
        sweeps_table(sweeps),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"sweeps.table.{'.'.join(sweep.id for sweep in sweeps)}",
        column_config={"Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm")},
        alt="All sweeps, a row each.",
    )
    for row in picked.selection.rows:
        sweep_actions(sweeps[row])
    if not picked.selection.rows:
        st.caption("Tick a sweep to open its map, see its members, rename or delete it.")


def sweeps_table(sweeps: list[SweepRun]) -> pd.DataFrame:
    """One row a sweep, newest first."""
    return pd.DataFrame(
        [
            {
                "Name": sweep.name,
                "Members": sweep.total,
                "State": ", ".join(f"{count:,} {state}" for state, count in sweep.counts.items()),
                "Created": datetime.fromtimestamp(sweep.created),
            }
            for sweep in sweeps
        ]
    )


@st.dialog("Delete for good?")
def confirm_delete_sweep(sweep: SweepRun) -> None:
    """Ask once more; deleting cannot be taken back."""
    st.markdown(f"- {verbatim(sweep.name)}, with all its {sweep.total:,} members")
    st.markdown("This cannot be undone.")
    delete_button(runner().sweeps.delete, sweep.id)


def rename_sweep(sweep_id: str) -> None:
    """Store the name as typed."""
    save(runner().sweeps.rename, sweep_id, st.session_state[f"sweep.name.{sweep_id}"])


def sweep_actions(sweep: SweepRun) -> None:
    """What can be done with the sweep that is ticked, and its members a page at a time."""
    with st.container(horizontal=True):
        if st.button("Open its map", type="primary", icon=":material/grid_on:"):
            st.switch_page("pages/sweep.py", query_params={"sweep": sweep.id})
        if st.button(
            "Delete",
            icon=":material/delete:",
            disabled=sweep.left > 0,
            key="sweep.delete",
            help="A sweep under way is cancelled first.",
        ):
            confirm_delete_sweep(sweep)
    st.text_input(
        "Name",
        sweep.name,
        key=f"sweep.name.{sweep.id}",
        max_chars=200,
        on_change=rename_sweep,
        args=(sweep.id,),
    )
    pages = ceil(sweep.total / MEMBERS_A_PAGE)
    number = 1 if pages == 1 else st.number_input(f"Page, of {pages}", 1, pages, key="sweep.page")
    start = (number - 1) * MEMBERS_A_PAGE
    members = runner().sweeps.members(sweep.id, start=start, limit=MEMBERS_A_PAGE)
    picked = st.dataframe(
        members_table(sweep, members),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"sweep.members.{sweep.id}.{number}",
        alt="The members of the sweep with their settings and numbers.",
    )
    for row in picked.selection.rows:
        st.switch_page("pages/distill.py", query_params={"run": members[row].run_id})


def members_table(sweep: SweepRun, members: list[MemberRow]) -> pd.DataFrame:
    """Members as rows: what each sets, and its numbers in percent and points."""
    table = member_table(sweep, members)
    found = {
        side.title: table[side.field].map(dict(zip(side.values, side.names, strict=True)))
        for side in sides_of(sweep.sweep)
    }
    found |= {"State": table["state"], "Verdict": table["verdict"]}
    for arm in ("distilled", "control"):
        found[f"{LOOKS[arm].short}, %"] = (100 * table[f"{arm}.mean"].astype(float)).round(1)
    found["Difference, points"] = table["difference"].astype(float).round(1)
    return pd.DataFrame(found | {"Why": table["error"]})
