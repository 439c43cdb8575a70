"""python -m kdcore tasks, architectures, methods and catalogue: what there is to choose from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from pydantic_core import to_json

from kdcore.command import command
from kdcore.settings import Settings


def add(commands: Any) -> None:
    """Add all four to the commands of `python -m kdcore`."""
    catalogue = command(commands, "catalogue", "print all definitions as JSON")
    catalogue.set_defaults(command=_catalogue)
    listings = {"tasks": _tasks, "architectures": _architectures, "methods": _methods}
    for name, function in listings.items():
        listing = command(commands, name, f"print a table of all {name}")
        listing.add_argument("--json", action="store_true", help="print the records as JSON")
        listing.set_defaults(command=function)


def _catalogue(_options: argparse.Namespace) -> int:
    from kdcore.catalogue import read_catalogue

    print(read_catalogue().to_json())
    return 0


def _tasks(options: argparse.Namespace) -> int:
    from kdcore.catalogue import read_catalogue

    records = read_catalogue().with_own(Settings.from_environment().data).tasks
    rows = [
        *[("NAME", "TITLE", "KIND", "SHAPE", "CLASSES", "TRAIN", "VALIDATION", "TEST", "DOWNLOAD")],
        *(
            (
                *(each.name, each.title, each.kind, "×".join(map(str, each.input_shape))),
                *(f"{len(each.class_names):,}", f"{each.train:,}", f"{each.validation:,}"),
                *(f"{each.test:,}", f"{each.megabytes:,.0f} MB" if each.files else "none"),
            )
            for each in records
        ),
    ]
    return _print(records, rows, options.json)


def _architectures(options: argparse.Namespace) -> int:
    from kdcore.catalogue import read_catalogue

    records = read_catalogue().architectures
    rows = [
        *[("NAME", "TITLE", "KIND", "KNOBS")],
        *(
            (
                *(each.name, each.title, ", ".join(each.kinds)),
                ", ".join(f"{knob.name}={knob.default}" for knob in each.knobs),
            )
            for each in records
        ),
    ]
    return _print(records, rows, options.json)


def _methods(options: argparse.Namespace) -> int:
    from kdcore.catalogue import read_catalogue

    records = read_catalogue().methods
    rows = [
        *[("NAME", "TITLE", "PASSES ON", "WEIGHTS", "KNOBS", "PAPER")],
        *(
            (
                *(each.name, each.title, each.needs.group),
                f"{each.hard_weight:g} hard, {each.soft_weight:g} soft",
                *(", ".join(f"{k.name}={k.default}" for k in each.own_knobs), each.paper),
            )
            for each in records
        ),
    ]
    return _print(records, rows, options.json)


def _print(records: Sequence[object], rows: Sequence[tuple[str, ...]], as_json: bool) -> int:
    """Records as JSON, or rows as a table whose columns are as wide as they need to be."""
    if as_json:
        print(to_json(records, indent=2).decode())
        return 0
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0
