"""python -m kdcore report and bundle: finished runs, handed over."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdcore.command import command
from kdcore.errors import HomeError, UploadError
from kdcore.settings import Settings

if TYPE_CHECKING:
    from kdcore.handover.finished import Finished
    from kdcore.handover.measured import Measured

RUN = "a run's id, or a folder that `run --out` wrote"


def add(commands: Any) -> None:
    """Add both to the commands of `python -m kdcore`."""
    report = command(
        commands, "report", "write finished runs as one HTML file", "my-run --out report.html"
    )
    report.add_argument("runs", nargs="+", metavar="RUN", help=RUN)
    report.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
    report.add_argument(
        "--measured", nargs="+", default=[], metavar="FILE", help="what measure_here.py wrote"
    )
    report.add_argument(
        "--measure", action="store_true", help="also time the models here, and their memory"
    )
    _add_further(report)
    report.set_defaults(command=_report)
    bundle = command(
        commands, "bundle", "write a finished run's student as a zip", "my-run --out bundle.zip"
    )
    bundle.add_argument("run", metavar="RUN", help=RUN)
    bundle.add_argument("--out", type=Path, default=Path("bundle.zip"), metavar="FILE")
    _add_further(bundle)
    bundle.set_defaults(command=_bundle)


def _add_further(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        *("--with", "-w"),
        dest="further",
        action="append",
        default=[],
        metavar="NAME=FILE.onnx",
        help="a model that was made of the student since; with one RUN alone",
    )


def _report(options: argparse.Namespace) -> int:
    from kdcore.handover import measured
    from kdcore.handover.report import report

    runs = _finished(options.runs, options.further)
    devices = [measured.load(path) for path in options.measured]
    if options.measure:
        devices += [_measured_here(run) for run in runs if run.files]
    _write(options.out, report(runs, devices))
    return 0


def _bundle(options: argparse.Namespace) -> int:
    from kdcore.handover.bundle import bundle

    (run,) = _finished([options.run], options.further)
    _write(options.out, bundle(run))
    return 0


def _measured_here(run: Finished) -> Measured:
    """As measure_here.py does on a device."""
    from kdcore.handover import measured
    from kdcore.measure import here

    try:
        cells = here.grid(run.files)
        return measured.read(json.dumps(here.report(run.files, cells)))
    except here.CannotMeasureError as error:
        raise HomeError(f"the models of {run.name!r} cannot be measured: {error}") from None


def _finished(names: Sequence[str], further: Sequence[str]) -> list[Finished]:
    """Runs by folder or id. Raises KdError where one is not there or not finished."""
    from kdcore.handover.finished import from_folder

    if further and len(names) > 1:
        raise HomeError("--with is of one run; name one RUN alone")
    made = dict(map(_model, further))
    return [
        from_folder(Path(each), made) if Path(each).is_dir() else _kept(each, made)
        for each in names
    ]


def _kept(run_id: str, further: dict[str, bytes]) -> Finished:
    """Of the store under KDCORE_HOME."""
    from kdcore.handover.finished import from_shelf
    from kdcore.runs.store import Store
    from kdcore.shelf import Shelf

    settings = Settings.from_environment()
    run = Store(settings).get(run_id)
    if run.result is None or run.state != "done":
        raise HomeError(f"the run {run.name!r} is {run.state}, not done; wait for it, or repeat it")
    return from_shelf(run.name, run.result, Shelf(settings.home / "artifacts"), further)


def _model(told: str) -> tuple[str, bytes]:
    name, _, path = told.partition("=")
    if not (name and path) or set(name) & set("/\\"):
        raise UploadError(
            f"--with takes a name and a file, such as int8=student.onnx, not {told!r}"
        )
    try:
        return name, Path(path).read_bytes()
    except OSError as error:
        raise UploadError(f"cannot read {path}: {error.strerror}") from None


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise HomeError(f"cannot write {out}: {error.strerror}; give --out another file") from None
    print(f"{out}: {len(content):,} bytes", file=sys.stderr)
