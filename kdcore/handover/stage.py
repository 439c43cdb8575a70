"""What a stage of a pipeline made, handed over with the run that its stages began from."""

from __future__ import annotations

import re
from dataclasses import replace

from kdcore.errors import HomeError
from kdcore.handover.finished import Finished, from_shelf
from kdcore.pipeline import Pipeline, told
from kdcore.pipeline_tables import headline
from kdcore.shelf import Shelf
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, PipelineResult

ENDS = (TEACHER, CONTROL, ORIGINAL)
"""Rows of what is handed over anyway."""

BEFORE = (*ENDS, TRAINED_ON)
"""Rows that no stage made."""


def stages_of(result: PipelineResult) -> range:
    """The places of the rows that stages made."""
    return range(len(result.rows) - len(result.pipeline.stages), len(result.rows))


def file_stem(name: str) -> str:
    """A model's name as that of a file: "static-int8"."""
    return re.sub(r"\W+", "-", name).strip("-")


def of_row(
    name: str, result: PipelineResult, place: int, shelf: Shelf, *, as_file: bool = False
) -> Finished:
    """The run that a pipeline's stages began from, and the model of one of its rows besides, unless
    that is one of the run's own.

    place: the row's; as_file: whether the model is called as its file is.
    Raises HomeError where an older version kept no run, or a file is gone.
    """
    if result.run is None:
        raise HomeError(
            f"the pipeline {name!r} was run by an older version, which kept too little to hand it "
            "over; run it again"
        )
    row = result.rows[place]
    if row.name in ENDS:
        return from_shelf(name, result.run, shelf)
    called = file_stem(row.name) if as_file else row.name
    done = replace(result, rows=result.rows[: place + 1])
    return replace(
        from_shelf(name, result.run, shelf, {called: shelf.get(row.file.onnx)}),
        made={called: _how(result.pipeline, done)},
        rows={called: row},
        pipeline=done,
    )


def _how(pipeline: Pipeline, done: PipelineResult) -> str:
    """What was done, and what came of it."""
    stages = pipeline.stages[: len(done.rows) - sum(row.name in BEFORE for row in done.rows)]
    if not stages:
        return "as many further steps as in all stages, and nothing else"
    return f"{'; '.join(map(told, stages))}. {headline(done)}"
