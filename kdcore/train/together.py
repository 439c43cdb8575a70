"""Small dense networks trained at once: many students, seeds and settings in the time of a few.

Pupils are asked what fits together; whoever does not is trained alone, by autograd, which is the
reference that this is held to.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from kdcore.result import SHARE
from kdcore.train.dense import Stack, linears
from kdcore.train.lesson import Lesson, Pupil, alone
from kdcore.train.loop import Report, period
from kdcore.train.objective import HARD, at_temperature, half_of, name_in, weights_at
from kdcore.train.optim import FlatOptimizer, learning_rate
from kdcore.train.order import take
from kdcore.train.teacher import Kept
from kdcore.train.terms import Term

T = TypeVar("T")

NUMBERS = 4_000_000
"""Of targets that are laid out ahead, and of what a pass leaves behind, at most."""

Told = list[tuple[int, Report]]
"""Who has something to report after a step, by place among the pupils."""


def rounds(pupils: Sequence[Pupil]) -> Iterator[Told]:
    """Take all pupils through their steps side by side, telling after each step who reports.

    A network that is trained with others has its new weights after its last step.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, pupil in enumerate(pupils):
        kind = kind_of(pupil)
        groups.setdefault(place if kind is None else kind, []).append(place)
    streams = []
    for key, places in groups.items():
        if isinstance(key, int):
            streams.append(_alone(key, pupils[key]))
            continue
        most = _side_by_side(pupils[places[0]])
        for start in range(0, len(places), most):
            some = places[start : start + most]
            streams.append(Cohort(some, [pupils[place] for place in some]).rounds())
    for told in zip_longest(*streams, fillvalue=[]):
        yield sorted((each for some in told for each in some), key=lambda each: each[0])


def _side_by_side(pupil: Pupil) -> int:
    """How many pupils of a kind are trained at once: more would not fit into the caches, where a
    step is arithmetic anyhow, nor at last into memory."""
    layers, lesson = linears(pupil.network), pupil.lesson
    assert layers is not None
    assert lesson is not None
    rows = len(lesson.samples) * lesson.training.batch_size
    return max(1, NUMBERS // (rows * sum(sum(layer.weight.shape) for layer in layers)))


def _alone(place: int, pupil: Pupil) -> Iterator[Told]:
    for report in alone(pupil):
        yield [] if report is None else [(place, report)]


def kind_of(pupil: Pupil) -> Hashable | None:
    """What pupils must share to be trained together; None for one who is trained alone."""
    lesson, layers = pupil.lesson, linears(pupil.network)
    if lesson is None or layers is None or lesson.apart:
        return None
    if lesson.views.how.on or lesson.precision != "float32":
        return None
    terms = terms_of(lesson)
    if any(term.method.closed is None or half_of(term) == 0 for term in terms):
        return None
    if lesson.teaching is not None and not isinstance(lesson.teaching.source.answers, Kept):
        return None
    training = lesson.training
    return (
        *(tuple(layer.weight.shape for layer in layers), id(lesson.views), id(lesson.validation)),
        *(len(lesson.samples), len(terms), training.steps, training.batch_size),
        *(training.optimizer, training.schedule, training.warm_up),
    )


def terms_of(lesson: Lesson) -> list[Term]:
    """The terms that add anything to the labels' own."""
    if lesson.teaching is None:
        return []
    return [term for term in lesson.teaching.source.terms if term.method.formula]


class Moment(NamedTuple):
    """A member's loss at one step: weights and temperatures of the labels and of each term."""

    weights: list[float]
    temperatures: list[float]


def moments(lesson: Lesson) -> Callable[[float], Moment]:
    """The moment at which a share `done` of the steps is over."""
    terms, teaching = terms_of(lesson), lesson.teaching
    if teaching is None or not terms:
        return lambda done: Moment([1.0], [1.0])
    recipe, everyone = teaching.recipe, teaching.source.terms
    chosen = [0, *(1 + everyone.index(term) for term in terms)]

    def at(done: float) -> Moment:
        weights = weights_at(everyone, recipe, done)
        now = [at_temperature(term, recipe, done).options for term in terms]
        heats = [1.0, *(float(options.get("temperature", 1.0)) for options in now)]
        return Moment([weights[number] for number in chosen], heats)

    schedules = (recipe.temperature_schedule, recipe.soft_schedule, recipe.hard_schedule)
    if any(each.how != "constant" for each in schedules) or any(t.method.pace for t in everyone):
        return at
    always = at(0.0)
    return lambda done: always


class Stretch(NamedTuple):
    """The next S steps of K members, laid out; J: the labels, and each term.

    indices (S, U, R) of the samples, a block for each order; targets (S, K, J, B, C), and their
    logs, 0 for the labels', of which the whole cross-entropy is told; cold, one over T, and pull,
    of the gradients, (S, K, J, 1, 1); scale, T² / B, (S, K, J).
    """

    indices: Tensor
    targets: Tensor
    cold: Tensor
    pull: Tensor
    scale: Tensor
    logs: Tensor | None


class Cohort:
    """Pupils of one kind, in training."""

    def __init__(self, places: Sequence[int], pupils: Sequence[Pupil]) -> None:
        blocks = _blocks(pupils)
        arranged = [member for block in blocks for member in block]
        self.places = [places[member] for member in arranged]
        self.pupils = [pupils[member] for member in arranged]
        self.lessons = [pupil.lesson for pupil in self.pupils if pupil.lesson is not None]
        self.per_block = len(blocks[0])
        self.orders = [lesson.orders() for lesson in self.lessons[:: self.per_block]]
        self.moments = [moments(lesson) for lesson in self.lessons]
        first = self.lessons[0]
        self.terms = [terms_of(lesson) for lesson in self.lessons]
        self.parts = 1 + len(self.terms[0])
        self.training, self.views, self.validation = first.training, first.views, first.validation
        self.stack = Stack([pupil.network for pupil in self.pupils])
        self.kept = self.stack.values.clone()
        self.best = torch.full((len(self.pupils),), -1.0, dtype=torch.float64)
        self.stale = [0] * len(self.pupils)
        self.optimizer = FlatOptimizer(
            *(self.training.optimizer, self.stack.values, self.stack.slopes),
            self.stack.spread([lesson.training.learning_rate for lesson in self.lessons]),
            self.stack.spread([lesson.training.weight_decay for lesson in self.lessons]),
        )

    def rounds(self) -> Iterator[Told]:
        """Step by step until the last, or until all have lost their patience."""
        steps, every = self.training.steps, period(self.training)
        learning = set(range(len(self.pupils)))
        done = 0
        while done < steps and learning:
            sums, since = torch.zeros(()), 0
            end = min(done + every, steps)
            while done < end:
                stretch = self._lay_out(done, min(end - done, self._longest()))
                dots = torch.empty(stretch.scale.shape)
                for step in range(len(dots)):
                    done, since = done + 1, since + 1
                    shares = self._step(stretch, step, done, dots[step], done == end)
                    if done < end:
                        yield []
                sums = sums - (stretch.scale * dots).sum(0)
            yield self._report(done, sums / since, shares, learning)
        for member in learning:
            self._end(member)

    # before the steps

    def _longest(self) -> int:
        """Steps that are laid out at once."""
        classes: int = self.stack.shapes[-1][0]
        each = len(self.pupils) * self.parts * self.training.batch_size * classes
        return max(1, NUMBERS // each)

    def _lay_out(self, start: int, count: int) -> Stretch:
        size, last = self.training.batch_size, max(1, self.training.steps - 1)
        indices = torch.stack([take(orders, count).indices for orders in self.orders], 1)
        whose = indices.repeat_interleave(self.per_block, 1)
        at = [[moment((start + s) / last) for moment in self.moments] for s in range(count)]
        weights = torch.tensor([[each.weights for each in now] for now in at])
        heats = torch.tensor([[each.temperatures for each in now] for now in at])
        labels = F.one_hot(
            _looked_up([lesson.labels for lesson in self.lessons], whose[..., :size]),
            self.stack.shapes[-1][0],
        ).float()
        smoothing = torch.tensor([lesson.training.label_smoothing for lesson in self.lessons])
        if smoothing.any():
            labels = labels.lerp(torch.tensor(1 / labels.shape[-1]), smoothing[:, None, None])
        targets = [labels]
        for number in range(len(self.terms[0])):
            targets.append(self._targets(number, whose, heats[..., 1 + number]))
        return self._stretch(indices, torch.stack(targets, 2), weights, heats)

    def _targets(self, number: int, whose: Tensor, heats: Tensor) -> Tensor:
        """Of one term, (S, K, B, C)."""
        size = self.training.batch_size
        transfer = whose[..., -size:]
        answers = _looked_up([_answers(lesson) for lesson in self.lessons], transfer)
        found = torch.empty_like(answers)
        for kind, members in _same([terms[number].method.closed for terms in self.terms]):
            assert kind is not None
            made = kind.targets(answers[:, members], heats[:, members, None, None])
            found[:, members] = made
        return found

    def _stretch(self, indices: Tensor, targets: Tensor, weights: Tensor, heats: Tensor) -> Stretch:
        size = self.training.batch_size
        scale = heats.square() / size
        pull = (weights * heats / size)[..., None, None]
        logs = None
        if targets.shape[2] > 1:
            # taken off each step's: of two sums, the difference would be lost at a high temperature
            logs = targets.clamp_min(torch.finfo(targets.dtype).tiny).log()
            logs[:, :, 0] = 0
        return Stretch(indices, targets, 1 / heats[..., None, None], pull, scale, logs)

    # a step

    def _step(
        self, stretch: Stretch, step: int, number: int, dots: Tensor, reporting: bool
    ) -> Tensor | None:
        """Move all weights; on a report, give each term's share of the pull (K, J)."""
        blocks = stretch.indices[step]
        inputs = self.views.plain(blocks.flatten()).view(*blocks.shape, -1)
        outputs = self.stack.forward(inputs)
        targets = stretch.targets[step]
        logs = torch.log_softmax(self._halved(outputs[-1]) * stretch.cold[step], 3)
        gaps = logs if stretch.logs is None else logs - stretch.logs[step]
        torch.bmm(_rows(targets), _rows(gaps).mT, out=dots.view(-1, 1, 1))
        slopes = logs.exp_().sub_(targets).mul_(stretch.pull[step])
        shares = self._shares(outputs, slopes) if reporting else None
        self.stack.backward(outputs, self._folded(slopes))
        rate = self.training.learning_rate
        self.optimizer.step(learning_rate(self.training, number) / rate)
        return shares

    def _halved(self, logits: Tensor) -> Tensor:
        """Logits (K, R, C) as (K, J or 1, B, C): the labelled half, and for each term the other."""
        halves: Tensor = logits.unflatten(1, (-1, self.training.batch_size))
        if halves.shape[1] == 1 or self.parts == 2:
            return halves
        return halves[:, [0, *[1] * (self.parts - 1)]]

    def _folded(self, slopes: Tensor) -> Tensor:
        """Gradients (K, J, B, C) of each part of the loss as those of the logits (K, R, C)."""
        if len(self.lessons[0].samples) == 1:
            return slopes.sum(1) if self.parts > 1 else slopes[:, 0]
        if self.parts > 2:
            slopes = torch.stack([slopes[:, 0], slopes[:, 1:].sum(1)], 1)
        return slopes.flatten(1, 2)

    def _shares(self, outputs: list[Tensor], slopes: Tensor) -> Tensor | None:
        """Each part's share of the pull on the weights (K, J): its gradient's length over all."""
        parts = slopes.shape[1]
        if parts == 1:
            return None
        lengths = []
        for part in range(parts):
            chosen = torch.zeros_like(slopes)
            chosen[:, part] = slopes[:, part]
            self.stack.backward(outputs, self._folded(chosen))
            lengths.append(self.stack.norms())
        each = torch.stack(lengths, 1)
        total = each.sum(1, keepdim=True)
        return torch.where(total == 0, 0.0, each / total)

    # after the steps

    def _report(self, step: int, means: Tensor, shares: Tensor | None, learning: set[int]) -> Told:
        correct = self.stack.correct(self.validation.inputs.flatten(1), self.validation.labels)
        better = correct > self.best
        self.best = torch.where(better, correct, self.best)
        self.stack.copy(better, self.kept)
        told = []
        for member in sorted(learning):
            metrics = self._metrics(member, means, shares)
            metrics["accuracy"] = correct[member].item()
            told.append((self.places[member], Report(step, metrics)))
            snapshots = self.pupils[member].snapshots
            if snapshots is not None:
                snapshots.append((step, self._weights(member, self.stack.values)))
            self.stale[member] = 0 if better[member] else self.stale[member] + 1
            patience = self.lessons[member].training.patience
            if patience and self.stale[member] >= patience:
                self._end(member)
                learning.remove(member)
        return told

    def _metrics(self, member: int, means: Tensor, shares: Tensor | None) -> dict[str, float]:
        names = [HARD]
        for term in self.terms[member]:
            assert term.method.closed is not None
            names.append(name_in(names, term, term.method.closed.name))
        metrics = dict(zip(names, means[member].tolist(), strict=True))
        if shares is not None:
            told = zip(names, shares[member].tolist(), strict=True)
            metrics |= {SHARE + name: share for name, share in told}
        return metrics

    def _end(self, member: int) -> None:
        """Give a pupil the weights of this moment, and those that did best."""
        pupil = self.pupils[member]
        self.stack.put_back(member)
        pupil.best.accuracy = self.best[member].item()
        pupil.best.weights = self._weights(member, self.kept)

    def _weights(self, member: int, values: Tensor) -> dict[str, Tensor]:
        """A member's weights in a buffer like the stack's, under its own network's names."""
        flat = [part for layer in self.stack.weights(values, member) for part in layer]
        names = self.pupils[member].network.state_dict()
        return {name: part.clone() for name, part in zip(names, flat, strict=True)}


def _blocks(pupils: Sequence[Pupil]) -> list[list[int]]:
    """Members that see the very same samples, in as many equal blocks as can be."""
    orders: dict[Hashable, list[int]] = {}
    for member, pupil in enumerate(pupils):
        assert pupil.lesson is not None
        drawn = (*map(id, pupil.lesson.samples), pupil.lesson.seed)
        orders.setdefault(drawn, []).append(member)
    blocks = list(orders.values())
    if len({len(block) for block in blocks}) > 1:
        return [[member] for member in range(len(pupils))]
    return blocks


def _answers(lesson: Lesson) -> Tensor:
    """The teacher's logits (N, C), nan for a sample of which nobody asks."""
    assert lesson.teaching is not None
    answers = lesson.teaching.source.answers
    assert isinstance(answers, Kept)
    return answers.logits


def _looked_up(tables: Sequence[Tensor], indices: Tensor) -> Tensor:
    """Each member's own table (N, ...) at its indices (S, K, B): (S, K, B, ...)."""
    groups = _same(tables)
    if len(groups) == 1:
        return tables[0][indices]
    found = tables[0].new_empty(*indices.shape, *tables[0].shape[1:])
    for table, members in groups:
        found[:, members] = table[indices[:, members]]
    return found


def _same(things: Sequence[T]) -> list[tuple[T, list[int]]]:
    """The different ones among them, by identity, and who has each."""
    groups: dict[int, list[int]] = {}
    for member, thing in enumerate(things):
        groups.setdefault(id(thing), []).append(member)
    return [(things[members[0]], members) for members in groups.values()]


def _rows(values: Tensor) -> Tensor:
    """(K, J, B, C) as K · J rows, to be multiplied by each other: (K · J, 1, B · C)."""
    return values.flatten(2).flatten(0, 1)[:, None]
