"""What all who are trained in a classroom share, and how they are taken through their steps."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from kdcore.errors import DivergedError
from kdcore.recipe import ModelChoice, Recipe, Training
from kdcore.result import ARMS, ArmName, Event, Phase, Precision, Progress
from kdcore.setting import Setting
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.tasks import Split
from kdcore.train.lesson import Pupil
from kdcore.train.loop import accuracy
from kdcore.train.precision import best_precision
from kdcore.train.together import rounds
from kdcore.uploads.network import OnnxTeacher

R = TypeVar("R")

ESTIMATE_SECONDS = 0.5
"""Before that, the first step's one-off costs would be taken for the pace."""

PROGRESS_SECONDS = 0.2
"""Between two signs of progress where steps are slow: as soon as that, a run can be stopped."""

_tried: dict[tuple[str, tuple[int, ...]], Precision] = {}
"""By model and input: of all runs in this process, so that they are computed alike."""


@dataclass(kw_only=True)
class Member(Pupil):
    """A pupil of one arm and seed; arm: None of an assistant or co-teacher, never drawn.

    told: whether its curve was told while it was trained.
    """

    arm: ArmName | None
    seed: int
    told: bool = False


class Room:
    """The networks of one recipe; what its parts mean stands at `Classroom`."""

    def __init__(self, recipe: Recipe, shelf: Shelf, shared: Shared | None = None) -> None:
        self.began = time.perf_counter()
        self.recipe, self.shelf = recipe, shelf
        self.setting = Setting(recipe, shared)
        self.shared = self.setting.shared
        self.reused = not recipe.scheme.peers
        self.members: dict[ArmName, list[Member]] = {arm: [] for arm in ARMS}
        self.assistants: list[list[Member]] = [[] for _ in recipe.scheme.assistants]
        self.compared: list[tuple[str, str, str]] = []
        self.precision: Precision = "float32"
        self.photographed = False
        self.own: list[OnnxTeacher] = []

    def close(self) -> None:
        """Let go of what was opened for own teachers."""
        for network in self.own:
            network.close()

    def split(self, name: Literal["validation", "test"]) -> Split:
        """A split's samples, normalised; the test split is made for whoever asks for it alone."""
        return self.shared.once(("split", self.recipe.task, name), partial(self._split, name))

    def _split(self, name: Literal["validation", "test"]) -> Split:
        split: Split = getattr(self.setting.data, name)
        return Split(self.setting.data.normalise(split.inputs), split.labels)

    def _standing(self, member: Member) -> Event:
        """Where a teacher stands that is not trained any more, so that its level can be drawn."""
        held = self.shared.once(
            ("standing", id(member)), lambda: accuracy(member.network, self.split("validation"))
        )
        metrics, steps = {"accuracy": held}, self.recipe.teacher_training.steps
        return Event("teacher", member.seed, steps, metrics, time.perf_counter() - self.began)

    def _precision(self, choice: ModelChoice, training: Training) -> Precision:
        """What a model's training steps are computed in."""
        if training.precision != "auto":
            return training.precision
        shape = self.setting.data.input_shape
        key = (choice.model_dump_json(), shape)
        if key not in _tried:
            _tried[key] = best_precision(self.setting.build(choice, seed=0), shape)
        return _tried[key]

    def _advance(
        self,
        members: list[Member],
        training: Training,
        phase: Phase,
        part: int = 0,
        parts: int = 1,
    ) -> Iterator[Event | Progress]:
        """Take all members through their steps together, telling of each report."""
        started = told = time.perf_counter()
        for step, reports in enumerate(rounds(members), 1):
            now = time.perf_counter()
            for place, report in reports:
                member = members[place]
                check_finite(member, report.metrics.values())
                if member.arm is not None:
                    seconds = now - self.began
                    yield Event(member.arm, member.seed, report.step, report.metrics, seconds)
            if reports or now - told > PROGRESS_SECONDS:
                told = now
                share = step / training.steps
                early = now - started < ESTIMATE_SECONDS and share < 0.1
                left = None if early else (now - started) * (1 / share - 1)
                yield Progress(phase, (part + share) / parts, left)


def telling(
    phase: Phase, shares: Generator[float, None, R], *, start: float = 0.0, scale: float = 1.0
) -> Generator[Progress, None, R]:
    """Tell of the shares done as progress of a phase, and return what comes of them."""
    while True:
        try:
            yield Progress(phase, start + scale * next(shares), None)
        except StopIteration as end:
            found: R = end.value
            return found


def check_finite(member: Member, numbers: Iterable[float]) -> None:
    """Nothing is claimed of a network that has diverged: its answers are no answers."""
    if all(map(math.isfinite, numbers)):
        return
    who = {
        "teacher": "the teacher",
        "control": "the student on labels alone",
        "distilled": "the distilled student",
        None: "an assistant or co-teacher",
    }
    raise DivergedError(
        f"{who[member.arm]} of seed {member.seed} diverged: its "
        "numbers are no longer finite; lower its learning rate, or the weights of the loss"
    )
