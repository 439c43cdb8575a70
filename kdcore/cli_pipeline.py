"""python -m kdcore pipeline: run a pipeline, or all of its members; stdout gets a table as CSV."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdcore.command import file_command
from kdcore.errors import HomeError, KdError
from kdcore.pipeline import Pipeline
from kdcore.waterfall import PipelineResult, Row, sensitivity_table, sweep_table

if TYPE_CHECKING:
    from kdcore.shelf import Shelf


def add(commands: Any) -> None:
    """Add the command to a parser's."""
    pipeline = file_command(
        *(commands, "pipeline", "compress a student; stdout gets a table as CSV"),
        "assets/pipelines/digits-cnn-channels-int8.json --out my-models",
        "also write the results and every stage's model here",
    )
    pipeline.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Exit code: 0, or 1 where a member failed; what was found out is told in any case."""
    pipeline = Pipeline.load(options.pipeline)
    pipeline.check_apart()
    members = pipeline.members()
    out: Path | None = options.out
    if out is not None:
        _make_folder(out)
    from kdcore.experiment import default_shelf
    from kdcore.stages import run_members

    shelf = default_shelf()
    found: list[PipelineResult | str] = ["not run"] * len(members)
    failed: KdError | None = None
    try:
        for place, happening in run_members(members, shelf):
            if isinstance(happening, Row):
                _tell(place, len(members), happening)
            elif isinstance(happening, PipelineResult):
                found[place] = happening
            elif isinstance(happening, KdError):
                found[place], failed = str(happening), happening
    finally:
        table = sweep_table(list(zip(pipeline.settings(), found, strict=True)))
        if not isinstance(failed, KdError) or len(members) > 1:
            print(table.to_csv(index=False), end="", flush=True)
        if out is not None:
            _write(out, pipeline, found, shelf)
    if failed is not None and len(members) == 1:
        raise failed
    return 0 if failed is None else 1


def _tell(place: int, count: int, row: Row) -> None:
    """A line for each row, as soon as it is judged."""
    of = f"{place + 1} of {count}: " if count > 1 else ""
    accuracy = sum(row.accuracy) / len(row.accuracy)
    print(f"{of}{row.name}: {accuracy:.1%}, {row.bytes:,} bytes", file=sys.stderr, flush=True)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(out, error) from None


def _write(out: Path, pipeline: Pipeline, found: list[PipelineResult | str], shelf: Shelf) -> None:
    """pipeline.json, pipeline.csv, and for each member its result, its models and its layers'
    sensitivity, in a folder of its own where there are several.
    """
    try:
        (out / "pipeline.json").write_text(pipeline.to_json() + "\n", encoding="utf-8")
        table = sweep_table(list(zip(pipeline.settings(), found, strict=True)))
        table.to_csv(out / "pipeline.csv", index=False)
        for place, result in enumerate(found, 1):
            if isinstance(result, PipelineResult):
                folder = out if len(found) == 1 else out / f"member-{place:03d}"
                folder.mkdir(exist_ok=True)
                _write_member(folder, result, shelf)
    except OSError as error:
        raise _unwritten(out, error) from None


def _write_member(folder: Path, result: PipelineResult, shelf: Shelf) -> None:
    (folder / "result.json").write_text(result.to_json(indent=2) + "\n", encoding="utf-8")
    if result.sensitivity:
        sensitivity_table(result).to_csv(folder / "sensitivity.csv", index=False)
    for number, row in enumerate(result.rows):
        words = "".join(letter if letter.isalnum() else " " for letter in row.name).split()
        name = "-".join([str(number), *words])
        for artifact in (row.file.onnx, row.file.weights, row.file.packed):
            if artifact:
                (folder / f"{name}{Path(artifact).suffix}").write_bytes(shelf.get(artifact))


def _unwritten(out: Path, error: OSError) -> HomeError:
    return HomeError(f"cannot write to {out}: {error.strerror}; give --out another folder")
