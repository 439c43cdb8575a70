"""What each stage does to one seed's student."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import assert_never

import numpy as np
from torch import Tensor, nn

from kdcore.classroom import Classroom
from kdcore.compress.aware import Aware, aware, int8_of, masks_of
from kdcore.compress.channels import prune_channels
from kdcore.compress.export import to_onnx
from kdcore.compress.prune import Masks, prunable, rewind, shares, smallest, zero
from kdcore.compress.quantize import dynamic_int8, ends, float16, static_int8, weights_int8
from kdcore.compress.ranges import Samples
from kdcore.compress.sensitivity import most_sensitive, sensitivities
from kdcore.compress.sharing import shared
from kdcore.errors import RecipeError
from kdcore.pipeline import FineTune, Pipeline, Prune, Quantize, Share
from kdcore.recipe import Augmentation
from kdcore.setting import Setting
from kdcore.stages.tuning import Told, lesson_of, tune
from kdcore.waterfall import Sensitivity

PROBE = 1000
"""Validation samples, at most, on which layers are compared."""


@dataclass
class Piece:
    """One seed's student on its way: a network, and at last a file that answers in its place.

    original: the network before all stages; teacher: whom it learnt from; masks: which of its
    weights are left; tuned: how many times it was trained on; packed: its shared weights' file.
    """

    seed: int
    network: nn.Module
    original: nn.Module
    teacher: nn.Module
    masks: Masks = field(default_factory=dict)
    tuned: int = 0
    file: bytes = b""
    packed: bytes = b""


@dataclass
class Keeping:
    """Which layers stay in float32, for all seeds alike: found on the first one's."""

    names: tuple[str, ...] | None = None
    sensitivity: tuple[Sensitivity, ...] = ()


def work(
    piece: Piece, stage: FineTune | Prune | Quantize | Share, room: Classroom, keeping: Keeping
) -> Iterator[Told]:
    """Take a piece through a stage, in place, telling how far it is."""
    shape = room.setting.data.input_shape
    match stage:
        case FineTune():
            yield from tuned(piece, stage, room)
        case Prune(what="channels"):
            pruning = prune_channels(piece.network, shape, stage.share, stage.rounds)
            for number, _ in enumerate(pruning, 1):
                yield from _between(piece, stage, number, room)
        case Prune():
            first = {}
            if stage.rewind:
                first = first_weights(piece.network, room.setting, piece.seed)
            for number, share in enumerate(shares(stage.share, stage.rounds), 1):
                piece.masks = smallest(piece.network, share, stage.scope)
                zero(piece.network, piece.masks)
                if stage.rewind:
                    rewind(piece.network, first, piece.masks)
                yield from _between(piece, stage, number, room)
        case Quantize(tune=FineTune() as tuning):
            rounding = aware(piece.network, shape, stage.bits)
            yield from tuned(piece, tuning, room, rounding)
            piece.file = int8_of(rounding, shape)
        case Quantize():
            piece.file = quantized(piece, stage, room, keeping)
        case Share():
            found = shared(to_onnx(piece.network, shape), stage.bits)
            piece.file, piece.packed = found.model, found.packed
        case _:
            assert_never(stage)
    yield Told(1.0)


def tuned(
    piece: Piece,
    stage: FineTune,
    room: Classroom,
    rounding: Aware | None = None,
    *,
    in_float32: bool = False,
) -> Generator[Told, None, None]:
    """Train a piece on; or, in its place, the same that rounds, which is made for float32.

    in_float32: whatever the room computes in, as for whoever is held against one that rounds.
    """
    teacher = {"teacher": piece.teacher, "original": piece.original, "labels": None}[stage.by]
    lesson = lesson_of(room, stage, teacher, piece.seed, piece.tuned)
    piece.tuned += 1
    if in_float32 or rounding is not None:
        lesson = replace(lesson, precision="float32")
    if rounding is None:
        yield from tune(piece.network, lesson, piece.masks)
    else:
        yield from tune(rounding, lesson, masks_of(piece.masks))


def _between(piece: Piece, stage: Prune, number: int, room: Classroom) -> Iterator[Told]:
    if stage.between is None or number == stage.rounds:
        return
    for told in tuned(piece, stage.between, room):
        yield Told((number - 1 + told.done) / stage.rounds, told.report)


def first_weights(network: nn.Module, setting: Setting, seed: int) -> dict[str, Tensor]:
    """The weights with which that seed's student began.

    Raises RecipeError where the network has other shapes by now.
    """
    first: dict[str, Tensor] = setting.build(setting.recipe.student, seed).state_dict()
    now = network.state_dict()
    if any(value.shape != now[name].shape for name, value in first.items()):
        raise RecipeError(
            "weights cannot be rewound once channels are gone; leave rewind out, or the stage that "
            "prunes channels"
        )
    return first


def quantized(piece: Piece, stage: Quantize, room: Classroom, keeping: Keeping) -> bytes:
    """The file of a piece, in fewer bits."""
    model = to_onnx(piece.network, room.setting.data.input_shape)
    samples = calibration_samples(room, piece.seed, stage.samples)
    if keeping.names is None:
        keeping.names = kept(model, stage, samples, room, keeping)
    match stage.how:
        case "static":
            return static_int8(
                *(model, samples),
                calibration=stage.calibration,
                keep=keeping.names,
                bits=stage.bits,
            )
        case "dynamic":
            return dynamic_int8(model, keep=keeping.names, bits=stage.bits)
        case "weights":
            return weights_int8(model, keep=keeping.names)
        case _:
            return float16(model, keep=keeping.names)


def kept(
    model: bytes, stage: Quantize, samples: Samples, room: Classroom, keeping: Keeping
) -> tuple[str, ...]:
    """The layers of a model that the stage leaves in float32."""
    if stage.keep == "none":
        return ()
    if stage.keep == "ends":
        return ends(model)
    probe = room.split("validation").inputs[:PROBE].numpy()
    keeping.sensitivity = tuple(sensitivities(model, samples, probe, stage.calibration))
    return most_sensitive(keeping.sensitivity, stage.kept)


def calibration_samples(room: Classroom, seed: int, count: int) -> Samples:
    """Training samples (N, ...) of the task itself that this seed's student saw, classes in turn.

    Labels are not needed, so that unlabelled ones serve as well; samples from elsewhere would give
    ranges of their own.
    """
    labelled, transfer = room.setting.transfer_set(seed)
    own = transfer[transfer < len(room.setting.data.train)]
    chosen = own[:count] if len(own) > len(labelled) else labelled[:count]
    plain = room.setting.views(Augmentation(), seed=0)
    return np.ascontiguousarray(plain.plain(chosen).numpy())


def check(pipeline: Pipeline, setting: Setting) -> None:
    """Raise RecipeError, before anything is trained, where a stage cannot be done.

    A fresh student goes through all that changes its shape.
    """
    network = setting.build(pipeline.recipe.student, seed=0)
    for stage in pipeline.stages:
        match stage:
            case Prune(what="channels"):
                list(prune_channels(network, setting.data.input_shape, stage.share))
            case Prune(rewind=True):
                first_weights(network, setting, seed=0)
            case Quantize():
                _check_layers(network, stage)
            case _:
                pass


def _check_layers(network: nn.Module, stage: Quantize) -> None:
    modules = dict(network.named_modules())
    names = [name.rpartition(".")[0] for name in prunable(network)]
    gone = {"none": 0, "ends": 2, "sensitive": stage.kept}[stage.keep]
    of_kind = names[1:-1] if stage.keep == "ends" else names
    if stage.how == "dynamic":
        of_kind = [name for name in of_kind if isinstance(modules[name], nn.Linear)]
    if len(names) <= gone or not of_kind:
        raise RecipeError(
            f"the quantize stage leaves nothing to quantize: the student has {len(names)} layers "
            f'with weights, of which it keeps {min(gone, len(names))} in float32, and "dynamic" '
            "takes linear ones alone; keep fewer, or quantize in another way"
        )
