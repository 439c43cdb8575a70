"""How long a sweep will take here, from a second of the very work; imports torch late."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from tempfile import TemporaryDirectory

from kdcore.errors import KdError
from kdcore.recipe import Recipe, content_hash
from kdcore.result import Progress
from kdcore.shelf import Shelf

TRIAL_SECONDS = 0.8
"""Of training, timed, for the students; and as much for the teacher at most."""

WARM_SECONDS = 0.4
"""Before that, nothing is timed."""

SAMPLED = 32
"""Members that are tried side by side, as many as a worker takes at once."""


@dataclass(frozen=True)
class Forecast:
    """Seconds until a sweep's teachers are trained, and one after the other all its students."""

    teachers: float
    students: float

    @property
    def told(self) -> bool:
        """Whether anything can be told: see `UNTOLD`."""
        return not isnan(self.teachers + self.students)

    def seconds(self, workers: int) -> float:
        """Until all is done, where so many workers share the students."""
        return self.teachers + self.students / max(1, workers)


UNTOLD = Forecast(nan, nan)
"""Nobody can tell beforehand, and there is no use in asking again."""


def forecast(recipes: Sequence[Recipe], shelf: Shelf) -> Forecast:
    """Try members from all over a sweep for a moment, and draw on it for the rest.

    shelf: where its teachers may be already; nothing is written there. UNTOLD for schemes in which
    others learn before the students, and where those that are tried cannot be run.
    """
    if any(recipe.scheme.assistants for recipe in recipes):
        return UNTOLD
    missing, some = _missing_teachers(recipes, shelf), sampled(recipes)
    with TemporaryDirectory() as folder:
        scratch = Shelf(Path(folder))
        try:
            teachers = sum(_teacher_seconds(recipe, scratch) for recipe in missing[:1])
            students = _student_seconds([_untaught(recipe) for recipe in some], scratch)
        except KdError:  # whoever runs it hears why
            return UNTOLD
    return Forecast(teachers * len(missing), students * len(recipes) / len(some))


def sampled(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Some of many, evenly from the first to the last."""
    count = min(SAMPLED, len(recipes))
    return [recipes[place * len(recipes) // count] for place in range(count)]


def _missing_teachers(recipes: Sequence[Recipe], shelf: Shelf) -> list[Recipe]:
    """A recipe for each teacher that is still to be trained."""
    found: dict[str, Recipe] = {}
    for recipe in recipes:
        if recipe.teacher.weights or recipe.scheme.peers:
            continue
        seeds = (recipe.teacher_seed,) if recipe.teachers == "one" else recipe.seeds
        for seed in seeds:
            key = content_hash(recipe.teacher_part(seed))
            if key not in found and shelf.find_teacher(key) is None:
                found[key] = recipe
    return list(found.values())


def _teacher_seconds(recipe: Recipe, scratch: Shelf) -> float:
    """What one teacher takes; those of further seeds, and co-teachers, take as long."""
    from kdcore.classroom import Classroom

    one = Recipe(**{**recipe.model_dump(), "teachers": "one", "scheme": {}})
    with closing(Classroom(one, scratch).train_teachers()) as training:
        return _drawn_on(training, "teacher") * (1 + len(recipe.scheme.co_teachers))


def _student_seconds(recipes: Sequence[Recipe], scratch: Shelf) -> float:
    from kdcore.group import run_together

    with closing(run_together(recipes, scratch)) as running:
        return _drawn_on((happening for _, happening in running), "students")


def _drawn_on(happenings: Iterator[object], phase: str) -> float:
    """Seconds until they are over, taken from how far they come in a moment; nan where there is an
    error, or nothing comes at all.
    """
    began = now = time.perf_counter()
    heard: list[tuple[float, float]] = []
    for happening in happenings:
        if isinstance(happening, KdError):
            return nan
        if not isinstance(happening, Progress) or happening.phase != phase:
            continue
        now = time.perf_counter()
        heard.append((now, happening.done))
        # what the first steps cost once, as where a library is loaded, is no part of the pace
        first = next((each for each in heard if each[0] - heard[0][0] >= WARM_SECONDS), heard[-1])
        if now - first[0] > TRIAL_SECONDS and happening.done > first[1]:
            pace = (now - first[0]) / (happening.done - first[1])
            return first[0] - began + pace * (1 - first[1])
    return time.perf_counter() - began if heard else nan


def _untaught(recipe: Recipe) -> Recipe:
    """The same work for the students, of a teacher that is soon there."""
    quick = {**recipe.teacher_training.model_dump(), "steps": 1}
    return Recipe(**{**recipe.model_dump(), "teacher_training": quick})
