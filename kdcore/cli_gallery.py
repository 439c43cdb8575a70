"""python -m kdcore gallery: run recipes and pipelines for visitors to find at once."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdcore.command import command
from kdcore.errors import KdError
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.validation import file_content

if TYPE_CHECKING:
    from kdcore.shelf import Shelf


def add(commands: Any) -> None:
    """Add the command to a parser's."""
    gallery = command(commands, "gallery", "run recipes and pipelines for visitors to find at once")
    gallery.add_argument(
        "recipes", metavar="FILE.json", nargs="+", type=Path, help="a recipe or a pipeline"
    )
    gallery.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the app's KDCORE_GALLERY"
    )
    gallery.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Exit code: 0; all files are read before the first of them is run."""
    wanted = {path.stem: _load(path) for path in options.recipes}
    from kdcore.experiment import default_shelf
    from kdcore.runs.gallery import pack

    shelf = default_shelf()
    for number, (stem, each) in enumerate(wanted.items(), 1):
        if isinstance(each, Pipeline):
            came = _keep_pipeline(options.out, stem, each, shelf)
        else:
            came = _keep_run(options.out, stem, each, shelf)
        print(f"{number} of {len(wanted)}, {stem}: {came}", file=sys.stderr, flush=True)
    pack(options.out)
    return 0


def _load(path: Path) -> Recipe | Pipeline:
    """What the file holds: what has stages is a pipeline."""
    text = file_content(path, "recipe")
    try:
        values = json.loads(text)
    except ValueError:
        values = None  # said when it is read as a recipe
    staged = isinstance(values, dict) and "stages" in values
    return Pipeline.from_json(text) if staged else Recipe.from_json(text)


def _keep_run(out: Path, stem: str, recipe: Recipe, shelf: Shelf) -> str:
    """Run a recipe, and keep it; the verdict."""
    from kdcore.experiment import steps
    from kdcore.result import Event, Result
    from kdcore.runs.gallery import keep

    began, happened = time.time(), list(steps(recipe, shelf))
    told = [each for each in happened if isinstance(each, Event)]
    (result,) = [each for each in happened if isinstance(each, Result) and each.measured]
    keep(out, stem, began, result, told, shelf)
    return result.verdict


def _keep_pipeline(out: Path, stem: str, pipeline: Pipeline, shelf: Shelf) -> str:
    """Run a pipeline in all its settings, and keep it; how large the last model of each is.

    Raises KdError where one of them fails: a gallery shows what is whole.
    """
    from kdcore.result import Event
    from kdcore.runs.gallery import keep_pipeline
    from kdcore.stages import run_members
    from kdcore.waterfall import Lap, PipelineResult

    began, results = time.time(), list[PipelineResult]()
    heard: list[list[Event | Lap]] = [[] for _ in range(len(pipeline))]
    for place, happening in run_members(pipeline.members(), shelf):
        if isinstance(happening, KdError):
            raise happening
        if isinstance(happening, Event | Lap):
            heard[place].append(happening)
        elif isinstance(happening, PipelineResult):
            results.append(happening)
    keep_pipeline(out, stem, began, pipeline, results, heard, shelf)
    return ", ".join(f"{each.rows[-1].bytes:,} bytes" for each in results)
