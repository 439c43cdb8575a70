"""Figures of a sweep: the map of its members, lines along an axis, and what accuracy costs.

They take the table of `kdcore.runs.sweeps.member_table` with its words; each cell and point is a
measured member.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from kdcore.axes import Dimension
from kdcore.charts import LOOKS, framed, with_band
from kdcore.outcome import plain
from kdcore.result import STUDENTS, ArmName
from kdcore.statistics import signed
from kdcore.sweep import Axis

Measure = Literal["difference", "distilled", "control"]

MEASURES: dict[Measure, str] = {
    "difference": "Difference to labels alone",
    "distilled": "Accuracy, distilled",
    "control": "Accuracy, labels alone",
}

UNCLEAR = ("no clear difference", "too few seeds")

MOST_TEXTS = 400
"""Up to so many cells have their number written in them."""

DIVERGING = [(0.0, LOOKS["control"].colour), (0.5, "#F2F2F2"), (1.0, LOOKS["distilled"].colour)]
GREY = "rgba(128,128,128,0.35)"
PENDING = "rgba(128,128,128,0.14)"
NEUTRAL = "#767676"
LINE = "rgba(128,128,128,0.6)"
CHOSEN = "#CC79A7"
GAP = 0.25
"""Between the map and the control's own row, in cells."""


@dataclass(frozen=True)
class Side:
    """One side of a map: a sweep's axis, and how a reader sees it and its values."""

    field: str
    title: str
    values: tuple[Any, ...]
    names: tuple[str, ...]
    log: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its values have their place on a line of numbers."""
        return all(isinstance(value, int | float) for value in self.values)

    @property
    def ordered(self) -> bool:
        """Whether something lies between its values, as between 500 labels and all."""
        return any(isinstance(value, int | float) for value in self.values)


def side(axis: Axis, known: Sequence[Dimension]) -> Side:
    """A sweep's axis as a side; one that no page offers is shown as the recipe spells it."""
    values = tuple(map(plain, axis.values))
    spelled = tuple(map(str, values))
    for each in known:
        names = tuple(map(each.words, values))
        if each.field == axis.field and len(set(names)) == len(names):
            return Side(axis.field, each.title, values, names, each.log)
    title = next((each.title for each in known if each.field == axis.field), axis.field)
    return Side(axis.field, title, values, spelled)


def setting_words(row: Mapping[Hashable, Any], sides: Sequence[Side]) -> str:
    """What a member sets, in words."""
    return ", ".join(
        f"{each.title} {each.names[each.values.index(row[each.field])]}" for each in sides
    )


def member_words(row: Mapping[Hashable, Any]) -> str:
    """A member's numbers in a sentence, or why it has none."""
    if _missing(row["verdict"]):
        return str(row["error"] or row["state"])
    numbers = "; ".join(
        f"{LOOKS[arm].short.lower()} {_accuracy(row, arm)}" for arm in ("distilled", "control")
    )
    around = "" if _missing(row["low"]) else f" ({signed(row['low'])} … {signed(row['high'])})"
    return f"{numbers}; {signed(row['difference'])} points{around}, {row['verdict']}"


def with_words(table: pd.DataFrame, sides: Sequence[Side]) -> pd.DataFrame:
    """The table, and in a column `words` what there is to say of each member, in lines.

    Made once for all figures: a thousand sentences take longer than a figure.
    """
    words = [
        f"{setting_words(row, sides)}<br>{member_words(row).replace('; ', '<br>')}"
        for row in table.to_dict("records")
    ]
    return table.assign(words=words)


def sweep_map(
    table: pd.DataFrame,
    x: Side,
    y: Side | None,
    measure: Measure,
    control_axes: Sequence[str] = (),
    chosen: int | None = None,
) -> go.Figure:
    """Every member as a cell: coloured once it is measured, hatched where nothing is clear.

    control_axes: those along which the control changes; where that is one side at most, it has a
    row or a column of its own. chosen: the place of a member to be marked. A cell's `customdata`
    is its member's place.
    """
    cells = _member_cells(table, x, y, measure)
    apart = _control_cells(table, x, y, control_axes)
    done = cells["value"].notna()
    shown = len(cells) <= MOST_TEXTS
    # what all cells of a trace have in common is said once: plotly checks long lists one by one
    figure = go.Figure(
        [_bars(cells[~done], shown, color=PENDING), _bars(apart, True, color=NEUTRAL)]
    )
    for _, some in cells[done].groupby(["hatched", "ink"]):
        figure.add_trace(_bars(some, shown, color=some["value"], coloraxis="coloraxis"))
    rows = 1 if y is None else len(y.values)
    _label_sides(figure, x, y, apart)
    marked = cells[cells["place"] == chosen]
    if len(marked):
        _mark(figure, float(marked["x"].iloc[0]), float(marked["y"].iloc[0]))
    question = {
        "difference": "Where does the teacher help?",
        "distilled": "How accurate is the distilled student?",
        "control": "How accurate is the student on labels alone?",
    }[measure]
    height = 124 + min(46 * (rows + (len(apart) > 0)), 640)
    framed(figure, question, height=height)
    return figure.update_layout(
        **{"coloraxis": _colours(cells["value"].dropna(), measure), "barmode": "overlay"},
        **{"showlegend": False, "margin_t": 44, "dragmode": False, "hovermode": "closest"},
    )


def _member_cells(table: pd.DataFrame, x: Side, y: Side | None, measure: Measure) -> pd.DataFrame:
    gap = measure == "difference"
    column = "difference" if gap else f"{measure}.mean"
    values = pd.to_numeric(table[column]) * (1 if gap else 100)
    unmeasured = table["state"].map({"failed": "×"}).fillna("")
    return pd.DataFrame(
        {
            "x": _places(table, x),
            "y": 0 if y is None else _places(table, y),
            "width": 1.0,
            "value": values,
            "text": values.map(signed if gap else "{:.1f}".format).where(
                values.notna(), unmeasured
            ),
            "hatched": table["verdict"].isin(UNCLEAR) & (measure != "control"),
            "hover": table["words"],
            "place": table["place"],
            "ink": _ink(values, gap),
        }
    )


def _ink(values: pd.Series, gap: bool) -> list[str]:
    """A text colour for each cell that can be read on its own colour."""
    low, high = (0.0, values.abs().max()) if gap else (values.min(), values.max())
    strong = ((values.abs() if gap else values) - low) / ((high - low) or 1.0)
    dark = strong > 0.8 if gap else strong < 0.6
    return ["white" if each else "black" for each in dark]


def _places(table: pd.DataFrame, side: Side) -> pd.Series:
    return table[side.field].map({value: place for place, value in enumerate(side.values)})


def _control_cells(
    table: pd.DataFrame, x: Side, y: Side | None, control_axes: Sequence[str]
) -> pd.DataFrame:
    """The control's own row below the map, or its column where it changes along y alone."""
    measured = table[table["control.mean"].notna()]
    along = [each for each in (x, y) if each is not None and each.field in control_axes]
    if len(along) > 1:
        return _no_cells()
    if not along:
        middle, whole = (len(x.values) - 1) / 2, float(len(x.values))
        return _apart([(middle, -1 - GAP, whole, measured)])
    (side,) = along
    groups = [measured[measured[side.field] == value] for value in side.values]
    beside = len(x.values) + GAP
    return _apart(
        [
            (place, -1 - GAP, 1.0, of) if side is x else (beside, place, 1.0, of)
            for place, of in enumerate(groups)
        ]
    )


def _apart(cells: Sequence[tuple[float, float, float, pd.DataFrame]]) -> pd.DataFrame:
    """The control's cells: where each is, how wide, and the members whose control it is."""
    found = [
        {
            **{"x": x, "y": y, "width": width, "value": np.nan, "hatched": False, "place": None},
            **{"text": f"{100 * of['control.mean'].iloc[0]:.1f} %", "ink": "white"},
            "hover": f"{LOOKS['control'].label}: {_accuracy(of.iloc[0], 'control')}",
        }
        for x, y, width, of in cells
        if len(of)
    ]
    return pd.DataFrame(found) if found else _no_cells()


def _no_cells() -> pd.DataFrame:
    names = ("x", "y", "width", "value", "text", "hatched", "hover", "place", "ink")
    return pd.DataFrame({name: [] for name in names})


def _bars(cells: pd.DataFrame, shown: bool, **colour: Any) -> go.Bar:
    """Cells as bars, the one kind of mark that has a colour, a hatch, a text and a click.

    All of one hatch and ink; shown: whether there is room for their texts.
    """
    hatched, ink = cells[["hatched", "ink"]].iloc[0] if len(cells) else (False, "black")
    return go.Bar(
        x=cells["x"].to_numpy(),
        y=np.ones(len(cells)),
        base=(cells["y"] - 0.5).to_numpy(),
        width=cells["width"].to_numpy(),
        text=cells["text"].to_numpy() if shown else None,
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        insidetextfont={"color": ink},
        customdata=cells["place"].to_numpy(),
        hovertext=cells["hover"].to_numpy(),
        hovertemplate="%{hovertext}<extra></extra>",
        marker={
            **colour,
            "line": {"color": LINE, "width": 0.5},
            "pattern": {
                "shape": "/" if hatched else "",
                **{"fillmode": "overlay", "size": 9, "solidity": 0.12, "fgcolor": "#555555"},
            },
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )


def _label_sides(figure: go.Figure, x: Side, y: Side | None, apart: pd.DataFrame) -> None:
    """The values at both sides, and the control's name at its row or column."""
    label = LOOKS["control"].short.lower()
    names = {"x": list(x.names), "y": [""] if y is None else list(y.names)}
    places: dict[str, list[float]] = {side: [*range(len(of))] for side, of in names.items()}
    if len(apart):
        beside = float(apart["x"].max()) >= len(x.values)
        names["x" if beside else "y"].append(label)
        places["x" if beside else "y"].append(len(x.values) + GAP if beside else -1 - GAP)
    common: dict[str, Any] = {"showgrid": False, "zeroline": False, "automargin": True}
    for update, side, of in ((figure.update_xaxes, "x", x), (figure.update_yaxes, "y", y)):
        ends = [min(places[side]) - 0.52, max(places[side]) + 0.52]
        title = of.title if of is not None else ""
        update(tickvals=places[side], ticktext=names[side], title=title, range=ends, **common)


def _mark(figure: go.Figure, x: float, y: float) -> None:
    corners = {"x0": x - 0.47, "x1": x + 0.47, "y0": y - 0.47, "y1": y + 0.47}
    figure.add_shape(type="rect", **corners, line={"color": CHOSEN, "width": 4})


def _colours(values: pd.Series, measure: Measure) -> dict[str, Any]:
    bar = {"thickness": 12, "outlinewidth": 0, "len": 0.9}
    if measure == "difference":
        most = max(1.0, float(values.abs().max()) if len(values) else 0.0)
        title = {"text": "points", "side": "right"}
        return {
            **{"colorscale": DIVERGING, "cmin": -most, "cmax": most},
            "colorbar": {**bar, "title": title},
        }
    return {"colorscale": "Viridis", "colorbar": {**bar, "ticksuffix": " %"}}


def lines(table: pd.DataFrame, along: Side) -> go.Figure:
    """Both students' accuracy along one side, mean and ±1 sd, and the teacher's level.

    table: of members that differ along that side alone.
    """
    figure = go.Figure()
    measured = table[table["distilled.mean"].notna()].copy()
    numeric = along.numeric
    measured["step"] = measured[along.field] if numeric else _places(measured, along)
    measured = measured.sort_values("step")
    if len(measured):
        look = LOOKS["teacher"]
        figure.add_scatter(
            x=measured["step"],
            y=100 * measured["teacher.mean"],
            name=look.short,
            mode="lines",
            line={"color": look.colour, "dash": look.dash, "width": 2},
            hovertemplate=f"{look.label} gets %{{y:.1f}} % right<extra></extra>",
        )
    for arm in STUDENTS:
        line = pd.DataFrame(
            {
                "step": measured["step"],
                "mean": pd.to_numeric(measured[f"{arm}.mean"]),
                "sd": pd.to_numeric(measured[f"{arm}.sd"]).fillna(0.0),
            }
        )
        if along.ordered:
            with_band(figure, line, arm, markers=True)
        else:
            _add_points(figure, line, arm)
    figure.update_yaxes(title="test accuracy", ticksuffix=" %")
    logarithmic = numeric and along.log and min(along.values) > 0
    figure.update_xaxes(
        title=along.title,
        type="log" if logarithmic else "linear",
        tickvals=along.values if numeric else [*range(len(along.values))],
        ticktext=along.names,
    )
    figure.update_layout(hovermode="x unified")
    return framed(figure, f"How does it change with {_lower(along.title)}?", height=360)


def _add_points(figure: go.Figure, line: pd.DataFrame, arm: ArmName) -> None:
    """A mean in percent with its deviation, for names between which nothing lies."""
    look = LOOKS[arm]
    figure.add_scatter(
        x=line["step"],
        y=100 * line["mean"],
        error_y={"array": 100 * line["sd"], "thickness": 1.5, "width": 6},
        mode="markers",
        name=look.short,
        marker={"color": look.colour, "symbol": look.marker, "size": 11},
        hovertemplate=f"{look.label} gets %{{y:.1f}} % right<extra></extra>",
    )


@dataclass(frozen=True)
class Cost:
    """What a model may cost: its name, the table's column, a title with the unit, and a factor."""

    name: str
    column: str
    title: str
    factor: float = 1.0


COSTS: dict[str, Cost] = {
    "size": Cost("File size", "onnx_bytes", "file size, kB", 1e-3),
    "latency": Cost("Latency", "latency_ms", "latency, µs, batch of 1, on this machine", 1e3),
    "parameters": Cost("Parameters", "student.parameters", "parameters"),
    "macs": Cost("MACs", "student.macs", "multiply-accumulates for one sample"),
}


def pareto(table: pd.DataFrame, cost: str) -> go.Figure:
    """Accuracy against a cost: the members that no other beats in both, and the rest in grey."""
    of = COSTS[cost]
    figure = go.Figure()
    known = table[table[of.column].notna() & table["distilled.mean"].notna()]
    costs = pd.to_numeric(known[of.column]).to_numpy() * of.factor
    accuracy = 100 * pd.to_numeric(known["distilled.mean"]).to_numpy()
    best = undominated(costs, accuracy)
    words = known["words"].to_numpy()
    look = LOOKS["distilled"]
    for name, chosen, colour in (
        ("beaten by another", ~best, GREY),
        ("beaten by none", best, look.colour),
    ):
        order = np.argsort(costs[chosen], kind="stable")
        figure.add_scatter(
            x=costs[chosen][order],
            y=accuracy[chosen][order],
            mode="markers" if colour == GREY else "lines+markers",
            line={"color": look.colour, "shape": "hv", "width": 1.5},
            marker={"color": colour, "symbol": look.marker, "size": 9},
            name=name,
            customdata=known["place"].to_numpy()[chosen][order],
            hovertext=words[chosen][order],
            hovertemplate=(
                f"{look.label} gets %{{y:.1f}} % right; {of.title}: %{{x:.3g}}"
                "<br>%{hovertext}<extra></extra>"
            ),
        )
    figure.update_xaxes(title=of.title, type="log", tickformat="~g")
    figure.update_yaxes(title="test accuracy, distilled", ticksuffix=" %")
    return framed(figure, "Which students are worth their cost?", height=360)


def undominated(costs: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points have no other that costs no more and is worth no less, and differs. Both (N,).

    Source: Pareto, 1906, "Manuale di economia politica".
    """
    found = np.zeros(len(costs), dtype=bool)
    highest = -np.inf
    order = np.lexsort((-values, costs))
    cost_of_highest = np.nan
    for place in order:
        ties = values[place] == highest and costs[place] == cost_of_highest
        if values[place] > highest or ties:
            found[place], highest, cost_of_highest = True, values[place], costs[place]
    return found


def _accuracy(row: Mapping[Hashable, Any], arm: str) -> str:
    mean, deviation = row[f"{arm}.mean"], row[f"{arm}.sd"]
    around = "" if _missing(deviation) else f" ± {100 * deviation:.1f}"
    return f"{100 * mean:.1f}{around} %"


def _missing(value: object) -> bool:
    """As `pandas.isna`, of which a thousand calls take as long as all the rest."""
    return value is None or value != value


def _lower(title: str) -> str:
    """A title within a sentence."""
    return title[:1].lower() + title[1:]
