"""Try it yourself: draw, photograph or point, and all models answer at once."""

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from kdcore import drawn, panel
from kdcore.answers import Answers
from kdcore.drawn import Layout
from kdcore.errors import HomeError
from kdcore.panel import Replies
from kdcore.runs.store import Run
from pages.parts.asked_models import models, why_no_teacher
from pages.parts.look import answers_of
from pages.parts.picture_grid import source
from pages.parts.run_picker import pick_run
from pages.parts.services import plainly
from pages.parts.three_answers import said, three_answers
from pages.parts.try_ways import Looked, Shown, ways

GAME = "Find something on which they disagree"

PICTURE = (
    "width:7rem;aspect-ratio:1;image-rendering:pixelated;object-fit:contain;display:block;"
    "border-radius:4px;outline:1px solid rgba(128,128,128,.35)"
)


@st.cache_resource(max_entries=32, show_spinner=False)
def layout_of(name: str) -> Layout | None:
    """How a run's pictures are laid out, where they are grey; by its first answers' file."""
    kept = answers_of((name,))
    grey = kept.inputs.ndim == 4 and kept.inputs.shape[1] == 1
    return drawn.layout(kept.inputs) if grey else None


def looked_at(run: Run) -> Looked:
    """The run with what a page needs of it: its first samples are enough."""
    assert run.result is not None
    name = run.result.artifacts.get("logits")
    if name is None:
        raise HomeError(f"the run {run.name!r} kept no answers; run its recipe again to try it")
    return Looked(run, answers_of((name,)), layout_of(name))


@plainly
def trying(run: Run) -> None:
    """What is shown to the models on the left, what they answer on the right."""
    assert run.result is not None
    asked, scale = models(tuple(panel.names(run.result.artifacts).items()))
    looked = looked_at(run)
    offered = ways(looked)
    first = next(iter(offered))
    left, right = st.columns([2, 3], gap="large")
    with left:
        way = st.segmented_control(
            "Give them", list(offered), default=first, required=True, key=f"try.way.{first}"
        )
        shown = _plainly(partial(offered[way], looked))
    with right:
        if shown is None:
            _say_what_to_do()
            return
        replies = panel.ask(asked, scale, shown.sample)
        _answers(run, looked.kept, shown, replies)


def _plainly(way: Any) -> Shown | None:
    """What a way gives; nothing, and why in a sentence, where it gives nothing."""
    found: list[Shown | None] = [None]

    @plainly
    def give() -> None:
        found[0] = way()

    give()
    return found[0]


def _answers(run: Run, kept: Answers, shown: Shown, replies: Replies) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if shown.sample.ndim == 3:
            _seen(shown.sample)
        with st.container(width="stretch", gap=None):
            st.markdown(said(replies, kept.class_names))
            _score(run, shown, replies)
    three_answers(replies, kept.class_names, _temperature(run), shown.label)
    _small_print(run, replies)


def _seen(sample: np.ndarray) -> None:
    """The small picture itself."""
    picture = sample[0] if len(sample) == 1 else sample.transpose(1, 2, 0)
    height, width = picture.shape[:2]
    st.html(
        f'<img style="{PICTURE}" data-testid="seen" src="{source(picture)}" '
        f'alt="What the models see"><div style="font-size:.8rem;opacity:.72;margin-top:.25rem">'
        f"as they see it, {width}×{height}</div>",
        width="content",
    )


def _score(run: Run, shown: Shown, replies: Replies) -> None:
    """The game: of how many drawings the models disagree on the last state."""
    key = f"try.score.{run.id}"
    score: dict[str, bool] = st.session_state.setdefault(key, {})
    if shown.label is None:  # what a visitor made, and no test sample
        score[shown.id] = panel.disagree(replies)
    count = f"**{sum(score.values())}** of **{len(score)}**" if score else "none"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{GAME}: {count} so far.", width="content")
        if score:
            st.button("Start over", type="tertiary", key="try.over", on_click=score.clear)


def _temperature(run: Run) -> float:
    """T of the shown answers: 1, as models are used, or as the students were taught."""
    trained = run.recipe.temperature
    if trained == 1:
        return 1.0
    chosen = st.segmented_control(
        "Temperature",
        [1.0, trained],
        default=1.0,
        required=True,
        format_func=lambda t: "T = 1, as used" if t == 1 else f"T = {t:g}, as trained",
        key=f"try.temperature.{run.id}",
        label_visibility="collapsed",
    )
    return float(chosen)


def _small_print(run: Run, replies: Replies) -> None:
    calls = min(reply.calls for reply in replies.values())
    median = f"the median of {calls} calls in turn" if calls > 1 else "of a single call"
    st.caption(
        f"Time: one answer of the stored ONNX file, {median}, one thread of this server. The "
        f"models are those of seed {run.recipe.seeds[0]}, after the last step."
    )
    if "teacher" not in replies:
        st.caption(f"{why_no_teacher(run)}: the two students answer.")


def _say_what_to_do() -> None:
    st.info(
        f"{GAME}. The teacher, the student that learned from it and "
        "the same student on labels alone answer as soon as you let go.",
        icon=":material/draw:",
    )


def page() -> None:
    """The run, and what the visitor tries on it."""
    run = pick_run()
    if run is not None:
        st.fragment(trying)(run)


st.title("Try it yourself", anchor=False)
page()
