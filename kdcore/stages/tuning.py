"""Training a student on, between two stages: the same loop and loss that trained it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from kdcore.classroom import Classroom
from kdcore.classroom.students import FEW_SAMPLES
from kdcore.compress.prune import Masks, kept_zero
from kdcore.pipeline import FineTune
from kdcore.recipe import Augmentation, Recipe
from kdcore.seeds import derive
from kdcore.setting import make_visible
from kdcore.train.lesson import Lesson, Pupil, Source, Teaching, alone
from kdcore.train.loop import Report
from kdcore.train.teacher import Answers, Kept, cached, rerun
from kdcore.train.terms import terms_of
from kdcore.train.views import Views


class Told(NamedTuple):
    """How far a stage is with one seed, in [0, 1]; report: of a training on, now and then."""

    done: float
    report: Report | None = None


def tune(network: nn.Module, lesson: Lesson, masks: Masks | None = None) -> Iterator[Told]:
    """Train a network on, telling after each step; what the masks leave out stays zero."""
    pupil = Pupil(network=network, lesson=lesson)
    with kept_zero(network, masks) if masks else nullcontext():
        for step, report in enumerate(alone(pupil), 1):
            yield Told(step / lesson.training.steps, report)
    network.eval()


def lesson_of(
    room: Classroom, stage: FineTune, teacher: nn.Module | None, seed: int, number: int
) -> Lesson:
    """What a student of that seed learns in the pipeline's training of that number.

    teacher: whose answers it gets beside the labels, None for nobody's. Samples come in an order of
    their own, the same for whoever is trained on beside it.
    """
    setting, recipe = room.setting, retold(room.recipe, stage)
    training, plain = recipe.training, room.setting.views(Augmentation(), seed=0)
    views = setting.views(training.augmentation, seed) if training.augmentation.on else plain
    labelled, transfer = setting.transfer_set(seed)
    samples: tuple[torch.Tensor, ...] = (labelled,)
    teaching = None
    if teacher is not None:
        samples = (labelled, transfer) if len(transfer) > len(labelled) else (labelled,)
        # its one method, KD, compares no layers
        source = Source(terms_of(recipe, nn.Module(), None, ()), _answers(room, teacher, plain))
        visible = make_visible(labelled, len(views))
        teaching = Teaching(source, recipe, visible, nn.ModuleList([nn.Module()]))
    return Lesson(
        *(views, setting.student_labels(seed), samples, derive(seed, f"fine-tune {number}")),
        *(training, room.split("validation"), teaching, room.precision),
    )


def retold(recipe: Recipe, stage: FineTune) -> Recipe:
    """The recipe of a training on: its own but for steps and rate, with KD as its one method.

    KD, for features may have other shapes by now. Its weights are the recipe's where that is KD
    too, and no schedule moves them; else the paper's.
    """
    values = recipe.model_dump(mode="json")
    moved = {recipe.soft_schedule.how, recipe.hard_schedule.how} != {"constant"}
    if recipe.method.name != "kd" or recipe.extra or moved:
        values["soft_weight"] = values["hard_weight"] = None
    for name in ("temperature_schedule", "soft_schedule", "hard_schedule", "scheme", "extra"):
        del values[name]
    values["method"] = {"name": "kd"}
    values["training"] |= {
        "steps": stage.steps,
        "learning_rate": stage.learning_rate,
        "warm_up": 0,
        "patience": 0,
    }
    return Recipe(**values)


def _answers(room: Classroom, teacher: nn.Module, plain: Views) -> Answers:
    """The teacher's, asked once for a small pool that is seen as it is, else at every step."""
    if room.recipe.training.augmentation.on or len(plain) > FEW_SAMPLES:
        return rerun(teacher)
    key = ("answers to be tuned by", id(teacher), id(plain))
    return room.shared.once(key, partial(_all, teacher, plain))


def _all(teacher: nn.Module, plain: Views) -> Kept:

    return _end(cached(teacher, plain, torch.arange(len(plain))))


def _end(asking: Generator[float, None, Kept]) -> Kept:
    while True:
        try:
            next(asking)
        except StopIteration as end:
            found: Kept = end.value
            return found
