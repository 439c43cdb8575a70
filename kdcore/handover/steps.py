"""Figures of a report that go from model to model: what each step brought, and took away.

The teacher, the student on labels alone and the distilled one follow each other. What was made of
the distilled student since does not: each is held against that student, and against the first
seed's where it was made of that one alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go

from kdcore.charts import LOOKS, framed
from kdcore.handover.figures import GREY, Mark, bars, between
from kdcore.handover.words import size
from kdcore.result import ARMS
from kdcore.statistics import signed

WHOLE = "distilled"
"""What further models were made of."""

MOST_UPRIGHT, LINE = 4, 12
"""So many names, in lines of so many letters, stand side by side on a phone without being turned.
"""


def held_against(models: Sequence[str]) -> list[str]:
    """Where the step to each model begins: at the one before it, or at the student that a further
    one was made of; empty for the first, and where that student is not among them.
    """
    whole = WHOLE if WHOLE in models else ""
    before = ["", *models[:-1]]
    return [known if model in ARMS else whole for model, known in zip(models, before, strict=True)]


def brought(rows: pd.DataFrame) -> pd.DataFrame:
    """The students' rows with what each step brought: `against`, and `step` in points.

    rows: model, accuracy, first (shares), once. A further model that was made once is of the first
    seed, and held against that seed's student, not against the mean.
    """
    found = rows[rows["model"] != "teacher"].copy()
    found["against"] = held_against([*found["model"]])
    of = found.set_index("model")
    steps = []
    for model, other in zip(found["model"], found["against"], strict=True):
        kind = "first" if of.at[model, "once"] else "accuracy"
        steps.append(100 * (of.at[model, kind] - of.at[other, kind]) if other else nan)
    found["step"] = steps
    return found


def size_steps(rows: pd.DataFrame, looks: Mapping[str, Mark]) -> go.Figure:
    """From the teacher's file to the last one: what each step takes away.

    rows: model, bytes, against (the model that a step begins at, empty for none).
    """
    figure = go.Figure()
    kilobytes = dict(zip(rows["model"], rows["bytes"] / 1000, strict=True))
    for row in rows.to_dict("records"):
        look, value = looks[row["model"]], kilobytes[row["model"]]
        figure.add_bar(
            x=[look.name],
            y=[value],
            marker={"color": look.colour},
            text=[size(int(row["bytes"]))],
            textposition="outside",
            hovertemplate=f"The file of {look.name} has %{{text}}<extra></extra>",
        )
        if row["against"]:
            before, began = kilobytes[row["against"]], looks[row["against"]].name
            share = f"÷ {before / value:.3g}" if value < before else f"× {value / before:.3g}"
            figure.add_bar(
                x=[look.name],
                y=[abs(before - value)],
                base=[min(before, value)],
                marker={"color": "rgba(128,128,128,0.18)", "line": {"color": GREY, "width": 1}},
                text=[share],
                textposition="inside",
                insidetextanchor="middle",
                hovertemplate=f"{share} from {began} to {look.name}<extra></extra>",
            )
    _name(figure, [looks[model].name for model in rows["model"]])
    figure.update_layout(barmode="overlay", showlegend=False, bargap=0.35)
    figure.update_yaxes(title="file size, kB", range=[0, 1.18 * max(kilobytes.values())])
    framed(figure, "What did each step take away?", height=340)
    return figure.update_layout(margin_t=50)


def accuracy_steps(rows: pd.DataFrame, looks: Mapping[str, Mark], teacher: float) -> go.Figure:
    """From the student on labels alone to the last model: what each step brought or cost.

    rows: of `brought`, with low and high.
    """
    figure = go.Figure()
    names = [looks[model].name for model in rows["model"]]
    _add_levels(figure, rows, names)
    for place, model in enumerate(rows["model"]):
        look, row = looks[model], rows.iloc[place]
        figure.add_scatter(
            x=[names[place]],
            y=[100 * row["accuracy"]],
            error_y=bars(rows.iloc[[place]]),
            mode="markers",
            marker={"color": look.colour, "symbol": look.marker, "size": 13},
            showlegend=False,
            customdata=between(rows.iloc[[place]]),
            hovertemplate=f"{look.name} gets %{{y:.1f}} % right%{{customdata}}<extra></extra>",
        )
    figure.add_hline(
        100 * teacher,
        line={"color": LOOKS["teacher"].colour, "dash": LOOKS["teacher"].dash, "width": 2},
        annotation_text="Teacher",
        annotation_position="bottom left",
    )
    figure.update_yaxes(title="test accuracy, % (not from zero)")
    held = zip(rows["step"], rows["against"], strict=True)
    _name(figure, names, [f"<br>{signed(step)} points" if other else "" for step, other in held])
    figure.update_xaxes(range=[-0.5, len(names) - 0.5])
    framed(figure, "What did each step bring?", height=340)
    return figure.update_layout(margin_t=50)


def _name(figure: go.Figure, names: Sequence[str], below: Sequence[str] | None = None) -> None:
    """Names under the places of the horizontal axis, in short lines; below: what follows each."""
    lines = [wrap(name, LINE, break_long_words=False, break_on_hyphens=False) for name in names]
    upright = len(names) <= MOST_UPRIGHT and all(len(line) <= LINE for of in lines for line in of)
    told = ["<br>".join(of) for of in lines]
    figure.update_xaxes(
        tickvals=[*names],
        ticktext=[name + more for name, more in zip(told, below or [""] * len(told), strict=True)],
        tickangle=0 if upright else None,
    )


def _add_levels(figure: go.Figure, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """A line from the control to the distilled student, and a dotted one of what that one, or the
    first seed's, gets right, from which each further model rises or falls.
    """
    own = rows["model"].isin(ARMS).to_numpy()
    line = {"mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    figure.add_scatter(
        x=[name for name, each in zip(names, own, strict=True) if each],
        y=100 * rows.loc[own, "accuracy"],
        line={"color": GREY, "width": 2, "shape": "hvh"},
        **line,
    )
    further = [place for place, each in enumerate(own) if not each]
    if not further:
        return
    whole = [*rows["model"]].index(WHOLE)
    kind = "first" if rows["once"].any() else "accuracy"
    level = 100 * rows[kind].iloc[whole]
    across: list[str | None] = [names[place] for place in (whole, *further)]
    heights: list[float | None] = [level] * len(across)
    for place in further:
        across += [None, names[place], names[place]]
        heights += [None, level, 100 * rows["accuracy"].iloc[place]]
    figure.add_scatter(x=across, y=heights, line={"color": GREY, "width": 2, "dash": "dot"}, **line)
