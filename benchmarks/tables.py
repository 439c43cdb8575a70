"""Tables in a page of text, made of the figures that are kept beside the script that took them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.statistics import mean, spread

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
HERE = Path(__file__).with_name("README.md")
"""The page of the timings; the tables that a visitor looks for first stand in the project's own."""

Kept = dict[str, Any]
"""What was measured, by job, as JSON knows it."""


@dataclass(frozen=True)
class Table:
    """Where a table stands, between two marks of a page, and where its figures are kept."""

    page: Path
    begin: str
    end: str
    kept: Path
    text: Callable[[Kept], str]

    def known(self) -> Kept:
        """What was measured before."""
        found: Kept = (
            json.loads(self.kept.read_text(encoding="utf-8")) if self.kept.exists() else {}
        )
        return found

    def standing(self) -> str:
        """The table as it stands in the page."""
        return self.page.read_text(encoding="utf-8").partition(self.begin)[2].partition(self.end)[0]

    def write(self, kept: Kept) -> None:
        """Keep the figures, and put the table they make into the page."""
        text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
        self.kept.write_text(text, encoding="utf-8")
        before, begin, rest = self.page.read_text(encoding="utf-8").partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not (begin and end):
            raise SystemExit(f"{self.page} lacks the line {self.begin.strip()}, or {self.end}")
        self.page.write_text(before + begin + self.text(kept) + end + after, encoding="utf-8")


@dataclass(frozen=True)
class Job:
    """One thing to measure: its name, which `--only` looks in, and what its figures are kept as."""

    name: str
    key: str
    measure: Callable[[], Any]


def main(
    about: str | None,
    table: Table,
    jobs: Iterable[Job],
    told: Callable[[Any], str],
    *,
    always: bool = False,
) -> None:
    """Measure what is asked for, and keep every figure as soon as it is known.

    told: a line about one job's figures; always: measure what is known already, too, as timings
    are worth nothing beside those of another day.
    """
    options = _options(about, always)
    kept = table.known()
    for job in jobs:
        if options.only in job.name and (always or options.again or job.key not in kept):
            print(job.name, flush=True)
            kept[job.key] = json.loads(json.dumps(job.measure(), default=dict))
            print(told(kept[job.key]), flush=True)
            table.write(kept)


def _options(about: str | None, always: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about)
    if not always:
        parser.add_argument("--again", action="store_true", help="run what is known already, too")
    parser.add_argument("--only", default="", metavar="TEXT", help="lines that hold the text")
    return parser.parse_args()


def percent(shares: Sequence[float]) -> str:
    """Shares as mean ± standard deviation in percent."""
    return f"{100 * mean(shares):.1f} ± {100 * (spread(shares) or 0):.1f}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A markdown table; left: how many columns hold words, which stand on the left."""
    marks = ["---"] * left + ["--:"] * (len(head) - left)
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(marks)}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"
