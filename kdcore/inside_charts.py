"""Figures of what is inside a run's models: records in, plotly figures out, and their tables."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from kdcore.charts import CLASS_LOOKS, LOOKS, frame_of
from kdcore.result import STUDENTS, ArmName

FOR, AGAINST = "#E69F00", "#56B4E9"
"""Evidence, in the colours of no model."""

CLEAR = ([0.5, "rgba(86,180,233,0)"], [0.5, "rgba(230,159,0,0)"])
"""No evidence: what lies below is seen as it is, and each side fades in a colour of its own."""

MORE_COLOURS = ("#882255", "#44AA99", "#DDCC77", "#8877DD")
ACROSS = 8
"""First weights side by side."""

SQUARE = 400


def class_colours(count: int) -> list[str]:
    """A colour for each class: those of points, some more, and of very many classes hues."""
    known = [colour for colour, _ in CLASS_LOOKS] + list(MORE_COLOURS)
    if count <= len(known):
        return known[:count]
    return [f"hsl({round(137.5 * i) % 360},65%,{(42, 56)[i % 2]}%)" for i in range(count)]


# first weights


def first_weights(first: Mapping[ArmName, NDArray[np.float32]], arm: ArmName) -> go.Figure:
    """A model's first weights: a small picture for each unit of a picture's, a row of a vector's.

    first: each model's, (U, C, H, W), of which colours are drawn as such, or (U, D). Both students
    have one scale of colours, for they began with the same weights.
    """
    figure = go.Figure()
    weights = first[arm]
    if weights.ndim == 4 and weights.shape[1] == 3:
        figure.add_image(z=_coloured(weights), colormodel="rgba256", hoverinfo="skip")
    else:
        flat = _flat(weights)
        alike = STUDENTS if arm in STUDENTS else (arm,)
        most = max(
            float(np.nanmax(np.abs(_flat(first[each])), initial=0))
            for each in alike
            if each in first
        )
        most = most or 1.0
        numbers = {"x0": 1, "y0": 1, "dx": 1, "dy": 1} if weights.ndim == 2 else {}
        figure.add_heatmap(
            z=flat,
            **numbers,
            colorscale=[[0, AGAINST], [0.5, "rgba(128,128,128,0.08)"], [1, FOR]],
            zmin=-most,
            zmax=most,
            hovertemplate=("Unit %{y} weighs number %{x} by" if numbers else "A weight of")
            + " %{z:.3g}<extra></extra>",
            hoverongaps=False,
            colorbar={"thickness": 10, "title": {"text": "weight"}},
        )
    vectors = weights.ndim == 2
    figure.update_xaxes(
        title="number of the input" if vectors else f"units side by side, {ACROSS} a row",
        showticklabels=vectors,
        ticks="",
        dtick=1 if vectors and weights.shape[1] < 12 else None,
        showgrid=False,
        zeroline=False,
        constrain="domain",
    )
    figure.update_yaxes(
        title="unit" if vectors else None,
        showticklabels=vectors,
        ticks="",
        showgrid=False,
        zeroline=False,
        autorange="reversed",
    )
    if not vectors:
        figure.update_yaxes(scaleanchor="x", constrain="domain", constraintoward="top")
    return asked(figure, "What does the first layer look for?", LOOKS[arm].label, SQUARE)


def _flat(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """As they are drawn without colours: a row a unit, or the units' pictures side by side."""
    return weights if weights.ndim == 2 else _mosaic(weights.mean(1))


def first_weight_rows(first: Mapping[ArmName, NDArray[np.float32]]) -> pd.DataFrame:
    """Every unit of every model, a row each: its weights in the order in which they are kept.

    Units and weights are counted from one, as in the figure.
    """
    tables = []
    for arm, weights in first.items():
        flat = weights.reshape(len(weights), -1)
        names = [f"weight {number}" for number in range(1, flat.shape[1] + 1)]
        table = pd.DataFrame(flat, columns=names)
        table.insert(0, "model", arm)
        table.insert(1, "unit", range(1, len(flat) + 1))
        tables.append(table)
    return pd.concat(tables)


def _mosaic(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures (U, H, W, ...) side by side, a pixel of nothing between."""
    count, height, width = units.shape[:3]
    down, across = ceil(count / ACROSS), min(count, ACROSS)
    sheet = np.full((down * (height + 1) - 1, across * (width + 1) - 1, *units.shape[3:]), np.nan)
    for number, unit in enumerate(units):
        row, column = divmod(number, ACROSS)
        top, left = row * (height + 1), column * (width + 1)
        sheet[top : top + height, left : left + width] = unit
    return sheet.astype(np.float32)


def _coloured(weights: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Each filter (3, H, W) stretched from its least weight, black, to its largest, white."""
    low, high = (of((1, 2, 3), keepdims=True) for of in (weights.min, weights.max))
    stretched = (weights - low) / np.maximum(high - low, 1e-12)
    sheet = _mosaic(stretched.transpose(0, 2, 3, 1))
    alpha = np.where(np.isnan(sheet[..., :1]), 0, 255)
    return np.concatenate([np.nan_to_num(255 * sheet), alpha], 2).astype(np.uint8)


# saliency


def saliency(
    lost: NDArray[np.float32], sketch: str, arm: ArmName, words: str, name: str
) -> go.Figure:
    """The pixels (H, W) on which a model's belief in a class rests, over a sketch of it.

    sketch: an address that an <img> takes; words: what the model believes; name: of the class.
    """
    height, width = lost.shape
    most = max(float(np.abs(lost).max()), 1e-6)
    heat = {
        "type": "heatmap",
        "z": lost,
        "colorscale": [[0, AGAINST], *CLEAR, [1, FOR]],
        **{"zmin": -most, "zmax": most, "opacity": 0.9},
        "hovertemplate": f"Covered here, {name} loses %{{z:.2f}} nats of log-odds<extra></extra>",
        "colorbar": {"thickness": 10, "title": {"text": "nats"}},
    }
    below = {
        "source": sketch,
        **{"xref": "x", "yref": "y", "x": -0.5, "y": -0.5, "sizex": width, "sizey": height},
        **{"sizing": "stretch", "layer": "below"},
    }
    axis = {"title": {"text": "pixel"}, "showgrid": False, "zeroline": False, "nticks": 5}
    across = {**axis, "range": [-0.5, width - 0.5], "constrain": "domain"}
    down = {**axis, "range": [height - 0.5, -0.5], "constrain": "domain", "scaleanchor": "x"}
    frame = _frame("What does it look at?", f"{LOOKS[arm].label}: {words}", SQUARE)
    return go.Figure([heat], {**frame, "images": [below], "xaxis": across, "yaxis": down})


def asked(figure: go.Figure, question: str, of: str, height: int) -> go.Figure:
    """A figure framed, with the question and, in a line below, of what it is asked."""
    return figure.update_layout(_frame(question, of, height))


def _frame(question: str, of: str, height: int) -> dict[str, Any]:
    frame: dict[str, Any] = frame_of(f"{question}<br><sub>{of}</sub>", height)
    frame["title"] |= {"y": 1, "pad": {"t": 26}}
    frame["margin"] |= {"t": 76}
    return frame
