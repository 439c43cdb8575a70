"""What can be read off a sweep besides its map: counts, lines, trade-offs, and all members."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from kdcore.recipe import FEWEST_SEEDS_FOR_A_VERDICT
from kdcore.statistics import CONFIDENCE, signed
from kdcore.sweep_charts import COSTS, Side, lines, pareto
from pages.parts.look import figure
from pages.parts.parallel import parallel

BEST_SHARE = 0.2


def reading(table: pd.DataFrame) -> None:
    """How many cells are clear, and how many would be by luck."""
    done = table[table["verdict"].notna()]
    if not len(done):
        return
    counts = done["verdict"].value_counts()
    parts = [f"{counts[name]} {name}" for name in counts.index]
    best = done.loc[done["distilled.mean"].astype(float).idxmax()]
    words = f"Of {len(done)} measured settings: {', '.join(parts)}. "
    words += f"The most accurate reads {100 * best['distilled.mean']:.1f} % of the test split, "
    words += f"{signed(best['difference'])} points against labels alone."
    if done["pairs"].iloc[0] >= FEWEST_SEEDS_FOR_A_VERDICT and len(done) > 1:
        lucky = (1 - CONFIDENCE) * len(done)
        words += (
            f" If nothing made a difference, luck alone would make {_lucky(lucky)} look clear; and "
            "the best of many, picked on the test split, looks better than it is."
        )
    st.caption(words)


def _lucky(count: float) -> str:
    return "hardly one of them" if count < 0.5 else f"about {round(count)} of them"


def lines_and_front(
    table: pd.DataFrame, shown: pd.DataFrame, x: Side, y: Side | None, chosen: int | None
) -> None:
    """Lines through the members that are shown, and of all, what accuracy costs.

    chosen: the place of the member whose lines are drawn at first.
    """
    costs = _costs_that_differ(table)
    columns = st.columns(2) if costs else [st.container()]
    with columns[0]:
        _lines(shown, x, y, chosen)
    if costs:
        with columns[1]:
            _pareto(table, costs)


def _lines(table: pd.DataFrame, x: Side, y: Side | None, chosen: int | None) -> None:
    along, of = x, table
    if y is not None:
        titles = {each.field: each.title for each in (x, y)}
        left, right = st.columns(2)
        field = left.selectbox("Along", list(titles), format_func=lambda each: titles[each])
        along, other = (x, y) if field == x.field else (y, x)
        name = right.selectbox(f"At {other.title}", other.names, index=_usual(table, other, chosen))
        of = table[table[other.field] == other.values[other.names.index(name)]]
    figure(
        lines(of, along),
        "lines",
        "Both students' accuracy along one axis, with one standard deviation.",
        lambda: of.drop(columns="words"),
    )


def _usual(table: pd.DataFrame, other: Side, chosen: int | None) -> int:
    """Where along the other side to look at first: at the chosen cell, else in the middle."""
    rows = table[table["place"] == chosen]
    if len(rows):
        return other.values.index(rows.iloc[0][other.field])
    return len(other.values) // 2


def _costs_that_differ(table: pd.DataFrame) -> list[str]:
    """What some members cost more of than others; where all are alike, there is no trade-off."""
    return [
        name
        for name, cost in COSTS.items()
        if cost.column in table and table[cost.column].nunique() > 1
    ]


def _pareto(table: pd.DataFrame, costs: list[str]) -> None:
    cost = st.selectbox("Against", costs, format_func=lambda each: COSTS[each].name)
    figure(
        pareto(table, cost),
        f"accuracy-{cost}",
        "Accuracy of all members against what they cost.",
        lambda: table.drop(columns="words"),
    )


def all_members(table: pd.DataFrame, sides: Sequence[Side], key: str) -> None:
    """Every member as a line over all axes and numbers; those that are brushed, as a table."""
    done = table[table["verdict"].notna()]
    if len(done) < 2:
        return
    st.subheader("Which settings do well?", anchor=False)
    only_best = st.toggle("Best 20\u00a0% by accuracy only", key="best", bind="query-params")
    if only_best:
        count = max(1, round(BEST_SHARE * len(done)))
        done = done.astype({"distilled.mean": float}).nlargest(count, "distilled.mean")
    brushed = parallel(done, sides, key)
    rows = done if brushed is None else done[done["place"].isin(brushed)]
    shown = _shown(rows, sides)
    tenths = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(
        shown,
        hide_index=True,
        height=min(38 + 35 * len(rows), 390),
        column_config={name: tenths for name in shown if name.endswith(("%", "points"))},
        alt="The members, with their accuracies and verdicts.",
    )
    how = "" if brushed is None else ", brushed above"
    st.caption(f"{len(rows)} of {len(done)} settings{how}.")


def _named(rows: pd.DataFrame, side: Side) -> pd.Series:
    """Numbers as such, to be sorted by; where there are names among them, all as names."""
    if side.numeric:
        return rows[side.field]
    return rows[side.field].map(dict(zip(side.values, side.names, strict=True)))


def _shown(rows: pd.DataFrame, sides: Sequence[Side]) -> pd.DataFrame:
    """The members as a table for people."""
    found = {each.title: _named(rows, each) for each in sides}
    for arm, title in (("distilled", "Distilled, %"), ("control", "Labels alone, %")):
        found[title] = 100 * rows[f"{arm}.mean"].astype(float)
        found[f"± {title}"] = 100 * rows[f"{arm}.sd"].astype(float)
    found["Difference, points"] = rows["difference"].astype(float)
    found["Verdict"] = rows["verdict"]
    return pd.DataFrame(found)
