"""A pipeline: a recipe, and what is done to its distilled student, stage by stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice, product
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from kdcore.errors import RecipeError
from kdcore.knobs import Range
from kdcore.recipe import Number, Recipe, Whole, content_hash
from kdcore.sweep import LEADING, SPECIAL, Axis, Values, put_at, told_twice
from kdcore.validation import Written

MOST_MEMBERS = 1_000

KEPT = 8
"""Pipelines whose members are kept: a page asks for the same ones at each click."""

OF_RECIPE = "recipe."
"""Before an axis' field, where it is one of the recipe's."""

_FIRST = tuple(OF_RECIPE + name for name in LEADING)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FineTune(_Part):
    """Train on for some steps, by the recipe's training, at a rate of its own.

    by: whose answers it learns beside the labels, as in Hinton et al., 2015, at the recipe's
    temperature: the teacher's, those of the student as it was before all stages, or nobody's.
    """

    kind: Literal["fine-tune"] = "fine-tune"
    steps: Annotated[Whole, Field(ge=1, le=1_000_000), Range(20, 5000, 20, "Optimizer steps.")] = (
        100
    )
    learning_rate: Annotated[
        Number,
        Field(gt=0, le=10),
        Range(1e-4, 1e-1, None, "Usually smaller than the one it was trained at.", log=True),
    ] = 3e-3
    by: Literal["teacher", "original", "labels"] = "teacher"


class Prune(_Part):
    """Leave out a share of all channels, which makes it smaller, or of all single weights.

    what: channels shrink the network and speed it up; single weights become zero, which shortens
    the file only once it is compressed. scope: of single weights, the smallest of the whole network
    or of each layer. rounds: it goes in so many, each taking the same part of what is left, and is
    trained on `between` two of them. rewind: after each round, the weights that are left go back
    to where they were before all training: a lottery ticket.
    """

    kind: Literal["prune"] = "prune"
    what: Literal["channels", "weights"] = "channels"
    share: Annotated[
        Number, Field(gt=0, lt=1), Range(0.1, 0.9, 0.05, "Share that is left out.")
    ] = 0.5
    scope: Literal["network", "layer"] = "network"
    rounds: Annotated[Whole, Field(ge=1, le=20), Range(1, 10, 1, "Rounds it takes.")] = 1
    between: FineTune | None = None
    rewind: bool = False

    @model_validator(mode="after")
    def _can_be_meant(self) -> Prune:
        if self.rounds > 1 and self.between is None:
            raise ValueError(
                f"a prune stage has {self.rounds} rounds, and nothing happens between them; give "
                'between, such as {"steps": 50}, or one round'
            )
        if self.rounds == 1 and self.between is not None:
            raise ValueError(
                "a prune stage trains between its rounds, but has only one; raise rounds, or add "
                "a fine-tune stage after it"
            )
        if self.what == "channels" and (self.rewind or self.scope == "layer"):
            raise ValueError(
                'rewind and scope "layer" are for single weights; a prune stage of channels takes '
                "the same share of each layer, and goes on from where its weights are"
            )
        return self


class Quantize(_Part):
    """Its numbers in fewer bits, in the file that onnxruntime runs.

    how: static int8 finds the activations' ranges beforehand, on training samples; dynamic int8
    finds them in each call, and takes matrix products alone; weights in int8 are turned back into
    float32; float16; "aware" is static int8 for which it is trained: it rounds while it learns by
    `tune`. calibration, samples: how the ranges of static int8 are found, and on how many. keep:
    which layers stay in float32: none, the first and the last, or the `kept` most sensitive. bits:
    of an integer weight; eight overflow on processors without VNNI.
    """

    kind: Literal["quantize"] = "quantize"
    how: Literal["static", "dynamic", "weights", "float16", "aware"] = "static"
    calibration: Literal["min-max", "entropy", "percentile"] = "min-max"
    samples: Annotated[
        Whole, Field(ge=1, le=10_000), Range(32, 1024, 32, "Training samples for the ranges.")
    ] = 256
    keep: Literal["none", "ends", "sensitive"] = "none"
    kept: Annotated[Whole, Field(ge=1, le=100)] = 1
    bits: Literal[7, 8] = 7
    tune: FineTune | None = None

    @model_validator(mode="after")
    def _can_be_meant(self) -> Quantize:
        if self.keep == "sensitive" and self.how != "static":
            raise ValueError(
                f"a quantize stage keeps the most sensitive layers, which are found by static "
                f'int8, but how is {self.how!r}; set how to "static", or keep to "ends"'
            )
        if (self.how == "aware") != (self.tune is not None):
            raise ValueError(
                'a quantize stage has tune where, and only where, how is "aware"; give it, such as '
                '{"steps": 100}, or leave it out'
            )
        if self.how == "aware" and self.keep != "none":
            raise ValueError(
                'a quantize stage whose how is "aware" keeps no layer in float32; set keep to '
                '"none", or how to "static"'
            )
        return self

    @property
    def idle(self) -> set[str]:
        """Its settings that play no part where its others are as they are."""
        found = set[str]()
        if self.how != "static":
            found |= {"calibration", "samples"}
        if self.how in ("weights", "float16"):
            found.add("bits")
        if self.keep != "sensitive":
            found.add("kept")
        return found


class Share(_Part):
    """Each layer's weights share 2^bits numbers, and Huffman's code says which: bytes on disk."""

    kind: Literal["share"] = "share"
    bits: Annotated[Whole, Field(ge=1, le=8), Range(1, 8, 1, "Bits to tell its number.")] = 5


Stage = Annotated[FineTune | Prune | Quantize | Share, Field(discriminator="kind")]

LAST = ("quantize", "share")
"""What makes a file of which no network can be trained any more."""


class Pipeline(Written):
    """A recipe, and the stages that its distilled student goes through, in order.

    axes: what varies over it, by dotted path, such as "stages.0.share" or "recipe.temperature"; of
    the recipe, whatever an axis of a sweep may be; none of a single pipeline. Frozen, validated,
    JSON both ways. Raises RecipeError, one sentence, on what cannot be meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    example: ClassVar[str] = '{"stages": [{"kind": "prune"}]}'

    title: Annotated[str, Field(max_length=120)] = ""
    recipe: Recipe = Recipe()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=12)]
    axes: Annotated[tuple[Axis, ...], Field(max_length=3)] = ()

    @model_validator(mode="after")
    def _order(self) -> Pipeline:
        for number, (stage, after) in enumerate(zip(self.stages, self.stages[1:], strict=False), 1):
            if stage.kind in LAST:
                raise ValueError(
                    f"stage {number}, {stage.kind}, makes a file that no stage can change any "
                    f"more, but stage {number + 1}, {after.kind}, comes after it; put "
                    f"{stage.kind} last, or leave one of them out"
                )
            if _zeroes(stage) and any(map(_narrows, self.stages[number:])):
                raise ValueError(
                    f"stage {number} sets single weights to zero, and a later one takes channels "
                    "out, after which nobody knows where those weights are; prune the channels "
                    "first, or leave one of them out"
                )
        fields = [axis.field for axis in self.axes]
        twice = next((field for field in fields if fields.count(field) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is on two axes; leave one of them out")
        told_twice([field.removeprefix(OF_RECIPE) for field in fields])
        if len(self) > MOST_MEMBERS:
            raise ValueError(
                f"these axes have {len(self):,} combinations; choose fewer values, so that there "
                f"are {MOST_MEMBERS:,} at most"
            )
        return self

    def __len__(self) -> int:
        """How many members it has: 1 without axes."""
        return prod(len(axis.values) for axis in self.axes)

    def settings(self) -> Iterator[dict[str, JsonValue]]:
        """What each member sets, by axis; the last axis moves fastest."""
        fields = [axis.field for axis in self.axes]
        for values in product(*(axis.values for axis in self.axes)):
            yield dict(zip(fields, values, strict=True))

    def members(self) -> list[Pipeline]:
        """Each combination's pipeline, without axes, in the order of `settings`.

        Equal recipes among them are one object. Raises RecipeError where one of them is no
        pipeline.
        """
        return list(_members(self.to_json()))

    def member(self, place: int) -> Pipeline:
        """The member of that place alone, counted from 0, without making the others."""
        return Pipeline(**_values(self._plain(), next(islice(self.settings(), place, None))))

    def check_apart(self) -> None:
        """Raise RecipeError where two settings come to the same: they would look like two findings.

        Not by `members`: what was run before this was asked is still to be read.
        """
        _all_differ(list(self.settings()), self.members())

    def recipes(self) -> list[Recipe]:
        """The different recipes of its members, in their order."""
        return list({id(member.recipe): member.recipe for member in self.members()}.values())

    def _plain(self) -> str:
        """The same without axes, as text."""
        return self.model_dump_json(exclude={"axes"})

    def tunes(self) -> list[FineTune]:
        """All trainings on, in the order in which they happen."""
        return [tune for stage in self.stages for tune in trainings(stage)]

    @property
    def training_id(self) -> str:
        """Content hash: pipelines of one such id train the same, whatever else they do."""
        return _training_id(self.to_json())

    def learns_to_round(self) -> bool:
        """Whether the last of its trainings on is one to int8."""
        last = self.stages[-1]  # after it, nothing is trained
        return isinstance(last, Quantize) and last.tune is not None

    @property
    def id(self) -> str:
        """Content hash: pipelines of one id give the same numbers."""
        told = self.model_dump(mode="json", exclude={"title"})
        return content_hash({**told, "recipe": self.recipe.id})


@lru_cache(maxsize=KEPT)
def _members(text: str) -> tuple[Pipeline, ...]:
    """All members of a pipeline that is given as text.

    Each recipe is read and kept once: a thousand members have but a few, mostly.
    """
    pipeline = Pipeline.from_json(text)
    plain, found = pipeline._plain(), list[Pipeline]()
    by_text, by_id = dict[str, Recipe](), dict[str, Recipe]()
    for setting in pipeline.settings():
        values = _values(plain, setting)
        spelled = json.dumps(values["recipe"])
        if spelled not in by_text:
            recipe = Pipeline(**values).recipe
            by_text[spelled] = by_id.setdefault(recipe.id, recipe)
        found.append(Pipeline(**{**values, "recipe": by_text[spelled]}))
    return tuple(found)


def _all_differ(settings: Sequence[dict[str, JsonValue]], members: Sequence[Pipeline]) -> None:
    """Raise RecipeError where two settings come to the same work."""
    seen: dict[tuple[int, str], dict[str, JsonValue]] = {}
    for setting, member in zip(settings, members, strict=True):
        told = [
            stage.model_dump(
                mode="json", exclude=stage.idle if isinstance(stage, Quantize) else None
            )
            for stage in member.stages
        ]
        twin = seen.setdefault((id(member.recipe), json.dumps(told)), setting)
        if twin is not setting:
            spelled = {field: json.dumps(value) for field, value in setting.items()}
            apart = [field for field, text in spelled.items() if text != json.dumps(twin[field])]
            alike = [
                f"{field!r} is {text}" for field, text in spelled.items() if field not in apart
            ]
            where = " and ".join(alike)
            raise RecipeError(
                f"{', '.join(map(repr, apart))} {'changes' if len(apart) == 1 else 'change'} "
                f"nothing{f' where {where}' if where else ''}; leave one of the axes out, or that "
                "value"
            )


@lru_cache(maxsize=32 * KEPT)
def _training_id(text: str) -> str:
    """`Pipeline.training_id` of a pipeline that is given as text."""
    pipeline = Pipeline.from_json(text)
    ids = {id(recipe): recipe.id for recipe in pipeline.recipes()}
    told = [
        [
            ids[id(member.recipe)],
            [tune.model_dump(mode="json") for tune in member.tunes()],
            member.learns_to_round(),  # which takes several times as long a step
        ]
        for member in pipeline.members()
    ]
    return content_hash([told, [stage.kind for stage in pipeline.stages]])


def _values(plain: str, setting: dict[str, JsonValue]) -> Values:
    """A member as JSON knows it: the pipeline without axes, given as text, at that setting."""
    values: Values = json.loads(plain)
    for field in sorted(setting, key=lambda each: each not in _FIRST):
        _put(values, field, setting[field])
    return values


def trainings(stage: FineTune | Prune | Quantize | Share) -> list[FineTune]:
    """A stage's trainings on, in the order in which they happen."""
    match stage:
        case FineTune():
            return [stage]
        case Prune(between=FineTune() as between):
            return [between] * (stage.rounds - 1)
        case Quantize(tune=FineTune() as tune):
            return [tune]
        case _:
            return []


def _put(values: Values, field: str, value: JsonValue) -> None:
    """Set a field of a pipeline as JSON knows it."""
    name = field.removeprefix(OF_RECIPE)
    if name != field and name in SPECIAL:
        SPECIAL[name](values["recipe"], value)
    else:
        put_at(field)(values, value)


def _zeroes(stage: FineTune | Prune | Quantize | Share) -> bool:
    """Whether it sets single weights to zero, to be kept so."""
    return isinstance(stage, Prune) and stage.what == "weights"


def _narrows(stage: FineTune | Prune | Quantize | Share) -> bool:
    """Whether it takes channels out."""
    return isinstance(stage, Prune) and stage.what == "channels"


def told(stage: FineTune | Prune | Quantize | Share) -> str:
    """A stage in a few words: what its bar or row is called."""
    match stage:
        case FineTune():
            beside = {
                "teacher": "with the teacher",
                "original": "with the uncompressed student",
                "labels": "with labels alone",
            }[stage.by]
            return f"train on {beside}, {stage.steps:,} steps"
        case Prune():
            rounds = f" in {stage.rounds} rounds" if stage.rounds > 1 else ""
            rewound = ", rewound" if stage.rewind else ""
            return f"prune {100 * stage.share:.0f} % of the {stage.what}{rounds}{rewound}"
        case Quantize():
            name = {
                "static": "static int8",
                "dynamic": "dynamic int8",
                "weights": "weights in int8",
                "float16": "float16",
                "aware": "int8, trained for",
            }[stage.how]
            kept = {
                "none": "",
                "ends": ", first and last layer in float32",
                "sensitive": f", {stage.kept} most sensitive in float32",
            }[stage.keep]
            return name + kept
        case Share():
            return f"share weights by {stage.bits} bits"
