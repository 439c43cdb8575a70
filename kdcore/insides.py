"""What is inside a run's three models, kept as one file of the first seed: layers, how alike they
are, the last hidden layer's features, first weights, and boundaries through training; no torch.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdcore.errors import HomeError
from kdcore.result import ARMS, ArmName

ROLE = "insides"
"""Of the file, among a run's artifacts."""

Numbers = NDArray[np.float32]
Pair = tuple[ArmName, ArmName]

PAIRS: tuple[Pair, ...] = (
    ("teacher", "control"),
    ("teacher", "distilled"),
    ("control", "distilled"),
)
"""Of models whose layers are compared."""


@dataclass(frozen=True)
class Layer:
    """One step of a network: a layer with weights, or one that changes the shape, and what follows
    it without doing either, such as an activation.

    path: dotted, of its first part; kind: names of its parts; shape: of its output without the
    batch, empty where it is not one tensor's; parameters and macs: of one sample.
    """

    number: int
    path: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    macs: int


@dataclass(frozen=True, eq=False)
class Embedding:
    """Principal components of a layer's output to the first N test samples.

    layer: its dotted path, empty where these are the logits; width: numbers that it gives; scores:
    (N, P) float32, the largest variance first; shares: (P,), of the whole variance.
    """

    layer: str
    width: int
    scores: Numbers
    shares: Numbers


@dataclass(frozen=True, eq=False)
class Boundaries:
    """What the models answer all over a plane, at moments of training.

    low, high: (2,), the plane's corners; steps: (M,) int64, the students' moments; chosen and sure:
    for each model (M, G, G), a teacher's (1, G, G), rows upwards: the likeliest class, and its
    probability in [0, 1]; accuracy: of the same moments, on the test split.
    """

    low: Numbers
    high: Numbers
    steps: NDArray[np.int64]
    chosen: Mapping[ArmName, NDArray[np.uint16]]
    sure: Mapping[ArmName, Numbers]
    accuracy: Mapping[ArmName, Numbers]


@dataclass(frozen=True, eq=False)
class Insides:
    """Of the models of one seed, after the last step; what a model has not is left out.

    compared: numbers of the layers in `alike`; alike: for each pair of models, CKA of one's layers
    (rows) with the other's; probe: the test samples that it is of; first: the first weights, (U, C,
    H, W) of pictures or (U, D) of vectors; units: how many of those there are in all.
    """

    input_shape: tuple[int, ...]
    layers: Mapping[ArmName, tuple[Layer, ...]] = field(default_factory=dict)
    compared: Mapping[ArmName, tuple[int, ...]] = field(default_factory=dict)
    alike: Mapping[Pair, Numbers] = field(default_factory=dict)
    probe: int = 0
    embeddings: Mapping[ArmName, Embedding] = field(default_factory=dict)
    first: Mapping[ArmName, Numbers] = field(default_factory=dict)
    units: Mapping[ArmName, int] = field(default_factory=dict)
    boundaries: Boundaries | None = None


def pack(insides: Insides) -> bytes:
    """One file; features as float16, probabilities in 255 steps; not compressed, for there is
    little to gain in noise.
    """
    told = {
        "input_shape": insides.input_shape,
        "layers": {arm: [asdict(each) for each in rows] for arm, rows in insides.layers.items()},
        "compared": dict(insides.compared),
        "probe": insides.probe,
        "embeddings": {arm: [each.layer, each.width] for arm, each in insides.embeddings.items()},
        "units": dict(insides.units),
    }
    arrays: dict[str, NDArray[Any]] = {"told": np.array(json.dumps(told))}
    for (one, other), values in insides.alike.items():
        arrays[f"alike.{one}.{other}"] = values.astype(np.float32)
    for arm, embedding in insides.embeddings.items():
        arrays[f"scores.{arm}"] = embedding.scores.astype(np.float16)
        arrays[f"shares.{arm}"] = embedding.shares.astype(np.float32)
    for arm, first in insides.first.items():
        arrays[f"first.{arm}"] = first.astype(np.float16)
    if insides.boundaries is not None:
        arrays |= _packed_boundaries(insides.boundaries)
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub takes them for a flag
    return file.getvalue()


def read(content: bytes) -> Insides:
    """Read a file that `pack` wrote. Raises HomeError where it is none."""
    try:
        with np.load(io.BytesIO(content)) as archive:
            arrays = {name: archive[name] for name in archive.files}
        told = json.loads(str(arrays["told"]))
        return Insides(
            input_shape=tuple(told["input_shape"]),
            layers={arm: tuple(map(_layer, rows)) for arm, rows in told["layers"].items()},
            compared={arm: tuple(each) for arm, each in told["compared"].items()},
            alike={
                pair: arrays[f"alike.{pair[0]}.{pair[1]}"]
                for pair in PAIRS
                if f"alike.{pair[0]}.{pair[1]}" in arrays
            },
            probe=int(told["probe"]),
            embeddings={arm: _embedding(arm, told, arrays) for arm in told["embeddings"]},
            first={arm: values.astype(np.float32) for arm, values in _each(arrays, "first")},
            units=told["units"],
            boundaries=_boundaries(arrays) if "boundaries.steps" in arrays else None,
        )
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise HomeError(f"what this run kept of its models cannot be read: {error}") from None


def _layer(told: dict[str, Any]) -> Layer:
    return Layer(**{**told, "shape": tuple(told["shape"])})


def _embedding(
    arm: ArmName, told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Embedding:
    layer, width = told["embeddings"][arm]
    scores = arrays[f"scores.{arm}"].astype(np.float32)
    return Embedding(layer, width, scores, arrays[f"shares.{arm}"])


def _packed_boundaries(found: Boundaries) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {
        "boundaries.low": found.low,
        "boundaries.high": found.high,
        "boundaries.steps": found.steps,
    }
    for arm in found.chosen:
        arrays[f"chosen.{arm}"] = found.chosen[arm]
        arrays[f"sure.{arm}"] = np.round(255 * found.sure[arm]).astype(np.uint8)
        arrays[f"accuracy.{arm}"] = found.accuracy[arm].astype(np.float32)
    return arrays


def _boundaries(arrays: Mapping[str, NDArray[Any]]) -> Boundaries:
    return Boundaries(
        low=arrays["boundaries.low"],
        high=arrays["boundaries.high"],
        steps=arrays["boundaries.steps"],
        chosen=dict(_each(arrays, "chosen")),
        sure={arm: np.asarray(values / 255, np.float32) for arm, values in _each(arrays, "sure")},
        accuracy=dict(_each(arrays, "accuracy")),
    )


def _each(arrays: Mapping[str, NDArray[Any]], what: str) -> list[tuple[ArmName, NDArray[Any]]]:
    return [(arm, arrays[f"{what}.{arm}"]) for arm in ARMS if f"{what}.{arm}" in arrays]


def in_plane(embeddings: Mapping[ArmName, Embedding], count: int) -> dict[ArmName, Numbers]:
    """The first two principal components of the first samples (N, 2), for each model.

    Which way a component points is chance: a student's are mirrored to where they go along with
    the teacher's. Of a layer of one number, all are on a line.
    """
    found: dict[ArmName, Numbers] = {}
    for arm in ARMS:
        if arm not in embeddings:
            continue
        scores = embeddings[arm].scores[:count, :2]
        scores = np.pad(scores, ((0, 0), (0, 2 - scores.shape[1])))
        reference = next(iter(found.values()), scores)
        signs = np.where((scores * reference).sum(0) < 0, -1, 1)
        found[arm] = np.asarray(scores * signs, np.float32)
    return found
