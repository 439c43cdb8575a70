"""Pipelines as they end, without training anything: what their tests and their page's share."""

from __future__ import annotations

from kdcore.pipeline import Pipeline, told
from kdcore.result import Latency
from kdcore.shelf import Shelf
from kdcore.statistics import paired_difference
from kdcore.waterfall import (
    CONTROL,
    ORIGINAL,
    TEACHER,
    TRAINED_ON,
    ModelFile,
    PipelineResult,
    Row,
    Sensitivity,
)

RECIPE = {
    "teacher": {"options": {"widths": [32]}},
    "student": {"options": {"widths": [16, 16]}},
    "teacher_training": {"steps": 20},
    "training": {"steps": 20},
    "seeds": [0, 1, 2],
}
STAGES = (
    {"kind": "prune", "what": "channels", "share": 0.5},
    {"kind": "fine-tune", "steps": 20},
    {"kind": "quantize", "how": "static", "keep": "sensitive"},
)
PIPELINE = Pipeline(recipe=RECIPE, stages=STAGES)

WORTH = {
    TEACHER: ((0.97,), 10_000),
    CONTROL: ((0.90, 0.91, 0.92), 5_000),
    ORIGINAL: ((0.94, 0.95, 0.96), 5_000),
    TRAINED_ON: ((0.95, 0.96, 0.97), 5_000),
}
STEPS = (((0.80, 0.81, 0.82), 2_500), ((0.949, 0.961, 0.970), 2_500), ((0.92, 0.93, 0.94), 1_000))
"""After each stage of `STAGES`: its accuracy, and its bytes."""

MACHINE = {"system": "Linux", "cores": 4, "onnxruntime": "1.31"}


def row(shelf: Shelf, name: str, accuracy: tuple[float, ...], size: int) -> Row:
    """A model of that name, its files on the shelf; paired with the one trained on as long."""
    stage = name not in WORTH
    beside = paired_difference(WORTH[TRAINED_ON][0], accuracy, 500) if stage else None
    onnx = shelf.put(f"onnx of {name}".encode(), "onnx")
    weights = "" if "int8" in name else shelf.put(f"weights of {name}".encode(), "safetensors")
    latency = tuple(
        Latency(batch, size * batch / 1e6, size * batch / 2e6, size * batch / 5e5, size / 1e6)
        for batch in (1, 32)
    )
    return Row(
        *(name, accuracy, (0.9,), (0.95,), size, size // 2, size // 4, size // 5, size // 8),
        *(ModelFile(name, onnx, weights), beside, latency),
    )


def finished(shelf: Shelf, pipeline: Pipeline = PIPELINE) -> PipelineResult:
    """What a pipeline of these stages might have given."""
    rows = [row(shelf, name, *worth) for name, worth in WORTH.items()]
    names = [told(stage) for stage in pipeline.stages]
    rows += [row(shelf, name, *worth) for name, worth in zip(names, STEPS, strict=True)]
    found = (Sensitivity("first", 0.99, 0.05), Sensitivity("second", 0.9, 0.4))
    return PipelineResult(pipeline, tuple(rows), MACHINE, 3.0, found)
