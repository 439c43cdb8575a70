"""What of a pipeline may vary: its stages' own settings, and its recipe's numbers; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kdcore.axes import Dimension, dimensions
from kdcore.catalogue import Catalogue
from kdcore.pipeline import OF_RECIPE, FineTune, Prune, Quantize, Share
from kdcore.recipe import Recipe

AnyStage = FineTune | Prune | Quantize | Share

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
STEPS = (25, 50, 100, 200, 400, 800, 1600, 3200)
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)

WAYS = {
    "static": "int8, ranges found beforehand",
    "dynamic": "int8, ranges found in each call",
    "weights": "int8, weights alone",
    "aware": "int8, trained for it",
    "float16": "float16",
}
"""How numbers get fewer bits, in words."""

CALIBRATIONS = {"min-max": "least and most", "entropy": "entropy", "percentile": "percentile"}
"""How the ranges of activations are found, in words."""

BY = {
    "teacher": "the teacher",
    "original": "the uncompressed student",
    "labels": "labels alone",
}
"""Whose answers are learnt beside the labels, in words."""

KEEP = {"none": "none", "ends": "the first and the last", "sensitive": "the most sensitive"}
"""Which layers stay in float32, in words."""


def pipeline_dimensions(
    stages: Sequence[AnyStage], recipe: Recipe, catalogue: Catalogue
) -> tuple[Dimension, ...]:
    """All that may vary over a pipeline: first each stage's settings, in their order, then the
    numbers of its recipe, each of which has its teacher's students trained anew.
    """
    of_stages = tuple(
        replace(
            each, field=f"stages.{place}.{each.field}", title=f"Stage {place + 1}: {each.title}"
        )
        for place, stage in enumerate(stages)
        for each in stage_dimensions(stage)
    )
    of_recipe = tuple(
        replace(each, field=OF_RECIPE + each.field, title=f"Recipe: {each.title}")
        for each in dimensions(recipe, catalogue)
        if each.numeric
    )
    return of_stages + of_recipe


def stage_dimensions(stage: AnyStage) -> Iterator[Dimension]:
    """What may vary over a stage, its fields named as it names them; only what plays a part."""
    match stage:
        case FineTune():
            yield from _training("", "")
            yield _choice("by", "learns from", BY, usual=3)
        case Prune():
            yield _number("share", f"share of {stage.what} pruned", SHARES, (0.01, 0.99), 1)
            if stage.between is not None:
                yield _whole("rounds", "rounds", (2, 3, 4, 6, 8), (2, 20))
                yield from _training("between.", " between rounds")
        case Quantize(tune=FineTune()):
            yield from _training("tune.", " with rounding")
            yield _bits()
        case Quantize():
            yield from _quantize(stage)
        case Share():
            yield _whole("bits", "bits to tell a weight's number", (2, 3, 4, 5, 6), (1, 8))


def _quantize(stage: Quantize) -> Iterator[Dimension]:
    """Of one that is not trained for; ways that its other settings forbid are left out."""
    ways = {name: title for name, title in WAYS.items() if name != "aware"}
    if stage.keep != "sensitive":
        yield _choice("how", "numbers in", ways, usual=4)
    if stage.how == "static":
        yield _choice("calibration", "ranges by", CALIBRATIONS, usual=3)
        counts = (16, 32, 64, 128, 256, 512, 1024)
        most = 10_000
        yield _whole("samples", "samples for the ranges", counts, (1, most), log=True, skip=2)
    kept = {name: KEEP[name] for name in KEEP if name != "sensitive" or stage.how == "static"}
    yield _choice("keep", "layers left in float32", kept, usual=3)
    if stage.keep == "sensitive":
        yield _whole("kept", "most sensitive left in float32", (1, 2, 3, 4), (1, 100))
    if "bits" not in stage.idle:
        yield _bits()


def _training(inside: str, when: str) -> Iterator[Dimension]:
    """Steps and rate of a training on; inside: where it stands within its stage."""
    yield _whole(f"{inside}steps", f"steps{when}", STEPS, (1, 1_000_000), log=True, skip=1)
    rates = (1e-6, 10.0)
    yield _number(f"{inside}learning_rate", f"learning rate{when}", RATES, rates, 1, log=True)


def _bits() -> Dimension:
    return _whole("bits", "bits of a weight", (7, 8), (7, 8))


def _number(
    field: str,
    title: str,
    rungs: tuple[float, ...],
    limits: tuple[float, float],
    skip: int = 0,
    *,
    log: bool = False,
) -> Dimension:
    """Usually tried: four rungs, those before them left out."""
    return Dimension(field, title, rungs, rungs[skip : skip + 4], *limits, log=log)


def _whole(
    field: str,
    title: str,
    rungs: tuple[int, ...],
    limits: tuple[int, int],
    *,
    log: bool = False,
    skip: int = 0,
) -> Dimension:
    return replace(_number(field, title, rungs, limits, skip, log=log), whole=True)


def _choice(field: str, title: str, options: dict[str, str], usual: int) -> Dimension:
    names = tuple(options)
    return Dimension(field, title, names, names[:usual], titles=tuple(options.values()))
