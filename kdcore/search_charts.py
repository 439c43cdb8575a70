"""Figures of a search: Optuna's own, in the size, colours and words of all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import optuna
import pandas as pd
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from kdcore.charts import LOOKS, awaited, framed
from kdcore.quiet import unwarned

FEWEST = 20
"""Finished trials below which importance is hardly more than chance."""

HEIGHT = 340

DOT, GREY = "#56B4E9", "#8A9490"
SCALE = "Cividis"
"""Told apart by the colour-blind, and readable on light and dark."""

ACCURACY = "accuracy on validation"

READ = "%{y:.1%} of the validation samples<extra></extra>"
"""The end of a sentence about a mark."""

Cost = Literal["size", "latency"]
COSTS: dict[Cost, tuple[str, str, float]] = {
    "size": ("What does a kilobyte buy?", "file size, kB", 1e-3),
    "latency": ("What does a microsecond buy?", "latency, µs, batch of 1, here", 1e3),
}
"""Of each cost: the question, the axis, and what its value is multiplied by."""


GOALS = {"accuracy": ACCURACY, "size": "file size, bytes", "latency": "latency, ms"}
"""What a study's values are."""


def history(study: optuna.Study) -> go.Figure:
    """Each finished trial's accuracy, and the best so far."""
    figure = optuna.visualization.plot_optimization_history(
        study, target=_target(study), target_name=ACCURACY
    )
    for trace in figure.data:
        if trace.mode == "markers":
            trace.update(name="each", marker={"color": DOT, "size": 7})
            trace.update(hovertemplate=f"Trial %{{x}} reads {READ}")
        else:
            best = LOOKS["distilled"]
            trace.update(name="best so far", line={"color": best.colour, "width": 2.5})
            trace.update(hovertemplate=f"Up to trial %{{x}}, the best reads {READ}")
    figure.update_xaxes(title="trial", rangemode="nonnegative")
    figure.update_yaxes(title=ACCURACY, tickformat=".1~%")
    return _ours(figure, "Does it still get better?")


def importance(study: optuna.Study, titles: Mapping[str, str]) -> go.Figure:
    """How much each field decides whether a setting is among the best; grey while too few trials
    are finished to say.
    """
    few = finished(study) < FEWEST
    with unwarned():  # that lower is better for it, and that trials are few: known
        figure = optuna.visualization.plot_param_importances(
            study, target=_inaccuracy if len(study.directions) > 1 else None
        )
    figure.update_traces(
        name="importance",
        marker={"color": GREY if few else LOOKS["teacher"].colour},
        opacity=0.55 if few else 1.0,
        hovertemplate="%{y} has %{x:.0%} of the importance<extra></extra>",
        showlegend=False,
    )
    for trace in figure.data:
        trace.update(y=[_title(field, titles) for field in trace.y])
    figure.update_xaxes(title="share of importance (PED-ANOVA)", range=[0, 1.15])
    figure.update_yaxes(title=None, automargin=True)
    title = "What matters? (too few trials to say)" if few else "What matters?"
    return _ours(figure, title)


def slice_of(study: optuna.Study, field: str, titles: Mapping[str, str]) -> go.Figure:
    """Accuracy against one field, later trials brighter."""
    figure = optuna.visualization.plot_slice(
        study, [field], target=_target(study), target_name=ACCURACY
    )
    for trace in figure.data:
        trace.update(hovertemplate=f"At %{{x}}, a trial reads {READ}")
        if trace.marker.color is not None and not isinstance(trace.marker.color, str):
            bar = {"title": "trial", "thickness": 10, "x": 1.0}
            trace.update(marker={"colorscale": SCALE, "colorbar": bar, "size": 7})
    figure.update_xaxes(title=_title(field, titles))
    figure.update_yaxes(title=ACCURACY, tickformat=".1~%")
    _readable(figure)
    return _ours(figure, "Which values do well?")


def contour(study: optuna.Study, one: str, other: str, titles: Mapping[str, str]) -> go.Figure:
    """Accuracy over two fields, smoothed between the trials, which are marked."""
    title = "Which two go well together?"
    if not any({one, other} <= {*trial.params} for trial in _complete(study)):
        return framed(awaited(title, "no setting has both"), title, height=HEIGHT)
    figure = optuna.visualization.plot_contour(
        study, [one, other], target=_target(study), target_name=ACCURACY
    )
    for trace in figure.data:
        if isinstance(trace, go.Contour):
            bar = {"title": None, "thickness": 10, "x": 1.0, "tickformat": ".0%"}
            trace.update(colorscale=SCALE, reversescale=False, colorbar=bar, line={"width": 0.5})
        else:
            trace.update(
                hovertemplate="A trial was at %{x} and %{y}<extra></extra>",
                marker={"color": "#FFFFFF", "size": 5, "line": {"color": "#222", "width": 1}},
            )
    for axis in (figure.layout.xaxis, figure.layout.yaxis):
        axis.update(title=_title(axis.title.text or "", titles))
    _readable(figure)
    return _ours(figure, title)


def front(study: optuna.Study, goals: Sequence[str], cost: Cost) -> go.Figure:
    """Accuracy against a cost: what nothing beats in every goal, and, greyed, what is beaten."""
    title, axis, factor = COSTS[cost]
    place = list(goals).index(cost)

    def targets(trial: FrozenTrial) -> Sequence[float]:
        return trial.values[place] * factor, trial.values[0]

    figure = optuna.visualization.plot_pareto_front(
        study, targets=targets, target_names=[axis, ACCURACY]
    )
    beaten, best = figure.data
    beaten.update(name="beaten", marker=_mark(GREY, 6), opacity=0.5)
    for trace, fate in ((beaten, "another is better in all"), (best, "none is better in all")):
        trace.update(hovertemplate=f"At %{{x:.3g}} ({axis}), {fate}: a trial reads {READ}")
    best.update(name="not beaten", marker=_mark(LOOKS["distilled"].colour, 10))
    figure.update_xaxes(title=axis, type="log", tickformat="~g")
    figure.update_yaxes(title=ACCURACY, tickformat=".1~%")
    return _ours(figure, title)


def rows(study: optuna.Study, goals: Sequence[str], titles: Mapping[str, str]) -> pd.DataFrame:
    """The finished trials as a table: what each set, and what it reached of every goal."""
    return pd.DataFrame(
        [
            {"trial": trial.number}
            | {GOALS[goal]: value for goal, value in zip(goals, trial.values, strict=True)}
            | {_title(field, titles): value for field, value in trial.params.items()}
            for trial in _complete(study)
        ]
    )


def finished(study: optuna.Study) -> int:
    """Trials that were tried to their end."""
    return len(_complete(study))


def varied(study: optuna.Study) -> list[str]:
    """The fields that take at least two values among the finished trials, in a fixed order."""
    seen: dict[str, set[Any]] = {}
    for trial in _complete(study):
        for field, value in trial.params.items():
            seen.setdefault(field, set()).add(value)
    return [field for field, values in seen.items() if len(values) > 1]


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _mark(colour: str, size: int) -> dict[str, Any]:
    """A plain marker, without the scale by number that Optuna gives it."""
    return {"color": colour, "size": size, "showscale": False, "colorbar": None}


def _target(study: optuna.Study) -> Callable[[FrozenTrial], float] | None:
    """Accuracy, where it is one of several goals."""
    return None if len(study.directions) == 1 else _accuracy


def _accuracy(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _inaccuracy(trial: FrozenTrial) -> float:
    return -_accuracy(trial)


def _readable(figure: go.Figure) -> None:
    """Few and plain numbers on logarithmic axes."""
    for axis, of in ((figure.layout.xaxis, "x"), (figure.layout.yaxis, "y")):
        if axis.type == "log":
            lists = [trace[of] for trace in figure.data if trace[of] is not None]
            values = [value for each in lists for value in each if value]
            near = bool(values) and max(values) / min(values) < 30
            axis.update(tickformat="~g", dtick="D2" if near else 1)


def _title(field: str, titles: Mapping[str, str]) -> str:
    return titles.get(field, field)


def _ours(figure: go.Figure, title: str) -> go.Figure:
    figure.update_layout(template=None, width=None)
    return framed(figure, title, height=HEIGHT)
