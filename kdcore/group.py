"""Several recipes run at once: what they have in common is made once, what fits learns together."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

from kdcore import tasks
from kdcore.classroom.room import Member, check_finite
from kdcore.errors import KdError
from kdcore.experiment import Experiment
from kdcore.measure.size import of_choice
from kdcore.outcome import student_key
from kdcore.recipe import Recipe
from kdcore.result import Event, Progress, Result
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.train.threads import one_thread
from kdcore.train.together import rounds

Happening = Event | Progress | Result | KdError

PROGRESS_SECONDS = 0.2

SIDE_BY_SIDE = 32
"""Recipes at a time: more share no more, and the first cells of a map would come later."""

MOST_WEIGHTS = 60_000_000
"""Of all students that are trained side by side; an optimizer keeps four numbers for each."""


def run_together(
    recipes: Sequence[Recipe], shelf: Shelf
) -> Generator[tuple[int, Happening], None, None]:
    """Run recipes side by side; each happening comes with the place of its recipe, from 0.

    The last happening of each is its result, up to the verdict, or the error that ended it, which
    ends no other. Data must have been fetched before. One thread is used throughout. The numbers
    are those of separate runs but for rounding. A control that several recipes have in common is
    trained once, and told of to each.
    """
    with one_thread(), ExitStack() as stack:
        yield from _Group(recipes, shelf, stack).steps()


class _Group:
    def __init__(self, recipes: Sequence[Recipe], shelf: Shelf, stack: ExitStack) -> None:
        self.began = time.perf_counter()
        self.left: dict[int, Experiment] = {}
        self.refused: list[tuple[int, KdError]] = []
        shared = Shared()
        for place, recipe in enumerate(recipes):
            try:
                self.left[place] = stack.enter_context(closing(Experiment(recipe, shelf, shared)))
            except KdError as error:
                self.refused.append((place, error))

    def steps(self) -> Iterator[tuple[int, Happening]]:
        yield from self.refused
        for place, experiment in list(self.left.items()):
            yield from self._until_error(place, experiment.room.train_teachers())
        for place, experiment in list(self.left.items()):
            yield from self._until_error(place, experiment.room.seat_students())
        yield from self._learn()
        for place, experiment in list(self.left.items()):
            yield from self._until_error(place, self._judged(experiment))

    def _until_error(
        self, place: int, happenings: Iterable[Happening]
    ) -> Iterator[tuple[int, Happening]]:
        """All that happens to one of them, to the error that ends it if there is one."""
        try:
            for each in happenings:
                yield place, each
        except KdError as error:
            del self.left[place]
            yield place, error

    def _learn(self) -> Iterator[tuple[int, Happening]]:
        """Take all students through their steps, those that fit together as one."""
        owners: dict[int, list[int]] = {}
        pupils: dict[int, Member] = {}
        for place, experiment in self.left.items():
            for member in experiment.room.students:
                pupils[id(member)] = member
                owners.setdefault(id(member), []).append(place)
        members = list(pupils.values())
        told = started = time.perf_counter()
        steps = [member.lesson.training.steps for member in members if member.lesson]
        for step, reports in enumerate(rounds(members), 1):
            now = time.perf_counter()
            for spot, report in reports:
                member = members[spot]
                yield from self._tell(owners[id(member)], member, report.step, report.metrics)
            if now - told > PROGRESS_SECONDS:
                told, share = now, sum(min(step, own) for own in steps) / sum(steps)
                left = (now - started) * (1 / share - 1)
                for place in list(self.left):
                    yield place, Progress("students", share, left)

    def _tell(
        self, places: Sequence[int], member: Member, step: int, metrics: dict[str, float]
    ) -> Iterator[tuple[int, Happening]]:
        """A report to all whose member it is; one that is not finite ends their runs."""
        assert member.arm is not None
        wanted = [place for place in places if place in self.left]
        try:
            check_finite(member, metrics.values())
        except KdError as error:
            for place in wanted:
                del self.left[place]
                yield place, error
            return
        for place in wanted:
            seconds = time.perf_counter() - self.began
            yield place, Event(member.arm, member.seed, step, metrics, seconds)

    def _judged(self, experiment: Experiment) -> Iterator[Event | Progress | Result]:
        yield from experiment.room.peers_stand()
        result, _ = yield from experiment.judge()
        yield result


def parts(recipes: Sequence[Recipe]) -> Iterator[range]:
    """The places of recipes that are run side by side, in their order.

    As many as share a teacher's answers well, and as few as fit into memory.
    """
    start, weights, shared = 0, 0, Shared()
    for place, recipe in enumerate(recipes):
        student = shared.once(student_key(recipe), partial(_parameters, recipe))
        own = 2 * len(recipe.seeds) * student
        if place > start and (place - start == SIDE_BY_SIDE or weights + own > MOST_WEIGHTS):
            yield range(start, place)
            start, weights = place, 0
        weights += own
    if recipes:
        yield range(start, len(recipes))


def run_sweep(recipes: Sequence[Recipe], shelf: Shelf) -> Iterator[tuple[int, Happening]]:
    """Run any number of recipes, some of them side by side at a time, as `run_together` does."""
    for part in parts(recipes):
        for place, happening in run_together([recipes[place] for place in part], shelf):
            yield part[place], happening


def _parameters(recipe: Recipe) -> int:
    """Of its student; none of a recipe that cannot be run, which says so itself."""
    try:
        facts = tasks.get(recipe.task).facts
        return of_choice(recipe.student, facts.input_shape, len(facts.class_names))[0]
    except KdError:
        return 0
