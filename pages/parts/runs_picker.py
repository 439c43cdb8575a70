"""Which runs are laid side by side, and which of them is the reference: `?runs=..&reference=..`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import streamlit as st

from kdcore.compare_tables import FEWEST, LETTERS, MOST
from kdcore.errors import RunError
from kdcore.runs.store import Listed, Run
from pages.parts.services import store, verbatim, when

CHOSEN = "compare.runs"
REFERENCE = "compare.reference"
"""Session keys of the two widgets."""

KEPT = "compare.kept"
"""Session key of the runs that were chosen last: another page and back keeps them."""

LINK = "compare.link"
"""Session key of the link that was followed last."""


@dataclass(frozen=True)
class Followed:
    """A link's runs as it spells them, those of them that are shown, and what is wrong with it.

    lost: the reference that it names, if that is none of them.
    """

    asked: str
    shown: list[str]
    wrong: tuple[str, ...] = ()
    lost: str = ""


def pick_runs() -> tuple[list[Run], int]:
    """Let the visitor choose finished runs; returns them, and the place of the reference.

    Starts from those in the address, else from those chosen last. What is wrong with a link is
    said in a sentence, and what is right of it is shown.
    """
    known = {run.id: _label(run) for run in store().done()}
    said = _follow(known)
    for run_id in st.session_state[CHOSEN]:
        if run_id not in known:  # older than the list, or part of a map
            run = store().get(run_id)
            known[run_id] = _label(run)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        count = len(st.session_state[CHOSEN])
        chosen = st.multiselect(
            f"Runs to lay side by side: {count} chosen" if count else "Runs to lay side by side",
            list(known),
            format_func=known.get,
            key=CHOSEN,
            max_selections=MOST,
            placeholder="choose two to six finished runs",
        )
    with right:
        reference = _reference(chosen, known)
    if reference == 0 and len(chosen) >= FEWEST:
        said += _no_reference()
    for sentence in said:
        st.warning(sentence, icon=":material/link_off:")
    st.session_state[KEPT] = chosen
    _write_address(chosen, reference, keep=bool(said))
    return [_finished(run_id, known[run_id]) for run_id in chosen], reference


@st.cache_resource(max_entries=64, show_spinner=False)
def _finished(run_id: str, label: str) -> Run:
    """A finished run, read once: nothing of it changes but its name, which is in the label."""
    return store().get(run_id)


EXAMPLES = {
    "What does the temperature do?": ("Few labels, T = 1", "Few labels", "Few labels, T = 20"),
    "Hints, relations or answers?": (
        *("Few labels", "Few labels, hints", "Few labels, RKD", "Few labels, DKD"),
        "Few labels, DIST",
    ),
    "How small may the student be?": (
        *("Few labels, 64 hidden units", "Few labels", "Few labels, four hidden units"),
    ),
}
"""Questions that runs of the gallery, by name, answer side by side."""


def examples() -> None:
    """Links to some runs of the gallery side by side, where it has them."""
    shown = {run.name: run.id for run in store().done() if run.shown}
    for question, names in EXAMPLES.items():
        if shown.keys() >= set(names):
            ids = ",".join(shown[name] for name in names)
            st.page_link(
                "pages/compare.py",
                label=question,
                icon=":material/compare_arrows:",
                query_params={"runs": ids},
            )


def link() -> str:
    """The address that opens this page as it stands, for another visitor of the same app."""
    return f"{st.context.url or ''}?{urlencode(st.query_params.to_dict())}"


def _follow(known: Collection[str]) -> tuple[str, ...]:
    """Take over what the address names, once; returns what is wrong with it, in sentences.

    known: runs that can be shown, for sure.
    """
    state, asked = st.session_state, st.query_params.get("runs", "")
    followed: Followed | None = state.get(LINK)
    if asked and (followed is None or asked != followed.asked):
        state[LINK] = followed = _read(asked, known)
        state[CHOSEN] = list(followed.shown)
        wanted = st.query_params.get("reference", "")
        state[REFERENCE] = wanted if wanted in followed.shown else None
        if wanted not in followed.shown:
            state[LINK] = followed = replace(followed, lost=wanted)
    else:  # one may have been deleted meanwhile
        chosen = state.get(CHOSEN, state.get(KEPT, []))
        state[CHOSEN] = [each for each in chosen if each in known or not _why_not(each)]
    return followed.wrong if asked and followed is not None else ()


def _read(asked: str, known: Collection[str]) -> Followed:
    """What a link names, and what of it can be shown."""
    ids = list(dict.fromkeys(each for each in asked.split(",") if each))
    reasons = {each: "" if each in known else _why_not(each) for each in ids}
    wrong = [reason for reason in reasons.values() if reason]
    good = [each for each, reason in reasons.items() if not reason]
    if len(good) > MOST:
        wrong.append(
            f"This link names {len(good)} runs; {FEWEST} to {MOST} can be laid side by side, so "
            f"the first {MOST} are shown."
        )
    return Followed(asked, good[:MOST], tuple(wrong))


def _no_reference() -> tuple[str, ...]:
    """What to say where the link names a reference that is not shown; nothing where all is well."""
    followed: Followed | None = st.session_state.get(LINK)
    if followed is None or not followed.lost:
        return ()
    return (
        f"The reference {verbatim(repr(followed.lost[:40]))} in this link is none of the runs "
        "shown: the others are held against A. Choose another one under Reference.",
    )


def _why_not(run_id: str) -> str:
    """Why a run cannot be laid beside others; empty where it can."""
    try:
        run = store().get(run_id)
    except RunError:
        return (
            f"The run {verbatim(repr(run_id[:40]))} in this link is not here: it was deleted, or "
            "is kept on another machine. Choose another one."
        )
    if run.state == "done" and run.result is not None:
        return ""
    return (
        f"The run {verbatim(run.name)} is {run.state}: only finished runs can be compared. See how "
        "it stands on Distill, or choose another one."
    )


def _reference(chosen: list[str], known: Mapping[str, str]) -> int:
    """The place among the chosen runs of the one that the others are held against."""
    if len(chosen) < FEWEST:
        return 0
    if st.session_state.get(REFERENCE) not in chosen:
        st.session_state[REFERENCE] = chosen[0]
    letters = {
        each: f"{letter} · {known[each]}" for letter, each in zip(LETTERS, chosen, strict=False)
    }
    picked = st.selectbox(
        "Reference",
        chosen,
        format_func=letters.get,
        key=REFERENCE,
        help="The run that all others are held against.",
    )
    return chosen.index(picked)


def _write_address(chosen: list[str], reference: int, *, keep: bool) -> None:
    """Say in the address what is shown; keep: leave a link with something wrong in it as it is,
    and what is wrong said, until others are chosen.
    """
    if chosen:
        st.query_params["reference"] = chosen[reference]
    if keep and chosen == st.session_state[LINK].shown:
        return
    if chosen:
        st.query_params["runs"] = ",".join(chosen)
        st.session_state[LINK] = Followed(st.query_params["runs"], chosen)
    else:
        for name in ("runs", "reference"):
            st.query_params.pop(name, None)


def _label(run: Run | Listed) -> str:
    return f"{run.name} · {when(run)}"
