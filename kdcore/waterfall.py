"""What a pipeline gave: a row for each stage, from the teacher to the smallest file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from kdcore.pipeline import Pipeline
from kdcore.result import Latency, Result
from kdcore.statistics import Difference, mean, spread, verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sensitivity:
    """What becomes of a network's answers if this layer alone is turned into int8.

    agreement: share of samples whose answer stays, in [0, 1]; drift: how far the logits move, the
    root mean square over the standard deviation of the logits themselves.
    """

    layer: str
    agreement: float
    drift: float


@dataclass(frozen=True)
class ModelFile:
    """The first seed's model after a stage.

    name: what was done last; onnx: the name of its file on the shelf; weights: its safetensors
    file, where it is still a network, by which `load_pruned` makes it again; packed: its shared
    weights' file.
    """

    name: str
    onnx: str
    weights: str = ""
    packed: str = ""


@dataclass(frozen=True)
class Row:
    """A model of the waterfall, over the seeds.

    name: what was done last; accuracy: on the test split, in [0, 1], for each seed; like_teacher,
    like_original: the share of test samples answered as the teacher does, and as the distilled
    student did before all stages. Of the first seed's file: bytes, of the packed one where there is
    one; gzip_bytes, compressed; parameters; nonzeros, of them, and macs, multiply-accumulates of a
    sample, whatever their precision, both None for an own ONNX model; latency, empty until
    measured.
    difference: of its accuracy to the student that was trained on as long and not compressed,
    paired by seed; None of that one itself and of the ends.
    """

    name: str
    accuracy: tuple[float, ...]
    like_teacher: tuple[float, ...]
    like_original: tuple[float, ...]
    bytes: int
    gzip_bytes: int
    parameters: int
    nonzeros: int | None
    macs: int | None
    file: ModelFile
    difference: Difference | None = None
    latency: tuple[Latency, ...] = ()


def files_of(rows: Iterable[Row]) -> set[str]:
    """The names of their files on the shelf."""
    files = (row.file for row in rows)
    return {name for file in files for name in (file.onnx, file.weights, file.packed) if name}


@dataclass(frozen=True)
class Lap:
    """A student on its way through a training on: what it reads of the validation split.

    stage: the place of the stage that it is in, the first being 0; None of the student that is
    trained on as long and not compressed. step: of all trainings on of its pipeline, one after
    another. accuracy: in [0, 1].
    """

    stage: int | None
    seed: int
    step: int
    accuracy: float


@dataclass(frozen=True)
class Foreseen:
    """What shapes alone tell of a model before anything is trained.

    name: what will be done last; macs: multiply-accumulates of a sample; zeros: of its parameters;
    bytes: of its weights alone, without the rest of its file. None where it cannot be told.
    """

    name: str
    parameters: int
    macs: int
    zeros: int | None
    bytes: int | None


TEACHER, CONTROL, ORIGINAL = "teacher", "student on labels alone", "distilled student"
TRAINED_ON = "distilled student, trained on as long"
"""The rows before the stages; the last is there only where a stage trains."""


ENDS = (TEACHER, CONTROL, ORIGINAL)
"""What the stages begin from."""


@dataclass(frozen=True)
class PipelineResult:
    """All rows in order: the ends, the uncompressed students, the stages.

    seconds: from its beginning to its end, the training of students included that pipelines run
    beside it begin from as well. sensitivity: of each layer, where the pipeline looked for the most
    sensitive. aside: the seconds in which nothing was trained, but models were exported, quantized,
    judged and measured; None where an older version did not tell. run: that of the recipe, from
    which the stages began, with its files on the shelf; None of an older version.
    """

    pipeline: Pipeline
    rows: tuple[Row, ...]
    machine: Mapping[str, str | int]
    seconds: float
    sensitivity: tuple[Sensitivity, ...] = ()
    aside: float | None = None
    run: Result | None = None

    @property
    def stages(self) -> range:
        """The places of the rows that stages made."""
        return range(len(self.rows) - len(self.pipeline.stages), len(self.rows))

    @property
    def files(self) -> set[str]:
        """The names of its files on the shelf."""
        return files_of(self.rows) | (set(self.run.artifacts.values()) if self.run else set())

    def to_json(self, indent: int | None = None) -> str:
        """JSON that `from_json` reads back to an equal result."""
        return _adapter().dump_json(self, indent=indent).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> PipelineResult:
        """Read a result that `to_json` wrote."""
        return _adapter().validate_json(text)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[PipelineResult]:
    return TypeAdapter(PipelineResult)


def sweep_table(found: Sequence[tuple[Mapping[str, Any], PipelineResult | str]]) -> pd.DataFrame:
    """Several pipelines' tables, one below the other: what each sets, by axis, before its rows.

    found: for each, its setting, and its result, or the sentence that says why there is none.
    """
    import pandas as pd

    rows: list[dict[str, object]] = []
    for setting, result in found:
        if isinstance(result, PipelineResult):
            rows += [{**setting, **_cells(row)} for row in result.rows]
        else:
            rows.append({**setting, "error": result})
    return pd.DataFrame(rows)


def sensitivity_table(result: PipelineResult) -> pd.DataFrame:
    """A row for each layer that was turned into int8 alone."""
    import pandas as pd

    return pd.DataFrame([asdict(each) for each in result.sensitivity])


def table(result: PipelineResult) -> pd.DataFrame:
    """A row for each model: means over the seeds, and what the first seed's file costs."""
    return rows_table(result.rows)


def rows_table(rows: Sequence[Row]) -> pd.DataFrame:
    """The same of rows, also of those of a pipeline that is under way."""
    import pandas as pd

    return pd.DataFrame([_cells(row) for row in rows])


def _cells(row: Row) -> dict[str, object]:
    found: dict[str, object] = {
        "model": row.name,
        "accuracy": mean(row.accuracy),
        "sd": spread(row.accuracy),
        "like_teacher": mean(row.like_teacher),
        "like_original": mean(row.like_original),
        "difference": row.difference and row.difference.mean,
        "low": row.difference and row.difference.low,
        "high": row.difference and row.difference.high,
        "verdict": row.difference and verdict(row.difference),
        "bytes": row.bytes,
        "gzip_bytes": row.gzip_bytes,
        "parameters": row.parameters,
        "nonzeros": row.nonzeros,
        "macs": row.macs,
    }
    for each in row.latency:
        found[f"latency_ms_batch_{each.batch}"] = each.median_ms
    return found
