"""A recipe's names resolved: the data in memory, the method, and what the student gets to see."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore import methods, models, tasks, uploads
from kdcore.errors import RecipeError
from kdcore.fits import Networks
from kdcore.methods import UNLABELLED
from kdcore.recipe import Augmentation, ModelChoice, Recipe
from kdcore.seeds import derive
from kdcore.settings import Settings
from kdcore.shared import Shared
from kdcore.tasks import balanced_order
from kdcore.train.terms import terms_of
from kdcore.train.views import Views
from kdcore.uploads import ONNX
from kdcore.uploads.network import own_network


class Setting:
    """Everything a recipe names, looked up and checked before any training.

    shared: with recipes that are run beside this one. Raises RecipeError where a name is unknown,
    parts do not fit, or samples are too few.
    """

    def __init__(self, recipe: Recipe, shared: Shared | None = None) -> None:
        self.recipe, self.shared = recipe, shared or Shared()
        self.methods = [methods.get(each.name) for each in (recipe.method, *recipe.extra)]
        self.task = tasks.get(recipe.task)
        self.home = Settings.from_environment().home
        self.own_teacher = self._own_teacher()
        self._check_models()
        self._check_augmentation()
        self._check_scheme()
        self._check_methods()
        self.data = self.task.load()
        self._check_batches()
        self._check_layers()
        self.seen = self._seen_samples()
        self._origin = (recipe.task, recipe.transfer.source)
        self.foreign, self.pool = self.shared.once(("pool", *self._origin), self._inputs)
        self.labelled, self.unlabelled = self._counts()

    # what fits

    def _own_teacher(self) -> uploads.OwnTeacher | None:
        """The teacher that was brought along, if the recipe names one."""
        choice = self.recipe.teacher
        if self.recipe.student.weights or self.recipe.student.architecture == ONNX:
            raise RecipeError("only a teacher can be brought along; leave student.weights empty")
        if not choice.weights:
            if choice.architecture == ONNX:
                raise RecipeError("teacher.weights must name an own teacher where it is of ONNX")
            return None
        if self.recipe.teachers != "one":
            raise RecipeError('an own teacher is one for all seeds; set teachers to "one"')
        own = uploads.get(choice.weights, self.home)
        if (own.architecture, own.options) != (choice.architecture, choice.options):
            raise RecipeError(
                f"the own teacher {own.name!r} is of the architecture {own.architecture!r} with "
                f"the options {own.options}; name the same in teacher"
            )
        return own

    def _check_models(self) -> None:
        shape = self.task.facts.input_shape
        for role in ("teacher", "student"):
            choice: ModelChoice = getattr(self.recipe, role)
            if role == "teacher" and self.own_teacher is not None and self.own_teacher.info:
                classes = len(self.task.facts.class_names)
                reason = uploads.misfit(self.own_teacher.info, self.task.kind, shape, classes)
            else:
                reason = models.get(choice.architecture).refuses(self.task.kind, shape)
            if reason is not None:
                raise RecipeError(
                    f"the {role} does not fit the task {self.recipe.task!r}: {reason}"
                )

    def _check_augmentation(self) -> None:
        for role in ("teacher_training", "training"):
            if getattr(self.recipe, role).augmentation.on and self.task.kind != "image":
                raise RecipeError(
                    f"{role}.augmentation changes pictures, but task {self.recipe.task!r} gives "
                    f"{self.task.kind}s; leave all of it at 0"
                )

    def _check_scheme(self) -> None:
        scheme, shape = self.recipe.scheme, self.task.facts.input_shape
        if self.own_teacher is not None and (scheme.peers or scheme.co_teachers):
            raise RecipeError(
                "an own teacher teaches alone: it does not learn with peers, and is not averaged "
                "with others; leave scheme.peers and scheme.co_teachers out"
            )
        for choice in (*scheme.assistants, *scheme.co_teachers):
            if choice.weights or choice.architecture == ONNX:
                raise RecipeError(
                    "assistants and co_teachers are trained here; leave weights empty"
                )
            reason = models.get(choice.architecture).refuses(self.task.kind, shape)
            if reason is not None:
                raise RecipeError(
                    f"{choice.architecture!r} in scheme does not fit the task "
                    f"{self.recipe.task!r}: {reason}"
                )

    def _check_methods(self) -> None:
        recipe = self.recipe
        chain = [recipe.teacher, *recipe.scheme.assistants, recipe.student]
        kinds = [models.get(each.architecture) for each in chain if each.architecture != ONNX]
        networks = Networks(
            answers_only=recipe.teacher.architecture == ONNX,
            ensemble=bool(recipe.scheme.co_teachers),
            peers=bool(recipe.scheme.peers),
            without_maps=tuple(dict.fromkeys(kind.title for kind in kinds if not kind.maps)),
        )
        for method, choice in zip(self.methods, (recipe.method, *recipe.extra), strict=True):
            method.settle(choice.options, recipe.temperature)
            if choice is not recipe.method and not method.formula:
                raise RecipeError(f"the method {method.name!r} adds no term; leave it out of extra")
            reason = method.needs.refuses(method.title, networks)
            if reason is not None:
                raise RecipeError(f"the method {method.name!r} cannot be used here: {reason}")

    def _check_layers(self) -> None:
        """Let each link of the chain find the layers that its methods compare."""
        if all(method.needs.layers is None for method in self.methods):
            terms_of(self.recipe, nn.Module(), None, self.data.input_shape)
            return
        chain = [self.teacher(seed=0)]
        links = (*self.recipe.scheme.assistants, self.recipe.student)
        for choice in links:
            chain.append(self.build(choice, seed=0))
        for teacher, student in pairwise(chain):
            terms_of(self.recipe, student, teacher, self.data.input_shape)

    def _check_batches(self) -> None:
        """A batch of one sample may be too few for batch norm's deviations."""
        recipe = self.recipe
        taught = "training" if recipe.scheme.peers else "teacher_training"
        trained = [("the teacher", recipe.teacher, taught)]
        trained += [("the student", recipe.student, "training")]
        trained += [("an assistant", each, "training") for each in recipe.scheme.assistants]
        trained += [("a co-teacher", each, taught) for each in recipe.scheme.co_teachers]
        for who, choice, name in trained:
            if choice.architecture != ONNX:
                network = self.build(choice, seed=0)  # which checks its options
                if getattr(recipe, name).batch_size == 1:
                    self._check_batch_of_one(who, network, name)

    def _check_batch_of_one(self, who: str, network: nn.Module, name: str) -> None:
        try:
            network.train()(torch.zeros(1, *self.data.input_shape))
        except ValueError:
            raise RecipeError(
                f"{name}.batch_size is 1, but {who}'s batch norm needs at least two samples; "
                "choose 2 or more"
            ) from None

    def _seen_samples(self) -> Tensor:
        """Indices of the training samples whose class the student may see."""
        left_out = self.recipe.transfer.left_out
        names = self.data.class_names
        for number in left_out:
            if number >= len(names):
                raise RecipeError(
                    f"transfer.left_out names class {number}, but the classes are numbered from 0 "
                    f"to {len(names) - 1}: {', '.join(names[:20])}"
                )
        if len(set(left_out)) > len(names) - 2:
            raise RecipeError(
                f"transfer.left_out leaves {len(names) - len(set(left_out))} of {len(names)} "
                "classes; the student needs at least two"
            )
        labels = self.data.train.labels
        return (~torch.isin(labels, torch.tensor(left_out, dtype=torch.int64))).nonzero().squeeze(1)

    def _counts(self) -> tuple[int, int]:
        available = len(self.seen)
        transfer = self.recipe.transfer
        where = f"{self.recipe.task!r}" + (
            " without the classes left out" * bool(transfer.left_out)
        )
        labelled = available if transfer.labelled == "all" else transfer.labelled
        if labelled > available:
            raise RecipeError(
                f"transfer.labelled is {labelled:,}, but {where} has {available:,} "
                f'training samples; choose up to {available:,}, or "all"'
            )
        rest = available - labelled if self.foreign is None else len(self.foreign)
        unlabelled = rest if transfer.unlabelled == "rest" else transfer.unlabelled
        if unlabelled > rest:
            beside = f"besides the {labelled:,} labelled samples " * (self.foreign is None)
            raise RecipeError(
                f"transfer.unlabelled is {unlabelled:,}, but {beside}only {rest:,} are left; "
                f'choose up to {rest:,}, or "rest"'
            )
        count = self.recipe.teacher_labelled
        if count != "all" and count > len(self.data.train):
            raise RecipeError(
                f"teacher_labelled is {count:,}, but {self.recipe.task!r} has "
                f'{len(self.data.train):,} training samples; choose fewer, or "all"'
            )
        return labelled, unlabelled

    def _inputs(self) -> tuple[Tensor | None, Tensor]:
        """Samples from elsewhere, if any, and the whole pool: the task's own first, then those."""
        foreign, own = self._foreign_inputs(), self.data.train.inputs
        return foreign, own if foreign is None else torch.cat([own, foreign])

    def _foreign_inputs(self) -> Tensor | None:
        """Samples from elsewhere, in the shape of this task's, or None."""
        source = self.recipe.transfer.source
        if source == "task":
            return None
        own = self.data.train.inputs
        if source == "noise":
            generator = torch.Generator().manual_seed(derive(0, "noise"))
            uniform = torch.rand(own.shape, generator=generator)
            if own.dtype == torch.uint8:
                return (256 * uniform).to(torch.uint8)
            low, high = own.min(0).values, own.max(0).values
            return low + (high - low) * uniform
        other = tasks.get(source)
        if (other.kind, self.task.kind) != ("image", "image"):
            raise RecipeError(
                f"transfer.source {source!r} gives {other.kind}s, but task {self.recipe.task!r} "
                f'gives {self.task.kind}s; choose another picture task, "noise" or "task"'
            )
        return reshaped(other.load().train.inputs, self.data.input_shape)

    # what is built from it

    def build(self, choice: ModelChoice, seed: int) -> nn.Module:
        """A fresh network of the recipe's choice for the task's shapes, weights from the seed."""
        architecture = models.get(choice.architecture)
        classes = len(self.data.class_names)
        weights_seed = derive(seed, "weights")
        return architecture.build(self.data.input_shape, classes, choice.options, weights_seed)

    def teacher(self, seed: int, choice: ModelChoice | None = None) -> nn.Module:
        """A teacher that is still to be trained, of that seed; or the one brought along.

        choice: of a co-teacher.
        """
        own = self.own_teacher
        if own is None:
            return self.build(choice or self.recipe.teacher, derive(seed, "teacher"))
        return self.own_network(own, own.scale)

    def own_network(self, own: uploads.OwnTeacher, scale: uploads.Scale) -> nn.Module:
        """The own teacher, its pixels on whatever scale."""
        built = None if own.info is not None else self.build(self.recipe.teacher, seed=0)
        content = uploads.load(own, self.home)
        return own_network(replace(own, scale=scale), content, self.data, built)

    def views(self, how: Augmentation, seed: int) -> Views:
        """The whole pool, the task's training samples first, as a network of that seed sees it."""
        if not how.on:  # of all seeds, as nothing is drawn
            key = ("plain views", *self._origin)
            return self.shared.once(key, lambda: Views(self.data, self.pool))
        return Views(self.data, self.pool, how, derive(seed, "views"))

    def teacher_samples(self, seed: int) -> Tensor:
        """Indices of the samples that a teacher learns from: for a student's seed, the very
        labelled samples that the student sees, as far as both see as many.
        """
        labels = self.data.train.labels
        if self.recipe.teacher_labelled == "all":
            return torch.arange(len(labels))
        return balanced_order(labels, derive(seed, "labelled"))[: self.recipe.teacher_labelled]

    def student_labels(self, seed: int) -> Tensor:
        """The labels (N,) of the whole pool as this seed's student is told them, noise included."""
        transfer = self.recipe.transfer
        key = ("labels", *self._origin, transfer.label_noise, transfer.left_out)
        if not transfer.label_noise:
            return self.shared.once(key, lambda: self._told(seed))
        return self.shared.once((*key, seed), lambda: self._told(seed))

    def _told(self, seed: int) -> Tensor:
        labels = self.data.train.labels
        noise = self.recipe.transfer.label_noise
        if noise:
            generator = torch.Generator().manual_seed(derive(seed, "label noise"))
            kinds = labels[self.seen].unique()
            wrong = torch.rand(len(labels), generator=generator) < noise
            turn = torch.randint(1, len(kinds), (len(labels),), generator=generator)
            # any other class that the student knows, each as likely
            others = kinds[(torch.searchsorted(kinds, labels) + turn) % len(kinds)]
            labels = torch.where(wrong, others, labels)
        if self.foreign is None:
            return labels
        return torch.cat([labels, torch.full((len(self.foreign),), UNLABELLED)])

    def transfer_set(self, seed: int) -> tuple[Tensor, Tensor]:
        """Indices of this seed's labelled samples, and of all its transfer samples.

        Both are prefixes of one class-balanced order: more labels keep the ones there were.
        """
        transfer = self.recipe.transfer.model_dump_json(exclude={"label_noise"})
        key = ("transfer set", self.recipe.task, transfer, seed)
        return self.shared.once(key, lambda: self._transfer_set(seed))

    def _transfer_set(self, seed: int) -> tuple[Tensor, Tensor]:
        labels = self.data.train.labels[self.seen]
        order = self.seen[balanced_order(labels, derive(seed, "labelled"))]
        labelled = order[: self.labelled]
        if self.foreign is None:
            return labelled, order[: self.labelled + self.unlabelled]
        generator = torch.Generator().manual_seed(derive(seed, "foreign"))
        strangers = torch.randperm(len(self.foreign), generator=generator)[: self.unlabelled]
        return labelled, torch.cat([labelled, strangers + len(self.data.train)])


def reshaped(pictures: Tensor, shape: tuple[int, ...]) -> Tensor:
    """uint8 pictures (N, C, H, W) resized, and made grey or coloured, to (N, *shape)."""
    channels, *sides = shape
    if pictures.shape[1] != channels:
        grey = pictures.float().mean(1, keepdim=True).round().to(torch.uint8)
        pictures = grey.expand(-1, channels, -1, -1)
    if list(pictures.shape[2:]) == sides:
        return pictures
    parts = [
        F.interpolate(part.float(), sides, mode="bilinear", align_corners=False, antialias=True)
        for part in pictures.split(4096)
    ]
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])


def make_visible(labelled: Tensor, count: int) -> Tensor:
    """Mask (count,) bool of the samples whose labels the student may see."""
    visible = torch.zeros(count, dtype=torch.bool)
    visible[labelled] = True
    return visible
