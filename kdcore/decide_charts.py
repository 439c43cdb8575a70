"""Figures that weigh a task's models: accuracy against a cost, and what budgets leave of them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kdcore import decide_words, spoken
from kdcore.charts import LOOKS, framed
from kdcore.decide import Budgets, broken
from kdcore.model_table import SHARE, Model
from kdcore.result import ARMS, ArmName
from kdcore.sweep_charts import CHOSEN, GREY, undominated

Cost = Literal["size", "latency", "macs"]
COSTS: tuple[Cost, ...] = get_args(Cost)

SHADE = "rgba(128,128,128,0.17)"
LIMIT = "rgba(128,128,128,0.9)"
TAKEN = "1 thread, batch of 1, warmed up by 10 calls,<br>models in turns, median of 60 repeats"
"""How `kdcore.measure.latency` takes a latency: on the chart, which is shown without its page."""

DEEPEST = 12.0
"""Points below the least accuracy asked for, as far down as a chart goes."""

COLUMNS = [
    *("key", "model", "role", "run", "cost", "accuracy", "sd", "seeds"),
    *("breaks", "unbeaten", "words"),
]


def cost_of(model: Model, cost: Cost, by: str) -> float | None:
    """In the axis' unit: kB, µs or per cent of the teacher's latency, MACs. None if not measured.

    by: as in `Model.latency`.
    """
    if cost == "size":
        return None if model.bytes is None else model.bytes / 1000
    if cost == "macs":
        return model.macs
    value = model.latency(by)
    return None if value is None else value * (100 if by == SHARE else 1000)


def weighed_rows(models: Sequence[Model], cost: Cost, budgets: Budgets) -> pd.DataFrame:
    """A row for each model of which that cost was measured.

    accuracy, sd: in percent and points; breaks: the budgets that it does not keep; unbeaten:
    whether none of the others is better in both, Pareto, 1906; words: a sentence for the hover.
    """
    known = [(each, cost_of(each, cost, budgets.by)) for each in models]
    found = [(each, value) for each, value in known if value is not None and value > 0]
    best = undominated(
        np.array([value for _, value in found], dtype=float),
        np.array([each.mean for each, _ in found], dtype=float),
    )
    rows = []
    for (each, value), unbeaten in zip(found, best, strict=True):
        breaks = ", ".join(broken(each, budgets))
        words = _words(each, cost, budgets, breaks, bool(unbeaten))
        sd = None if each.sd is None else 100 * each.sd
        told = (each.key, each.name, each.role, each.run, value, 100 * each.mean, sd)
        rows.append((*told, len(each.accuracy), breaks, bool(unbeaten), words))
    return pd.DataFrame(rows, columns=COLUMNS)


def to_take_away(rows: pd.DataFrame, cost: Cost, by: str) -> pd.DataFrame:
    """The rows for somebody who has not got the page: units stand in the columns' names."""
    unit = {"size": "kB", "macs": "macs", "latency": "percent_of_teacher" if by == SHARE else "us"}
    names = {"cost": f"{cost}_{unit[cost]}", "accuracy": "accuracy_percent", "sd": "sd_points"}
    return rows.drop(columns="words").rename(columns=names)


def _words(model: Model, cost: Cost, budgets: Budgets, breaks: str, unbeaten: bool) -> str:
    """What there is to say of a model, in lines."""
    value = cost_of(model, cost, budgets.by)
    assert value is not None  # only such models have a row
    price = {
        "size": lambda: f"with {spoken.size(1000 * value)}",
        "latency": lambda: f"in {decide_words.latency(model.latency(budgets.by) or 0, budgets.by)}",
        "macs": lambda: f"with {value:,.0f} multiply-accumulates",
    }[cost]()
    where = f"from {_short(model.run)}"
    if model.runs > 1:
        where = f"in {model.runs} runs, the newest {_short(model.run)}"
    fate = "no other here is better in both" if unbeaten else "another here is better in both"
    lines = [f"{_short(model.name)} gets {decide_words.accuracy(model)} right", price, where, fate]
    if any(budgets.of(each) is not None for each in ("size", "latency", "accuracy")):
        lines.append(f"misses the {breaks} budget" if breaks else "keeps all budgets")
    return "<br>".join(lines)


def _short(text: str) -> str:
    """A name as a hover has room for it, and as text."""
    return escape(text if len(text) <= 48 else f"{text[:47]}…")


def weigh(rows: pd.DataFrame, cost: Cost, budgets: Budgets, chosen: str | None = None) -> go.Figure:
    """Accuracy against a cost on a logarithmic axis: the front of those that none beats in both,
    all others grey, and what breaks a budget shaded and hollow.

    rows: of `weighed_rows`; chosen: the key of the model to be ringed. A mark's `customdata` is
    its model's key.
    """
    figure = go.Figure()
    front = rows[rows["unbeaten"].astype(bool)].sort_values("cost")
    figure.add_scatter(
        **{"x": front["cost"], "y": front["accuracy"], "mode": "lines", "hoverinfo": "skip"},
        line={"color": LIMIT, "shape": "hv", "width": 1.5, "dash": "dot"},
        showlegend=False,  # on a phone, its names must fit between title and marks
    )
    for role in ARMS:
        of = rows[rows["role"] == role]
        if len(of):
            _add_role(figure, of, role)
    ringed = rows[rows["key"] == chosen]
    if len(ringed):
        figure.add_scatter(
            **{"x": ringed["cost"], "y": ringed["accuracy"], "mode": "markers"},
            marker={"symbol": "circle-open", "size": 24, "color": CHOSEN, "line": {"width": 3}},
            **{"name": "to ship", "hoverinfo": "skip"},
            unselected={"marker": {"opacity": 1}},
        )
    _axes(figure, rows, cost, budgets)
    framed(figure, _question(cost, budgets), height=440)
    return figure.update_layout(margin_t=92, hovermode="closest", dragmode=False)


def _add_role(figure: go.Figure, of: pd.DataFrame, role: ArmName) -> None:
    """One role's marks: coloured on the front, grey behind it, hollow where a budget is missed."""
    look = LOOKS[role]
    red, green, blue = (int(look.colour[i : i + 2], 16) for i in (1, 3, 5))
    around = {"thickness": 1.2, "width": 4, "color": f"rgba({red},{green},{blue},0.45)"}
    hollow = of["breaks"] != ""
    figure.add_scatter(
        **{"x": of["cost"], "y": of["accuracy"], "mode": "markers", "legendgroup": role},
        error_y={"array": of["sd"].astype(float).fillna(0.0), **around},
        marker={
            "color": np.where(of["unbeaten"] | hollow, look.colour, GREY),
            "symbol": np.where(hollow, f"{look.marker}-open", look.marker),
            "size": 11,
            "line": {"color": look.colour, "width": 1.2},
        },
        **{"showlegend": False, "customdata": of["key"], "hovertext": of["words"]},
        hovertemplate="%{hovertext}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )
    figure.add_scatter(
        **{"x": [None], "y": [None], "mode": "markers", "name": look.short, "legendgroup": role},
        **{"marker": {"color": look.colour, "symbol": look.marker, "size": 10}},
        hoverinfo="skip",
    )


def _question(cost: Cost, budgets: Budgets) -> str:
    limited = cost != "macs" and (budgets.of(cost) is not None or budgets.accuracy is not None)
    if limited:
        word = {"size": "small", "latency": "fast"}[cost]
        return f"Which models are {word} and accurate enough?"
    word = {"size": "file size", "latency": "latency", "macs": "computing"}[cost]
    return f"Which models are worth their {word}?"


def _axes(figure: go.Figure, rows: pd.DataFrame, cost: Cost, budgets: Budgets) -> None:
    """Titles with units, room around the marks, and the shade over what breaks a budget."""
    limit = None if cost == "macs" else _limit(cost, budgets)
    floor = None if budgets.accuracy is None else 100 * budgets.accuracy
    costs = [*rows["cost"], *([] if limit is None else [limit])]
    around = rows["sd"].astype(float).fillna(0.0)
    levels = [*(rows["accuracy"] - around), *(rows["accuracy"] + around)]
    levels += [] if floor is None else [floor]
    title = "test accuracy, mean ± sd over the seeds"
    figure.update_xaxes(title=_title(cost, budgets.by), type="log", nticks=6)
    figure.update_yaxes(title=title, ticksuffix=" %")
    if not costs or not levels:
        return
    left, right = min(costs) / 1.5, max(costs) * 1.6
    low, high = max(0.0, min(levels) - 2), min(101.5, max(levels) + 2)
    figure.update_xaxes(range=[log10(left), log10(right)], **_ticks(left, right))
    if floor is not None and low < floor - DEEPEST:
        low = floor - DEEPEST
        _say_below(figure, int((rows["accuracy"] < low).sum()))
    figure.update_yaxes(range=[low, high])
    if limit is not None:
        _shade(figure, x0=limit, x1=right, y0=low, y1=high)
        figure.add_vline(limit, line={"color": LIMIT, "width": 1.5, "dash": "dash"})
    if floor is not None:
        _shade(figure, x0=left, x1=right if limit is None else limit, y0=low, y1=floor)
        figure.add_hline(floor, line={"color": LIMIT, "width": 1.5, "dash": "dash"})


def _say_below(figure: go.Figure, count: int) -> None:
    """What is too far down to be drawn, else nobody could tell the good ones apart."""
    if count:
        figure.add_annotation(
            text=f"↓ {count} more below",
            **{"xref": "paper", "yref": "paper", "x": 0.01, "y": 0.01},
            **{"xanchor": "left", "yanchor": "bottom", "showarrow": False},
        )


def _limit(cost: Cost, budgets: Budgets) -> float | None:
    """A budget in its axis' unit."""
    if cost == "size":
        return None if budgets.size is None else budgets.size / 1000
    unit = 100 if budgets.by == SHARE else 1000
    return None if budgets.latency is None else unit * budgets.latency


def _shade(figure: go.Figure, **corners: float) -> None:
    figure.add_shape(type="rect", **corners, fillcolor=SHADE, line={"width": 0}, layer="below")


def _ticks(left: float, right: float) -> dict[str, Any]:
    """Few plain numbers on a logarithmic axis."""
    steps = 1 if right / left >= 60 else "D2"
    return {"dtick": steps, "tickformat": "~s" if right >= 10_000 else "~g"}


def _title(cost: Cost, by: str) -> str:
    if cost == "size":
        return "ONNX file size, kB"
    if cost == "macs":
        return "multiply-accumulates for one sample"
    what, where = ("latency, µs", by)
    if by == SHARE:
        what, where = "latency, % of the teacher's in the same run", "on each run's own machine"
    lines = [escape(where), *TAKEN.split("<br>")]
    return "<br>".join([what, *(f'<span style="font-size:11px">{line}</span>' for line in lines)])
