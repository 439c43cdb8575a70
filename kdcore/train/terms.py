"""A recipe's methods between two given networks: what each compares, and how much it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from kdcore import methods
from kdcore.errors import RecipeError
from kdcore.methods import Method, Shapes, Signals, Terms
from kdcore.models.features import tapped
from kdcore.models.layers import Layered, as_vector, check_paths, pairs_of, vector_shape
from kdcore.recipe import ExtraTerm, MethodChoice, Recipe
from kdcore.result import Precision
from kdcore.seeds import seeded
from kdcore.train.precision import answer


class Outputs(NamedTuple):
    """Logits (B, C) of one pass, and the features that its layers gave, by dotted path."""

    logits: Tensor
    features: Mapping[str, Tensor]


@dataclass(frozen=True)
class Term:
    """One method in the loss; layers: pairs of dotted paths, the student's and the teacher's.

    extra: whether it stands beside the recipe's own method, whose weight a schedule may move.
    """

    method: Method
    options: Mapping[str, Any]
    weight: float
    extra: bool = False
    layers: tuple[tuple[str, str], ...] = ()
    vectors: bool = False
    student_shapes: Shapes = ()
    teacher_shapes: Shapes = ()

    def signals(self, outputs: Outputs, indices: Tensor, side: int) -> Signals:
        """What the method is shown of a pass; side: 0 for the student's layers, 1 the teacher's."""
        chosen = [outputs.features[pair[side]] for pair in self.layers]
        shown = [as_vector(each) for each in chosen] if self.vectors else chosen
        return Signals(outputs.logits, indices, tuple(shown))

    def adapter(self, samples: int, seed: int) -> nn.Module:
        """What this term learns beside the student, its weights from the seed; often nothing."""
        if self.method.adapter is None:
            return nn.Module()
        with seeded(seed):
            return self.method.adapter(
                self.student_shapes, self.teacher_shapes, samples, **self.options
            )

    def __call__(
        self, signals: tuple[Signals, Signals], labels: Tensor, adapter: nn.Module, done: float
    ) -> Terms:
        more: dict[str, Any] = {}
        if self.method.adapter is not None:
            more["adapter"] = adapter
        if self.method.follows_the_steps:
            more["done"] = done
        return self.method(*signals, labels, **self.options, **more)


def terms_of(
    recipe: Recipe, student: nn.Module, teacher: nn.Module | None, shape: tuple[int, ...]
) -> tuple[Term, ...]:
    """All terms between the two networks, the recipe's own method first.

    teacher: None where only its answers can be had. Raises RecipeError where a method finds no
    layers to compare, or is given one that is not there.
    """
    layered: tuple[Layered, Layered] | None = None
    found = []
    for number, choice in enumerate((recipe.method, *recipe.extra)):
        method = methods.get(choice.name)
        options = method.settle(choice.options, recipe.temperature)
        if method.needs.layers is None and choice.layers:
            raise RecipeError(f"the method {method.name!r} compares no layers; leave layers empty")
        term = Term(method, options, _weight(recipe, choice, method), extra=number > 0)
        if method.needs.layers is not None and teacher is not None:
            layered = layered or (Layered(student, shape), Layered(teacher, shape))
            term = _with_layers(term, choice, layered)
        found.append(term)
    return tuple(found)


def hard_weight(recipe: Recipe) -> float:
    """The recipe's weight of the labels, or its method's."""
    if recipe.hard_weight is not None:
        return recipe.hard_weight
    return methods.get(recipe.method.name).hard_weight


def paths(terms: Sequence[Term], side: int) -> tuple[str, ...]:
    """The layers that any of the terms compares: of the student (side 0) or the teacher (1)."""
    return tuple(dict.fromkeys(pair[side] for term in terms for pair in term.layers))


def pooled(terms: Sequence[Term]) -> frozenset[str]:
    """The teacher's layers that every term compares as vectors: their maps need not be kept."""
    whole = {pair[1] for term in terms if not term.vectors for pair in term.layers}
    return frozenset(paths(terms, side=1)) - whole


def observed(
    network: nn.Module,
    inputs: Tensor,
    watched: Sequence[str],
    precision: Precision = "float32",
) -> Outputs:
    """One forward pass, and the features of the layers watched, all in float32."""
    if not watched:
        return Outputs(answer(network, inputs, precision), {})
    with tapped(network, watched) as features:
        outputs = answer(network, inputs, precision)
    return Outputs(outputs, {path: value.float() for path, value in features.items()})


def _weight(recipe: Recipe, choice: MethodChoice, method: Method) -> float:
    given = choice.weight if isinstance(choice, ExtraTerm) else recipe.soft_weight
    return method.soft_weight if given is None else given


def _with_layers(term: Term, choice: MethodChoice, layered: tuple[Layered, Layered]) -> Term:
    needs, kind = term.method.needs, term.method.needs.layers
    assert kind is not None
    have_maps = all(each.maps() for each in layered)
    pairs = choice.layers or tuple(pairs_of(kind, *layered, maps=have_maps))
    check_paths(pairs, *layered)
    if kind != "stages" and len(pairs) > 1:
        raise RecipeError(
            f"the method {term.method.name!r} compares one pair of layers, not {len(pairs)}; name "
            "one in layers, or none"
        )
    if not pairs or (needs.maps and not have_maps):
        what = "feature maps with height and width" if needs.maps else "hidden layers"
        raise RecipeError(
            f"the method {term.method.name!r} compares {what}, which the student or the teacher "
            "does not have; choose another method, or other models"
        )
    shapes = [tuple(each.known[pair[side]] for pair in pairs) for side, each in enumerate(layered)]
    ranks = {len(shape) for of_one in shapes for shape in of_one}
    vectors = kind == "embedding" or ranks != {3}
    if needs.maps and vectors:
        raise RecipeError(
            f"the method {term.method.name!r} compares feature maps with height and width; the "
            f"layers {', '.join(path for pair in pairs for path in pair)} are not all such"
        )
    if vectors:
        shapes = [tuple(map(vector_shape, of_one)) for of_one in shapes]
    return Term(
        *(term.method, term.options, term.weight, term.extra),
        *(pairs, vectors, shapes[0], shapes[1]),
    )
