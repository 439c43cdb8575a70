"""What a run's trained networks are made of, and what they see: `Insides`, made of the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from kdcore.boundaries import Snapshot, boundaries
from kdcore.errors import RecipeError
from kdcore.insides import PAIRS, Embedding, Insides
from kdcore.measure.cka import linear_cka
from kdcore.measure.structure import Step, first_weights, grams, layers
from kdcore.models.layers import Layered, as_vector
from kdcore.result import ArmName
from kdcore.tasks import Data, Split, balanced_order
from kdcore.train.ensemble import Ensemble
from kdcore.train.loop import logits
from kdcore.uploads.network import OnnxTeacher

SAMPLES = 10_000
"""Test samples whose features are kept, at most."""

COMPONENTS = 32
"""Of them, so many principal components: 64 bytes a sample and model."""

PROBE, FEWEST = 300, 60
"""Samples by which layers are compared: as many as the work allows, within these."""

WORK = 2_000_000_000
"""Multiply-accumulates that comparing layers may take for one network: a fraction of a second."""

COMPARED = 16
"""Layers of each network that are compared; of a deeper one, evenly chosen."""

UNITS, FIRST_NUMBERS = 64, 200_000
"""First weights that are kept: those of so many units, unless they are more numbers than that."""


@dataclass
class Observed:
    """What a model's pass over the test split left: of the last hidden layer, by dotted path, the
    features (N, D) of the first samples; the logits, and no path, where there is none to be seen.
    """

    layer: str = ""
    features: Tensor = field(default_factory=lambda: torch.empty(0))

    def logits(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """The network's logits (N, K) of normalised inputs (N, ...), just as they always are."""
        self.layer = _embedding_layer(network, tuple(inputs.shape[1:]))
        if not self.layer:
            outputs = logits(network, inputs)
            self.features = outputs[:SAMPLES]
            return outputs
        seen: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            if sum(map(len, seen)) < SAMPLES:
                seen.append(as_vector(output).clone())

        with network.get_submodule(self.layer).register_forward_hook(keep):
            outputs = logits(network, inputs)
        self.features = torch.cat(seen)[:SAMPLES]
        return outputs


def dissect(
    networks: Mapping[ArmName, nn.Module],
    observed: Mapping[ArmName, Observed],
    data: Data,
    test: Split,
    snapshots: Mapping[ArmName, Sequence[Snapshot]],
) -> Insides:
    """All that is kept of the networks' insides.

    test: normalised; snapshots: of the students of a plane's points, none elsewhere.
    """
    shape = data.input_shape
    plain = {arm: network for arm, network in networks.items() if _ours(network)}
    by_look: dict[str, list[Step]] = {}  # both students are alike but for their weights
    found = {}
    for arm, network in plain.items():
        look = repr(network)
        found[arm] = by_look[look] = by_look.get(look) or layers(network, shape)
    kept = {arm: _hidden(steps) for arm, steps in found.items()}
    first = {arm: each for arm, network in plain.items() if (each := _first(network, shape))}
    compared, probe = _compared(plain, found, kept, test)
    return Insides(
        input_shape=shape,
        layers={arm: tuple(step.layer for step in steps) for arm, steps in found.items()},
        compared={arm: tuple(s.layer.number for s in steps) for arm, steps in kept.items()},
        alike={
            (one, other): linear_cka(compared[one], compared[other])
            for one, other in PAIRS
            if one in compared and other in compared
        },
        probe=probe,
        embeddings={arm: _embedding(each) for arm, each in observed.items()},
        first={arm: weights.numpy() for arm, (weights, _) in first.items()},
        units={arm: count for arm, (_, count) in first.items()},
        boundaries=boundaries(networks, snapshots, data, test) if snapshots else None,
    )


def _ours(network: nn.Module) -> bool:
    """Whether its layers can be looked at: not those of a foreign file, nor of several as one."""
    return not isinstance(network, OnnxTeacher | Ensemble)


# features


def _embedding_layer(network: nn.Module, input_shape: tuple[int, ...]) -> str:
    if not _ours(network):
        return ""
    try:
        return Layered(network, input_shape).embedding or ""
    except RecipeError:  # it has no layer with weights
        return ""


def _embedding(observed: Observed) -> Embedding:
    """Principal components, by the covariance's eigenvectors."""
    features = observed.features.float()
    centred = features - features.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    first = vectors.flip(1)[:, :COMPONENTS]
    scores = centred @ first
    shares = values.flip(0)[:COMPONENTS].clamp_min(0) / values.clamp_min(0).sum().clamp_min(1e-12)
    largest = scores.abs().max().clamp_min(1e-12)  # float16 ends at 65,504
    return Embedding(observed.layer, features.shape[1], (scores / largest).numpy(), shares.numpy())


# layers


def _hidden(steps: Sequence[Step]) -> list[Step]:
    """From the first weights on, what a call gives; of many, evenly chosen, the last among them."""
    start = next((i for i, step in enumerate(steps) if step.mixes), len(steps))
    found = [
        step
        for step in steps[start:]
        if step.call is not None and step.layer.shape and not _reshapes_only(step.layer.kind)
    ]
    count = min(COMPARED, len(found))
    if count < 2:
        return found
    return [found[round(i * (len(found) - 1) / (count - 1))] for i in range(count)]


def _reshapes_only(kind: str) -> bool:
    """Whether a step gives what the one before it gave: dropout does nothing in a trained model."""
    return all(part == "Flatten" or "Dropout" in part for part in kind.split(", "))


Grams = dict[ArmName, list[np.ndarray]]


def _compared(
    networks: Mapping[ArmName, nn.Module],
    found: Mapping[ArmName, list[Step]],
    kept: Mapping[ArmName, list[Step]],
    test: Split,
) -> tuple[Grams, int]:
    """Each network's Gram matrices, of the same samples, as many of each class."""
    count = min((_probe(found[arm], kept[arm]) for arm in networks), default=FEWEST)
    count = min(count, len(test))
    if count < FEWEST:
        return {}, 0
    inputs = test.inputs[balanced_order(test.labels, seed=0)[:count]]
    compared = {}
    for arm, network in networks.items():
        calls = [step.call for step in kept[arm] if step.call is not None]
        by_call = grams(network, inputs, set(calls))
        compared[arm] = [by_call[call] for call in calls]
    return {arm: each for arm, each in compared.items() if each}, count


def _probe(steps: Sequence[Step], kept: Sequence[Step]) -> int:
    """How many samples: N passes, and N² products of what each layer gives."""
    each = sum(step.layer.macs for step in steps)
    width = sum(prod(step.layer.shape) for step in kept)
    return next((n for n in range(PROBE, FEWEST, -4) if n * each + n * n * width <= WORK), FEWEST)


def _first(network: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, int] | None:
    """The first weights as pictures (U, C, H, W), or vectors (U, D), and how many there are."""
    weights = first_weights(network)
    if weights is None:
        return None
    weights, count = weights.detach(), len(weights)
    if weights.dim() == 2 and len(shape) == 3 and weights.shape[1] == prod(shape):
        weights = weights.reshape(count, *shape)
    if weights[:UNITS].numel() > FIRST_NUMBERS:
        return None
    return weights[:UNITS].float().clone(), count
