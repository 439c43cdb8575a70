"""Figures of a report: tables in, plotly figures out, in the colours and marks of `kdcore.charts`.

Names that people typed are escaped before they come here: plotly reads some HTML in its texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kdcore.chart_axes import by_factors
from kdcore.charts import LOOKS, framed
from kdcore.look_charts import class_dumbbells
from kdcore.result import ARMS
from kdcore.statistics import Difference, signed

FURTHER = (("#CC79A7", "triangle-up"), ("#E69F00", "cross"), ("#56B4E9", "x"))
"""Looks of models that were made since: the rest of Okabe and Ito's colours."""

GREY = "rgba(128,128,128,0.55)"
MOST_LIKELY = 5

KINDS = {"noise": "noise", "blur": "a blur", "shift": "a shift"}
UNITS = {
    "noise": "deviation, share of the range",
    "blur": "deviation, share of the side",
    "shift": "pixels, in any of four directions",
}


@dataclass(frozen=True)
class Mark:
    """How a model is drawn: its name in a legend, its colour, dash and marker."""

    name: str
    colour: str
    dash: str
    marker: str


def marks(models: Sequence[str]) -> dict[str, Mark]:
    """The run's three as everywhere, further ones in the colours that are left."""
    found = {
        arm: Mark(look.short, look.colour, look.dash, look.marker) for arm, look in LOOKS.items()
    }
    told: dict[str, Mark] = {str(arm): mark for arm, mark in found.items()}
    further = [model for model in models if model not in ARMS]
    for number, model in enumerate(further):
        colour, marker = FURTHER[number % len(FURTHER)]
        told[model] = Mark(model, colour, "dashdot", marker)
    return {model: told[model] for model in models}


def pareto(rows: pd.DataFrame, looks: Mapping[str, Mark]) -> go.Figure:
    """Accuracy against file size of all models of all runs, and the front that none of them beats.

    rows: run, model, bytes, accuracy, low, high (shares; low and high may be NaN).
    """
    figure = go.Figure()
    front = rows[on_front(rows)].sort_values("bytes")
    figure.add_scatter(
        x=front["bytes"] / 1000,
        y=100 * front["accuracy"],
        mode="lines",
        line={"color": GREY, "width": 2, "shape": "hv"},
        name="best for its size",
        hoverinfo="skip",
    )
    for model, look in looks.items():
        of = rows[rows["model"] == model]
        figure.add_scatter(
            x=of["bytes"] / 1000,
            y=100 * of["accuracy"],
            error_y=bars(of),
            mode="markers",
            name=look.name,
            marker={"color": look.colour, "symbol": look.marker, "size": 12},
            customdata=[*zip(of["run"], between(of), strict=True)],
            hovertemplate=f"{look.name} of %{{customdata[0]}} gets %{{y:.1f}} % right"
            "%{customdata[1]} in %{x:,.3g} kB<extra></extra>",
        )
    figure.update_xaxes(title="file size, kB", **by_factors(rows["bytes"] / 1000))
    figure.update_yaxes(title="test accuracy, %")
    framed(figure, "Which model is worth its size?", height=400).update_layout(margin_t=96)
    return _with_room(figure, looks)


def on_front(rows: pd.DataFrame) -> pd.Series:
    """Whether nothing is both as small and as accurate, and better in one of the two: a mask."""
    size, good = rows["bytes"].to_numpy(), rows["accuracy"].to_numpy()
    smaller, better = size[None] <= size[:, None], good[None] >= good[:, None]
    strictly = (size[None] < size[:, None]) | (good[None] > good[:, None])
    return pd.Series(~(smaller & better & strictly).any(1), index=rows.index)


def harder(rows: pd.DataFrame, kind: str, looks: Mapping[str, Mark]) -> go.Figure:
    """Accuracy of each model as samples are made harder in one way, with Wilson's intervals."""
    figure = go.Figure()
    of = rows[rows["kind"] == kind]
    for model, look in looks.items():
        line = of[of["model"] == model]
        figure.add_scatter(
            x=line["words"],
            y=100 * line["accuracy"],
            error_y=bars(line),
            mode="lines+markers",
            name=look.name,
            line={"color": look.colour, "dash": look.dash, "width": 2},
            marker={"symbol": look.marker, "size": 9},
            hovertemplate=f"{look.name} gets %{{y:.1f}} % right at %{{x}}<extra></extra>",
        )
    figure.update_xaxes(title=f"{kind}: {UNITS[kind]}", type="category")
    figure.update_yaxes(title="accuracy, %", rangemode="tozero")
    title = f"How much of {KINDS[kind]} does it stand?"
    return _with_room(framed(figure, title, height=320).update_layout(margin_t=88), looks)


def by_class(rows: pd.DataFrame, looks: Mapping[str, Mark]) -> go.Figure:
    """Who pays: each class's accuracy with and without distillation, and in every further model."""
    drawn = rows.assign(change=100 * (rows["distilled"] - rows["control"]))
    drawn = drawn.sort_values("change", kind="stable", ignore_index=True)
    figure = class_dumbbells(drawn)
    shown = drawn[drawn["class"].isin(set(figure.data[1].y))]
    for model, look in looks.items():
        if model not in ARMS:
            figure.add_scatter(
                x=100 * shown[model],
                y=shown["class"],
                mode="markers",
                name=look.name,
                marker={"color": look.colour, "symbol": look.marker, "size": 10},
                hovertemplate=f"{look.name} gets %{{x:.1f}} % of %{{y}} right<extra></extra>",
            )
    return _with_room(figure.update_layout(margin_t=96), looks)


def _with_room(figure: go.Figure, looks: Mapping[str, Mark]) -> go.Figure:
    """Higher, so that names of further models, each in a line of the legend, leave the title be."""
    more = 36 * max(0, len(set(looks) - set(ARMS)) - 1)
    height, top = figure.layout.height, figure.layout.margin.t
    return figure.update_layout(height=height + more, margin_t=top + more)


def answer(
    shares: Mapping[str, np.ndarray[Any, Any]], names: Sequence[str], looks: Mapping[str, Mark]
) -> go.Figure:
    """One sample's distributions: the classes that any model takes for likely, at most five.

    shares: each model's probabilities, (K,), at T = 1.
    """
    most = np.max([shares[model] for model in looks], axis=0)
    places = np.argsort(-most, kind="stable")[:MOST_LIKELY][::-1]
    figure = go.Figure()
    for model, look in list(looks.items())[::-1]:
        figure.add_bar(
            y=[names[place] for place in places],
            x=100 * shares[model][places],
            orientation="h",
            name=look.name,
            marker={"color": look.colour},
            hovertemplate=f"{look.name} is %{{x:.1f}} % sure of %{{y}}<extra></extra>",
        )
    figure.update_xaxes(title="probability, %", range=[0, 101])
    figure.update_yaxes(type="category", automargin=True)
    figure.update_layout(legend_traceorder="reversed", bargap=0.3)
    drawn = framed(figure, "", height=110 + 16 * len(looks) * len(places))
    return drawn.update_layout(margin_t=36, title=None)


def bars(rows: pd.DataFrame) -> dict[str, Any]:
    """Intervals as error bars, none where there is no interval. rows: accuracy, low, high."""
    up = (100 * (rows["high"].clip(upper=1) - rows["accuracy"])).fillna(0)
    down = (100 * (rows["accuracy"] - rows["low"].clip(lower=0))).fillna(0)
    return {"array": up, "arrayminus": down, "thickness": 1.5, "width": 5}


def between(rows: pd.DataFrame) -> list[str]:
    """What a pointer is told of an interval: " (95.6 to 98.5)", nothing where there is none."""
    return [
        "" if pd.isna(low) else f" ({100 * max(low, 0):.1f} to {100 * min(high, 1):.1f})"
        for low, high in zip(rows["low"], rows["high"], strict=True)
    ]


def forest(gaps: Sequence[tuple[str, Difference]]) -> go.Figure:
    """Each run's paired difference with its interval; left of zero distillation hurt."""
    figure, look = go.Figure(), LOOKS["distilled"]
    for name, gap in gaps:
        around = 0.0 if gap.low is None or gap.high is None else gap.high - gap.mean
        figure.add_scatter(
            x=[gap.mean],
            y=[name],
            error_x={"array": [around], "thickness": 2, "width": 8},
            mode="markers",
            marker={"color": look.colour, "symbol": look.marker, "size": 12},
            showlegend=False,
            hovertemplate=f"{name}: {signed(gap.mean)} points<extra></extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "dash": "dash", "color": "gray"})
    figure.update_xaxes(title="distilled − labels alone, points, with 95 % interval")
    order = [name for name, _ in gaps][::-1]
    figure.update_yaxes(categoryorder="array", categoryarray=order, automargin=True)
    return framed(figure, "Where did distillation help?", height=140 + 55 * len(gaps))
