"""What every page needs: the runner, the catalogue, and errors said in a sentence."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import ParamSpec

import streamlit as st

from kdcore import uploads
from kdcore.catalogue import Catalogue, TaskRecord
from kdcore.errors import KdError
from kdcore.ingest.storage import PREFIX
from kdcore.recipe import Recipe
from kdcore.runs.gallery import bring_in
from kdcore.runs.runner import Runner
from kdcore.runs.store import Listed, Run, Store
from kdcore.settings import Settings
from kdcore.uploads import OwnTeacher

P = ParamSpec("P")

EARLY_SECONDS = 3.0
"""After the start: the first page is drawn by then."""

SOURCES = ("task", "noise")
"""What unlabelled samples may come from besides another task."""


@st.cache_resource(show_spinner="Opening the store …")
def runner() -> Runner:
    """The app's one runner, shared by all its visitors; its store holds the gallery."""
    found = Runner(Settings.from_environment())
    bring_in(found.store, found.shelf, found.settings.gallery)
    early = threading.Timer(EARLY_SECONDS, _import_early)
    early.daemon = True
    early.start()
    return found


def _import_early() -> None:
    """Import what the first press of some views would wait half a second for."""
    for name in ("scipy.stats", "scipy.cluster.hierarchy"):
        importlib.import_module(name)


def store() -> Store:
    """The app's one store."""
    return runner().store


def catalogue() -> Catalogue:
    """What there is to choose from, with the own data that is kept right now."""
    return _definitions().with_own(Settings.from_environment().data)


@st.cache_resource(show_spinner="Reading the methods and models (only after they changed) …")
def _definitions() -> Catalogue:
    return runner().catalogue()


def own_teachers() -> list[OwnTeacher]:
    """The teachers that were brought along, newest first."""
    return uploads.kept(runner().settings.home)


def is_own(name: str) -> bool:
    """Whether a name is one of own data, or of a teacher that was brought along."""
    return name.startswith(PREFIX)


def to_be_downloaded(task: TaskRecord) -> bool:
    """Whether some of a task's files are not there yet."""
    folder = runner().settings.data
    return any(not (folder / path).exists() for path in task.files)


def gone(recipe: Recipe) -> str | None:
    """A sentence, where data or a teacher that a recipe names is not here any more; else None."""
    known = {task.name for task in catalogue().tasks}.union(SOURCES)
    missing = [name for name in (recipe.task, recipe.transfer.source) if name not in known]
    if missing:
        return gone_sentence(missing[0])
    teacher = recipe.teacher.weights
    if teacher and uploads.find(teacher, runner().settings.home) is None:
        return f"The teacher {teacher!r} is not here: deleted since, or kept on another machine"
    return None


def gone_sentence(task: str) -> str:
    """Says that a task is not here."""
    return f"The data {task!r} are not here: deleted since, or kept on another machine"


def start() -> None:
    """Bring up what the pages need, or say in one sentence why it cannot be had."""
    try:
        runner().reconcile_soon()
        catalogue()
    except KdError as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Try again"):
            st.rerun()
        st.stop()


def run_label(run: Run) -> str:
    """A run's name and time, to tell it from its namesakes, safe to be shown as Markdown."""
    return f"{verbatim(run.name)} · {when(run)}"


def when(run: Run | Listed) -> str:
    """When a run was submitted, or that it comes from the gallery."""
    return "gallery" if run.shown else f"{datetime.fromtimestamp(run.created):%d %b, %H:%M}"


def verbatim(text: str) -> str:
    """Text that Markdown shows as it was typed."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|$~:<>-])", r"\\\1", text)


def harmless(text: str) -> str:
    """A sentence as Markdown that makes no link and no picture of what a stranger put into it."""
    return re.sub(r"([\[\]<])", r"\\\1", text)


def plainly(body: Callable[P, None]) -> Callable[P, None]:
    """Show an error meant for people as its sentence, in place of what it kept from showing."""

    @wraps(body)
    def shown(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            body(*args, **kwargs)
        except KdError as error:
            st.error(harmless(str(error)), icon=":material/error:")

    return shown
