"""Test samples side by side: picture or point, true class, and the three models' distributions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from kdcore.answers import Answers, Pool
from kdcore.charts import LOOKS
from kdcore.measure.soft import softmax
from kdcore.result import ARMS, ArmName
from pages.parts.cards import MARKERS
from pages.parts.picture_grid import source

MOST_BARS = 12
BACKDROP = 160
"""Points drawn behind a point of the plane, to see where it lies."""

GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.8rem"
CARD = (
    "display:grid;grid-template-columns:5.5rem minmax(0,1fr);gap:.2rem .9rem;align-items:center;"
    "border:1px solid rgba(128,128,128,.35);border-radius:8px;padding:.7rem .8rem;"
    "color:inherit;text-decoration:none"
)
PICTURE = (
    "width:5.5rem;height:5.5rem;object-fit:contain;display:block;border-radius:4px;"
    "image-rendering:pixelated;outline:1px solid rgba(128,128,128,.25);outline-offset:-1px"
)
LINE = (
    "display:grid;grid-template-columns:1rem minmax(0,1fr) 2.7rem 5rem;gap:.3rem;"
    "align-items:end;font-size:.85rem;font-variant-numeric:tabular-nums;white-space:nowrap"
)
CUT = "overflow:hidden;text-overflow:ellipsis"
BARS = "display:flex;gap:2px;height:1.35rem;border-bottom:1px solid rgba(128,128,128,.6)"
BAR = "flex:1;display:flex;flex-direction:column;justify-content:flex-end"
RING = 'fill="none" stroke="#000" stroke-width="2.5"'
DOTS = 'fill="none" stroke="#777" stroke-width="3" stroke-linecap="round" opacity=".45"'
NAME = "display:flex;gap:.3rem;min-width:0"
WRONG = "text-decoration:underline wavy #d55e00;text-underline-offset:3px"
SMALL = "font-size:.8rem;opacity:.72;grid-column:1/-1;display:flex;justify-content:space-between"


def gallery(
    kept: Answers, pool: Pool, places: np.ndarray, *, run_id: str, seeds: Sequence[int]
) -> None:
    """Cards of these places of the pool; each leads to its sample on the page Soft targets."""
    answers = {arm: softmax(pool.logits[arm][places]) for arm in ARMS}
    backdrop = _backdrop(kept) if kept.inputs.ndim == 2 else ""
    cards = []
    for number, place in enumerate(places):
        sample, seed = int(pool.sample[place]), int(seeds[pool.seed[place]])
        link = urlencode({"run": run_id, "seed": seed, "sample": sample + 1})
        rows = {arm: answers[arm][number] for arm in ARMS}
        cards.append(
            f'<a style="{CARD}" href="soft_targets?{link}" target="_self" '
            f'title="Soften this sample">{_look(kept, sample, backdrop)}'
            f"<div>{_lines(kept, int(pool.labels[place]), rows)}</div>"
            f'<div style="{SMALL}"><span>truly <b>{escape(_name(kept, pool.labels[place]))}</b>'
            f"</span><span>test sample {sample + 1:,}, seed {seed}</span></div></a>"
        )
    st.html(f'<div style="{GRID}" data-testid="gallery">{"".join(cards)}</div>')


def _name(kept: Answers, label: int) -> str:
    return kept.class_names[int(label)]


def _look(kept: Answers, sample: int, backdrop: str) -> str:
    alt = f"test sample {sample + 1}"
    values = kept.inputs[sample]
    if kept.inputs.ndim == 4:
        picture = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
        return f'<img style="{PICTURE}" src="{source(picture)}" alt="{alt}">'
    x, y = _on_sheet(kept, values[None])[0]
    ring = f'<circle cx="{x}" cy="{y}" r="3"/><circle cx="{x}" cy="{y}" r="9" {RING}/>'
    drawn = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">{backdrop}{ring}</svg>'
    content = b64encode(drawn.encode()).decode()
    return (
        f'<img style="{PICTURE};background:white" alt="{alt}" '
        f'src="data:image/svg+xml;base64,{content}">'
    )


def _backdrop(kept: Answers) -> str:
    """Some of the points, faintly, as one path."""
    dots = "".join(f"M{x} {y}h0" for x, y in _on_sheet(kept, kept.inputs[:BACKDROP]))
    return f'<path d="{dots}" {DOTS}/>'


def _on_sheet(kept: Answers, points: np.ndarray) -> list[tuple[float, float]]:
    """The first two coordinates, on a sheet of 100 by 100 with a margin."""
    low, high = kept.inputs[:, :2].min(0), kept.inputs[:, :2].max(0)
    share = (points[:, :2] - low) / np.maximum(high - low, 1e-9)
    return [(round(10 + 80 * float(x), 1), round(90 - 80 * float(y), 1)) for x, y in share]


def _lines(kept: Answers, label: int, rows: dict[ArmName, np.ndarray]) -> str:
    shown = _shown(label, rows)
    return "".join(_line(kept, arm, label, rows[arm], shown) for arm in ARMS)


def _line(kept: Answers, arm: ArmName, label: int, row: np.ndarray, shown: np.ndarray) -> str:
    look, best = LOOKS[arm], int(row.argmax())
    style = CUT if best == label else f"{CUT};{WRONG}"
    name = escape(kept.class_names[best])
    return (
        f'<div style="{LINE}" title="{look.label}"><span style="color:{look.colour}">'
        f'{MARKERS[look.marker]}</span><span style="{NAME}"><span style="{style}">{name}</span>'
        f"<span>{'✓' if best == label else '✗'}</span></span>"
        f'<span style="text-align:right">{100 * row[best]:.0f} %</span>'
        f"{_bars(kept, arm, label, row, shown)}</div>"
    )


def _shown(label: int, rows: dict[ArmName, np.ndarray]) -> np.ndarray:
    """All classes, or, of very many, the likeliest to any model, and the true one."""
    likely = np.max(list(rows.values()), axis=0)
    if len(likely) <= MOST_BARS:
        return np.arange(len(likely))
    likely[label] = 2
    return np.sort(np.argsort(-likely, kind="stable")[:MOST_BARS])


def _bars(kept: Answers, arm: ArmName, label: int, row: np.ndarray, shown: np.ndarray) -> str:
    """A small histogram of one answer; the true class's place is outlined."""
    bars = "".join(_bar(kept.class_names[i], arm, float(row[i]), i == label) for i in shown)
    return f'<div style="{BARS}">{bars}</div>'


def _bar(name: str, arm: ArmName, share: float, true: bool) -> str:
    look = LOOKS[arm]
    outline = ";outline:1px dashed rgba(128,128,128,.9)" if true else ""
    words = escape(f"{look.label} gives {name} {100 * share:.1f} %")
    return (
        f'<div title="{words}" style="{BAR}{outline}"><div style="height:{100 * share:.1f}%;'
        f'background:{look.colour}"></div></div>'
    )
