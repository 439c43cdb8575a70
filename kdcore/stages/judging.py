"""What a model of a pipeline is worth: its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kdcore.compress.export import to_onnx
from kdcore.compress.ranges import Samples
from kdcore.compress.sensitivity import answers, same
from kdcore.compress.weighing import gzipped, zeros
from kdcore.errors import DivergedError
from kdcore.measure.size import macs, parameters
from kdcore.shelf import Shelf
from kdcore.stages.work import Piece
from kdcore.statistics import paired_difference
from kdcore.tasks import Split
from kdcore.train.loop import logits
from kdcore.train.weights import packed
from kdcore.uploads.network import OnnxTeacher
from kdcore.waterfall import ModelFile, Row


@dataclass(frozen=True)
class Model:
    """What stands in a row.

    answers: to the test samples, (N, C) for each seed; network, content: the first seed's, and its
    ONNX file; packed: the file that takes its place on disk; weights: its safetensors file, where
    the network itself is the model.
    """

    name: str
    answers: list[Samples]
    network: nn.Module
    content: bytes
    packed: bytes = b""
    weights: bytes = b""


@dataclass(frozen=True)
class Judge:
    """Against what models are held: labels, teachers' and distilled students' answers by seed.

    shape: of a sample; shelf: where files are kept.
    """

    labels: NDArray[np.int64]
    teachers: list[Samples]
    originals: list[Samples]
    shape: tuple[int, ...]
    shelf: Shelf

    def row(self, model: Model, beside: Row | None = None) -> Row:
        """A model's row, its file kept; beside: whose accuracy its own is paired with."""
        accuracy = tuple(float((each.argmax(1) == self.labels).mean()) for each in model.answers)
        whole = model.packed or model.content
        own = isinstance(model.network, OnnxTeacher)
        count = _parameters(model.network)
        difference = None
        if beside is not None:
            difference = paired_difference(beside.accuracy, accuracy, samples=len(self.labels))
        return Row(
            *(model.name, accuracy),
            *(_like(model.answers, self.teachers), _like(model.answers, self.originals)),
            *(len(whole), gzipped(whole)),
            *(count, None if own else count - zeros(model.content)),
            None if own else macs(model.network, self.shape),
            self._kept(model),
            difference,
        )

    def _kept(self, model: Model) -> ModelFile:
        put = self.shelf.put
        return ModelFile(
            model.name,
            put(model.content, "onnx"),
            put(model.weights, "safetensors") if model.weights else "",
            put(model.packed, "packed") if model.packed else "",
        )


def model_of(
    name: str, networks: Sequence[nn.Module], test: Split, shape: tuple[int, ...]
) -> Model:
    """A model that is a network for each seed. Raises DivergedError where one is of no use."""
    first, found = networks[0], [_asked(network, test) for network in networks]
    if isinstance(first, OnnxTeacher):  # kept already, as it came
        return Model(name, found, first, first.content)
    content, weights = to_onnx(first, shape), packed(first.state_dict())
    return Model(name, found, first, content, weights=weights)


def model_of_pieces(
    name: str, pieces: Sequence[Piece], test: Split, shape: tuple[int, ...]
) -> Model:
    """The model that pieces are after a stage: networks, or files that answer in their place."""
    first = pieces[0]
    if not first.file:
        return model_of(name, [piece.network for piece in pieces], test, shape)
    images = test.inputs.numpy()
    found = [answers(piece.file, images) for piece in pieces]
    return Model(name, found, first.network, first.file, packed=first.packed)


def _asked(network: nn.Module, test: Split) -> Samples:
    found = logits(network, test.inputs)
    if not torch.isfinite(found).all():
        raise DivergedError(
            "a student diverged while it was trained on: its answers are no longer finite; lower "
            "the learning_rate of the pipeline's fine-tune stages"
        )
    return found.numpy()


def _like(found: Sequence[Samples], others: Sequence[Samples]) -> tuple[float, ...]:
    """For each seed, the share of samples that both answer alike; either may be one for all."""
    count = max(len(found), len(others))
    both = (list(each) * count if len(each) == 1 else each for each in (found, others))
    return tuple(same(one, other) for one, other in zip(*both, strict=True))


def _parameters(network: nn.Module) -> int:
    """Of an own ONNX model, those that its file holds."""
    if isinstance(network, OnnxTeacher):
        return network.teacher.parameters
    return parameters(network)
