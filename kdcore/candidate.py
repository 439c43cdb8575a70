"""One setting of a search, tried: trained with its teacher's help, judged on validation alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from kdcore.classroom import Classroom
from kdcore.classroom.room import check_finite
from kdcore.compress.export import to_onnx
from kdcore.experiment import fetched
from kdcore.measure.latency import latencies
from kdcore.measure.size import parameters
from kdcore.outcome import student_key
from kdcore.recipe import ModelChoice, Recipe
from kdcore.result import Event, Progress
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.train.loop import logits, share_correct
from kdcore.train.threads import one_thread
from kdcore.uploads.network import OnnxTeacher

SHARED_BY = 32
"""Candidates in a row that have their teachers' answers in common; more would fill the memory."""


@dataclass(frozen=True)
class Cost:
    """A student's parameters, its ONNX file's bytes, and milliseconds for one sample."""

    parameters: int
    bytes: int
    latency_ms: float


@dataclass(frozen=True)
class Judged:
    """What a candidate is worth: each seed's accuracy on validation after the last step, in
    [0, 1]; and what it costs, where that was asked for.
    """

    accuracy: tuple[float, ...]
    cost: Cost | None = None


class Candidates:
    """Recipes tried one after another; teachers, their answers and costs are had once.

    A student's cost depends on what it is and not on how it learnt: students of one architecture
    are measured once. They are measured minutes apart, so that each takes turns with a yardstick,
    an untrained network that is the same for all, and is slower or faster by as much as it was
    then: a busy moment of the machine makes none look slow. costs: those that are known, by
    `student_key`; yardstick: that network; pace_ms: how long it took the first time.
    """

    def __init__(
        self,
        shelf: Shelf,
        yardstick: ModelChoice,
        pace_ms: float | None = None,
        costs: dict[str, Cost] | None = None,
    ) -> None:
        self.shelf, self.yardstick, self.pace_ms = shelf, yardstick, pace_ms
        self.costs = costs or {}
        self._shared = Shared()
        self._tried = 0
        self._teachers: dict[int, OnnxTeacher] = {}

    def judge(
        self, recipe: Recipe, *, costs: bool = False
    ) -> Generator[Event | Progress, None, Judged]:
        """Train the recipe's distilled students, and judge them; no control, and no test split.

        costs: whether size and latency are wanted as well. Events tell of each seed's accuracy on
        validation as it learns. Raises RecipeError or DivergedError where it is worth nothing.
        """
        with one_thread():
            yield from fetched(recipe)
            room = Classroom(recipe, self.shelf, self._renewed())
            try:
                yield from room.train_teachers()
            finally:
                self._teachers |= {id(network): network for network in room.own}
            yield from room.train_students(("distilled",))
            held = room.split("validation")
            found = []
            for member in room.members["distilled"]:
                answers = logits(member.network, held.inputs)
                check_finite(member, (answers.sum().item(),))
                found.append(share_correct(answers, held.labels))
            return Judged(tuple(found), self._cost(room) if costs else None)

    def close(self) -> None:
        """Let go of what was opened for own teachers."""
        for teacher in self._teachers.values():
            teacher.close()
        self._teachers = {}

    def _renewed(self) -> Shared:
        """What candidates share, made anew from time to time."""
        if self._tried and self._tried % SHARED_BY == 0:
            self.close()
            self._shared = Shared()
        self._tried += 1
        return self._shared

    def _cost(self, room: Classroom) -> Cost:
        """Of the first seed's student, by the same protocol as a run's."""
        key = student_key(room.recipe)
        if key not in self.costs:
            network, shape = room.members["distilled"][0].network, room.setting.data.input_shape
            content = to_onnx(network, shape)
            fixed = to_onnx(room.setting.build(self.yardstick, seed=0), shape)
            timed = latencies({"student": content, "yardstick": fixed}, shape, batch=1)
            pace = timed["yardstick"].median_ms
            self.pace_ms = self.pace_ms or pace
            latency = timed["student"].median_ms * self.pace_ms / pace
            self.costs[key] = Cost(parameters(network), len(content), latency)
        return self.costs[key]
