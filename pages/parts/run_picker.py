"""Which finished run is looked at, and which of its seeds: `?run=<id>` in the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from kdcore import answers
from kdcore.charts import LOOKS
from kdcore.errors import RunError
from kdcore.result import ARMS
from kdcore.runs.store import Listed, Run
from kdcore.statistics import accuracy_text
from pages.parts.cards import MARKERS
from pages.parts.recipe_form import FIRST_PRESET, presets
from pages.parts.services import store, verbatim, when

ALL_SEEDS = -1
"""In place of a seed's place."""

LAST = "look.run"
"""Session key of the run that was looked at last: another page goes on with it."""


def look_into_runs(title: str, views: Callable[[Run], None]) -> None:
    """A page over one finished run, which the visitor chooses."""
    st.title(title, anchor=False)
    run = pick_run()
    if run is not None:
        st.fragment(views)(run)


def pick_run() -> Run | None:
    """Let the visitor choose a done run that kept its answers; None, and why, where there is none.

    Starts from the one in the address, else from the one looked at last, else from the visitor's
    newest; where all are the gallery's, from the one that Distill shows.
    """
    listed = store().done_with("logits")
    wanted = st.query_params.get("run") or st.session_state.get(LAST)
    known = {each.id: each for each in listed}
    if wanted and wanted not in known:
        if (run := _unlisted(wanted)) is not None:
            known[run.id] = run
        elif "run" in st.query_params:
            _say_why_not(wanted)
        else:
            wanted = None
    if not known:
        _say_what_to_do(wanted)
        return None
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        chosen = _choose(known, wanted or _first(listed))
    if chosen is None:
        return None
    st.session_state[LAST] = chosen
    if st.query_params.get("run") != chosen:
        st.query_params["run"] = chosen
    run = store().get(chosen)
    with right:
        _about(run)
    return run


def pick_seed(run: Run, *, pooled: bool) -> int | None:
    """The place of a seed among the run's; None for all of them, which is offered where `pooled`.

    Starts from the `?seed=` in the address.
    """
    seeds = run.recipe.seeds
    places = list(range(len(seeds)))
    if pooled and len(seeds) > 1:
        places.append(ALL_SEEDS)
    asked = st.query_params.get("seed", "")
    start = next((i for i, seed in enumerate(seeds) if str(seed) == asked), 0)
    place = st.selectbox(
        "Seed",
        places,
        index=start,
        format_func=lambda place: "all seeds" if place == ALL_SEEDS else str(seeds[place]),
        key=f"look.seed.{run.id}.{pooled}",
        help="Each seed trained both students anew, from the same weights on the same batches.",
    )
    return None if place == ALL_SEEDS else place


def pick_view(views: Sequence[str]) -> str:
    """Which view of the run is shown; it stands in the address."""
    view: str = st.segmented_control(
        "Look at", views, default=views[0], required=True, key="view", bind="query-params"
    )
    return view


def pick_view_and_seed(run: Run, views: Sequence[str], *, pooled: bool) -> tuple[str, int | None]:
    """The view, and beside it the seed's place among the run's; see `pick_seed`."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        view = pick_view(views)
    with right:
        return view, pick_seed(run, pooled=pooled)


def samples_said(kept: answers.Answers) -> str:
    """How many test samples the numbers are of."""
    if kept.tested > len(kept):
        return f"the first {len(kept):,} of {kept.tested:,} test samples"
    if not kept.tested and len(kept) == answers.PROBE:
        return f"the first {len(kept):,} test samples"  # an older file doesn't say of how many
    return f"all {len(kept):,} test samples"


def _first(listed: list[Listed]) -> str:
    """The newest run, or, where that is the gallery's, the gallery's own first."""
    if listed[0].shown and (exhibit := store().exhibit(presets()[FIRST_PRESET].id)) is not None:
        return exhibit.id
    return listed[0].id


def _choose(known: dict[str, Listed], wanted: str | None) -> str | None:
    ids = list(known)
    index = ids.index(wanted) if wanted in known else None if wanted else 0
    return st.selectbox(
        "Run",
        ids,
        index=index,
        format_func=lambda run_id: _label(known[run_id]),
        placeholder="choose a finished run",
        key=f"look.run.{wanted}",  # another address is another choice, whatever was chosen here
    )


def _about(run: Run) -> None:
    """What the run came to, in a line, and a link to all of it."""
    assert run.result is not None
    arms = run.result.arms
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(
            " &nbsp; ".join(
                f'<span style="white-space:nowrap"><span style="color:{LOOKS[arm].colour}">'
                f"{MARKERS[LOOKS[arm].marker]}</span> {LOOKS[arm].short} "
                f"<b>{accuracy_text(arms[arm].accuracy)}</b></span>"
                for arm in ARMS
            ),
            width="content",
        )
        st.page_link("pages/distill.py", label="The whole run", query_params={"run": run.id})


def _label(run: Listed) -> str:
    return f"{run.name} · {when(run)}"


def _unlisted(run_id: str) -> Listed | None:
    """A done run with answers that the list of the newest leaves out, such as a sweep's member."""
    try:
        run = store().get(run_id)
    except RunError:
        return None
    if run.state == "done" and run.result is not None and answers.names(run.result.artifacts):
        return Listed(run.id, run.name, run.created)
    return None


def _say_why_not(run_id: str) -> None:
    """Why the run that a link names cannot be looked at."""
    try:
        run = store().get(run_id)
    except RunError:
        st.warning(
            f"The run {verbatim(repr(run_id))} in this link is not here: it was deleted, or is "
            "kept on another machine. Choose another one.",
            icon=":material/link_off:",
        )
        return
    name = verbatim(run.name)
    if run.state == "done":
        st.warning(
            f"The run {name} kept none of its models' answers, as parts of sweeps do. Run its "
            "recipe by itself to look at them, or choose another run.",
            icon=":material/visibility_off:",
        )
    else:
        st.info(
            f"The run {name} is {run.state}: only a finished run has answers to look at. See how "
            "it stands on Distill, or choose another run.",
            icon=":material/hourglass_top:",
        )
    st.page_link("pages/distill.py", label=f"See {name}", query_params={"run": run.id})


def _say_what_to_do(wanted: str | None) -> None:
    first = "There is no finished run yet to look into. " if not wanted else ""
    st.info(f"{first}Press Distill on the first page; a run of the digits is done in seconds.")
    st.page_link("pages/distill.py", label="Go to Distill", icon=":material/experiment:")
