"""A recipe's teachers: taken off the shelf, or trained and put on it."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator

import safetensors.torch
from filelock import FileLock, Timeout
from torch import Tensor

from kdcore.classroom.room import Member, Room
from kdcore.errors import HomeError
from kdcore.recipe import ModelChoice, content_hash
from kdcore.result import ArmName, Event, Progress
from kdcore.seeds import derive
from kdcore.train.ensemble import Ensemble
from kdcore.train.lesson import Lesson
from kdcore.train.loop import accuracy
from kdcore.train.weights import packed
from kdcore.uploads.network import OnnxTeacher

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.1
"""Between two looks whether a teacher that another process trains is there."""


class Teachers(Room):
    """A classroom, as far as its teachers are concerned."""

    def train_teachers(self) -> Generator[Event | Progress, None, None]:
        """Train the recipe's teachers, or take them off the shelf; peers have none."""
        recipe = self.recipe
        if recipe.scheme.peers:
            return  # they learn together with the students
        seeds = (recipe.teacher_seed,) if recipe.teachers == "one" else recipe.seeds
        parts = len(seeds) * (1 + len(recipe.scheme.co_teachers))
        for number, seed in enumerate(seeds):
            taught = []
            for position, choice in enumerate((recipe.teacher, *recipe.scheme.co_teachers)):
                own = derive(seed, f"co-teacher {position}") if position else seed
                part = (number * parts // len(seeds) + position, parts)
                taught.append((yield from self._taught(choice, own, part)))
            self.members["teacher"].append(self._together(taught, seed))
            if len(taught) > 1:
                yield self._standing(self.members["teacher"][-1])

    def _taught(
        self, choice: ModelChoice, seed: int, part: tuple[int, int]
    ) -> Generator[Event | Progress, None, Member]:
        """One teacher: from the shelf, of a recipe that is run beside this one, or trained now."""
        arm: ArmName | None = None if self.recipe.scheme.co_teachers else "teacher"
        key = content_hash(self.recipe.teacher_part(seed, choice))
        member, trained = yield from self.shared.once_told(
            ("teacher", key, arm), lambda: self._made(arm, choice, seed, part, key)
        )
        if isinstance(member.network, OnnxTeacher):  # noted before it is asked anything
            self.own.append(member.network)
        if trained:
            self.reused = False
        if arm is not None and not member.told:
            yield self._standing(member)
        member.told = False  # whoever else has this teacher draws its level
        return member

    def _made(
        self, arm: ArmName | None, choice: ModelChoice, seed: int, part: tuple[int, int], key: str
    ) -> Generator[Event | Progress, None, tuple[Member, bool]]:
        """A teacher, and whether it was trained now."""
        member = Member(arm=arm, seed=seed, network=self.setting.teacher(seed, choice))
        if self.setting.own_teacher is not None or self._recall(member, key):
            return member, False
        lock = self.shelf.teacher_lock(key)
        yield from _acquired(lock)
        try:
            if self._recall(member, key):  # while we waited, another process trained it
                return member, False
            yield from self._trained(member, choice, part, key)
        finally:
            lock.release()
        return member, True

    def _trained(
        self, member: Member, choice: ModelChoice, part: tuple[int, int], key: str
    ) -> Iterator[Event | Progress]:
        """Train a teacher, and put it on the shelf."""
        recipe, seed = self.recipe, member.seed
        views = self.setting.views(recipe.teacher_training.augmentation, seed)
        member.lesson = Lesson(
            *(views, self.setting.data.train.labels, (self.setting.teacher_samples(seed),), seed),
            *(recipe.teacher_training, self.split("validation")),
            precision=self._precision(choice, recipe.teacher_training),
        )
        yield from self._advance([member], recipe.teacher_training, "teacher", *part)
        held = accuracy(member.network, self.split("validation"))
        told = recipe.teacher_part(seed, choice)
        self.shelf.put_teacher(key, _pack(member), told, held)
        member.told = True

    def _together(self, taught: list[Member], seed: int) -> Member:
        """Several teachers as one, whose probabilities are averaged."""
        if len(taught) == 1:
            return taught[0]
        scheme = self.recipe.scheme
        weights = (1.0, *(scheme.co_weights or [1.0] * len(scheme.co_teachers)))
        networks = [member.network for member in taught]
        softens = any(method.takes_temperature for method in self.setting.methods)
        temperature = self.recipe.temperature if softens else 1.0
        ensemble = Ensemble(networks, weights, temperature).eval()
        return Member(arm="teacher", seed=seed, network=ensemble)

    def _recall(self, member: Member, key: str) -> bool:
        """Take a teacher off the shelf; False where it is not there, or damaged."""
        stored = self.shelf.get_teacher(key)
        if stored is None:
            return False
        try:
            weights = safetensors.torch.load(stored)
            member.network.load_state_dict(_under("last.", weights))
        except (ValueError, RuntimeError, safetensors.SafetensorError) as error:
            log.warning("the teacher %s is damaged, and trained anew: %s", key, error)
            self.shelf.remove_teacher(key)
            return False
        member.best.weights = _under("best.", weights)
        return True


def _acquired(lock: FileLock) -> Iterator[Progress]:
    """Wait for a lock, with a word now and then, so that whoever waits can be stopped."""
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield Progress("teacher", 0.0, None)
            time.sleep(WAIT_SECONDS)
        except OSError as error:
            raise HomeError(f"cannot lock {lock.lock_file}: {error.strerror}") from None
        else:
            return


def _under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _pack(member: Member) -> bytes:
    last = {f"last.{k}": v for k, v in member.network.state_dict().items()}
    best = {f"best.{k}": v for k, v in (member.best.weights or {}).items()}
    return packed({**last, **best})
