"""Figures of runs side by side. A run is told by its letter, colour, dash and marker.

Roles keep their colours elsewhere; here, where each line is a run, none of the three is used.
The six are readable on light and dark (contrast of 3 at least), and the letter stands at the mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kdcore.chart_axes import by_factors
from kdcore.charts import LOOKS, framed
from kdcore.compare_rows import COSTS
from kdcore.compare_tables import LETTERS
from kdcore.result import ArmName
from kdcore.statistics import signed
from kdcore.sweep_charts import undominated

RUN_LOOKS: dict[str, tuple[str, str, str]] = dict(
    zip(
        LETTERS,
        (
            ("#7A5CC8", "solid", "circle"),
            ("#B98600", "dash", "square"),
            ("#2C99C9", "dot", "diamond"),
            ("#E0559A", "dashdot", "triangle-up"),
            ("#6B7420", "longdash", "cross"),
            ("#9A6A4A", "longdashdot", "x"),
        ),
        strict=True,
    )
)
"""By letter: colour, dash and marker."""

GREY = "rgba(128,128,128,0.6)"
NEAREST = 0.06
"""Letters at the ends of lines keep so much of the height apart."""


def gains(rows: pd.DataFrame) -> go.Figure:
    """Each run's difference to its own control; left of zero distillation hurt.

    rows: of `kdcore.compare_rows.difference_rows`.
    """
    letters = list(rows["run"])
    figure = _forest(rows, "labels alone", letters)
    figure.update_xaxes(title="distilled − labels alone, points of test accuracy")
    return framed(figure, "Where did distillation help?", _tall(letters)).update_layout(margin_t=46)


def rivals(rows: pd.DataFrame, reference: str, letters: Sequence[str]) -> go.Figure:
    """Each run's difference to the reference's distilled student; right of zero it is better.

    letters: of all runs, each of which has its place, also the reference and those that cannot be
    paired with it: so the rows are those of the gains beside it.
    """
    figure = _forest(rows, f"the distilled student of {reference}", letters)
    for letter in letters:
        if letter not in set(rows["run"]):
            words = "the reference" if letter == reference else "not paired"
            place = {"xref": "x domain", "x": 0, "y": letter, "xanchor": "left", "showarrow": False}
            figure.add_annotation(**place, text=words, font={"size": 12}, opacity=0.75)
    figure.update_xaxes(title=f"run − {reference}, points of test accuracy")
    title = f"Which run is better than {reference}?"
    return framed(figure, title, _tall(letters)).update_layout(margin_t=46)


def _tall(letters: Sequence[str]) -> int:
    return 132 + 34 * max(2, len(letters))


def _forest(rows: pd.DataFrame, against: str, letters: Sequence[str]) -> go.Figure:
    """A mark with its interval for each run, the first on top, about a line at zero; letters: all
    that have a row.
    """
    figure = go.Figure()
    for row in rows.itertuples():
        colour, _, symbol = RUN_LOOKS[row.run]
        around = 0.0 if pd.isna(row.low) else row.high - row.mean
        figure.add_scatter(
            x=[row.mean],
            y=[row.run],
            error_x={"array": [around], "thickness": 2, "width": 7, "color": colour},
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 11},
            showlegend=False,
            hovertemplate=f"{_difference_said(row, against)}<extra></extra>",
        )
    figure.add_vline(x=0, line={"width": 1, "dash": "dash", "color": "gray"})
    order = list(letters)[::-1]
    figure.update_yaxes(categoryorder="array", categoryarray=order, type="category", title="run")
    return figure.update_yaxes(range=[-0.6, len(order) - 0.4])


def _difference_said(row: Any, against: str) -> str:
    interval = (
        "" if pd.isna(row.low) else f", 95 % interval {signed(row.low)} to {signed(row.high)}"
    )
    seeds = f"{row.pairs} seed" + "s" * (row.pairs != 1)
    return (
        f"{row.run} is {signed(row.mean)} points against {against}<br>"
        f"({seeds}{interval}): {row.verdict}{_words(row)}"
    )


def _words(row: Any) -> str:
    return "<br>" + row.words.replace("; ", "<br>") if row.words else ""


def curves(rows: pd.DataFrame, arm: ArmName) -> go.Figure:
    """One student's validation accuracy over the steps in every run, within ±1 sd of its seeds.

    rows: of `kdcore.compare_rows.curve_rows`.
    """
    figure = go.Figure()
    label = LOOKS[arm].label.lower()
    groups = list(rows.groupby("run", sort=True))
    for run, of in groups:
        _band(figure, of, RUN_LOOKS[run][0])
    for run, of in groups:
        colour, dash, _ = RUN_LOOKS[run]
        figure.add_scatter(
            x=of["step"],
            y=100 * of["mean"],
            customdata=100 * of["sd"],
            mode="lines" if len(of) > 1 else "markers",
            line={"color": colour, "dash": dash, "width": 2.5},
            marker={"color": colour},
            name=run,
            showlegend=False,
            hovertemplate=f"{run}: after %{{x:,}} steps the {label} gets %{{y:.1f}} ± "
            f"%{{customdata:.1f}} %<br>of the validation samples right"
            f"{_words(of.iloc[0])}<extra></extra>",
        )
    last = float(rows["step"].max()) if len(rows) else 1.0
    figure.update_xaxes(title="step", range=[0, 1.07 * last])
    figure.update_yaxes(title="validation accuracy", ticksuffix=" %", automargin=True)
    framed(figure, f"How did each get there? {LOOKS[arm].label}", 400)
    notes = _letters_at_ends(groups)
    return figure.update_layout(margin_t=46, hovermode="closest", annotations=notes)


def _band(figure: go.Figure, of: pd.DataFrame, colour: str) -> None:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    upper = 100 * (of["mean"] + of["sd"]).clip(upper=1)
    lower = 100 * (of["mean"] - of["sd"]).clip(lower=0)
    figure.add_scatter(
        x=[*of["step"], *of["step"][::-1]],
        y=[*upper, *lower[::-1]],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.12)",
        line={"width": 0},
        mode="lines",
        showlegend=False,
        hoverinfo="skip",
    )


def _letters_at_ends(groups: Sequence[tuple[Any, pd.DataFrame]]) -> list[dict[str, Any]]:
    """Each line's letter where it ends, those that would lie on each other pushed apart."""
    every = [100 * value for _, of in groups for value in of["mean"]]
    ends = {run: (of["step"].iloc[-1], 100 * of["mean"].iloc[-1]) for run, of in groups}
    gap = NEAREST * ((max(every) - min(every)) or 1.0) if every else 1.0
    found: list[dict[str, Any]] = []
    for step in sorted({step for step, _ in ends.values()}):
        found += _letters(step, {run: y for run, (x, y) in ends.items() if x == step}, gap)
    return found


def _letters(x: float, places: dict[str, float], gap: float) -> list[dict[str, Any]]:
    """Letters to the right of marks that share an x (its power of ten on a logarithmic axis)."""
    return [
        {
            **{"x": x, "xanchor": "left", "xshift": 7, "y": y, "showarrow": False},
            **{"text": f"<b>{run}</b>", "font": {"color": RUN_LOOKS[run][0], "size": 15}},
        }
        for run, y in spread_out(places, gap).items()
    ]


def spread_out(places: dict[str, float], gap: float) -> dict[str, float]:
    """The same places in the same order, none nearer than the gap to the next; each moved as
    little as can be, by the squares, so that what has room stays where it is.

    Less a gap for each one before, they only have to be in order: isotonic regression, whose
    neighbours in the wrong order are pooled to their mean. Source: Ayer et al., 1955, "An Empirical
    Distribution Function for Sampling with Incomplete Information".
    """
    order = sorted(places, key=lambda name: places[name])
    pools: list[tuple[float, int]] = []  # the mean, and of how many
    for number, name in enumerate(order):
        mean, count = places[name] - gap * number, 1
        while pools and pools[-1][0] > mean:
            before, more = pools.pop()
            mean, count = (count * mean + more * before) / (count + more), count + more
        pools.append((mean, count))
    fitted = [mean for mean, count in pools for _ in range(count)]
    return {name: fitted[number] + gap * number for number, name in enumerate(order)}


def trade_off(rows: pd.DataFrame, cost: str) -> go.Figure:
    """Accuracy against a cost: a line through the students that no other beats in both.

    rows: of `kdcore.compare_rows.cost_rows`.
    """
    figure = go.Figure()
    costs, accuracy = (rows[name].to_numpy(dtype=float) for name in ("cost", "accuracy"))
    best = undominated(costs, accuracy)
    order = np.argsort(costs[best], kind="stable")
    figure.add_scatter(
        x=costs[best][order],
        y=accuracy[best][order],
        mode="lines",
        line={"color": GREY, "shape": "hv", "width": 2},
        showlegend=False,
        hoverinfo="skip",
    )
    for row, unbeaten in zip(rows.itertuples(), best, strict=True):
        _add_student(figure, row, bool(unbeaten), cost)
    title = COSTS[cost].title
    figure.update_xaxes(title=title, **by_factors(costs))
    if len(costs) and costs.max() >= 10_000:
        figure.update_xaxes(tickformat="~s")
    figure.update_yaxes(title="test accuracy, distilled", ticksuffix=" %", automargin=True)
    framed(figure, "Which students are worth their cost?", 400)
    notes = _letters_at_marks(rows)
    return figure.update_layout(margin_t=46, hovermode="closest", annotations=notes)


def _add_student(figure: go.Figure, row: Any, unbeaten: bool, cost: str) -> None:
    colour, _, symbol = RUN_LOOKS[row.run]
    fate = "no other here does better for as little" if unbeaten else "another does better for less"
    around = "" if pd.isna(row.sd) else f" ± {row.sd:.1f}"
    figure.add_scatter(
        x=[row.cost],
        y=[row.accuracy],
        error_y={"array": [0 if pd.isna(row.sd) else row.sd], "thickness": 1.5, "width": 5},
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 12},
        opacity=1.0 if unbeaten else 0.7,
        showlegend=False,
        hovertemplate=f"{row.run} gets {row.accuracy:.1f}{around} % right at {row.cost:,.4g}<br>"
        f"({COSTS[cost].title}); {fate}{_words(row)}<extra></extra>",
    )


def _letters_at_marks(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Each mark's letter beside it; of marks that cost about the same, pushed apart."""
    if not len(rows):
        return []
    around = rows["sd"].astype(float).fillna(0.0)
    height = (rows["accuracy"] + around).max() - (rows["accuracy"] - around).min() or 1.0
    ordered = rows.assign(at=np.log10(rows["cost"].astype(float))).sort_values("at")
    width = max(0.2, ordered["at"].iloc[-1] - ordered["at"].iloc[0])
    clusters = (ordered["at"].diff() > NEAREST * width).cumsum()
    found: list[dict[str, Any]] = []
    for _, of in ordered.groupby(clusters):
        places = dict(zip(of["run"], of["accuracy"].astype(float), strict=True))
        found += _letters(of["at"].iloc[-1], places, NEAREST * height)
    return found


def profiles(rows: pd.DataFrame) -> go.Figure:
    """Every measure side by side, each between the worst and the best of these runs: up is better.

    rows: of `kdcore.compare_rows.measure_rows`.
    """
    figure = go.Figure()
    measures = list(dict.fromkeys(rows["measure"]))
    for run, of in rows.groupby("run", sort=True):
        colour, dash, symbol = RUN_LOOKS[str(run)]
        figure.add_scatter(
            x=[measures.index(each) for each in of["measure"]],
            y=of["place"],
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.5},
            marker={"color": colour, "symbol": symbol, "size": 11},
            name=str(run),
            customdata=[_measured(row) for row in of.itertuples()],
            hovertemplate=f"{run}'s %{{customdata}}{_words(of.iloc[0])}<extra></extra>",
        )
    notes: list[dict[str, Any]] = []
    for number, measure in enumerate(measures):
        notes += _ends(number, rows[rows["measure"] == measure])
    units = dict(zip(rows["measure"], rows["unit"], strict=True))
    names = [f"{measure},<br>{units[measure]}".rstrip(",<br>") for measure in measures]
    ticks = {"tickvals": list(range(len(measures))), "ticktext": names, "tickangle": 0}
    figure.update_xaxes(**ticks, range=[-0.5, len(measures) - 0.5], zeroline=False, showgrid=True)
    figure.update_yaxes(
        **{"title": "worst to best of these runs", "range": [-0.16, 1.16], "zeroline": False},
        **{"showticklabels": False, "showgrid": False},
    )
    framed(figure, "Which run is best at what?", 400)
    return figure.update_layout(margin_t=76, hovermode="closest", annotations=notes)


def _measured(row: Any) -> str:
    """One measure of a run, within a sentence."""
    name = row.measure if row.measure.isupper() or not row.unit else row.measure.lower()
    return f"{name} is {row.text} {row.unit}".rstrip()


def _ends(place: int, of: pd.DataFrame) -> list[dict[str, Any]]:
    """The best value above an axis and the worst below it; of all alike, the one above."""
    known = of[of["place"].notna()].sort_values("place")
    alike = known["place"].nunique() == 1
    ends = [(known["text"].iloc[-1], 1.1)] + [(known["text"].iloc[0], -0.1)] * (not alike)
    common = {"x": place, "showarrow": False, "font": {"size": 11}}
    return [{**common, "y": y, "text": text} for text, y in ends]
