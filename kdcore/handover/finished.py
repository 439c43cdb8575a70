"""A finished run with all that is handed over of it, from the shelf or from a folder; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from kdcore import answers
from kdcore.answers import Answers, Logits
from kdcore.charts import LOOKS
from kdcore.errors import HomeError
from kdcore.files import file_name
from kdcore.measure.latency import session
from kdcore.panel import Scale
from kdcore.result import ARMS, Result
from kdcore.shelf import Shelf
from kdcore.waterfall import PipelineResult, Row

BATCH = 256
"""Samples that a model is asked at once: its layers' outputs fit into memory."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run, and the files that it kept; what an older run lacks is None or not there.

    files: ONNX, by model: those of the run's first seed, then any that were made of the distilled
    student since, such as a quantized one, under names of their own; weights: safetensors, by
    model; made: how those others were made, in words, where that is known. pipeline: whose stages
    made them, up to the last that is handed over, if they began with this very run; rows: then,
    what it found of each over the seeds.
    """

    name: str
    result: Result
    answers: Answers | None
    scale: Scale | None
    files: Mapping[str, bytes] = field(default_factory=dict)
    weights: Mapping[str, bytes] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Row] = field(default_factory=dict)
    pipeline: PipelineResult | None = None

    @property
    def further(self) -> tuple[str, ...]:
        """The names of the models that are not the run's own three."""
        return tuple(name for name in self.files if name not in ARMS)

    def label(self, model: str) -> str:
        """What to call a model in a table."""
        return LOOKS[model].label if model in ARMS else model

    def short(self, model: str) -> str:
        """What to call it in a chart."""
        return LOOKS[model].short if model in ARMS else model


def from_shelf(
    name: str, result: Result, shelf: Shelf, further: Mapping[str, bytes] | None = None
) -> Finished:
    """A run of the store. Raises HomeError where one of its files is gone."""
    return _gathered(name, result, lambda role: shelf.get(result.artifacts[role]), further)


def from_folder(folder: Path, further: Mapping[str, bytes] | None = None) -> Finished:
    """What `python -m kdcore run --out` wrote. Raises HomeError where that is not what it is."""
    try:
        result = Result.from_json((folder / "result.json").read_bytes())
    except (OSError, ValidationError):
        raise HomeError(
            f"{folder} is no folder that `python -m kdcore run --out` wrote: its result.json "
            "is missing or cannot be read"
        ) from None

    def fetch(role: str) -> bytes:
        path = folder / file_name(role, result.artifacts[role])
        try:
            return path.read_bytes()
        except OSError as error:
            raise HomeError(f"cannot read {path}: {error.strerror}") from None

    return _gathered(result.recipe.title or result.recipe.summary, result, fetch, further)


def asked(content: bytes, scale: Scale, inputs: NDArray[Any]) -> Logits:
    """What an ONNX model answers to samples as they are kept, (N, ...): raw logits, (N, K).

    Raises HomeError where the model does not take them.
    """
    try:
        model = session(content)
        name = model.get_inputs()[0].name
        parts = [
            model.run(None, {name: np.ascontiguousarray(scale(inputs[at : at + BATCH]))})[0]
            for at in range(0, len(inputs), BATCH)
        ]
    except Exception as error:  # onnxruntime has its own for every way to be unfit
        first = str(error).splitlines()[0][:200]
        raise HomeError(f"a model of this run cannot be asked: {first}") from None
    return np.concatenate(parts).astype(np.float32, copy=False)


def _gathered(
    name: str,
    result: Result,
    fetch: Callable[[str], bytes],
    further: Mapping[str, bytes] | None,
) -> Finished:
    kept = result.artifacts
    own: dict[str, bytes] = {arm: fetch(f"{arm}.onnx") for arm in ARMS if f"{arm}.onnx" in kept}
    clash = sorted(set(further or {}) & {*ARMS, "model"})
    if clash:
        raise HomeError(f"a further model cannot be called {clash[0]!r}; give it another name")
    return Finished(
        name=name,
        result=result,
        answers=_answers(kept, fetch),
        scale=Scale.from_json(fetch("scale")) if "scale" in kept else None,
        files={**own, **(further or {})},
        weights={arm: fetch(f"{arm}.safetensors") for arm in ARMS if f"{arm}.safetensors" in kept},
    )


def _answers(kept: Mapping[str, str], fetch: Callable[[str], bytes]) -> Answers | None:
    for roles in (("answers", "samples"), ("logits",)):
        if all(role in kept for role in roles):
            return answers.read(*(fetch(role) for role in roles))
    return None
