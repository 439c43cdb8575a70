"""The curves of a pipeline's trainings on: what pruning costs, and what training on brings back."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from kdcore.charts import LOOKS, framed
from kdcore.pipeline import Pipeline, trainings
from kdcore.waterfall import Lap

COMPRESSED, BESIDE = "compressed", "trained on as long, not compressed"
NAMES = {COMPRESSED: "Compressed", BESIDE: "Not compressed"}
"""In the legend, which has one line on a phone."""

COLUMNS = ("line", "stage", "seed", "step", "accuracy")


def laps_table(laps: Sequence[Lap]) -> pd.DataFrame:
    """A row for each report: line, stage (from 1, none of the uncompressed student), seed, step of
    all trainings on, and validation accuracy in [0, 1].
    """
    rows = [
        (
            BESIDE if lap.stage is None else COMPRESSED,
            None if lap.stage is None else lap.stage + 1,
            *(lap.seed, lap.step, lap.accuracy),
        )
        for lap in laps
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"stage": "Int64"})


def tuning_curves(laps: Sequence[Lap], pipeline: Pipeline, teacher: float | None) -> go.Figure:
    """Validation accuracy over the steps of all trainings on, mean ± 1 sd over the seeds: of the
    student that goes through the stages, and of the one that is trained on as long beside it.

    teacher: its own accuracy there, in [0, 1], drawn as a level; None where it is not known.
    """
    figure, table = go.Figure(), laps_table(laps)
    steps = sum(tune.steps for tune in pipeline.tunes())
    if teacher is not None:
        look = LOOKS["teacher"]
        figure.add_scatter(
            **{"x": [0, steps], "y": [100 * teacher] * 2, "mode": "lines", "name": look.short},
            line={"color": look.colour, "dash": look.dash, "width": 2},
            hovertemplate=f"{look.label} gets %{{y:.1f}} % right<extra></extra>",
        )
    for line in (BESIDE, COMPRESSED):
        _add_line(figure, table[table["line"] == line], line)
    begins = _begins(pipeline)
    for _, step in begins[1:]:
        figure.add_vline(step, line={"color": "rgba(128,128,128,0.6)", "width": 1, "dash": "dot"})
    for stage, step in begins if len(begins) > 1 else ():
        figure.add_annotation(
            **{"x": step, "y": 0.01, "yref": "paper", "yanchor": "bottom", "xanchor": "left"},
            **{"text": f"stage {stage}", "showarrow": False, "opacity": 0.75},
        )
    low = 100 * float(table["accuracy"].min()) if len(table) else 0.0
    figure.update_xaxes(title="step of training on", range=[0, max(1, steps)])
    figure.update_yaxes(title="validation accuracy", ticksuffix=" %", range=[max(0, low - 5), 101])
    figure.update_layout(hovermode="x unified")
    return framed(figure, "Does training on bring it back?").update_layout(margin_t=88, height=338)


def _begins(pipeline: Pipeline) -> list[tuple[int, int]]:
    """The stages that train, counted from 1, each with the step at which it begins to."""
    found, step = [], 0
    for number, stage in enumerate(pipeline.stages, 1):
        tunes = trainings(stage)
        if tunes:
            found.append((number, step))
        step += sum(tune.steps for tune in tunes)
    return found


def _add_line(figure: go.Figure, points: pd.DataFrame, line: str) -> None:
    """Mean and band over the seeds, in the distilled student's colour."""
    if not len(points):
        return
    look, compressed = LOOKS["distilled"], line == COMPRESSED
    of = 100 * points.groupby("step")["accuracy"].agg(["mean", "std"]).fillna(0.0)
    for edge, fill in ((of["mean"] + of["std"], None), (of["mean"] - of["std"], "tonexty")):
        figure.add_scatter(
            **{"x": of.index, "y": edge.clip(upper=100), "mode": "lines", "fill": fill},
            **{"line": {"width": 0, "color": look.colour}, "fillcolor": "rgba(0,158,115,0.15)"},
            **{"showlegend": False, "hoverinfo": "skip"},
        )
    figure.add_scatter(
        **{"x": of.index, "y": of["mean"], "name": NAMES[line]},
        mode="lines" if len(of) > 1 else "lines+markers",
        marker={"symbol": look.marker if compressed else f"{look.marker}-open", "size": 8},
        line={
            **{"color": look.colour, "width": 2.5 if compressed else 1.5},
            "dash": look.dash if compressed else "6px,3px",
        },
        hovertemplate=f"The student {_said(line)} gets %{{y:.1f}} % right<extra></extra>",
    )


def _said(line: str) -> str:
    return "that is compressed" if line == COMPRESSED else line
