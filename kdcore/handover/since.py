"""What pipelines made of a run's own student since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kdcore.pipeline import Quantize, told
from kdcore.result import Result
from kdcore.waterfall import ORIGINAL, PipelineResult

MOST = 2
"""Models, the newest first: more than five in all are hard to tell apart, and do not fit a page."""


@dataclass(frozen=True)
class Since:
    """A model that was made of a run's student: the name of its file on the shelf, and how."""

    file: str
    how: str


def in_int8(run: Result, pipelines: Iterable[PipelineResult]) -> dict[str, Since]:
    """The models, by name, that compute in int8 and began as the very student of this run.

    pipelines: the newest first. Those of another student, be it one of the same recipe on another
    machine, are left out: their files begin with other bytes. Of models of one name the newest is
    taken.
    """
    found: dict[str, Since] = {}
    own = run.artifacts.get("distilled.onnx")
    for result in pipelines:
        last = result.pipeline.stages[-1]
        if not (isinstance(last, Quantize) and last.how in ("static", "dynamic", "aware")):
            continue
        if any(row.name == ORIGINAL and row.file.onnx == own for row in result.rows):
            stages = [told(stage) for stage in result.pipeline.stages]
            name = stages[-1]
            if before := len(stages) - 1:
                name += f" after {before} stage{'s' if before > 1 else ''}"
            found.setdefault(name, Since(result.rows[-1].file.onnx, "; ".join(stages)))
    return dict(list(found.items())[:MOST])
