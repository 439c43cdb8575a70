"""A recipe is all it takes to get the same numbers again, from a page, the shell or a notebook."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    model_validator,
)

from kdcore.knobs import Range
from kdcore.validation import Written

PROTOCOL = 1
"""Part of every content hash; raised when a recipe would give numbers that differ by more than
rounding."""

FEWEST_SEEDS_FOR_A_VERDICT = 3


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
"""Neither takes true for 1, or a text for the number that it spells; a Number takes 1 for 1.0."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelChoice(_Part):
    """An architecture by name, with its options; `weights` names a file that was brought along."""

    architecture: str = "mlp"
    options: dict[str, JsonValue] = {}
    weights: str = ""


class MethodChoice(_Part):
    """A distillation method by name, with its options.

    layers: of a method that compares features, pairs of dotted layer paths, the student's and the
    teacher's; empty for those that the method would choose.
    """

    name: str = "kd"
    options: dict[str, JsonValue] = {}
    layers: tuple[tuple[str, str], ...] = ()


class ExtraTerm(MethodChoice):
    """One more method in the same loss; weight: None for what its paper uses."""

    weight: Annotated[Number, Field(ge=0, le=1e6)] | None = None


class Schedule(_Part):
    """How a number moves over the steps, from where the recipe sets it `to` another."""

    how: Literal["constant", "linear", "cosine", "step"] = "constant"
    to: Annotated[Number, Field(ge=0, le=1e6)] = 1.0


class Scheme(_Part):
    """Who teaches, where that is more than one teacher who was trained before.

    assistants: a chain between teacher and student, each distilled from the one before; with the
    student's own architecture, they are its earlier generations. co_teachers: further teachers,
    whose probabilities are averaged with the teacher's; co_weights: of their say, against the
    teacher's 1, one for each, or none for equal says. peers: so many networks of the teacher's
    architecture learn together with the student and from it, and nobody is trained before.
    """

    assistants: Annotated[tuple[ModelChoice, ...], Field(max_length=5)] = ()
    co_teachers: Annotated[tuple[ModelChoice, ...], Field(max_length=9)] = ()
    co_weights: tuple[Annotated[Number, Field(gt=0, le=1000)], ...] = ()
    peers: Annotated[Whole, Field(ge=0, le=5)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> Scheme:
        if self.co_weights and len(self.co_weights) != len(self.co_teachers):
            raise ValueError(
                f"scheme.co_weights has {len(self.co_weights)} weights for "
                f"{len(self.co_teachers)} co_teachers; give one for each, or none"
            )
        if self.peers and (self.assistants or self.co_teachers):
            raise ValueError(
                "scheme.peers learn together with the student, so there are no assistants or "
                "co_teachers beside them; set peers to 0, or leave the others out"
            )
        return self


class Transfer(_Part):
    """What the student gets to see: labelled samples, and more whose labels are hidden from it.

    The teacher answers for both; the control learns from the labelled ones alone. `left_out`
    holds the numbers of classes of which the student sees no sample at all; `label_noise` is the
    share of its labels that are wrong; `source` is where the unlabelled samples come from: the
    task itself, another task, or random pixels.
    """

    labelled: Annotated[Whole, Field(ge=1)] | Literal["all"] = "all"
    unlabelled: Annotated[Whole, Field(ge=0)] | Literal["rest"] = 0
    left_out: tuple[Annotated[Whole, Field(ge=0)], ...] = ()
    label_noise: Annotated[
        Number,
        Field(ge=0, le=1),
        Range(0, 0.9, 0.05, "Share of the student's labels replaced by another class."),
    ] = 0.0
    source: str = "task"


class Augmentation(_Part):
    """How each view of a picture differs from the last; zero leaves a change out.

    Views are drawn by seed, pass over the data and sample: both students of a seed see the same,
    and the teacher answers for the very view that the student sees.
    """

    shift: Annotated[Whole, Field(ge=0, le=64), Range(0, 8, 1, "Pixels, any direction.")] = 0
    rotation: Annotated[
        Number, Field(ge=0, le=180), Range(0, 45, 5, "Degrees, either direction.")
    ] = 0.0
    crop: Annotated[
        Number, Field(ge=0, lt=1), Range(0, 0.5, 0.05, "Largest share of a side that is cut away.")
    ] = 0.0
    flip: Annotated[bool, Strict()] = False
    cutout: Annotated[
        Number, Field(ge=0, lt=1), Range(0, 0.7, 0.1, "Side of the square blanked out, as a share.")
    ] = 0.0
    mixup: Annotated[
        Number,
        Field(ge=0, le=10),
        Range(0, 1, 0.1, "Blends two pictures; Beta(a, a) says how far."),
    ] = 0.0
    cutmix: Annotated[
        Number,
        Field(ge=0, le=10),
        Range(0, 1, 0.1, "Pastes a part of another picture; Beta(a, a)."),
    ] = 0.0

    @model_validator(mode="after")
    def _one_mix(self) -> Augmentation:
        if self.mixup and self.cutmix:
            raise ValueError("mixup and cutmix are both on; set one of them to 0")
        return self

    @property
    def on(self) -> bool:
        """Whether anything is changed at all."""
        return any(self.model_dump().values())


class Training(_Part):
    """How long and how fast one network is trained.

    precision: what its training steps compute in. "auto" is bfloat16 where the processor has it
    and a short trial of this network says that it is faster, so that another machine may give
    other numbers; name one where it must not. All models are judged in float32.
    """

    steps: Annotated[
        Whole,
        Field(ge=1, le=1_000_000),
        Range(20, 5000, 20, "Optimizer steps, the same for both students."),
    ] = 400
    batch_size: Annotated[
        Whole,
        Field(ge=1, le=65_536),
        Range(8, 512, 8, "Samples a step."),
    ] = 64
    learning_rate: Annotated[
        Number,
        Field(gt=0, le=10),
        Range(1e-4, 1e-1, None, "The optimizer's step size, the same for both students.", log=True),
    ] = 1e-2
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warm_up: Annotated[
        Whole, Field(ge=0), Range(0, 500, 10, "Steps over which the learning rate rises from 0.")
    ] = 0
    weight_decay: Annotated[
        Number, Field(ge=0, le=1), Range(1e-5, 1e-1, None, "Pull on all weights.", log=True)
    ] = 0.0
    label_smoothing: Annotated[
        Number, Field(ge=0, lt=1), Range(0, 0.5, 0.05, "Share of a label spread over all classes.")
    ] = 0.0
    patience: Annotated[
        Whole,
        Field(ge=0),
        Range(0, 20, 1, "Stop after so many of 40 reports without a better validation; 0: never."),
    ] = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    augmentation: Augmentation = Augmentation()


class Recipe(Written):
    """Task, models, method, weights and seeds of one experiment.

    `title` and `about` are for people and no part of the identity. soft_weight, hard_weight: None
    for what the method's paper uses. Frozen, validated, JSON both ways. Raises RecipeError, one
    sentence, on any value that cannot be meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    example: ClassVar[str] = '{"task": "digits"}'

    title: Annotated[str, Field(max_length=120)] = ""
    about: Annotated[str, Field(max_length=2000)] = ""
    task: str = "digits"
    transfer: Transfer = Transfer()
    teacher: ModelChoice = ModelChoice(options={"widths": [256, 256]})
    student: ModelChoice = ModelChoice(options={"widths": [16]})
    teacher_training: Training = Training(learning_rate=1e-3)
    training: Training = Training()
    method: MethodChoice = MethodChoice()
    temperature: Annotated[
        Number,
        Field(ge=0.01, le=1000),
        Range(1, 20, 0.5, "Higher T softens the teacher's answer, so its doubts weigh more."),
    ] = 4.0
    soft_weight: (
        Annotated[
            Number,
            Field(ge=0, le=1e6),
            Range(0, 1, 0.05, "α: the weight on the teacher's answer; the labels get the rest."),
        ]
        | None
    ) = None
    hard_weight: Annotated[Number, Field(ge=0, le=1e6)] | None = None
    extra: Annotated[tuple[ExtraTerm, ...], Field(max_length=8)] = ()
    temperature_schedule: Schedule = Schedule()
    soft_schedule: Schedule = Schedule(to=0.0)
    hard_schedule: Schedule = Schedule()
    scheme: Scheme = Scheme()
    teachers: Literal["one", "per seed"] = "one"
    teacher_labelled: Annotated[Whole, Field(ge=1)] | Literal["all"] = "all"
    teacher_seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    seeds: Annotated[
        tuple[Annotated[Whole, Field(ge=0, lt=2**32)], ...],
        Field(min_length=1, max_length=100),
        Range(1, 20, 1, "Each seed trains both students anew; under 3 there is no verdict."),
    ] = (0, 1, 2, 3, 4)

    @model_validator(mode="after")
    def _weights_and_seeds(self) -> Recipe:
        moves = any(s.how != "constant" for s in (self.soft_schedule, self.hard_schedule))
        more = any(each.weight != 0 for each in self.extra)
        if self.soft_weight == self.hard_weight == 0 and not (moves or more):
            raise ValueError("soft_weight and hard_weight are both 0; raise one, or nothing learns")
        if self.temperature_schedule.how != "constant" and self.temperature_schedule.to < 0.01:
            raise ValueError(
                f"temperature_schedule.to is {self.temperature_schedule.to!r}; it must be 0.01 "
                "or more"
            )
        used = [self.method.name, *(each.name for each in self.extra)]
        twice = next((name for name in used if used.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the method {twice!r} is in the loss twice; name each once")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)} holds one twice; each pair needs its own")
        return self

    @property
    def id(self) -> str:
        """Content hash: recipes of one id give the same numbers, on processors that compute alike.

        What stands at its default is left out, so that a field that is new changes no recipe's.
        """
        told = self.model_dump(mode="json", exclude={"title", "about"}, exclude_defaults=True)
        return content_hash(told)

    def teacher_part(self, seed: int, choice: ModelChoice | None = None) -> dict[str, Any]:
        """All that decides what the teacher of this seed, or a co-teacher, becomes."""
        include = {"task", "teacher_training", "teacher_labelled"}
        teacher = (choice or self.teacher).model_dump(mode="json")
        told = self.model_dump(mode="json", include=include)
        if told["teacher_training"]["precision"] == "auto":  # as teachers were named before it was
            del told["teacher_training"]["precision"]
        return {**told, "teacher": teacher, "seed": seed}

    @property
    def summary(self) -> str:
        """What tells this recipe from others, in a line: the name a run gets by default."""
        labels = self.transfer.labelled
        seen = "all labels" if labels == "all" else f"{labels:,} labels"
        if self.transfer.unlabelled:
            seen += " + unlabelled"
        if self.transfer.left_out:
            seen += f", without {', '.join(map(str, self.transfer.left_out))}"
        if self.transfer.label_noise:
            seen += f", {100 * self.transfer.label_noise:.0f} % noise"
        learning = " + ".join([self.method.name, *(each.name for each in self.extra)])
        if self.soft_weight != 0:
            learning += f" T {self.temperature:g}"
        if self.soft_weight:
            learning += f" α {self.soft_weight:g}"
        steps = f"{self.training.steps:,} steps at {self.training.learning_rate:g}"
        models = " → ".join(map(brief, (self.teacher, *self.scheme.assistants, self.student)))
        if self.scheme.peers:
            models = f"{brief(self.teacher)} ⇄ {brief(self.student)}"
        if self.scheme.co_teachers:
            models = " & ".join(map(brief, self.scheme.co_teachers)) + " & " + models
        return f"{self.task}, {seen}, {models}, {learning}, {steps}"


def content_hash(values: object) -> str:
    """Sixteen hex digits that name a JSON value and the protocol it was run under."""
    text = json.dumps([PROTOCOL, values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def brief(choice: ModelChoice) -> str:
    """A model in a word: its architecture and options, or the name it was brought under."""
    if choice.weights:
        return choice.weights
    values = [v if isinstance(v, list) else [v] for v in choice.options.values()]
    return "-".join([choice.architecture, *(str(part) for value in values for part in value)])


def bounds(model: type[BaseModel], field: str) -> Range:
    """The Range a field of a recipe was annotated with: a slider's limits, step and help."""
    info = model.model_fields[field]
    kept = [*info.metadata, *(m for part in get_args(info.annotation) for m in _metadata(part))]
    return next(m for m in kept if isinstance(m, Range))


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())
