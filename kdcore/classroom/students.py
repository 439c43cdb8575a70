"""A recipe's students, and whoever stands between them and the teachers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from kdcore.boundaries import WEIGHTS, snapshot
from kdcore.classroom.room import Member, Room, telling
from kdcore.measure.size import parameters
from kdcore.recipe import Augmentation, ModelChoice
from kdcore.result import STUDENTS, ArmName, Event, Phase, Progress
from kdcore.seeds import derive
from kdcore.setting import make_visible
from kdcore.sweep import control_of
from kdcore.train.ensemble import Ensemble
from kdcore.train.lesson import Lesson, Source, Teaching
from kdcore.train.order import at_once, orders_of, take
from kdcore.train.teacher import Kept, cached, fits_in_memory, rerun
from kdcore.train.terms import paths, pooled, terms_of
from kdcore.train.views import Views
from kdcore.uploads.network import OnnxTeacher

FEW_SAMPLES = 8192
"""Up to here a teacher answers for the whole pool at once; of more, only for what will be shown."""


class Students(Room):
    """A classroom, as far as its students are concerned."""

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
