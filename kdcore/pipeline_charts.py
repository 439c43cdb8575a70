"""Figures of a pipeline: what each stage changes, from the uncompressed student downwards.

A line for each model, its name and number above its mark; a stair leads from stage to stage. The
ends keep the teacher's and the control's look, all that comes of the distilled student has its.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from kdcore.chart_axes import lengths
from kdcore.charts import LOOKS, Look, framed
from kdcore.pipeline_tables import difference_text, time_text
from kdcore.spoken import size
from kdcore.statistics import accuracy_text, mean, spread, verdict
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, Row, Sensitivity

ENDS: dict[str, Look] = {TEACHER: LOOKS["teacher"], CONTROL: LOOKS["control"]}
LONGEST = 38
"""Of a name above its mark; all of it is in the hover text."""

LINE = 48
"""Pixels for each model."""

ABOVE_WORDS, BELOW_WORDS = 0.58, 0.16
"""Of a model's line, in its heights: where the words above its mark end and begin."""

ROOM = 0.06
"""Of an axis, beyond the largest value."""

STAGE = LOOKS["distilled"].colour


@dataclass(frozen=True)
class Step:
    """A model's place along an axis: its value, that value in words, and its sentence."""

    value: float
    words: str
    sentence: str
    around: float = 0.0


def sizes(rows: Sequence[Row]) -> go.Figure:
    """Bytes on disk after each stage, and what gzip makes of them, which is where zeros show."""
    steps = [_size(row) for row in rows]
    figure = _stairs(rows, steps)
    figure.add_scatter(
        x=[row.gzip_bytes / 1000 for row in rows],
        y=_heights(rows),
        mode="markers",
        marker={"symbol": "line-ns", "size": 13, "line": {"width": 2.5, "color": "#8A8A8A"}},
        name="the same file, gzipped",
        customdata=[[_name(row), size(row.gzip_bytes)] for row in rows],
        hovertemplate="%{customdata[0]}: %{customdata[1]} once it is gzipped<extra></extra>",
        showlegend=True,
    )
    every = [row.bytes / 1000 for row in rows] + [row.gzip_bytes / 1000 for row in rows]
    axis = {"title": "on disk, kB", **lengths(every, ROOM)}
    return _finished(figure, rows, steps, "How small does it get?", axis)


def _size(row: Row) -> Step:
    zeros = None if row.nonzeros is None else row.parameters - row.nonzeros
    said = f"; {zeros:,} of its {row.parameters:,} parameters are zero" if zeros else ""
    kind = "packed" if row.file.packed else "in its file"
    words = size(row.bytes)
    return Step(row.bytes / 1000, words, f"{_name(row)}: {words} {kind}{said}")


def accuracies(rows: Sequence[Row]) -> go.Figure:
    """Test accuracy after each stage, mean ± standard deviation over the seeds."""
    steps = [_accuracy(row) for row in rows]
    figure = _stairs(rows, steps)
    every = [step.value + sign * step.around for step in steps for sign in (-1, 1)]
    low, high = min(every), max(every)
    room = 0.08 * (high - low) or 1.0
    span = {"range": [low - room, high + room], "tickformat": "~g", "nticks": 6}
    axis = {"title": "test accuracy, %", **span}
    return _finished(figure, rows, steps, "What does it cost in accuracy?", axis)


def _accuracy(row: Row) -> Step:
    percent = [100 * each for each in row.accuracy]
    said = ""
    if row.difference is not None:
        said = (
            f"<br>{difference_text(row)} points against the uncompressed student: "
            f"{verdict(row.difference)}"
        )
    words = accuracy_text(row.accuracy)
    return Step(mean(percent), words, f"{_name(row)}: {words}{said}", spread(percent) or 0.0)


def latencies(rows: Sequence[Row], batch: int) -> go.Figure:
    """Median latency of a call with so many samples after each stage; its 10th to 90th percentile
    is in the hover text.

    Raises ValueError where that batch was not measured.
    """
    steps = [_latency(row, batch) for row in rows]
    figure = _stairs(rows, steps)
    many = "one sample" if batch == 1 else f"{batch} samples"
    axis = {"title": f"µs for {many}, one thread", **lengths((e.value for e in steps), ROOM)}
    return _finished(figure, rows, steps, "Does it get faster?", axis)


def _latency(row: Row, batch: int) -> Step:
    found = next((each for each in row.latency if each.batch == batch), None)
    if found is None:
        raise ValueError(f"no latency of {row.name!r} was measured for a batch of {batch}")
    words = time_text(found.median_ms)
    spans = f"{time_text(found.low_ms)} to {time_text(found.high_ms)}"
    sentence = f"{_name(row)}: {words}<br>({spans} for four calls in five)"
    return Step(1000 * found.median_ms, words, sentence)


def sensitivity(found: Sequence[Sensitivity]) -> go.Figure:
    """How far the answers move if each layer alone is turned into int8, in the order in which they
    compute.
    """
    figure = go.Figure()
    figure.add_bar(
        y=[each.layer for each in found],
        x=[100 * each.drift for each in found],
        orientation="h",
        marker={"color": "#56B4E9"},
        customdata=[100 * (1 - each.agreement) for each in found],
        hovertemplate="With %{y} alone in int8, the logits move by %{x:.2g} % of their spread<br>"
        "and %{customdata:.2g} % of the validation samples are answered otherwise<extra></extra>",
    )
    figure.update_xaxes(title="move of the logits, % of their spread", rangemode="tozero")
    figure.update_yaxes(title="layer", automargin=True, autorange="reversed", type="category")
    framed(figure, "Which layer bears int8 worst?", 130 + 30 * len(found))
    return figure.update_layout(margin_t=46, bargap=0.3)


# what they share


def _name(row: Row) -> str:
    return row.name[:1].upper() + row.name[1:]


def _heights(rows: Sequence[Row]) -> list[int]:
    """The first on top."""
    return list(range(len(rows) - 1, -1, -1))


def _stairs(rows: Sequence[Row], steps: Sequence[Step]) -> go.Figure:
    """Every model's mark, and the stair from the distilled student through its stages."""
    figure = go.Figure()
    heights = _heights(rows)
    x, y = _stair(rows, steps)
    figure.add_scatter(
        **{"x": x, "y": y, "mode": "lines", "showlegend": False, "hoverinfo": "skip"},
        line={"color": STAGE, "width": 2, "dash": LOOKS["distilled"].dash},
        opacity=0.4,
    )
    for row, step, height in zip(rows, steps, heights, strict=True):
        look = ENDS.get(row.name, LOOKS["distilled"])
        beside = "-open" if row.name == TRAINED_ON else ""
        figure.add_scatter(
            x=[step.value],
            y=[height],
            error_x={"array": [step.around], "thickness": 1.5, "width": 5},
            mode="markers",
            marker={
                **{"color": look.colour, "symbol": look.marker + beside, "size": 11},
                "line": {"width": 2.5 if beside else 0, "color": look.colour},
            },
            showlegend=False,
            hovertemplate=f"{step.sentence}<extra></extra>",
        )
    return figure


def _stair(
    rows: Sequence[Row], steps: Sequence[Step]
) -> tuple[list[float | None], list[float | None]]:
    """The corners of the line that leads from stage to stage, and None where it leaves room for a
    line of words.
    """
    x: list[float | None] = []
    y: list[float | None] = []
    last = 0
    for row, step, height in zip(rows, steps, _heights(rows), strict=True):
        if row.name in (TEACHER, CONTROL, TRAINED_ON):
            continue
        if row.name != ORIGINAL and x:
            for passed in range(last - 1, height - 1, -1):
                x += [x[-1], None, x[-1]]
                y += [passed + ABOVE_WORDS, None, passed + BELOW_WORDS]
            x, y = [*x, x[-1]], [*y, height]
        x, y, last = [*x, step.value], [*y, height], height
    return x, y


def _finished(
    figure: go.Figure,
    rows: Sequence[Row],
    steps: Sequence[Step],
    title: str,
    axis: dict[str, Any],
) -> go.Figure:
    """With names and numbers above the marks, and the axis that they are along."""
    framed(figure, title, LINE * len(rows) + 118)
    figure.update_xaxes(axis, zeroline=False)
    figure.update_yaxes(visible=False, range=[-0.45, len(rows) - 0.35])
    notes: list[dict[str, Any]] = []
    for row, step, height in zip(rows, steps, _heights(rows), strict=True):
        name = _name(row)
        short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
        common = {"xref": "x domain", "y": height, "yshift": 17, "showarrow": False}
        notes.append({**common, "x": 0, "xanchor": "left", "text": short})
        notes.append({**common, "x": 1, "xanchor": "right", "text": f"<b>{step.words}</b>"})
    return figure.update_layout(annotations=notes, margin_t=64, hovermode="closest")
