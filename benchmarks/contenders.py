"""Ways to distil students of one trained teacher: kdcore's, torchdistill's, a tutorial's loop.

All get the same pictures, first weights, loss, optimizer, rate and number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax
from torch.utils.data import DataLoader, Dataset, RandomSampler, SequentialSampler
from torchvision import transforms
from turns import Timing, timed

from kdcore import models
from kdcore.recipe import ModelChoice, Recipe, Training
from kdcore.setting import make_visible
from kdcore.tasks import Data, Split
from kdcore.train.lesson import Lesson, Pupil, Source, Teaching, alone
from kdcore.train.loop import logits
from kdcore.train.memory import keep_freed
from kdcore.train.precision import best_precision
from kdcore.train.teacher import cached
from kdcore.train.terms import terms_of
from kdcore.train.together import rounds
from kdcore.train.views import Views

R = TypeVar("R")

BATCH = 64


class Member(NamedTuple):
    """One student to train: the seed of its first weights and batches, and its loss."""

    seed: int
    temperature: float = 4.0
    soft: float = 0.9


@dataclass(frozen=True)
class Pair:
    """What everybody is given: pictures, a trained teacher, and how students are trained.

    The training samples fill whole batches, so that all take the same steps whichever way they
    cut passes into batches.
    """

    data: Data
    teacher: nn.Module
    student: ModelChoice
    epochs: int
    rate: float
    batch: int = BATCH

    @property
    def steps(self) -> int:
        """Optimizer steps of one student."""
        return self.epochs * len(self.data.train) // self.batch

    def fresh(self, seed: int) -> nn.Module:
        """A student with the first weights of that seed."""
        return built(self.student, self.data, seed)

    def shortened(self, batches: int = 2) -> Pair:
        """The same on a few batches, to warm up with."""
        train = self.data.train
        few = Split(train.inputs[: batches * self.batch], train.labels[: batches * self.batch])
        return replace(self, data=replace(self.data, train=few), epochs=1)


class Outcome(NamedTuple):
    """How long it took to train some students, and each one's answers (N,) to the test split."""

    timing: Timing
    predictions: list[list[int]]

    def accuracies(self, labels: Tensor) -> list[float]:
        """Each student's share of right answers."""
        return [(torch.tensor(each) == labels).double().mean().item() for each in self.predictions]


def distil(way: str, pair: Pair, members: Sequence[Member], judge: bool = True) -> Outcome:
    """Train fresh students in that way; only the training is timed, from the raw pictures on.

    judge: whether they are asked about the test split afterwards.
    """
    students = [pair.fresh(member.seed) for member in members]
    _, timing = timed(lambda: WAYS[way](pair, members, students))
    if not judge:
        return Outcome(timing, [])
    test = pair.data.normalise(pair.data.test.inputs)
    return Outcome(timing, [logits(each, test).argmax(1).tolist() for each in students])


def built(choice: ModelChoice, data: Data, seed: int) -> nn.Module:
    """A network for these data, its first weights drawn by the seed."""
    architecture = models.get(choice.architecture)
    return architecture.build(data.input_shape, len(data.class_names), choice.options, seed)


# kdcore


def together(pair: Pair, members: Sequence[Member], students: Sequence[nn.Module]) -> None:
    """All at once, as a run does it."""
    for _ in rounds(pupils(pair, members, students)):
        pass


def one_by_one(pair: Pair, members: Sequence[Member], students: Sequence[nn.Module]) -> None:
    """The same engine, but each student waits for the one before."""
    for pupil in pupils(pair, members, students):
        for _ in rounds([pupil]):
            pass


def by_autograd(pair: Pair, members: Sequence[Member], students: Sequence[nn.Module]) -> None:
    """The engine's plain way, which its quicker one is tested against."""
    for pupil in pupils(pair, members, students):
        for _ in alone(pupil):
            pass


def pupils(pair: Pair, members: Sequence[Member], students: Sequence[nn.Module]) -> list[Pupil]:
    """Raw pictures normalised, the teacher asked once for each, and a lesson for every student.

    Validation is left to one sample: nobody else looks at any while training.
    """
    keep_freed()
    data = replace(pair.data)  # it has yet to find the mean and deviation of its pictures
    views = Views(data, data.train.inputs)
    held = Split(data.normalise(data.validation.inputs[:1]), data.validation.labels[:1])
    answers = returned(cached(pair.teacher, views, torch.arange(len(views))))
    precision = best_precision(students[0], data.input_shape)
    everything = torch.arange(len(views))
    found = []
    for member, student in zip(members, students, strict=True):
        recipe = recipe_of(pair, member)
        terms = terms_of(recipe, student, pair.teacher, data.input_shape)
        adapters = nn.ModuleList(nn.Module() for _ in terms)
        visible = make_visible(everything, len(views))
        teaching = Teaching(Source(terms, answers), recipe, visible, adapters)
        lesson = Lesson(
            *(views, data.train.labels, (everything,), member.seed, recipe.training, held),
            *(teaching, precision),
        )
        found.append(Pupil(network=student, lesson=lesson))
    return found


def recipe_of(pair: Pair, member: Member) -> Recipe:
    """The loss and the steps, as the engine wants to hear of them."""
    return Recipe(
        training=Training(steps=pair.steps, batch_size=pair.batch, learning_rate=pair.rate),
        temperature=member.temperature,
        soft_weight=member.soft,
        hard_weight=1 - member.soft,
    )


def returned(telling: Generator[float, None, R]) -> R:
    """What a generator returns at its end."""
    while True:
        try:
            next(telling)
        except StopIteration as end:
            found: R = end.value
            return found


def taught(data: Data, choice: ModelChoice, steps: int, rate: float) -> nn.Module:
    """A teacher, trained on the labels; nobody's time is taken for it."""
    keep_freed()
    network = built(choice, data, seed=0)
    held = Split(data.normalise(data.validation.inputs[:1]), data.validation.labels[:1])
    training = Training(steps=steps, batch_size=BATCH, learning_rate=rate)
    samples = torch.arange(len(data.train))
    views = Views(data, data.train.inputs)
    lesson = Lesson(views, data.train.labels, (samples,), 0, training, held)
    for _ in alone(Pupil(network=network, lesson=lesson)):
        pass
    return network.eval()


# a tutorial's loop


class Pictures(Dataset[tuple[Tensor, int]]):
    """Training pictures as torchvision's data sets give them: one at a time, by way of PIL."""

    def __init__(self, data: Data, moments: tuple[list[float], list[float]]) -> None:
        pixels = data.train.inputs.permute(0, 2, 3, 1).numpy()
        self.pixels = pixels[..., 0] if pixels.shape[3] == 1 else pixels
        self.labels = data.train.labels.tolist()
        steps = [transforms.ToTensor(), transforms.Normalize(*moments)]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def moments_of(data: Data) -> tuple[list[float], list[float]]:
    """Each channel's mean and deviation, of pixels in [0, 1]: numbers that tutorials quote."""
    mean, deviation = data.moments
    return (mean / 255).flatten().tolist(), (deviation / 255).flatten().tolist()


def plain_loop(pair: Pair, members: Sequence[Member], students: Sequence[nn.Module]) -> None:
    """A data loader, the teacher run for each batch, and the loss read after each step."""
    pictures = Pictures(pair.data, moments_of(pair.data))
    pair.teacher.eval()
    for member, student in zip(members, students, strict=True):
        torch.manual_seed(member.seed)
        loader = DataLoader(pictures, pair.batch, shuffle=True)
        optimizer = torch.optim.Adam(student.parameters(), lr=pair.rate)
        for _ in range(pair.epochs):
            student.train()
            total = 0.0
            for inputs, labels in loader:
                optimizer.zero_grad()
                with torch.no_grad():
                    answers = pair.teacher(inputs)
                loss = _loss(student(inputs), answers, labels, member)
                loss.backward()
                optimizer.step()
                total += loss.item()


def _loss(outputs: Tensor, answers: Tensor, labels: Tensor, member: Member) -> Tensor:
    """Hinton et al., 2015, arXiv:1503.02531."""
    heat = member.temperature
    soft = kl_div(log_softmax(outputs / heat, 1), softmax(answers / heat, 1), reduction="batchmean")
    hard = cross_entropy(outputs, labels)
    return (1 - member.soft) * hard + member.soft * heat**2 * soft


# torchdistill


def torchdistill(pair: Pair, members: Sequence[Member], students: Sequence[nn.Module]) -> None:
    """Its distillation box, driven as its own examples drive it, with the same pictures."""
    from torchdistill.core.distillation import get_distillation_box

    pictures = Pictures(pair.data, moments_of(pair.data))
    device = torch.device("cpu")
    for member, student in zip(members, students, strict=True):
        torch.manual_seed(member.seed)
        box = get_distillation_box(
            *(pair.teacher, student, {"train": pictures, "val": pictures}),
            *(_box_of(pair, member), device, None, False, 1),
        )
        pair.teacher.eval()  # which it leaves to its user
        for epoch in range(box.num_epochs):
            box.pre_epoch_process(epoch=epoch)
            for inputs, labels, more in box.train_data_loader:
                loss = box.forward_process(inputs, labels, more)
                box.post_forward_process(loss=loss)
            box.post_epoch_process()


def _box_of(pair: Pair, member: Member) -> dict[str, Any]:
    side: dict[str, Any] = {
        "forward_proc": "forward_batch_only",
        "sequential": [],
        "wrapper": None,
        "forward_hook": {"input": [], "output": []},
    }
    options = {
        **{"student_module_path": ".", "student_module_io": "output"},
        **{"teacher_module_path": ".", "teacher_module_io": "output"},
        "temperature": member.temperature,
        "alpha": 1 - member.soft,  # the labels' weight
        "reduction": "batchmean",
    }
    term = {"criterion": {"key": "KDLoss", "kwargs": options}, "weight": 1.0}
    return {
        "num_epochs": pair.epochs,
        "train_data_loader": _loader("train", RandomSampler, pair.batch),
        "val_data_loader": _loader("val", SequentialSampler, pair.batch),
        "teacher": {**side, "requires_grad": False},
        "student": {**side, "requires_grad": True},
        "optimizer": {"key": "Adam", "kwargs": {"lr": pair.rate}},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": {"kd": term}}},
    }


def _loader(name: str, sampler: type, batch: int) -> dict[str, Any]:
    options = {"batch_size": batch, "num_workers": 0}
    return {"dataset_id": name, "sampler": {"class_or_func": sampler}, "kwargs": options}


WAYS: dict[str, Callable[[Pair, Sequence[Member], Sequence[nn.Module]], None]] = {
    "kdcore": together,
    "kdcore, one at a time": one_by_one,
    "kdcore, by autograd": by_autograd,
    "torchdistill": torchdistill,
    "plain loop": plain_loop,
}
