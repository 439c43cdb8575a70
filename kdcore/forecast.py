"""How long a sweep or pipeline will take here, from a second of the very work; torch comes late."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from kdcore.errors import KdError
from kdcore.pipeline import Pipeline, Quantize, trainings
from kdcore.recipe import Recipe, content_hash
from kdcore.result import Progress
from kdcore.shelf import Shelf
from kdcore.waterfall import PipelineResult

TRIAL_SECONDS = 0.8
"""Of training, timed, for the students; and as much for the teacher at most."""

WARM_SECONDS = 0.4
"""Before that, nothing is timed."""

SAMPLED = 32
"""Members that are tried side by side, as many as a worker takes at once."""


@dataclass(frozen=True)
class Forecast:
    """Seconds until a sweep's teachers are trained, and one after the other all its students.

    fetched: whether the data are there; until then nothing can be told.
    """

    teachers: float
    students: float
    fetched: bool = True

    @property
    def told(self) -> bool:
        """Whether anything can be told: see `UNTOLD`."""
        return not isnan(self.teachers + self.students)

    def seconds(self, workers: int) -> float:
        """Until all is done, where so many workers share the students."""
        return self.teachers + self.students / max(1, workers)


UNTOLD = Forecast(nan, nan)
"""Nobody can tell beforehand, and there is no use in asking again."""

UNFETCHED = Forecast(nan, nan, fetched=False)
"""Nobody can tell before the data are downloaded."""


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


# pipelines


def pipeline_forecast(pipeline: Pipeline, shelf: Shelf) -> Forecast:
    """The same of what a pipeline trains: its recipes' teachers and students, and its stages'
    trainings on, each taken twice, by the student that is compressed and by the one that is not.

    Pruned networks learn quicker than told here, for it is the whole student that is tried.
    """
    members, recipes = pipeline.members(), pipeline.recipes()
    found = forecast(recipes, shelf)
    if not found.told:
        return found
    with TemporaryDirectory() as folder:
        try:
            return Forecast(found.teachers, found.students + _tuning(members, Shelf(Path(folder))))
        except KdError:
            return UNTOLD


def _tuning(members: Sequence[Pipeline], scratch: Shelf) -> float:
    """Seconds of all trainings on, by the pace of one of each kind."""
    steps, times = {False: 0, True: 0}, {False: 0, True: 0}
    for member in members:
        seeds = len(member.recipe.seeds)
        for stage in member.stages:
            rounding = isinstance(stage, Quantize)
            for tune in trainings(stage):
                for kind in (rounding, False):  # the student beside never rounds
                    steps[kind] += seeds * tune.steps
                    times[kind] += seeds
    of = next((member for member in members if member.tunes()), None)
    seconds = 0.0
    for kind in (False, True):
        if of is not None and times[kind]:
            start, step = _pace(of, scratch, rounding=kind)
            seconds += times[kind] * start + steps[kind] * step
    return seconds


def _pace(pipeline: Pipeline, scratch: Shelf, *, rounding: bool) -> tuple[float, float]:
    """Seconds until a training on has taken its first step, and of each step after that; of the
    student as it is before all stages.
    """
    from kdcore.classroom import Classroom
    from kdcore.compress.aware import aware
    from kdcore.stages.work import Piece, tuned
    from kdcore.train.threads import one_thread

    stage = max(pipeline.tunes(), key=lambda tune: tune.steps)
    with one_thread(), closing(Classroom(_barely_taught(pipeline.recipe), scratch)) as room:
        for _ in (*room.train_teachers(), *room.train_students()):
            pass
        (student,), (teacher, *_) = room.members["distilled"], room.members["teacher"]
        piece = Piece(student.seed, student.network, student.network, teacher.network)
        began, heard = time.perf_counter(), list[float]()
        whole = aware(piece.network, room.setting.data.input_shape, 7) if rounding else None
        with closing(tuned(piece, stage, room, whole)) as told:
            for _ in told:
                heard.append(time.perf_counter())
                if heard[-1] - heard[0] > TRIAL_SECONDS:
                    break
    if len(heard) == 1:
        return 0.0, heard[0] - began
    return heard[0] - began, (heard[-1] - heard[0]) / (len(heard) - 1)


def _barely_taught(recipe: Recipe) -> Recipe:
    """The same networks and data for one seed, of which nobody learns much."""
    values = _untaught(recipe).model_dump()
    values["training"] |= {"steps": 1, "warm_up": 0}
    return Recipe(**{**values, "seeds": recipe.seeds[:1], "teachers": "one"})


def aside(pipeline: Pipeline, earlier: Sequence[PipelineResult]) -> float | None:
    """Seconds in which a pipeline will train nothing, but export, quantize, judge and measure: for
    each model as long as it took earlier ones of the same student on the same data and seeds.

    None where there are none to go by.
    """
    known = [
        each.aside / len(each.rows)
        for each in earlier
        if each.aside is not None and _alike(each.pipeline.recipe, pipeline.recipe)
    ]
    if not known:
        return None
    models = len(pipeline.stages) + 3 + bool(pipeline.tunes())
    return median(known) * models * len(pipeline)


def _alike(one: Recipe, other: Recipe) -> bool:
    of = [(each.task, each.student, each.teacher, len(each.seeds)) for each in (one, other)]
    return of[0] == of[1]
