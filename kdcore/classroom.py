"""Where teachers and students are trained: who learns from whom, on what, and in which order."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import safetensors.torch
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from kdcore.boundaries import WEIGHTS, snapshot
from kdcore.errors import DivergedError, HomeError
from kdcore.measure.size import parameters
from kdcore.recipe import Augmentation, ModelChoice, Recipe, Training, content_hash
from kdcore.result import ARMS, STUDENTS, ArmName, Event, Phase, Precision, Progress
from kdcore.seeds import derive
from kdcore.setting import Setting, make_visible
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.sweep import control_of
from kdcore.tasks import Split
from kdcore.train.ensemble import Ensemble
from kdcore.train.lesson import Lesson, Pupil, Source, Teaching
from kdcore.train.loop import accuracy
from kdcore.train.order import at_once, orders_of, take
from kdcore.train.precision import best_precision
from kdcore.train.teacher import Kept, cached, fits_in_memory, rerun
from kdcore.train.terms import paths, pooled, terms_of
from kdcore.train.together import rounds
from kdcore.train.views import Views
from kdcore.uploads.network import OnnxTeacher

R = TypeVar("R")

log = logging.getLogger(__name__)

FEW_SAMPLES = 8192
"""Up to here a teacher answers for the whole pool at once; of more, only for what will be shown."""

ESTIMATE_SECONDS = 0.5
"""Before that, the first step's one-off costs would be taken for the pace."""

PROGRESS_SECONDS = 0.2
"""Between two signs of progress where steps are slow: as soon as that, a run can be stopped."""

WAIT_SECONDS = 0.1
"""Between two looks whether a teacher that another process trains is there."""

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


class Classroom:
    """The networks of one recipe, as they are trained.

    members: each arm's networks, in the order of the seeds; assistants: each link's; reused:
    whether every teacher came from the shelf; compared, precision: what `Result` tells under these
    names; photographed: whether the first seed's students, where they are small, keep their weights
    at each report; own: own teachers, each with a process once it is asked, which `close` ends.
    shared: with recipes that are run beside this one, so that nothing is trained or asked twice.
    Raises RecipeError on what cannot be run.
    """

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

    # the teacher

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

    def _standing(self, member: Member) -> Event:
        """Where a teacher stands that is not trained any more, so that its level can be drawn."""
        held = self.shared.once(
            ("standing", id(member)), lambda: accuracy(member.network, self.split("validation"))
        )
        metrics, steps = {"accuracy": held}, self.recipe.teacher_training.steps
        return Event("teacher", member.seed, steps, metrics, time.perf_counter() - self.began)

    # the students

    def train_students(self, arms: Sequence[ArmName] = STUDENTS) -> Iterator[Event | Progress]:
        """Train each seed's control and distilled student, and first whoever stands between."""
        yield from self.seat_students()
        students = [member for arm in arms for member in self.members[arm]]
        yield from self._advance(students, self.recipe.training, "students")
        yield from self.peers_stand()

    @property
    def students(self) -> list[Member]:
        """All controls, then all distilled students.

        They learn a report at a time: control and distilled are drawn side by side, and a band
        over the seeds stands from the first point on.
        """
        return [member for arm in STUDENTS for member in self.members[arm]]

    def peers_stand(self) -> Iterator[Event]:
        """Where networks stand that learned together with the students."""
        if self.recipe.scheme.peers:
            yield from map(self._standing, self.members["teacher"])

    def seat_students(self) -> Iterator[Event | Progress]:
        """Make each seed's students ready to learn, and train whoever stands between."""
        plain = self.setting.views(Augmentation(), seed=0)
        self.precision = self._precision(self.recipe.student, self.recipe.training)
        sources = yield from self._sources(plain)
        for seed, source in zip(self.recipe.seeds, sources, strict=True):
            key = ("control", control_of(self.recipe), seed)
            control = self.shared.once(key, partial(self._student, "control", seed, None, plain))
            self.members["control"].append(control)
            self.members["distilled"].append(self._student("distilled", seed, source, plain))

    def _student(self, arm: ArmName, seed: int, source: Source | None, plain: Views) -> Member:
        network = self.setting.build(self.recipe.student, seed)
        lesson = self._lesson(self.recipe.student, seed, source, plain)
        member = Member(arm=arm, seed=seed, network=network, lesson=lesson)
        if self.photographed and seed == self.recipe.seeds[0] and parameters(network) <= WEIGHTS:
            member.snapshots = [snapshot(0, network)]
        return member

    def _sources(self, plain: Views) -> Generator[Event | Progress, None, list[Source]]:
        """For each seed, what its distilled student learns from."""
        recipe = self.recipe
        if recipe.scheme.peers:
            return [self._peers(seed) for seed in recipe.seeds]
        teachers = [member.network for member in self.members["teacher"]]
        if recipe.scheme.assistants:
            if len(teachers) == 1:
                teachers *= len(recipe.seeds)
            sources = []
            for number, teacher in enumerate(teachers):
                sources.append((yield from self._chain(number, teacher, plain)))
            return sources
        sources = []
        for teacher in teachers:
            sources.append((yield from self._source(teacher, recipe.student, plain, recipe.seeds)))
        return sources if len(sources) > 1 else sources * len(recipe.seeds)

    def _peers(self, seed: int) -> Source:
        choice = self.recipe.teacher
        peers = [
            self.setting.build(choice, derive(seed, f"peer {number}"))
            for number in range(self.recipe.scheme.peers)
        ]
        self.members["teacher"].append(Member(arm="teacher", seed=seed, network=peers[0]))
        return Source(terms_of(self.recipe, nn.Module(), None, ()), None, peers)

    def _chain(
        self, number: int, teacher: nn.Module, plain: Views
    ) -> Generator[Event | Progress, None, Source]:
        """Train one seed's assistants, each from the one before; the last teaches the student."""
        choices, seed = self.recipe.scheme.assistants, self.recipe.seeds[number]
        for position, choice in enumerate(choices):
            part = (number * len(choices) + position, len(choices) * len(self.recipe.seeds))
            source = yield from self._source(teacher, choice, plain, (seed,), part)
            network = self.setting.build(choice, derive(seed, f"assistant {position}"))
            lesson = self._lesson(choice, seed, source, plain)
            member = Member(arm=None, seed=seed, network=network, lesson=lesson)
            yield from self._advance([member], self.recipe.training, "assistants", *part)
            self.assistants[position].append(member)
            teacher = network
        part = (number + 1, len(self.recipe.seeds))
        return (yield from self._source(teacher, self.recipe.student, plain, (seed,), part))

    def _source(
        self,
        teacher: nn.Module,
        student: ModelChoice,
        plain: Views,
        seeds: Sequence[int],
        part: tuple[int, int] | None = None,
    ) -> Generator[Progress, None, Source]:
        """A teacher's answers and features, for whatever the students of these seeds are shown.

        part: how many of all assistants are trained, where it is one of a chain.
        """
        fresh = self.setting.build(student, seed=0)
        shape = self.setting.data.input_shape
        features = None if isinstance(teacher, OnnxTeacher | Ensemble) else teacher
        terms = terms_of(self.recipe, fresh, features, shape)
        self.compared = [(term.method.name, *pair) for term in terms for pair in term.layers]
        watched = paths(terms, side=1)
        wanted = torch.arange(len(plain))
        if len(plain) > FEW_SAMPLES:
            wanted = torch.cat([self._shown(seed) for seed in seeds]).unique()
        recipe = self.recipe
        one = recipe.teachers == "one" and not recipe.scheme.assistants
        rows = len(plain) * (1 if one else len(recipe.seeds))  # a table for each seed's own teacher
        heavy = not fits_in_memory([s for term in terms for s in term.teacher_shapes], rows)
        if recipe.training.augmentation.on or (watched and heavy):
            return Source(terms, rerun(teacher, watched))
        phase: Phase = "students" if part is None else "assistants"
        start = part[0] / part[1] if part else 0.0

        def ask() -> Generator[Progress, None, Kept]:
            asking = cached(teacher, plain, wanted, watched, pooled(terms))
            return (yield from telling(phase, asking, start=start, scale=0.0))

        if part is not None:  # of an assistant nobody else asks, and its tables may be large
            return Source(terms, (yield from ask()))
        key = ("answers", id(teacher), id(plain), watched, pooled(terms), wanted.numpy().tobytes())
        return Source(terms, (yield from self.shared.once_told(key, ask)))

    def _shown(self, seed: int) -> Tensor:
        """Indices of all samples on which this seed's student will ask the teacher."""
        size, left = self.recipe.training.batch_size, self.recipe.training.steps
        orders = orders_of(self._samples(seed), size, seed)
        shown = []
        while left:
            count = min(left, at_once(size))
            shown.append(take(orders, count).indices[:, -size:].unique())
            left -= count
        indices: Tensor = torch.cat(shown).unique()
        return indices

    def _samples(self, seed: int) -> tuple[Tensor, ...]:
        """Indices of the labelled samples, and of the transfer set where that is more."""
        labelled, transfer = self.setting.transfer_set(seed)
        return (labelled, transfer) if len(transfer) > len(labelled) else (labelled,)

    def _precision(self, choice: ModelChoice, training: Training) -> Precision:
        """What a model's training steps are computed in."""
        if training.precision != "auto":
            return training.precision
        shape = self.setting.data.input_shape
        key = (choice.model_dump_json(), shape)
        if key not in _tried:
            _tried[key] = best_precision(self.setting.build(choice, seed=0), shape)
        return _tried[key]

    def _lesson(
        self, choice: ModelChoice, seed: int, source: Source | None, plain: Views
    ) -> Lesson:
        """What a student of that seed learns from: a source, or the labels alone."""
        training, views = self.recipe.training, plain
        if training.augmentation.on:
            views = self.setting.views(training.augmentation, seed)
        samples, teaching = self._samples(seed), None
        if source is not None:
            adapters = nn.ModuleList(
                term.adapter(len(views), derive(seed, f"adapter {term.method.name}"))
                for term in source.terms
            )
            visible = make_visible(samples[0], len(views))
            teaching = Teaching(source, self.recipe, visible, adapters)
        return Lesson(
            *(views, self.setting.student_labels(seed), samples if source else samples[:1], seed),
            *(training, self.split("validation"), teaching, self._precision(choice, training)),
            apart=not any(method.formula for method in self.setting.methods),
        )

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


def _under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


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


def _pack(member: Member) -> bytes:
    last = {f"last.{k}": v for k, v in member.network.state_dict().items()}
    best = {f"best.{k}": v for k, v in (member.best.weights or {}).items()}
    return packed({**last, **best})


def packed(weights: Mapping[str, Tensor]) -> bytes:
    """Weights as a safetensors file, in the order that everybody else expects."""
    return safetensors.torch.save({k: v.contiguous() for k, v in weights.items()})
