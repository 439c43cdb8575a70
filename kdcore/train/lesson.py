"""What a network learns from: samples, their order, their labels, and whom it asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from kdcore.recipe import Recipe, Training
from kdcore.result import Precision
from kdcore.seeds import derive
from kdcore.tasks import Split
from kdcore.train.loop import Best, Loss, Report, train
from kdcore.train.mutual import mutual_loss
from kdcore.train.objective import distillation_loss, hard_loss
from kdcore.train.order import Order, batches, orders_of
from kdcore.train.teacher import Answers
from kdcore.train.terms import Term
from kdcore.train.views import Views


@dataclass(frozen=True)
class Source:
    """What a student learns from: answers that are there, or peers that learn along."""

    terms: tuple[Term, ...]
    answers: Answers | None
    peers: Sequence[nn.Module] = ()


@dataclass(frozen=True)
class Teaching:
    """What a student has beside the labels.

    visible: (N,) bool, the samples whose label it may see; adapters: one for each term.
    """

    source: Source
    recipe: Recipe
    visible: Tensor
    adapters: nn.ModuleList


@dataclass(frozen=True)
class Lesson:
    """All that decides what a fresh network becomes.

    labels: (N,) int64, of the whole pool that `views` shows; samples: indices of the labelled
    ones, and where the teacher answers for more, of those too; seed: of their orders, and of what
    the layers draw by themselves; precision: of the network's
    own passes in training; apart: never trained together with others, so that it comes out the
    same to the last digit.
    """

    views: Views
    labels: Tensor
    samples: tuple[Tensor, ...]
    seed: int
    training: Training
    validation: Split
    teaching: Teaching | None = None
    precision: Precision = "float32"
    apart: bool = False

    def orders(self) -> list[Order]:
        """The samples as they are drawn, from the first step on."""
        return orders_of(self.samples, self.training.batch_size, self.seed)

    def loss(self) -> Loss:
        """What is minimised."""
        if self.teaching is None:
            return hard_loss(self.views, self.labels, self.training, self.precision)
        source, recipe, visible = (
            self.teaching.source,
            self.teaching.recipe,
            self.teaching.visible,
        )
        if source.answers is None:
            return mutual_loss(
                *(self.views, self.labels, visible, source.peers, source.terms, recipe),
                self.precision,
            )
        return distillation_loss(
            *(self.views, self.labels, visible, source.answers, source.terms, recipe),
            *(list(self.teaching.adapters), self.precision),
        )


@dataclass(kw_only=True)
class Pupil:
    """A network, what it learns from, and the weights that did best on validation.

    lesson: None of a network that is trained no more; snapshots: where it is a list, the step and
    the weights at each report are added to it, which changes nothing of the training.
    """

    network: nn.Module
    lesson: Lesson | None = None
    best: Best = field(default_factory=Best)
    snapshots: list[tuple[int, dict[str, Tensor]]] | None = None

    @property
    def adapters(self) -> nn.Module:
        """What its methods learn beside it."""
        teaching = self.lesson and self.lesson.teaching
        return teaching.adapters if teaching else nn.ModuleList()


def alone(pupil: Pupil) -> Iterator[Report | None]:
    """Train one network by autograd, step by step: the reference for every quicker way."""
    lesson = pupil.lesson
    assert lesson is not None
    reports = train(
        *(pupil.network, batches(lesson.orders()), lesson.loss(), lesson.training),
        *(lesson.validation, derive(lesson.seed, "layers"), pupil.best, pupil.adapters),
    )
    for report in reports:
        if report is not None and pupil.snapshots is not None:
            weights = pupil.network.state_dict()
            kept = {name: value.detach().clone() for name, value in weights.items()}
            pupil.snapshots.append((report.step, kept))
        yield report
