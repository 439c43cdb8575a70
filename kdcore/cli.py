"""python -m kdcore: run a recipe, a sweep, a search or a pipeline, serve the cluster, and more."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from kdcore import cli_gallery, cli_handover, cli_listings, cli_own, cli_pipeline
from kdcore.command import command, file_command
from kdcore.errors import HomeError, KdError, RecipeError
from kdcore.files import file_name
from kdcore.recipe import Recipe
from kdcore.search import Search, Tried, ranked, trial_table
from kdcore.settings import Settings
from kdcore.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

    from kdcore.result import Event, Progress, Result
    from kdcore.shelf import Shelf


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, or 2 for a bad recipe, or 1 for anything else; errors are one sentence."""
    parser = _parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser.print_help(sys.stderr)
        return 2
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON is, whatever the terminal's locale
    try:
        return int(options.command(options))
    except KdError as error:
        print(f"kdcore: {error}", file=sys.stderr)
        return 2 if isinstance(error, RecipeError) else 1
    except KeyboardInterrupt:
        print("kdcore: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kdcore", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for function, *told in (
        (
            *(_run, "run", "run a recipe; the result is one JSON object on stdout"),
            "assets/recipes/digits-few-labels.json --out my-run",
            "also write the models and curves here",
        ),
        (
            *(_sweep, "sweep", "run a sweep; stdout gets a table as CSV"),
            "assets/sweeps/digits-how-long.json --out my-map",
            "also write sweep.json, .csv and .parquet here",
        ),
        (
            *(_search, "search", "search for settings; stdout gets a table as CSV"),
            "search.json --out my-search",
            "also write search.json, trials.csv and best.json here",
        ),
    ):
        file_command(commands, *told).set_defaults(command=function)
    cli_gallery.add(commands)
    cli_pipeline.add(commands)
    serve = command(commands, "cluster", "serve this machine's workers until they are idle")
    serve.add_argument("--idle", type=float, metavar="SECONDS", help="close after so long unused")
    serve.set_defaults(command=_cluster)
    cli_listings.add(commands)
    cli_own.add(commands)
    cli_handover.add(commands)
    return parser


def _run(options: argparse.Namespace) -> int:
    recipe = Recipe.load(options.recipe)
    out: Path | None = options.out
    if out is not None:
        _make_folder(out)
    from kdcore.experiment import default_shelf, run
    from kdcore.result import Event, Progress, Result

    shelf = default_shelf()
    events: list[Event] = []
    latest: Result | None = None
    show = _show_line if sys.stderr.isatty() else _show_phase()

    def listen(happening: object) -> None:
        nonlocal latest
        if isinstance(happening, Event):
            events.append(happening)
        elif isinstance(happening, Progress):
            show(happening)
        elif isinstance(happening, Result):
            latest = happening

    try:
        latest = run(recipe, listen, shelf)
    finally:  # whatever went wrong with the files, what was found out is told
        if sys.stderr.isatty():
            print(file=sys.stderr)
        if latest is not None:
            print(latest.to_json(indent=2), flush=True)
    if out is not None:
        _write(out, latest, events, shelf)
    return 0


def _sweep(options: argparse.Namespace) -> int:
    sweep = Sweep.load(options.sweep)
    recipes = sweep.members()
    out: Path | None = options.out
    if out is not None:
        _make_folder(out)
    from kdcore.experiment import default_shelf, fetched
    from kdcore.group import run_sweep
    from kdcore.outcome import Outcome, table
    from kdcore.result import Result

    for recipe in recipes:
        for _ in fetched(recipe):
            pass
    found = [Outcome(setting, error="not run") for setting in sweep.settings()]
    try:
        for place, happening in run_sweep(recipes, default_shelf()):
            if isinstance(happening, Result):
                found[place] = Outcome(found[place].setting, happening)
            elif isinstance(happening, KdError):
                found[place] = Outcome(found[place].setting, error=str(happening))
            else:
                continue
            known = sum(outcome.error != "not run" for outcome in found)
            print(f"{known} of {len(found)}", file=sys.stderr, flush=True)
    finally:  # whatever stopped it, what was found out is told
        frame = table(found)
        print(frame.to_csv(index=False), end="", flush=True)
        if out is not None:
            _write_sweep(out, sweep, frame)
    return 0


def _write_sweep(out: Path, sweep: Sweep, frame: pd.DataFrame) -> None:
    try:
        (out / "sweep.json").write_text(sweep.to_json() + "\n", encoding="utf-8")
        frame.to_csv(out / "sweep.csv", index=False)
        frame.to_parquet(out / "sweep.parquet", index=False)
    except OSError as error:
        raise HomeError(
            f"cannot write to {out}: {error.strerror}; give --out another folder"
        ) from None


def _search(options: argparse.Namespace) -> int:
    search = Search.load(options.search)
    out: Path | None = options.out
    if out is not None:
        _make_folder(out)
    from kdcore.experiment import default_shelf
    from kdcore.studies import explore, scratch_study

    found: list[Tried] = []
    try:
        for happening in explore(search, scratch_study(search), default_shelf()):
            if isinstance(happening, Tried):
                found.append(happening)
                told = "" if happening.mean is None else f", {happening.mean:.1%} on validation"
                line = f"trial {happening.number}: {happening.fate}{told}"
                print(line, file=sys.stderr, flush=True)
    finally:  # whatever stopped it, what was found out is told
        frame = trial_table(search, found)
        print(frame.to_csv(index=False), end="", flush=True)
        if out is not None:
            _write_search(out, search, found, frame)
    return 0


def _write_search(out: Path, search: Search, found: list[Tried], frame: pd.DataFrame) -> None:
    try:
        (out / "search.json").write_text(search.to_json() + "\n", encoding="utf-8")
        frame.to_csv(out / "trials.csv", index=False)
        for best in ranked(found)[:1]:
            recipe = search.candidate(best.setting)
            (out / "best.json").write_text(recipe.to_json() + "\n", encoding="utf-8")
    except OSError as error:
        raise HomeError(
            f"cannot write to {out}: {error.strerror}; give --out another folder"
        ) from None


def _show_line(progress: Progress) -> None:
    """One line of a terminal, written over and over."""
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    line = f"\r{progress.phase} {progress.done:4.0%}{left}".ljust(50)
    print(line, end="", file=sys.stderr, flush=True)


def _show_phase() -> Callable[[Progress], None]:
    """A line for each new phase: what a log file wants."""
    shown: set[str] = set()

    def show(progress: Progress) -> None:
        if progress.phase not in shown:
            shown.add(progress.phase)
            print(progress.phase, file=sys.stderr, flush=True)

    return show


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(
            f"cannot write to {out}: {error.strerror}; give --out another folder"
        ) from None


def _write(out: Path, result: Result, events: list[Event], shelf: Shelf) -> None:
    """recipe.json, result.json, curves.csv, and each artifact under its role's name."""
    try:
        (out / "recipe.json").write_text(result.recipe.to_json() + "\n", encoding="utf-8")
        (out / "result.json").write_text(result.to_json(indent=2) + "\n", encoding="utf-8")
        with (out / "curves.csv").open("w", encoding="utf-8") as file:
            file.write("arm,seed,step,metric,value,seconds\n")
            for event in events:
                for name, value in event.metrics.items():
                    row = (event.arm, event.seed, event.step, name, value, f"{event.seconds:.3f}")
                    file.write(",".join(map(str, row)) + "\n")
        for role, name in result.artifacts.items():
            (out / file_name(role, name)).write_bytes(shelf.get(name))
    except OSError as error:
        raise HomeError(
            f"cannot write to {out}: {error.strerror}; give --out another folder"
        ) from None


def _cluster(options: argparse.Namespace) -> int:
    from kdcore.runs.cluster import IDLE_SECONDS, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    idle = IDLE_SECONDS if options.idle is None else options.idle
    if not serve(Settings.from_environment(), idle):
        print("kdcore: a cluster is running already", file=sys.stderr)
    return 0
