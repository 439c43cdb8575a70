"""One data set: its facts, how many there are of each class, and what they look like."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from kdcore import charts
from kdcore.catalogue import Catalogue, TaskRecord
from kdcore.code import code_id
from kdcore.errors import DataError
from kdcore.samples import Samples
from pages.parts.look import figure, picture_format
from pages.parts.picture_grid import picture_grid
from pages.parts.services import is_own, runner, to_be_downloaded, verbatim

FETCHED = "data.fetched"
"""Session key of the tasks whose download this visitor asked for."""

ASK_AGAIN_SECONDS = 1.5


class NotYetError(Exception):
    """The engine cannot be asked right now."""


def task_picker(catalogue: Catalogue) -> TaskRecord:
    """Let the visitor choose a data set; own data come first, as they are what was just made."""
    own = [task.name for task in catalogue.tasks if is_own(task.name)]
    names = own + [task.name for task in catalogue.tasks if not is_own(task.name)]
    if st.session_state.get("data.task") not in names:
        st.session_state["data.task"] = "digits"
    name = st.selectbox(
        "Data",
        names,
        key="data.task",
        format_func=lambda name: catalogue.task(name).title + (" (own)" if is_own(name) else ""),
        persist_state="session",
    )
    return catalogue.task(name)


def show_task(task: TaskRecord) -> None:
    """The facts at once; the samples as soon as a worker has handed them over."""
    st.markdown(verbatim(task.about))
    st.html(_facts(task))
    fetched: set[str] = st.session_state.setdefault(FETCHED, set())
    if to_be_downloaded(task) and task.name not in fetched:
        _offer_download(task, fetched)
        return
    try:
        with st.spinner("Loading the samples …"):
            samples = _samples(task.name, code_id())
    except NotYetError:
        st.fragment(_ask_again, run_every=ASK_AGAIN_SECONDS)(task.name)
        return
    _show_samples(task, samples)


def _show_samples(task: TaskRecord, samples: Samples) -> None:
    left, right = st.columns([5, 3], gap="large")
    with right:
        counts = list(zip(task.class_names, samples.counts, strict=True))
        figure(
            charts.class_counts(task.class_names, samples.counts),
            f"counts-{task.name}",
            "How many training samples each class has.",
            lambda: pd.DataFrame(counts, columns=["class", "training samples"]),
        )
        picture_format()
    with left:
        where, labels = samples.points, samples.labels
        if where is not None and labels is not None:
            figure(
                charts.points(where, labels, task.class_names),
                f"points-{task.name}",
                "The training samples as points of the plane, coloured by class.",
                lambda: pd.DataFrame(
                    {
                        **{"first coordinate": where[:, 0], "second coordinate": where[:, 1]},
                        "class": [task.class_names[label] for label in labels],
                    }
                ),
            )
        elif samples.pictures:
            st.markdown("**What do they look like?**")
            rows = list(zip(task.class_names, samples.pictures, strict=False))
            picture_grid(rows, len(task.class_names))


def _facts(task: TaskRecord) -> str:
    facts = {
        "one sample": _shape(task),
        "classes": f"{len(task.class_names):,}",
        "to train on": f"{task.train:,}",
        "for validation": f"{task.validation:,}",
        "to test on": f"{task.test:,}",
    }
    cells = "".join(
        f'<div><div style="font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums">'
        f'{escape(value)}</div><div style="font-size:.85rem;opacity:.72">{label}</div></div>'
        for label, value in facts.items()
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.6rem 2.2rem">{cells}</div>'


def _shape(task: TaskRecord) -> str:
    if len(task.input_shape) == 3:
        channels, height, width = task.input_shape
        return f"{width}×{height} {'grey' if channels == 1 else 'colour'}"
    return f"{' × '.join(map(str, task.input_shape))} numbers"


def _offer_download(task: TaskRecord, fetched: set[str]) -> None:
    size = f"{task.megabytes:.0f} MB"
    st.info(f"Not downloaded yet, {size}.", icon=":material/download:")
    if not st.button("Download and show", type="primary", icon=":material/download:"):
        return
    try:
        with st.spinner(f"Downloading {size} into {runner().settings.data} …", show_time=True):
            _samples(task.name, code_id())
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    except NotYetError:
        pass
    fetched.add(task.name)
    st.rerun()


@st.cache_data(max_entries=32, show_spinner=False)
def _samples(name: str, code: str) -> Samples:
    """The same for all visitors: a task's samples change only with the code."""
    found = runner().samples(name)
    if found is None:
        raise NotYetError
    return found


def _ask_again(name: str) -> None:
    try:
        _samples(name, code_id())
    except NotYetError:
        busy = any(run.state == "running" for run in runner().store.unfinished())
        st.info(
            "The engine is at work on a run; the samples come as soon as it is free."
            if busy
            else "The engine is starting; the samples come in a moment.",
            icon=":material/hourglass_top:",
        )
        return
    except DataError:
        pass  # said where the samples would be shown
    st.rerun()
