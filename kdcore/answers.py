"""What a run's three models answer to the test samples: raw logits, kept as files; no torch.

A run keeps two things. `probe`: the first few samples with all that belongs to them in one file,
small enough to be sent to a browser. `whole`: the logits of all samples that the budget holds, in
a file of the run's own, and the samples themselves in one that all runs of a task share.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdcore.errors import HomeError
from kdcore.result import ARMS, ArmName

PROBE = 500
"""Samples of the file that goes to a browser."""

LOGIT_BYTES = 24_000_000
INPUT_BYTES = 32_000_000
"""Budgets of the whole: with a hundred classes and eleven models it holds some 5,000 samples."""

Logits = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pool:
    """One seed's answers, or those of all seeds in a row: M = N, or S times N.

    labels: (M,) int64; logits: for each model (M, K) float32, raw; sample: (M,), place among the
    kept samples; seed: (M,), place among the run's seeds.
    """

    labels: NDArray[np.int64]
    logits: Mapping[ArmName, Logits]
    sample: NDArray[np.int64]
    seed: NDArray[np.int64]

    @cached_property
    def predicted(self) -> dict[ArmName, NDArray[np.int64]]:
        """The class that each model chooses, (M,)."""
        return {arm: logits.argmax(1) for arm, logits in self.logits.items()}

    @property
    def bytes(self) -> int:
        """What it takes and keeps alive; predictions are counted, made or not."""
        each: list[NDArray[Any]] = [self.labels, self.sample, self.seed, *self.logits.values()]
        return sum(array.nbytes for array in each) + len(self.logits) * self.labels.nbytes

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Answers:
    """The first N test samples and what the three models answer, S seeds, K classes.

    labels: (N,) int64; inputs: pictures (N, C, H, W) uint8 or vectors (N, D); logits: for each
    model (S, N, K) float32, where a teacher that all seeds share is there once: (1, N, K).
    tested: how many test samples there were, 0 where the file doesn't say.
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    inputs: NDArray[Any]
    logits: Mapping[ArmName, Logits]
    tested: int = 0

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.logits["distilled"])

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def bytes(self) -> int:
        """What it takes."""
        each: list[NDArray[Any]] = [self.labels, self.inputs, *self.logits.values()]
        return sum(array.nbytes for array in each)

    def first(self, count: int) -> Answers:
        """The same, of the first so many samples."""
        logits = {arm: values[:, :count] for arm, values in self.logits.items()}
        return Answers(
            self.class_names, self.labels[:count], self.inputs[:count], logits, self.tested
        )

    def pooled(self, seed: int | None) -> Pool:
        """One seed's answers, by place; None for all seeds, one after the other.

        In a pool of all seeds each sample is there once a seed, also of a teacher that all share.
        Logits of one seed are these here, not copied.
        """
        own = np.arange(len(self))
        if seed is not None:
            logits = {arm: of[min(seed, len(of) - 1)] for arm, of in self.logits.items()}
            return Pool(self.labels, logits, own, np.full(len(self), seed, dtype=np.int64))
        places = range(self.seeds)
        return Pool(
            labels=np.tile(self.labels, self.seeds),
            logits={
                arm: np.concatenate([of[min(place, len(of) - 1)] for place in places])
                for arm, of in self.logits.items()
            },
            sample=np.tile(own, self.seeds),
            seed=np.repeat(np.arange(self.seeds), len(self)),
        )


def within_budget(samples: int, logits_each: int, input_bytes: int) -> int:
    """How many samples a run keeps: all, unless they are very many, or large.

    logits_each: numbers that all models of all seeds answer to one sample; input_bytes: one
    sample's size.
    """
    most = min(LOGIT_BYTES // (4 * logits_each), INPUT_BYTES // max(1, input_bytes))
    return min(samples, max(PROBE, most))


def pack_probe(answers: Answers) -> bytes:
    """The first samples, all in one file."""
    few = answers.first(PROBE)
    return _file({**_told(few), "images": few.inputs, "class_names": np.array(few.class_names)})


def pack_logits(answers: Answers) -> bytes:
    """Labels and logits of all samples; not compressed, for there is little to gain in noise."""
    return _file(_told(answers), compress=False)


def pack_samples(answers: Answers) -> bytes:
    """The samples themselves: the same bytes from every run of a task."""
    return _file({"images": answers.inputs, "class_names": np.array(answers.class_names)})


def read(logits: bytes, samples: bytes | None = None) -> Answers:
    """Read a probe, or a file of logits with that of its samples.

    Raises HomeError where they are not what was packed.
    """
    try:
        arrays = _arrays(logits) | (_arrays(samples) if samples is not None else {})
        count = len(arrays["labels"])
        return Answers(
            class_names=tuple(str(name) for name in arrays["class_names"]),
            labels=arrays["labels"].astype(np.int64),
            inputs=arrays["images"][:count],
            logits={arm: _all_seeds(arrays[arm]) for arm in ARMS},
            tested=int(arrays.get("tested", 0)),
        )
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise HomeError(f"the answers kept with this run cannot be read: {error}") from None


def names(artifacts: Mapping[str, str]) -> tuple[str, ...]:
    """A run's files to read its answers from: two, or the probe alone, or none at all."""
    for roles in (("answers", "samples"), ("logits",)):
        if all(role in artifacts for role in roles):
            return tuple(artifacts[role] for role in roles)
    return ()


def _told(answers: Answers) -> dict[str, Any]:
    logits: dict[str, Any] = {arm: answers.logits[arm] for arm in ARMS}
    return {"labels": answers.labels, "tested": np.array(answers.tested), **logits}


def _all_seeds(logits: NDArray[Any]) -> Logits:
    if logits.ndim != 3:
        raise ValueError(f"logits of shape {logits.shape} are not (seeds, samples, classes)")
    return logits.astype(np.float32, copy=False)


def _file(arrays: Mapping[str, Any], compress: bool = True) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content)) as archive:
        return {name: archive[name] for name in archive.files}
