"""What a stage of a pipeline made, handed over with the run that its stages began from."""

from __future__ import annotations

import re
from dataclasses import replace

from kdcore.errors import HomeError
from kdcore.handover.finished import Finished, from_shelf
from kdcore.pipeline import told
from kdcore.pipeline_tables import headline
from kdcore.shelf import Shelf
from kdcore.waterfall import ENDS, TRAINED_ON, PipelineResult


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
    done = _until(result, place)
    return replace(
        from_shelf(name, result.run, shelf, {called: shelf.get(row.file.onnx)}),
        made={called: _how(result, done)},
        rows={called: row},
        pipeline=done,
    )


def _until(result: PipelineResult, place: int) -> PipelineResult:
    """The same as if it had ended with that row."""
    if place not in result.stages:
        return replace(result, rows=result.rows[: place + 1])
    stages = result.pipeline.stages[: result.stages.index(place) + 1]
    pipeline = result.pipeline.model_copy(update={"stages": stages})
    return replace(result, rows=result.rows[: place + 1], pipeline=pipeline)


def _how(result: PipelineResult, done: PipelineResult) -> str:
    """What was done, and what came of it."""
    row = done.rows[-1]
    if row.name == TRAINED_ON:
        return "as many further steps as in all stages, and nothing else"
    after = "After all stages" if done.rows == result.rows else "After these stages"
    how = f"{'; '.join(map(told, done.pipeline.stages))}. {headline(done, after)}"
    if row.file.packed:
        how += " That is its packed file; the ONNX file here is not smaller."
    return how
