"""A recipe's names resolved: the data in memory, the method, and what the student gets to see."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from kdcore import methods, models, tasks
from kdcore.errors import RecipeError
from kdcore.recipe import ModelChoice, Recipe
from kdcore.tasks import balanced_order


class Setting:
    """Everything a recipe names, looked up and checked before any training.

    Raises RecipeError where a name is unknown, parts do not fit, or samples are too few.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.method = methods.get(recipe.method.name)
        self.method.settle(recipe.method.options, recipe.temperature)
        task = tasks.get(recipe.task)
        roles = {"teacher": recipe.teacher, "student": recipe.student}
        chosen = {role: models.get(choice.architecture) for role, choice in roles.items()}
        self.data = task.load()
        for role, architecture in chosen.items():
            reason = architecture.refuses(task.kind, self.data.input_shape)
            if reason is not None:
                raise RecipeError(f"the {role} does not fit task {recipe.task!r}: {reason}")
        for choice in roles.values():
            self.build(choice, seed=0)
        self.labelled, self.unlabelled = self._counts()

    def _counts(self) -> tuple[int, int]:
        available = len(self.data.train)
        transfer = self.recipe.transfer
        labelled = available if transfer.labelled == "all" else transfer.labelled
        if labelled > available:
            raise RecipeError(
                f"transfer.labelled is {labelled:,}, but {self.recipe.task!r} has {available:,} "
                f'training samples; choose up to {available:,}, or "all"'
            )
        rest = available - labelled
        unlabelled = rest if transfer.unlabelled == "rest" else transfer.unlabelled
        if unlabelled > rest:
            raise RecipeError(
                f"transfer.unlabelled is {unlabelled:,}, but besides the {labelled:,} labelled "
                f'samples only {rest:,} are left; choose up to {rest:,}, or "rest"'
            )
        return labelled, unlabelled

    def build(self, choice: ModelChoice, seed: int) -> nn.Module:
        """A fresh network of the recipe's choice for the task's shapes, weights from the seed."""
        architecture = models.get(choice.architecture)
        classes = len(self.data.class_names)
        weights_seed = derive(seed, "weights")
        return architecture.build(self.data.input_shape, classes, choice.options, weights_seed)

    def transfer_set(self, seed: int) -> tuple[Tensor, Tensor]:
        """Indices of this seed's labelled samples, and of all its transfer samples.

        Both are prefixes of one class-balanced order: more labels keep the ones there were.
        """
        labels = self.data.train.labels
        order = balanced_order(labels, derive(seed, "labelled"))
        return order[: self.labelled], order[: self.labelled + self.unlabelled]


def derive(seed: int, purpose: str) -> int:
    """A seed for one purpose, so that drawing more of one thing never shifts another."""
    return int(np.random.SeedSequence([seed, crc32(purpose.encode())]).generate_state(1)[0])


def make_visible(labelled: Tensor, count: int) -> Tensor:
    """Mask (count,) bool of the samples whose labels the student may see."""
    visible = torch.zeros(count, dtype=torch.bool)
    visible[labelled] = True
    return visible
