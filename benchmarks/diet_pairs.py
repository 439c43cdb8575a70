"""Which pairs of teacher and student are compressed, and on which pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import has_cifar, loaded
from tables import ROOT

from kdcore import tasks
from kdcore.pipeline import Pipeline
from kdcore.setting import reshaped
from kdcore.tasks import Data, Facts, Split

PARTS = {"train": 8000, "validation": 200, "test": 2000}
"""How many pictures of 3×32×32 are taken: deep networks are slow."""


@dataclass(frozen=True)
class Pair:
    """A teacher and a student, and what becomes of the student."""

    name: str
    pipeline: Callable[[], Pipeline]


def articles_cnns() -> Pipeline:
    """The page Compress has it among its examples."""
    return Pipeline.load(ROOT / "assets" / "pipelines" / "mnist-cnn-channels-int8.json")


def resnets() -> Pipeline:
    """The networks of most papers, through the same stages."""
    task = coloured_task()
    large, small = (
        {"architecture": "resnet_cifar", "options": {"depth": depth}} for depth in (20, 8)
    )
    training = {"batch_size": 32, "learning_rate": 3e-3, "schedule": "cosine"}
    recipe = {
        **{"task": task, "teacher": large, "student": small, "seeds": [0, 1, 2]},
        "teacher_training": {"steps": 300, **training},
        "training": {"steps": 250, **training},
    }
    stages = [
        {"kind": "prune", "what": "channels", "share": 0.5},
        {"kind": "fine-tune", "steps": 300, "learning_rate": 3e-3, "by": "teacher"},
        {"kind": "quantize", "how": "static"},
    ]
    return Pipeline(recipe=recipe, stages=stages)


def coloured_task() -> str:
    """The name of a task of pictures that are shaped as CIFAR's, known while this script runs.

    It says what they are made of, as trained teachers are found by it.
    """
    name = f"{coloured_from()}-{PARTS['train']}-at-32"
    if name not in tasks.built_in():
        facts = Facts(tasks.get(coloured_from()).facts.class_names, (3, 32, 32), *PARTS.values())
        tasks.task(name, title=coloured_title(), kind="image", facts=facts)(coloured)
    return name


def coloured_from() -> str:
    """CIFAR-10 where it is at hand, else MNIST, made as large."""
    return "cifar10" if has_cifar() else "mnist"


def coloured_title() -> str:
    """What the table calls it."""
    return "CIFAR-10" if has_cifar() else "MNIST at 32×32×3"


def coloured() -> Data:
    """The first pictures of each split."""
    data = loaded(coloured_from())
    splits = [
        Split(reshaped(whole.inputs[:count], (3, 32, 32)), whole.labels[:count].clone())
        for whole, count in ((getattr(data, name), count) for name, count in PARTS.items())
    ]
    return Data(data.class_names, *splits)


def pairs() -> list[Pair]:
    """What the first tables are about."""
    return [
        Pair("MNIST, CNN 64-128-256 → 32-64", articles_cnns),
        Pair(f"{coloured_title()}, ResNet-20 → ResNet-8", resnets),
    ]
