"""What the student gets to see, chosen and drawn."""

from __future__ import annotations

from html import escape

import streamlit as st

from kdcore.catalogue import Catalogue, TaskRecord
from kdcore.recipe import Transfer, bounds
from pages.parts.services import SOURCES, gone_sentence, runner, to_be_downloaded
from pages.parts.widgets import ladder, select, slider

FIRST_TASK = "digits"
LABEL_COUNTS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
COLOURS = {
    "labelled": "#009E73",
    "wrong": "#D55E00",
    "unlabelled": "#0072B2",
    "unseen": "rgba(128,128,128,.25)",
}


def transfer_form(catalogue: Catalogue) -> None:
    """Draw the data and the student's share of it."""
    names = [task.name for task in catalogue.tasks]
    _replace_what_is_gone(names)
    select("Data", names, "task", lambda name: catalogue.task(name).title)
    task = catalogue.task(st.session_state["form.task"])
    _say_download(task)
    _fit_counts(task)
    counts = [count for count in LABEL_COUNTS if count < task.train]
    left, right = st.columns(2)
    with left:
        ladder(
            "Labelled for the student",
            [*counts, "all"],
            "transfer.labelled",
            f"How many of the {task.train:,} training samples the student sees with their label.",
        )
    with right:
        ladder(
            "Unlabelled transfer set",
            [0, *counts, "rest"],
            "transfer.unlabelled",
            "More training samples, their labels hidden: only the teacher's answers on them "
            "are used, so the student on labels alone cannot learn from them.",
        )
    picture = st.container()
    with st.expander("More about what they see", icon=":material/visibility:"):
        _more(catalogue, task, counts)
    picture.html(drawn(task))


def _more(catalogue: Catalogue, task: TaskRecord, counts: list[int]) -> None:
    st.multiselect(
        "Classes the student never sees",
        range(len(task.class_names)),
        key="form.transfer.left_out",
        format_func=lambda number: task.class_names[number],
        help="Neither with a label nor without: all it can learn of them is the teacher's doubts.",
        placeholder="none",
        persist_state="session",
    )
    slider("Wrong labels", "transfer.label_noise", bounds(Transfer, "label_noise"))
    sources = [*SOURCES]
    if task.kind == "image":
        sources += [t.name for t in catalogue.tasks if t.kind == "image" and t.name != task.name]
    if st.session_state["form.transfer.source"] not in sources:
        st.session_state["form.transfer.source"] = "task"
    select(
        "Unlabelled samples come from",
        sources,
        "transfer.source",
        lambda name: _source_words(catalogue, name),
        help="What the teacher is asked about besides the labelled samples.",
    )
    ladder(
        "Labelled for the teacher",
        [*counts, "all"],
        "teacher_labelled",
        "With one teacher per seed and as many as the student, the very same samples.",
    )
    if _both_see_the_same():
        st.caption(
            ":material/info: Teacher and student see as many labels, and nothing else: a teacher "
            "that knows no more has little to give."
        )


def _both_see_the_same() -> bool:
    state = st.session_state
    same = state["form.teacher_labelled"] == state["form.transfer.labelled"]
    return same and not state["form.transfer.unlabelled"] and not state["form.transfer.label_noise"]


def _source_words(catalogue: Catalogue, name: str) -> str:
    return {"task": "the same data", "noise": "random pixels"}.get(name) or catalogue.task(
        name
    ).title


def _replace_what_is_gone(names: list[str]) -> None:
    """A recipe may name own data that was deleted: say so, and let the visitor choose anew."""
    state = st.session_state
    for key, fallback in (("form.task", FIRST_TASK), ("form.transfer.source", "task")):
        if state[key] not in (*names, *SOURCES):
            st.warning(f"{gone_sentence(state[key])}. Choose others.", icon=":material/warning:")
            state[key] = fallback


def _fit_counts(task: TaskRecord) -> None:
    """Counts that this data set does not have become all there is."""
    state = st.session_state
    labelled, unlabelled = state["form.transfer.labelled"], state["form.transfer.unlabelled"]
    if labelled != "all" and labelled > task.train:
        state["form.transfer.labelled"] = labelled = "all"
    rest = 0 if labelled == "all" else task.train - labelled
    if unlabelled != "rest" and unlabelled > rest and state["form.transfer.source"] == "task":
        state["form.transfer.unlabelled"] = "rest" if rest else 0
    if state["form.teacher_labelled"] != "all" and state["form.teacher_labelled"] > task.train:
        state["form.teacher_labelled"] = "all"
    known = range(len(task.class_names))
    state["form.transfer.left_out"] = [n for n in state["form.transfer.left_out"] if n in known]


def _say_download(task: TaskRecord) -> None:
    if to_be_downloaded(task):
        st.caption(
            f":material/download: Downloaded once when it is first used, {task.megabytes:.0f} MB, "
            f"into {runner().settings.data}."
        )


def drawn(task: TaskRecord) -> str:
    """The training samples as one bar: labelled, wrongly labelled, unlabelled, never shown."""
    state = st.session_state
    seen = round(task.train * (1 - len(state["form.transfer.left_out"]) / len(task.class_names)))
    labelled = state["form.transfer.labelled"]
    labelled = seen if labelled == "all" else min(labelled, seen)
    own = state["form.transfer.source"] == "task"
    unlabelled = state["form.transfer.unlabelled"]
    unlabelled = (seen - labelled if own else task.train) if unlabelled == "rest" else unlabelled
    wrong = round(labelled * state["form.transfer.label_noise"])
    parts = {"labelled": labelled - wrong, "wrong": wrong, "unlabelled": unlabelled if own else 0}
    parts["unseen"] = max(0, task.train - sum(parts.values()))
    bars = "".join(
        f'<div style="flex:{count} 0 0;min-width:{2 if count else 0}px;background:{COLOURS[name]}">'
        "</div>"
        for name, count in parts.items()
    )
    sentence = _sentence(task, parts, unlabelled, own)
    return (
        f'<div role="img" aria-label="{escape(sentence)}" style="display:flex;height:.7rem;'
        f'border-radius:4px;overflow:hidden">{bars}</div>'
        f'<div style="font-size:.85rem;opacity:.75;margin-top:.3rem">{escape(sentence)}</div>'
    )


def _sentence(task: TaskRecord, parts: dict[str, int], unlabelled: int, own: bool) -> str:
    told = parts["labelled"] + parts["wrong"]
    words = f"{told:,} labels"
    if parts["wrong"]:
        words += f", about {parts['wrong']:,} of them wrong"
    if unlabelled:
        where = "more samples" if own else "other pictures"
        words += f"; the teacher answers for {unlabelled:,} {where}"
    names = [task.class_names[number] for number in st.session_state["form.transfer.left_out"]]
    if names:
        words += f"; no {' or '.join(names)} at all"
    return words + "."
