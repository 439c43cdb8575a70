"""What a worker answers when a page asks before anything is run; never while it is at work.

Importing this module imports no torch; answering does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from kdcore import uploads
from kdcore.forecast import Forecast
from kdcore.pipeline import Pipeline
from kdcore.recipe import ModelChoice, Recipe
from kdcore.runs.worker import AT_WORK
from kdcore.samples import Samples
from kdcore.settings import Settings
from kdcore.shelf import Shelf
from kdcore.sweep import Sweep
from kdcore.trial import Trial
from kdcore.waterfall import Foreseen

R = TypeVar("R")


def sizes(
    choice: ModelChoice, input_shape: tuple[int, ...], classes: int
) -> tuple[int, int] | None:
    """Parameters and multiply-accumulates of a network; None while the worker is at work.

    Never waits: it is asked for in the thread that keeps the worker in touch with its scheduler.
    """
    from kdcore.measure.size import of_choice

    return _unless_at_work(lambda: of_choice(choice, input_shape, classes))


def samples(task: str, settings: Settings) -> Samples | None:
    """A task's samples to look at, its files fetched first; None while the worker is at work."""
    from kdcore import tasks
    from kdcore.samples import samples
    from kdcore.tasks.download import fetch

    found = tasks.get(task)
    for _ in fetch(found.title, found.files, settings.data):
        pass  # whoever asks waits; of a run's own download there is progress to see
    return _unless_at_work(lambda: samples(task))


def trial(name: str, task: str, settings: Settings) -> Trial | None:
    """An own teacher tried on a task, whose files are there; None while the worker is at work."""
    from kdcore.trial import try_out

    return _unless_at_work(lambda: try_out(uploads.get(name, settings.home), task))


def foresee(pipeline: Pipeline, settings: Settings) -> tuple[Foreseen, ...] | None:
    """What shapes tell of a pipeline without axes, empty where its data are not there yet; None
    while the worker is at work. Raises RecipeError where a stage cannot be done.
    """
    from kdcore.stages.foresee import foreseen

    if not _data_are_there([pipeline.recipe], settings):
        return ()
    return _unless_at_work(lambda: foreseen(pipeline))


def forecast(work: Sweep | Pipeline, settings: Settings) -> Forecast | None:
    """How long a sweep will take, or what a pipeline trains; None while the worker is at work."""
    from kdcore.forecast import UNFETCHED, forecast, pipeline_forecast

    if AT_WORK.locked():
        return None
    recipes = work.recipes() if isinstance(work, Pipeline) else work.members()
    if not _data_are_there(recipes, settings):
        return UNFETCHED  # what downloading them takes is another matter
    shelf = Shelf(settings.ready_home() / "artifacts")
    if isinstance(work, Pipeline):
        return _unless_at_work(lambda: pipeline_forecast(work, shelf))
    return _unless_at_work(lambda: forecast(recipes, shelf))


def _data_are_there(recipes: Sequence[Recipe], settings: Settings) -> bool:
    """Whether all files that recipes need are there, so that nothing has to be downloaded."""
    from kdcore import tasks

    needed = {recipe.task for recipe in recipes} | {recipe.transfer.source for recipe in recipes}
    files = [file for name in needed - {"task", "noise"} for file in tasks.get(name).files]
    return all((settings.data / file.path).exists() for file in files)


def _unless_at_work(answer: Callable[[], R]) -> R | None:
    if not AT_WORK.acquire(blocking=False):
        return None
    try:
        return answer()
    finally:
        AT_WORK.release()
