"""Finished runs as one HTML file: it needs no network, prints well, and says what is not known."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from kdcore.errors import HomeError
from kdcore.handover import figures, words
from kdcore.handover.finished import Finished
from kdcore.handover.measured import Measured, matched
from kdcore.handover.sections import section
from kdcore.handover.speed import of_this_run
from kdcore.measure import intervals
from kdcore.result import ARMS
from kdcore.statistics import signed

MOST_DETAILED = 4
"""Of more runs than this only the side by side is told: each one's part is several pages long."""

MOST = 50
TEMPLATE = Path(__file__).with_name("report.html")
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Drawn:
    """A figure as HTML, its height in pixels, its numbers as the address of a CSV file, and what a
    reader must know of it.
    """

    name: str
    html: Markup
    height: int
    csv: str
    note: str = ""


def report(
    runs: Sequence[Finished],
    measured: Sequence[Measured] = (),
    most_macs: float | None = None,
    untimed: str = "",
) -> bytes:
    """One self-contained HTML file about one finished run, or several side by side.

    measured: what measure_here.py found on devices, each of files of one of the runs; most_macs:
    what may be spent on samples that are made harder, everything if None; untimed: why nothing was
    measured on this machine, a sentence.
    Raises HomeError for no runs or too many, UploadError for a measurement of other files.
    """
    if not 1 <= len(runs) <= MOST:
        raise HomeError(f"a report is about 1 to {MOST} runs, not {len(runs)}")
    for each in measured:
        if not any(of_this_run(run, [each]) for run in runs):
            matched(each, {name: file for run in runs for name, file in run.files.items()})
    library = get_plotlyjs()
    detailed = runs if len(runs) <= MOST_DETAILED else ()
    told = {
        "title": runs[0].name if len(runs) == 1 else f"{len(runs)} runs of knowledge distillation",
        "subtitle": _subtitle(runs),
        "overview": _overview(runs) if len(runs) > 1 else None,
        "runs": [
            section(run, measured, most_macs, _drawer(f"run{place}"), untimed)
            for place, run in enumerate(detailed)
        ],
        "made": f"Made {time.strftime('%d %B %Y')} by kdcore from what the runs kept.",
        "plotly": Markup(library),
        "plotly_megabytes": f"{len(library) / 1e6:.1f}",
        "megabytes": "",
    }
    template = jinja2.Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    size = len(template.render(told).encode()) / 1e6
    return template.render({**told, "megabytes": f"{size:.1f}"}).encode()


def _subtitle(runs: Sequence[Finished]) -> str:
    tasks = ", ".join(dict.fromkeys(run.result.recipe.task for run in runs))
    return (
        f"Knowledge distillation on {tasks}: a teacher, a student on the labels alone (the "
        "control), and the same student with the teacher's answers."
    )


def _drawer(prefix: str) -> Any:
    """What turns a figure and its numbers into HTML, each under an id of its own."""

    def drawn(
        figure: go.Figure, name: str, rows: pd.DataFrame | None = None, note: str = ""
    ) -> Drawn:
        figure.update_layout(
            template="plotly_white",
            font={"family": FONT, "size": 12, "color": "#1b2421"},
            paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)",
        )
        camera = {"format": "svg", "filename": name}
        html = figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"{prefix}-{name}",
            default_height="100%",
            config={
                "displaylogo": False,
                "toImageButtonOptions": camera,
                "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
            },
        )
        return Drawn(name, Markup(html), int(figure.layout.height), _csv(rows), note)

    return drawn


def _csv(rows: pd.DataFrame | None) -> str:
    if rows is None:
        return ""
    plain = rows.map(lambda each: unescape(each) if isinstance(each, str) else each)
    text = plain.to_csv(index=False).encode()
    return f"data:text/csv;base64,{b64encode(text).decode()}"


def _overview(runs: Sequence[Finished]) -> dict[str, Any]:
    """All runs beside each other: who gained, who is worth its size, and a table."""
    draw, names = _drawer("all"), _names(runs)
    forest = figures.forest([(names[i], run.result.difference) for i, run in enumerate(runs)])
    gaps = pd.DataFrame([_gap(run) for run in runs])
    return {
        "forest": draw(forest, "differences", gaps),
        "fronts": _fronts(runs, names, draw),
        "head": ["Run", "Verdict", "Difference", "Labels alone", "Distilled", "Teacher", "File"],
        "rows": [_line(run) for run in runs],
        "note": "Difference: distilled minus labels alone, in points, with its 95 % interval over "
        "paired seeds. Accuracies: mean over the seeds with Student's t interval. The best of many "
        "runs looks better than it is: it was lucky as well.",
    }


def _fronts(runs: Sequence[Finished], names: Sequence[str], draw: Any) -> list[Drawn]:
    """A front for each task: accuracies on different data don't compare."""
    drawn = []
    for number, task in enumerate(dict.fromkeys(run.result.recipe.task for run in runs)):
        of = [
            (run, name)
            for run, name in zip(runs, names, strict=True)
            if run.result.recipe.task == task
        ]
        rows = _points([run for run, _ in of], [name for _, name in of]).dropna(subset=["bytes"])
        if len(rows):
            figure = figures.pareto(rows, figures.marks(ARMS))
            figure.update_layout(title_text=f"Which model is worth its size on {escape(task)}?")
            drawn.append(draw(figure, f"pareto-{number}", rows))
    return drawn


def _names(runs: Sequence[Finished]) -> list[str]:
    """Of a few words, each once, safe to be drawn."""
    found: list[str] = []
    for run in runs:
        short = run.name if len(run.name) <= 24 else f"{run.name[:23]}…"
        told = escape(short)
        while told in found:
            told += " ′"
        found.append(told)
    return found


def _points(runs: Sequence[Finished], names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for name, run in zip(names, runs, strict=True):
        for arm in ARMS:
            each = run.result.arms[arm]
            found = intervals.over_seeds(each.accuracy)
            rows.append(
                {
                    **{"run": name, "model": arm, "bytes": each.onnx_bytes},
                    **{"accuracy": found.value, "low": found.low, "high": found.high},
                }
            )
    return pd.DataFrame(rows).astype({"low": float, "high": float})


def _gap(run: Finished) -> dict[str, Any]:
    gap = run.result.difference
    return {"run": run.name, "points": gap.mean, "low": gap.low, "high": gap.high}


def _line(run: Finished) -> list[str]:
    result, gap = run.result, run.result.difference
    interval = "" if gap.low is None else f" ({signed(gap.low)} to {signed(gap.high or 0)})"
    arms = [result.arms[arm] for arm in ("control", "distilled", "teacher")]
    return [
        *(run.name, result.verdict, f"{signed(gap.mean)}{interval}"),
        *(words.percent(intervals.over_seeds(each.accuracy)) for each in arms),
        words.size(result.arms["distilled"].onnx_bytes),
    ]
