"""Figures of networks' layers: how alike those of two models are, and what a model is made of."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10, prod

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kdcore.charts import LOOKS
from kdcore.inside_charts import SQUARE, asked
from kdcore.insides import Insides, Layer, Numbers, Pair
from kdcore.result import ArmName

FEW = 30
"""Layers up to which each has a broad line in the drawing; of more, lines are narrower."""

BLACK, WHITE, BRIGHT = "#000000", "#FFFFFF", 0.43
"""From that value on a cell of Viridis is so bright that black is read better on it than white."""

NAMED = 80
"""Cells of a map up to which each has its number in it."""


def layer_map(insides: Insides, pair: Pair) -> go.Figure:
    """How alike each layer of one model (rows) is to each of another's, by linear CKA."""
    one, other = pair
    values = insides.alike[pair]
    rows, columns = (_compared(insides, arm) for arm in pair)
    said = [
        [_alike_said(value, one, a, other, b) for b, value in zip(columns, line, strict=True)]
        for a, line in zip(rows, values, strict=True)
    ]
    few = values.size <= NAMED
    figure = go.Figure()
    figure.add_heatmap(
        z=values,
        customdata=said,
        hovertemplate="%{customdata}<extra></extra>",
        colorscale="Viridis",
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        hoverongaps=False,
        showscale=not few,
        colorbar={"thickness": 10, "title": {"text": "CKA"}},
    )
    if few:
        _write_numbers(figure, values)
    for axis, layers, arm in (("x", columns, other), ("y", rows, one)):
        named = [
            str(each.number) if axis == "x" else f"{each.number} {_kind(each)}" for each in layers
        ]
        figure.update_layout(
            {
                f"{axis}axis": {
                    "tickvals": list(range(len(named))),
                    "ticktext": named,
                    "title": {"text": f"layer of {LOOKS[arm].label.lower()}"},
                    "showgrid": False,
                    "zeroline": False,
                    "automargin": True,
                }
            }
        )
    whose = f"{LOOKS[one].label} and {LOOKS[other].label.lower()}"
    return asked(figure, "Which layers are alike?", whose, SQUARE)


def _write_numbers(figure: go.Figure, values: Numbers) -> None:
    """Each cell's number in it, in black or white, whichever is told from the cell in any theme."""
    cells = [(row, column) for (row, column), v in np.ndenumerate(values) if not np.isnan(v)]
    known = [float(values[cell]) for cell in cells]
    figure.add_scatter(
        x=[column for _, column in cells],
        y=[row for row, _ in cells],
        mode="text",
        text=[f"{v:.2f}" for v in known],
        textfont={"color": [BLACK if v >= BRIGHT else WHITE for v in known], "size": 11},
        hoverinfo="skip",
        showlegend=False,
    )


def layer_map_rows(insides: Insides) -> pd.DataFrame:
    """All pairs of layers, a row each."""
    return pd.DataFrame(
        [
            {"model": one, "layer": a.path, "other model": other, "other layer": b.path, "cka": cka}
            for (one, other), values in insides.alike.items()
            for a, line in zip(_compared(insides, one), values.tolist(), strict=True)
            for b, cka in zip(_compared(insides, other), line, strict=True)
        ]
    )


def _compared(insides: Insides, arm: ArmName) -> list[Layer]:
    by_number = {each.number: each for each in insides.layers[arm]}
    return [by_number[number] for number in insides.compared[arm]]


def _alike_said(value: float, one: ArmName, a: Layer, other: ArmName, b: Layer) -> str:
    if np.isnan(value):
        return "One of the two gives the same for all samples"
    return (
        f"{LOOKS[one].label}: layer {a.number}, {_kind(a)}, gives {shape_said(a.shape)}<br>"
        f"{LOOKS[other].label}: layer {b.number}, {_kind(b)}, gives {shape_said(b.shape)}<br>"
        f"They are alike to {value:.2f}"
    )


def shape_said(shape: Sequence[int]) -> str:
    """Such as 64×14×14."""
    return "×".join(map(str, shape)) or "–"


def _kind(layer: Layer) -> str:
    return layer.kind.split(",")[0]


def architecture(insides: Insides, arm: ArmName, label: str) -> go.Figure:
    """A network from top to bottom: each layer as wide as the numbers that leave it are many.

    label: how the network is called.
    """
    look, layers = LOOKS[arm], insides.layers[arm]
    names = ["input", *(f"{each.number} {_kind(each)}" for each in layers)]
    shapes = [insides.input_shape, *(each.shape for each in layers)]
    widths = [log10(prod(shape)) + 0.3 if shape else 0.15 for shape in shapes]
    counts = ["params · MACs", *map(_counts, layers)]
    said = ["A sample as it comes in", *(_layer_said(each) for each in layers)]
    weighted = [False, *(bool(each.parameters) for each in layers)]
    figure = go.Figure()
    figure.add_bar(
        y=list(range(len(names))),
        x=widths,
        base=[-width / 2 for width in widths],
        orientation="h",
        marker={"color": [look.colour if each else "rgba(110,110,110,.85)" for each in weighted]},
        text=[shape_said(shape) for shape in shapes],
        textposition="inside",
        insidetextanchor="middle",
        insidetextfont={"color": "white"},
        constraintext="none",
        customdata=said,
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    reach = max(widths) / 2
    figure.add_scatter(
        y=list(range(len(names))),
        x=[1.05 * reach] * len(names),
        mode="text",
        text=counts,
        textposition="middle right",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(
        title="width: numbers that leave<br>the layer, log scale",
        range=[-1.05 * reach, 3.1 * reach],
        showticklabels=False,
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[len(names) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        automargin=True,
    )
    each = 30 if len(names) <= FEW else 22
    parameters, macs = (sum(getattr(one, of) for one in layers) for of in ("parameters", "macs"))
    total = f"{label}: {parameters:,} parameters · {macs:,} MACs"
    figure = asked(figure, "What is it made of?", total, 130 + each * len(names))
    return figure.update_layout(bargap=0.18)


def architecture_rows(insides: Insides) -> pd.DataFrame:
    """Every layer of every model, a row each."""
    return pd.DataFrame(
        [
            {
                "model": arm,
                "layer": each.number,
                "path": each.path,
                "kind": each.kind,
                "output": shape_said(each.shape),
                "parameters": each.parameters,
                "MACs": each.macs,
            }
            for arm, layers in insides.layers.items()
            for each in layers
        ]
    )


def _layer_said(layer: Layer) -> str:
    output = f"gives {shape_said(layer.shape)}, " if layer.shape else ""
    return (
        f"Layer {layer.number} ({layer.path}): {layer.kind}<br>{output}has {layer.parameters:,} "
        f"parameters,<br>makes {layer.macs:,} multiply-accumulates a sample"
    )


def _counts(layer: Layer) -> str:
    if not layer.parameters and not layer.macs:
        return ""
    return f"{_short(layer.parameters)} · {_short(layer.macs)}"


def _short(number: int) -> str:
    """Such as 1.2 M; a dash for none."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number) if number else "–"
