"""A command of `python -m kdcore`, with a sentence on what it does and an example."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def command(commands: Any, name: str, does: str, example: str = "") -> argparse.ArgumentParser:
    """Add one to a parser's; does: as in a list of commands; example: what follows its name."""
    epilog = f"example: python -m kdcore {name} {example}" if example else None
    about = f"{does[0].upper()}{does[1:]}."
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=does,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example keeps its line
    )
    return made


def file_command(
    commands: Any, name: str, does: str, example: str, out: str
) -> argparse.ArgumentParser:
    """One that reads a JSON file named like itself; out: what --out writes."""
    made = command(commands, name, does, example)
    what = "recipe" if name == "run" else name
    made.add_argument(what, metavar=f"{what.upper()}.json", help=f"a {what}, as the app saves it")
    made.add_argument("--out", type=Path, metavar="DIR", help=out)
    return made
