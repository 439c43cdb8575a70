"""Figures of the pages that look at a run's answers: tables in, plotly figures out.

Colours, dashes and markers of the three models are those of `kdcore.charts`. A map of measured
cells is never smoothed, and what has a sign is drawn around zero in two colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from kdcore.charts import CLASS_LOOKS, LOOKS
from kdcore.look_tables import Confidence
from kdcore.result import ARMS, STUDENTS, ArmName

MOST_NAMED = 20
"""Up to so many classes have their names at the axis, and their numbers in the cells."""

MOST_DUMBBELLS = 20

GREY = "rgba(128,128,128,0.35)"


def _hex(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def confusion_map(
    counts: NDArray[np.int64], names: tuple[str, ...], arm: ArmName, most: float
) -> go.Figure:
    """A model's mistakes: share of each true class (row) that it called another, in percent.

    counts: (K, K). most: the share at which the colour is full, the same for maps side by side.
    The diagonal is left blank, or nothing else would be seen.
    """
    look = LOOKS[arm]
    share = shares(counts)
    shown = np.where(np.eye(len(names), dtype=bool), np.nan, share)
    scale = [[0, _hex(look.colour, 0.0)], [1, look.colour]]
    said = _confusions_said(counts, names, look.label) if len(names) <= MOST_NAMED else None
    figure = _map(shown, names, said, {"colorscale": scale, "zmin": 0, "zmax": max(most, 1.0)})
    if len(names) <= MOST_NAMED:
        figure.update_traces(text=_texts(shown), texttemplate="%{text}")
    return _framed(figure, f"What does it mistake? {look.label}", _square(names))


def difference_map(
    counts: Mapping[ArmName, NDArray[np.int64]], names: tuple[str, ...]
) -> go.Figure:
    """Which confusions distillation made rarer or more frequent, in points of the true class."""
    change = shares(counts["distilled"]) - shares(counts["control"])
    off = np.where(np.eye(len(names), dtype=bool), np.nan, change)
    most = max(1.0, float(np.nanmax(np.abs(off), initial=0.0)))
    said = _differences_said(off, names) if len(names) <= MOST_NAMED else None
    options = {"colorscale": _diverging(), "zmin": -most, "zmax": most}
    figure = _map(off, names, said, options)
    if len(names) <= MOST_NAMED:
        figure.update_traces(text=_texts(off, signed=True), texttemplate="%{text}")
    title = "Which mistakes did distillation change?"
    return _framed(figure, title, _square(names))


def shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts as percent of their row, (K, K); 0 in an empty row."""
    return np.asarray(100 * counts / np.maximum(1, counts.sum(1, keepdims=True)))


def largest_mistake(counts: Mapping[ArmName, NDArray[np.int64]]) -> float:
    """The largest share of a class, in percent, that any of the models calls one other class."""
    off = [shares(each) * ~np.eye(len(each), dtype=bool) for each in counts.values()]
    return float(np.max(off))


def class_dumbbells(rows: pd.DataFrame) -> go.Figure:
    """Each class's accuracy without and with distillation, and the teacher's; of very many
    classes, those that changed most.
    """
    total = len(rows)
    if total > MOST_DUMBBELLS:
        rows = rows.loc[rows["change"].abs().nlargest(MOST_DUMBBELLS).index.sort_values()]
    figure = go.Figure()
    lines = _segments(100 * rows["control"], 100 * rows["distilled"], rows["class"])
    figure.add_scatter(
        **lines,
        mode="lines",
        line={"color": GREY, "width": 5},
        showlegend=False,
        hoverinfo="skip",
    )
    for arm in ARMS:
        look = LOOKS[arm]
        figure.add_scatter(
            x=100 * rows[arm],
            y=rows["class"],
            mode="markers",
            name=look.short,
            marker={"color": look.colour, "symbol": look.marker, "size": 11},
            customdata=rows["samples"],
            hovertemplate=f"{look.label} gets %{{x:.1f}} % of the %{{customdata:,}} samples of "
            "%{y} right<extra></extra>",
        )
    figure.update_xaxes(title="accuracy on the class's test samples, %")
    figure.update_yaxes(type="category", automargin=True, title="true class")
    shown = "" if total == len(rows) else f" ({len(rows)} of {total}, most changed)"
    _framed(figure, f"Which classes gained?{shown}", 120 + 26 * len(rows))
    return figure.update_layout(margin_t=74)


def reliability(rows: pd.DataFrame, found: Mapping[ArmName, Confidence], fitted: bool) -> go.Figure:
    """Accuracy against confidence, bin by bin; on the diagonal a model is as right as it is sure.

    The legend says each model's expected calibration error in points.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": "gray", "width": 1, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    for arm in ARMS:
        look, each = LOOKS[arm], found[arm]
        error = 100 * (each.cooled if fitted else each.plain).error
        note = f"T {each.temperature:.2f}, ECE {error:.1f}" if fitted else f"ECE {error:.1f}"
        of = rows[rows["model"] == arm]
        most = max(1, of["samples"].max())
        figure.add_scatter(
            x=100 * of["confidence"],
            y=100 * of["accuracy"],
            mode="lines+markers",
            name=f"{look.short}: {note}",
            line={"color": look.colour, "dash": look.dash, "width": 2},
            marker={"symbol": look.marker, "size": 6 + 8 * np.sqrt(of["samples"] / most)},
            customdata=of["samples"],
            hovertemplate=f"Of %{{customdata:,}} answers of which {look.label.lower()} is "
            "%{x:.0f} % sure, %{y:.0f} % are right<extra></extra>",
        )
    figure.update_xaxes(title="mean confidence in the bin, %", range=[-2, 102])
    figure.update_yaxes(title="answers that are right, %", range=[-2, 104])
    title = "Is it as right as it is sure?" if not fitted else "And at a fitted temperature?"
    return _framed(figure, title, 420).update_layout(margin_t=112)


def coverage(rows: pd.DataFrame) -> go.Figure:
    """Accuracy against the share of samples that a model may answer, its surest first."""
    figure = go.Figure()
    for arm in ARMS:
        look = LOOKS[arm]
        of = rows[rows["model"] == arm]
        figure.add_scatter(
            x=100 * of["kept"],
            y=100 * of["accuracy"],
            mode="lines",
            name=look.short,
            line={"color": look.colour, "dash": look.dash, "width": 2.5},
            hovertemplate=f"On the %{{x:.0f}} % of samples of which {look.label.lower()} is surest "
            "it gets %{y:.1f} % right<extra></extra>",
        )
    low = 100 * float(rows["accuracy"].min())
    figure.update_xaxes(title="share of test samples answered, surest first, %", range=[0, 101])
    figure.update_yaxes(title="accuracy on those, %", range=[max(0.0, low - 3), 100.8])
    title = "How much better if it may decline to answer?"
    return _framed(figure, title, 400).update_layout(margin_t=78)


def order_histogram(rows: pd.DataFrame) -> go.Figure:
    """How many samples by how well each student keeps the teacher's order of the wrong classes."""
    figure = go.Figure()
    low = np.floor(10 * float(rows[list(STUDENTS)].min().min())) / 10
    edges = np.arange(round(10 * low), 11) / 10  # tenths, from the lowest that was found
    middles = (edges[:-1] + edges[1:]) / 2
    for arm in STUDENTS:
        look = LOOKS[arm]
        counts, _ = np.histogram(rows[arm].dropna(), edges)
        figure.add_scatter(
            x=middles,
            y=100 * counts / max(1, counts.sum()),
            mode="lines+markers",
            name=f"{look.short}, mean {rows[arm].mean():.2f}",
            line={"color": look.colour, "dash": look.dash, "width": 2, "shape": "hvh"},
            marker={"symbol": look.marker, "size": 6},
            hovertemplate=f"On %{{y:.1f}} % of samples {look.label.lower()} agrees with the "
            "teacher's order to about %{x:.2f}<extra></extra>",
        )
    figure.update_xaxes(title="Spearman's ρ of the wrong classes' order with the teacher's")
    figure.update_yaxes(title="test samples, %", rangemode="tozero")
    title = "Who keeps the teacher's order of the wrong classes?"
    return _framed(figure, title, 380).update_layout(margin_t=78)


def class_tree(tree: NDArray[np.float64], names: tuple[str, ...], arm: ArmName) -> go.Figure:
    """Which classes a model takes for alike: those that join early have like soft targets.

    tree: scipy's linkage, (K − 1, 4).
    """
    from scipy.cluster.hierarchy import dendrogram  # late: half a second to import

    look = LOOKS[arm]
    drawn = dendrogram(tree, labels=list(names), no_plot=True, color_threshold=0)
    figure = go.Figure()
    x: list[float | None] = []
    y: list[float | None] = []
    for across, along in zip(drawn["dcoord"], drawn["icoord"], strict=True):
        x += [*across, None]
        y += [*along, None]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": look.colour, "width": 2},
        hovertemplate="These join at a distance of %{x:.3f}<extra></extra>",
        showlegend=False,
    )
    places = [5 + 10 * i for i in range(len(names))]
    figure.update_yaxes(
        tickvals=places, ticktext=drawn["ivl"], zeroline=False, showgrid=False, automargin=True
    )
    if len(names) > 2 * MOST_NAMED:
        figure.update_yaxes(tickfont={"size": 8})
    longest = 1.03 * float(tree[:, 2].max(initial=0.0)) or 1.0
    figure.update_xaxes(title="Jensen-Shannon distance, √nats", range=[0, longest])
    step = 12 if len(names) > 2 * MOST_NAMED else 26
    return _framed(figure, f"What is alike? {look.label}", 130 + step * len(names), top=50)


def where_they_lie(
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    chosen: NDArray[np.int64],
    names: tuple[str, ...],
    title: str,
) -> go.Figure:
    """Points of the plane (N, 2): all faintly, by class, and the chosen ones ringed."""
    figure = go.Figure()
    for number, name in enumerate(names):
        colour, symbol = CLASS_LOOKS[number % len(CLASS_LOOKS)]
        of = inputs[labels == number]
        figure.add_scattergl(
            x=of[:, 0],
            y=of[:, 1],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 5, "opacity": 0.35},
            hoverinfo="skip",
        )
    said = [f"Sample {place + 1}, truly {names[labels[place]]}" for place in chosen]
    figure.add_scattergl(
        x=inputs[chosen, 0],
        y=inputs[chosen, 1],
        mode="markers",
        name="chosen",
        marker={"color": "gray", "symbol": "circle-open", "size": 13, "line": {"width": 2}},
        text=said,
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_yaxes(scaleanchor="x", constrain="domain", nticks=6, title="second coordinate")
    figure.update_xaxes(constrain="domain", nticks=8, title="first coordinate")
    return _framed(figure, title, 460).update_layout(margin_t=78)


def _segments(low: pd.Series, high: pd.Series, at: pd.Series) -> dict[str, list[Any]]:
    """Lines from low to high, broken in between."""
    x: list[Any] = []
    y: list[Any] = []
    for one, other, name in zip(low, high, at, strict=True):
        x += [one, other, None]
        y += [name, name, None]
    return {"x": x, "y": y}


def _diverging() -> list[list[Any]]:
    """Fewer mistakes in the distilled student's colour, more in the control's, none between."""
    less, more = LOOKS["distilled"].colour, LOOKS["control"].colour
    return [[0, less], [0.5, _hex(less, 0.0)], [0.5, _hex(more, 0.0)], [1, more]]


def _texts(values: NDArray[np.float64], signed: bool = False) -> list[list[str]]:
    """Numbers for the cells; nothing where there is nothing to say."""

    def text(value: float) -> str:
        if np.isnan(value) or abs(value) < 0.05:
            return ""
        shown = f"{value:+.1f}" if signed else f"{value:.1f}"
        return shown.replace("-", "−")

    return [[text(value) for value in row] for row in values]


def _confusions_said(
    counts: NDArray[np.int64], names: tuple[str, ...], label: str
) -> list[list[str]]:
    totals = counts.sum(1)
    return [
        [
            f"{label} calls {counts[i, j]:,} of {totals[i]:,} samples of {true}<br>{answer}"
            for j, answer in enumerate(names)
        ]
        for i, true in enumerate(names)
    ]


def _differences_said(change: NDArray[np.float64], names: tuple[str, ...]) -> list[list[str]]:
    def said(points: float, true: str, answer: str) -> str:
        if np.isnan(points):
            return f"{true}, rightly called so"
        amount = f"{abs(points):.1f} points {'more' if points > 0 else 'less'} often"
        return f"Distilled, the student calls {true}<br>{answer} {amount}"

    return [
        [said(change[i, j], true, answer) for j, answer in enumerate(names)]
        for i, true in enumerate(names)
    ]


def _map(
    values: NDArray[np.float64],
    names: tuple[str, ...],
    said: list[list[str]] | None,
    options: dict[str, Any],
) -> go.Figure:
    """True classes down, answers across; of many, without names at the axes.

    said: what each cell tells; None where ten thousand sentences would be too many.
    """
    few = said is not None
    hover = "%{customdata}" if few else "%{y}, called<br>%{x}: %{z:.1f} % of the true class"
    figure = go.Figure()
    figure.add_heatmap(
        z=values,
        **({"customdata": said} if few else {"x": names, "y": names}),
        hovertemplate=f"{hover}<extra></extra>",
        showscale=False,
        xgap=1 if few else 0,
        ygap=1 if few else 0,
        hoverongaps=False,
        **options,
    )
    ticks = {"tickvals": list(range(len(names))), "ticktext": [_short(n) for n in names]}
    kind = ticks if few else {"showticklabels": False, "ticks": ""}
    figure.update_xaxes(
        title_text="answer, % of the true class" if few else "answer", showgrid=False, **kind
    )
    figure.update_yaxes(title_text="true class", showgrid=False, autorange="reversed", **kind)
    figure.update_yaxes(automargin=True, zeroline=False)
    return figure.update_xaxes(zeroline=False)


def _short(name: str) -> str:
    return name if len(name) <= 12 else f"{name[:11]}…"


def _square(names: tuple[str, ...]) -> int:
    return 440 if len(names) > 5 else 340


def _framed(figure: go.Figure, title: str, height: int, top: int = 46) -> go.Figure:
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
        height=height,
        margin={"l": 10, "r": 10, "t": top, "b": 10},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
        uirevision="kept",
    )
    return figure
