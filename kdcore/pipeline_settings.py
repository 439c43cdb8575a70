"""The settings of a pipeline that varies, side by side: accuracy against bytes, a mark for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kdcore.chart_axes import lengths
from kdcore.charts import LOOKS, Look, framed
from kdcore.outcome import plain
from kdcore.pipeline_tables import difference_text
from kdcore.spoken import NONE, kilobytes, size
from kdcore.statistics import accuracy_text, mean, spread, verdict
from kdcore.sweep_charts import CHOSEN, GREY, LINE, Side, undominated
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, Row

ENDS = (TEACHER, CONTROL, ORIGINAL, TRAINED_ON)
MOST_NAMED = 9
"""Up to so many settings have their values beside their marks."""

BESIDE: dict[str, tuple[Look, str, str]] = {
    TEACHER: (LOOKS["teacher"], "", LOOKS["teacher"].short),
    CONTROL: (LOOKS["control"], "", LOOKS["control"].short),
    ORIGINAL: (LOOKS["distilled"], "-open", "Not compressed"),
}
"""Of the models that no stage has changed: look, what follows the marker's name, and the legend."""

COLUMNS = ("place", "setting", "values", "accuracy", "sd", "kB", "unbeaten", "words")


def after_stages(rows: Sequence[Row]) -> list[Row]:
    """The models that stages made, in their order."""
    return [row for row in rows if row.name not in ENDS]


def setting_words(setting: Mapping[str, Any], sides: Sequence[Side]) -> str:
    """What a setting sets: "Stage 1: steps 50, Recipe: Temperature T 4"."""
    return ", ".join(f"{each.title} {_name(setting, each)}" for each in sides)


def _name(setting: Mapping[str, Any], of: Side) -> str:
    return of.names[of.values.index(plain(setting[of.field]))]


def settings_rows(
    settings: Sequence[Mapping[str, Any]],
    found: Sequence[Sequence[Row]],
    sides: Sequence[Side],
    stage: int,
) -> pd.DataFrame:
    """A row for each setting that is past the stage of that place, its first being 0.

    found: each setting's rows so far. accuracy, sd: in percent and points; unbeaten: whether no
    other setting is smaller and at least as accurate, or as small and more accurate, Pareto, 1906;
    words: for the hover text.
    """
    known = [
        (place, setting, staged[stage])
        for place, (setting, rows) in enumerate(zip(settings, found, strict=True))
        if len(staged := after_stages(rows)) > stage
    ]
    best = undominated(
        np.array([row.bytes for _, _, row in known], dtype=float),
        np.array([mean(row.accuracy) for _, _, row in known], dtype=float),
    )
    lines = []
    for (place, setting, row), unbeaten in zip(known, best, strict=True):
        values = " · ".join(_name(setting, each) for each in sides)
        words = setting_words(setting, sides)
        sd = spread(row.accuracy)
        lines.append(
            (
                *(place, words, values, 100 * mean(row.accuracy), None if sd is None else 100 * sd),
                *(row.bytes / 1000, bool(unbeaten), _sentence(words, row, bool(unbeaten))),
            )
        )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _sentence(words: str, row: Row, unbeaten: bool) -> str:
    fate = "no other setting is better in both" if unbeaten else "another is better in both"
    lines = [escape(words), f"{accuracy_text(row.accuracy)} right with {size(row.bytes)}"]
    if row.difference is not None:
        lines.append(
            f"{difference_text(row)} points against the student<br>that is not compressed: "
            f"{verdict(row.difference)}"
        )
    return "<br>".join([*lines, fate])


def settings_chart(
    rows: pd.DataFrame, beside: Sequence[Row], chosen: int | None = None
) -> go.Figure:
    """Accuracy, mean ± standard deviation over the seeds, against kB on disk, for each setting.

    rows: of `settings_rows`; beside: models that no stage has changed, of any setting, each drawn
    once; chosen: the place of the setting to be ringed. A mark's `customdata` is its place.
    """
    figure = go.Figure()
    front = rows[rows["unbeaten"].astype(bool)].sort_values("kB")
    figure.add_scatter(
        **{"x": front["kB"], "y": front["accuracy"], "mode": "lines", "hoverinfo": "skip"},
        line={"color": LINE, "shape": "hv", "width": 1.5, "dash": "dot"},
        showlegend=False,
    )
    drawn = _distinct(beside)
    for name, of in drawn.items():
        _add_beside(figure, name, of)
    _add_settings(figure, rows)
    ringed = rows[rows["place"] == chosen]
    if len(ringed):
        figure.add_scatter(
            **{"x": ringed["kB"], "y": ringed["accuracy"], "mode": "markers"},
            marker={"symbol": "circle-open", "size": 22, "color": CHOSEN, "line": {"width": 3}},
            **{"name": "shown below", "hoverinfo": "skip", "showlegend": False},
            unselected={"marker": {"opacity": 1}},
        )
    every = [*rows["kB"], *(row.bytes / 1000 for of in drawn.values() for row in of)]
    figure.update_xaxes(title="on disk, kB", **lengths(every, 0.12))
    figure.update_yaxes(title="test accuracy", ticksuffix=" %")
    framed(figure, "Which setting is worth its bytes?", height=420)
    return figure.update_layout(margin_t=100, hovermode="closest", dragmode=False)


def _add_settings(figure: go.Figure, rows: pd.DataFrame) -> None:
    look = LOOKS["distilled"]
    named = len(rows) <= MOST_NAMED
    figure.add_scatter(
        **{"x": rows["kB"], "y": rows["accuracy"], "name": "Compressed"},
        mode="markers+text" if named else "markers",
        **{"text": rows["values"] if named else None, "textposition": "top right"},
        error_y={"array": rows["sd"].astype(float).fillna(0.0), **_around(look)},
        marker={
            **{"symbol": look.marker, "size": 11, "line": {"color": look.colour, "width": 1.2}},
            "color": np.where(rows["unbeaten"].astype(bool), look.colour, GREY),
        },
        **{"customdata": rows["place"], "hovertext": rows["words"]},
        hovertemplate="%{hovertext}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )


def _around(look: Look) -> dict[str, Any]:
    """How a spread is drawn: fainter than the mark that it is around."""
    red, green, blue = (int(look.colour[at : at + 2], 16) for at in (1, 3, 5))
    return {"thickness": 1.2, "width": 4, "color": f"rgba({red},{green},{blue},0.5)"}


def _distinct(beside: Sequence[Row]) -> dict[str, list[Row]]:
    """Each model once, by its name: settings of one recipe share them."""
    found: dict[str, dict[tuple[object, ...], Row]] = {}
    for row in beside:
        if row.name in BESIDE:
            found.setdefault(row.name, {}).setdefault((row.bytes, row.accuracy), row)
    return {name: list(of.values()) for name, of in found.items()}


def _add_beside(figure: go.Figure, name: str, rows: Sequence[Row]) -> None:
    look, follows, legend = BESIDE[name]
    said = [
        f"{name[:1].upper()}{name[1:]}: {accuracy_text(row.accuracy)} right<br>with "
        f"{size(row.bytes)}"
        for row in rows
    ]
    figure.add_scatter(
        x=[row.bytes / 1000 for row in rows],
        y=[100 * mean(row.accuracy) for row in rows],
        error_y={"array": [100 * (spread(row.accuracy) or 0.0) for row in rows], **_around(look)},
        **{"mode": "markers", "name": legend, "hovertext": said},
        marker={
            **{"color": look.colour, "symbol": look.marker + follows, "size": 11},
            "line": {"width": 2.5 if follows else 0, "color": look.colour},
        },
        hovertemplate="%{hovertext}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )


def settings_shown(
    settings: Sequence[Mapping[str, Any]],
    found: Sequence[Sequence[Row] | str],
    sides: Sequence[Side],
    stage: int,
) -> pd.DataFrame:
    """The same in words, with those that failed and those still to come.

    found: each setting's rows so far, or the sentence that says why there are none.
    """
    lines = []
    for setting, rows in zip(settings, found, strict=True):
        line = {each.title: _name(setting, each) for each in sides}
        staged = [] if isinstance(rows, str) else after_stages(rows)
        told = dict.fromkeys(("Test accuracy", "Difference, points", "Verdict", "kB", "gz"), NONE)
        if len(staged) > stage:
            row = staged[stage]
            told = {
                "Test accuracy": accuracy_text(row.accuracy),
                "Difference, points": difference_text(row),
                "Verdict": NONE if row.difference is None else verdict(row.difference),
                "kB": kilobytes(row.bytes),
                "gz": kilobytes(row.gzip_bytes),
            }
        names = {"kB": "On disk, kB", "gz": "Gzipped, kB"}
        line |= {names.get(name, name): value for name, value in told.items()}
        line["State"] = rows if isinstance(rows, str) else "" if len(staged) > stage else "to come"
        lines.append(line)
    return pd.DataFrame(lines)
