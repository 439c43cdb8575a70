"""Runs: everything that was tried; find it, open it, name it, lay it side by side."""

from datetime import datetime

import pandas as pd
import streamlit as st

from kdcore.compare_tables import FEWEST, MOST
from kdcore.runs.store import LISTED, STATES, Run
from kdcore.statistics import accuracy_text, signed
from pages.parts.deeds import delete_button, save
from pages.parts.run_view import recipe_download
from pages.parts.services import gone, plainly, run_label, runner, store, verbatim
from pages.parts.sweep_list import show_sweeps

REFRESH_SECONDS = 2.0


TICKED = "runs.ticked"
"""Session key of the list in which a row is ticked."""


def kept_in_place(runs: list[Run]) -> list[Run]:
    """While a row is ticked the list stays as it is, so that what is being typed is not lost."""
    ids = st.session_state.get(TICKED, [])
    found = {run.id: run for run in runs}
    if not ids or not all(run_id in found for run_id in ids):
        return runs
    if len(runs) > len(ids):
        st.caption(f"{len(runs) - len(ids)} more since then; untick all rows to see them.")
    return [found[run_id] for run_id in ids]


def table(runs: list[Run]) -> pd.DataFrame:
    """One row a run, newest first."""
    return pd.DataFrame([_row(run) for run in runs])


def _row(run: Run) -> dict[str, object]:
    result = run.result
    return {
        "State": "gallery" if run.shown else run.state,
        "Verdict": result.verdict if result else "",
        "Name": run.name,
        "Difference": f"{signed(result.difference.mean)} points" if result else "",
        "Labels alone": accuracy_text(result.arms["control"].accuracy) if result else "",
        "Distilled": accuracy_text(result.arms["distilled"].accuracy) if result else "",
        "Teacher": accuracy_text(result.arms["teacher"].accuracy) if result else "",
        "T": run.recipe.temperature,
        "α": run.recipe.soft_weight,
        "Seeds": len(run.recipe.seeds),
        "Tags": list(run.tags),
        "Note": run.note,
        "Created": datetime.fromtimestamp(run.created),
    }


def filtered() -> list[Run]:
    """The runs that the filter row asks for."""
    text, state, tag = st.columns([2, 1, 1])
    return store().find(
        text=text.text_input("Find", placeholder="name, note or tag", key="runs.text"),
        states=state.multiselect("State", STATES, key="runs.states"),
        tags=tag.multiselect("Tags", store().tags(), key="runs.tags"),
    )


@st.dialog("Delete for good?")
def confirm_delete(runs: list[Run]) -> None:
    """Ask once more; deleting cannot be taken back."""
    for run in runs:
        st.markdown(f"- {run_label(run)}")
    st.markdown(
        "Curves, results and both students go with it; the teacher is kept for later runs. "
        "This cannot be undone."
    )
    delete_button(delete_all, [run.id for run in runs])


def delete_all(run_ids: list[str]) -> None:
    """Delete runs, with the files that only they needed."""
    for run_id in run_ids:
        runner().delete(run_id)


def save_words(run_id: str) -> None:
    """Store the name, tags and note as typed."""
    state = st.session_state
    save(
        store().annotate,
        run_id,
        name=state[f"name.{run_id}"],
        tags=state[f"tags.{run_id}"],
        note=state[f"note.{run_id}"],
    )


def words(run: Run) -> None:
    """Name, tags and note of one run."""
    with st.form(f"words.{run.id}", border=True):
        st.text_input("Name", run.name, key=f"name.{run.id}", max_chars=200)
        st.multiselect(
            "Tags",
            sorted({*store().tags(), *run.tags}),
            default=list(run.tags),
            accept_new_options=True,
            key=f"tags.{run.id}",
        )
        st.text_area("Note", run.note, key=f"note.{run.id}", height=80)
        st.form_submit_button("Save", icon=":material/save:", on_click=save_words, args=(run.id,))


def run_again(run: Run) -> None:
    """Submit its recipe once more, and show the new run; say so where its data are gone."""
    missing = gone(run.recipe)
    if missing is not None:
        st.error(f"{verbatim(missing)}.", icon=":material/error:")
        return
    again = runner().submit(run.recipe, run.name)
    st.switch_page("pages/distill.py", query_params={"run": again.id})


def actions(chosen: list[Run]) -> None:
    """What can be done with the selected runs."""
    with st.container(horizontal=True):
        if len(chosen) == 1:
            run = chosen[0]
            if st.button("Open", type="primary", icon=":material/open_in_new:"):
                st.switch_page("pages/distill.py", query_params={"run": run.id})
            if st.button("Run again", icon=":material/replay:", help="As a new run."):
                run_again(run)
            if st.button("Use settings", icon=":material/tune:"):
                st.session_state["open_recipe"] = run.recipe.to_json()
                st.switch_page("pages/distill.py")
            recipe_download(run)
        comparable = all(run.state == "done" for run in chosen) and FEWEST <= len(chosen) <= MOST
        if comparable and st.button(
            "Lay side by side", type="primary", icon=":material/compare_arrows:"
        ):
            ids = ",".join(run.id for run in chosen)
            st.switch_page("pages/compare.py", query_params={"runs": ids})
        if st.button(
            "Delete",
            icon=":material/delete:",
            disabled=any(run.shown or not run.ended for run in chosen),
            help="A run under way is cancelled first; the gallery's stay.",
        ):
            confirm_delete(chosen)
    if len(chosen) > 1 and not comparable:
        st.caption(f"{FEWEST} to {MOST} finished runs can be laid side by side.")
    if len(chosen) == 1:
        words(chosen[0])


def _say_more(shown: int) -> None:
    if shown == LISTED and (count := store().count()) > shown:
        st.caption(f"The newest {shown} of {count:,}; find older ones by name, note, state or tag.")


def page() -> None:
    """The filter, the runs, and the sweeps."""
    sweeps = runner().sweeps.find()
    if store().count():
        show_runs()
    elif not sweeps:
        st.info("No runs yet. Press Distill on the first page, and yours will be listed here.")
        st.page_link("pages/distill.py", label="Go to Distill", icon=":material/experiment:")
    if sweeps:
        show_sweeps(st.session_state.get("runs.text", ""))


def show_runs() -> None:
    """The filter, the table, and what to do with the rows that are ticked."""
    runs = kept_in_place(filtered())
    if not runs:
        st.info("No run matches. Clear the filter to see all of them.")
        return
    picked = st.dataframe(
        table(runs),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        # another list is another table: ticks are by row, and must not move to other runs
        key=f"runs.table.{'.'.join(run.id for run in runs)}",
        column_config={
            "Name": st.column_config.TextColumn(width="medium"),
            "Verdict": st.column_config.TextColumn(width=150),
            "Tags": st.column_config.ListColumn(),
            "Created": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        },
        alt="All runs with their verdicts and accuracies.",
    )
    chosen = [runs[row] for row in picked.selection.rows if row < len(runs)]
    st.session_state[TICKED] = [run.id for run in runs] if chosen else []
    if chosen:
        actions(chosen)
    else:
        _say_more(len(runs))
        st.caption("Tick a run to open, rename, repeat or delete it; tick two to six to compare.")


@plainly
def watch(seen: list[tuple[str, str]]) -> None:
    """Draw the page anew once a run began or ended: a page that is being read keeps still."""
    runner().reconcile_soon()
    if unfinished() != seen:
        st.rerun()


def unfinished() -> list[tuple[str, str]]:
    """What of the tables may still change by itself."""
    found = [(run.id, run.state) for run in store().unfinished()]
    return found + [(sweep.id, str(sweep.left)) for sweep in runner().sweeps.find() if sweep.left]


st.title("Runs", anchor=False)
page()
under_way = unfinished()
if under_way:
    st.fragment(watch, run_every=REFRESH_SECONDS)(under_way)
