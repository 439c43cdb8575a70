"""Figures: data in, plotly Figure out. Pages and reports draw with the same functions.

Each chart answers the question that its title asks. The three models keep their colour, dash and
marker everywhere; the colours are three of Okabe and Ito's, 2008, told apart by the colour-blind
and readable on light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from kdcore.chart_axes import by_factors
from kdcore.result import ARMS, SHARE, STUDENTS, Arm, ArmName, Event
from kdcore.statistics import mean, spread


@dataclass(frozen=True)
class Look:
    """How one of the three models is drawn and named."""

    label: str
    short: str
    colour: str
    dash: str
    marker: str


LOOKS: dict[ArmName, Look] = {
    "teacher": Look("Teacher", "Teacher", "#0072B2", "dot", "diamond"),
    "control": Look("Student, labels alone", "Labels alone", "#D55E00", "dash", "square"),
    "distilled": Look("Student, distilled", "Distilled", "#009E73", "solid", "circle"),
}

CLASS_LOOKS = (
    ("#E69F00", "circle"),
    ("#56B4E9", "square"),
    ("#AA4499", "diamond"),
    ("#999933", "triangle-up"),
    ("#888888", "cross"),
    ("#CC6677", "x"),
)
"""Classes of points, told apart by colour and marker; no colour is a model's. The colours are Okabe
and Ito's, and Tol's, 2021, who chose theirs for the colour-blind, too."""

MOST_NAMED = 20
"""Up to so many classes have their names at the axis."""

TERM_DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")


def frame(events: Iterable[Event]) -> pd.DataFrame:
    """Events as rows of arm, seed, step, metric, value."""
    rows = [
        (event.arm, event.seed, event.step, metric, value)
        for event in events
        for metric, value in event.metrics.items()
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "step", "metric", "value"])


def over_seeds(points: pd.DataFrame, arm: ArmName, metric: str) -> pd.DataFrame:
    """Mean and standard deviation over the seeds at each step: columns step, mean, sd."""
    chosen = points[(points["arm"] == arm) & (points["metric"] == metric)]
    grouped = chosen.groupby("step")["value"].agg(["mean", "std"]).reset_index()
    return grouped.rename(columns={"std": "sd"}).fillna({"sd": 0.0})


def accuracy_curves(points: pd.DataFrame, steps: int) -> go.Figure:
    """Validation accuracy over the steps: each student's mean and ±1 sd, and the teacher's level.

    Before the students' first points, the teacher's own curve.
    """
    figure = go.Figure()
    teacher = over_seeds(points, "teacher", "accuracy")
    if _students_began(points):
        _add_level(figure, teacher, steps)
    else:
        with_band(figure, teacher, "teacher")
    for arm in STUDENTS:
        with_band(figure, over_seeds(points, arm, "accuracy"), arm)
    low = min((float(y) for trace in figure.data for y in trace.y), default=0.0)
    figure.update_yaxes(range=[max(0, min(50, low - 5)), 101], ticksuffix=" %")
    title = "Which student is ahead?" if _students_began(points) else "How good is the teacher?"
    return _style(figure, title, "validation accuracy", steps)


def awaited(title: str, words: str, across: str = "step") -> go.Figure:
    """An empty chart that says what will be drawn here, and over what."""
    figure = go.Figure()
    figure.update_xaxes(range=[0, 1], showticklabels=False, title=across)
    figure.update_yaxes(range=[0, 1], showticklabels=False)
    figure.add_annotation(text=words, x=0.5, y=0.5, showarrow=False, opacity=0.7)
    return framed(figure, title)


def loss_curves(points: pd.DataFrame, steps: int) -> go.Figure:
    """Each loss term over the steps, unweighted, mean over the seeds; the teacher's at first."""
    figure = go.Figure()
    terms = [m for m in points["metric"].unique() if m != "accuracy" and not m.startswith(SHARE)]
    dashes = dict(zip(terms, TERM_DASHES, strict=False))
    for arm in STUDENTS if _students_began(points) else ("teacher",):
        for term in terms:
            line = over_seeds(points, arm, term)
            if len(line):
                look = LOOKS[arm]
                figure.add_scatter(
                    x=line["step"],
                    y=line["mean"],
                    mode="lines+markers" if len(line) == 1 else "lines",
                    name=f"{term}, {look.short.lower()}",
                    line={"color": look.colour, "dash": dashes.get(term, "solid"), "width": 2},
                    hovertemplate=f"{term} of {look.label[:1].lower()}{look.label[1:]} is "
                    "%{y:.3g}<extra></extra>",
                )
    figure.update_yaxes(type="log", tickformat="~g", nticks=6)
    _style(figure, "What is each loss term doing?", "loss (unweighted)", steps)
    return figure.update_layout(margin_t=88, height=338)  # on a phone, its names need three lines


def gradient_shares(points: pd.DataFrame) -> dict[str, float]:
    """Each term's share of the pull on the distilled student, in [0, 1]: the mean over the seeds
    at the last step that all of them have reported; nothing where there is one term alone.
    """
    shares = points[points["metric"].str.startswith(SHARE)]
    if not len(shares):
        return {}
    counts = shares.groupby("step")["seed"].nunique()
    whole = counts[counts == counts.max()].index.max()
    last = shares[shares["step"] == whole].groupby("metric", sort=False)["value"].mean()
    return {str(name).removeprefix(SHARE): float(value) for name, value in last.items()}


def cost_scatter(arms: dict[ArmName, Arm], cost: str, whose: str = "this") -> go.Figure:
    """Test accuracy (mean ± sd) against "size" (kB on disk) or "latency" (ms, batch of 1).

    whose: on which machine the latency was taken.
    """
    figure = go.Figure()
    unit = "kB" if cost == "size" else "µs"
    for name in ARMS:
        arm = arms[name]
        value = arm.onnx_bytes if cost == "size" else arm.latency_ms
        if value is None:
            continue
        look = LOOKS[name]
        percent = [100 * each for each in arm.accuracy]
        figure.add_scatter(
            x=[value / 1000 if cost == "size" else 1000 * value],
            y=[mean(percent)],
            error_y={"array": [spread(percent) or 0], "thickness": 1.5, "width": 6},
            mode="markers",
            name=look.short,
            marker={"color": look.colour, "symbol": look.marker, "size": 13},
            hovertemplate=f"{look.label} gets %{{y:.1f}} % right at %{{x:.3g}} {unit}"
            "<extra></extra>",
        )
    title, axis = {
        "size": ("What does a kilobyte buy?", "file size, kB"),
        "latency": ("What does a microsecond buy?", f"latency, µs, batch of 1, on {whose} machine"),
    }[cost]
    figure.update_xaxes(title=axis, **by_factors(trace.x[0] for trace in figure.data))
    figure.update_yaxes(title="test accuracy", ticksuffix=" %")
    return framed(figure, title)


def cost_rows(arms: Mapping[ArmName, Arm]) -> pd.DataFrame:
    """What each model reads and costs: accuracy in percent, kB on disk, µs for a batch of 1."""
    rows = [
        {
            **{"model": name, "accuracy_percent": 100 * mean(arm.accuracy)},
            "sd_points": None if len(arm.accuracy) < 2 else 100 * (spread(arm.accuracy) or 0.0),
            "size_kB": None if arm.onnx_bytes is None else arm.onnx_bytes / 1000,
            "latency_us": None if arm.latency_ms is None else 1000 * arm.latency_ms,
            **{"parameters": arm.parameters, "macs": arm.macs},
        }
        for name, arm in arms.items()
    ]
    return pd.DataFrame(rows)


def class_counts(names: Sequence[str], counts: Sequence[int]) -> go.Figure:
    """How many training samples each class has."""
    shown = [name if len(name) <= 14 else f"{name[:13]}…" for name in names]
    figure = go.Figure()
    figure.add_bar(
        x=list(range(len(names))),
        y=list(counts),
        marker={"color": "#56B4E9"},
        customdata=list(names),
        hovertemplate="%{customdata} has %{y:,} training samples<extra></extra>",
    )
    if len(names) <= MOST_NAMED:
        figure.update_xaxes(tickvals=list(range(len(names))), ticktext=shown)
    figure.update_xaxes(title="class" if len(names) <= MOST_NAMED else "class, by number")
    figure.update_yaxes(title="samples", rangemode="tozero", tickformat=",~d", nticks=5)
    framed(figure, "How many are there of each class?", height=260)
    return figure.update_layout(margin_t=44, bargap=0.25)


def trial_bars(accuracy: Mapping[str, float], chosen: str, classes: int) -> go.Figure:
    """How much an own teacher reads by the scale of its pixels, and what guessing would."""
    scales = list(accuracy)[::-1]  # the first on top
    figure = go.Figure()
    figure.add_bar(
        y=[f"{scale} (kept)" if scale == chosen else scale for scale in scales],
        x=[100 * accuracy[scale] for scale in scales],
        orientation="h",
        marker={"color": ["#0072B2" if scale == chosen else "#56B4E9" for scale in scales]},
        text=[f"{100 * accuracy[scale]:.1f} %" for scale in scales],
        hovertemplate="On %{y}, it reads %{x:.1f} % of the pictures<extra></extra>",
    )
    figure.add_vline(100 / classes, line={"dash": "dot", "color": "#D55E00"})
    figure.update_xaxes(title="validation pictures read, % (dotted: guessing)", range=[0, 100])
    figure.update_yaxes(title="pixels", automargin=True)
    framed(figure, "On which scale of pixels does it read most?", height=270)
    return figure.update_layout(margin_t=44, bargap=0.35)


def points(
    where: NDArray[np.float32], labels: NDArray[np.int64], names: Sequence[str]
) -> go.Figure:
    """Points of the plane (N, 2), each class in its own colour and marker."""
    figure = go.Figure()
    for number, (name, (colour, symbol)) in enumerate(zip(names, CLASS_LOOKS, strict=False)):
        of = where[labels == number]
        figure.add_scatter(
            x=of[:, 0],
            y=of[:, 1],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 6, "opacity": 0.8},
            hovertemplate=f"A sample of {name} at (%{{x:.2f}}, %{{y:.2f}})<extra></extra>",
        )
    figure.update_yaxes(scaleanchor="x", nticks=6, title="second coordinate")
    figure.update_xaxes(nticks=8, title="first coordinate")
    return framed(figure, "Where do the classes lie?", height=440)


def _students_began(points: pd.DataFrame) -> bool:
    return bool(points["arm"].isin(STUDENTS).any())


def with_band(
    figure: go.Figure, line: pd.DataFrame, arm: ArmName, *, markers: bool = False
) -> None:
    """A mean in percent over the steps, within a band of one standard deviation."""
    look = LOOKS[arm]
    if len(line) == 0:
        return
    upper = 100 * (line["mean"] + line["sd"]).clip(upper=1)
    lower = 100 * (line["mean"] - line["sd"])
    red, green, blue = (int(look.colour[i : i + 2], 16) for i in (1, 3, 5))
    edge = {"mode": "lines", "line": {"width": 0, "color": look.colour}}
    figure.add_scatter(x=line["step"], y=upper, **edge, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=line["step"],
        y=lower,
        **edge,
        fill="tonexty",
        fillcolor=f"rgba({red},{green},{blue},0.18)",
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=line["step"],
        y=100 * line["mean"],
        name=look.short,
        mode="lines+markers" if markers or len(line) == 1 else "lines",
        marker={"symbol": look.marker, "size": 8},
        line={"color": look.colour, "dash": look.dash, "width": 2.5},
        hovertemplate=f"{look.label} gets %{{y:.1f}} % right<extra></extra>",
    )


def _add_level(figure: go.Figure, line: pd.DataFrame, steps: int) -> None:
    """The teacher's last accuracy in percent, across all of the students' steps."""
    if len(line) == 0:
        return
    look = LOOKS["teacher"]
    level = 100 * float(line["mean"].iloc[-1])
    figure.add_scatter(
        x=[0, steps],
        y=[level, level],
        name=look.short,
        mode="lines",
        line={"color": look.colour, "dash": look.dash, "width": 2},
        hovertemplate=f"{look.label} gets %{{y:.1f}} % right<extra></extra>",
    )


def _style(figure: go.Figure, title: str, y: str, steps: int) -> go.Figure:
    figure.update_xaxes(title="step", range=[0, steps])
    figure.update_yaxes(title=y)
    figure.update_layout(hovermode="x unified")
    return framed(figure, title)


def framed(figure: go.Figure, title: str, height: int = 320) -> go.Figure:
    """A figure with its question above it, in the size and style of all."""
    return figure.update_layout(frame_of(title, height))


def frame_of(title: str, height: int) -> dict[str, object]:
    """The layout of `framed`, for a figure that is made at once: every later change costs time."""
    return {
        "title": {"text": title, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 70, "b": 10},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "xanchor": "left"},
        "uirevision": "kept",  # a zoom survives the next point
    }
