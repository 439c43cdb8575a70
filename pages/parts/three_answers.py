"""What the three models answer to one sample, side by side, and the time each took."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from kdcore.charts import LOOKS
from kdcore.measure.soft import softmax
from kdcore.panel import Replies
from kdcore.result import ArmName
from pages.parts.cards import MARKERS
from pages.parts.services import verbatim

MOST_CLASSES = 12

TABLE = (
    "width:100%;table-layout:fixed;border-collapse:collapse;font-variant-numeric:tabular-nums;"
    "border:0;margin:0"
)
CELL = "border:0;padding:.16rem 0 .16rem .7rem;white-space:nowrap;text-align:left"
HEAD = f"{CELL};vertical-align:bottom;font-weight:400"
NAME = (
    "border:0;padding:.16rem 0;text-align:left;overflow:hidden;text-overflow:ellipsis;"
    "white-space:nowrap"
)
LARGE = "display:block;line-height:1.25;overflow:hidden;text-overflow:ellipsis"
LINE = "display:flex;align-items:center;gap:.4rem"
TRACK = "flex:1;height:.8rem;background:rgba(128,128,128,.14);border-radius:2px"
NUMBER = "flex:0 0 2.5rem;text-align:right;font-size:.85rem"
RULE = "border-top:1px solid rgba(128,128,128,.35)"


def three_answers(
    replies: Replies, class_names: Sequence[str], temperature: float, label: int | None
) -> None:
    """A row a class, a column a model; label: the true class, where it is known."""
    rows = {arm: softmax(reply.logits[None], temperature)[0] for arm, reply in replies.items()}
    shown = _shown(list(rows.values()), label)
    head = "".join(_head(arm, replies, rows[arm], class_names) for arm in replies)
    body = "".join(_row(int(i), rows, class_names, label) for i in shown)
    foot = "".join(
        f'<td style="{CELL};{RULE};font-size:.85rem" data-testid="time-{arm}">'
        f"{_time(reply.milliseconds)}</td>"
        for arm, reply in replies.items()
    )
    longest = max(len(class_names[i]) for i in shown)
    width = "22%" if longest > 8 else f"{1.5 + longest / 2:g}rem"
    last = f"{NAME};{RULE};font-size:.85rem"
    columns = f'<colgroup><col style="width:{width}"></colgroup>'
    st.html(
        f'<table style="{TABLE}" data-testid="answers">{columns}'
        f'<thead><tr><th style="{NAME}"></th>{head}</tr></thead><tbody>{body}</tbody>'
        f'<tfoot><tr><td style="{last}">Time</td>{foot}</tr></tfoot></table>'
    )
    if len(shown) < len(class_names):
        st.caption(f"The likeliest {len(shown)} of {len(class_names):,} classes.")


def said(replies: Replies, class_names: Sequence[str]) -> str:
    """Who says what, in a sentence."""
    chosen = {arm: class_names[reply.choice] for arm, reply in replies.items()}
    if len(set(chosen.values())) == 1:
        return f"All say **{verbatim(next(iter(chosen.values())))}**."
    each = ", ".join(f"{LOOKS[arm].short} **{verbatim(name)}**" for arm, name in chosen.items())
    return f"**They disagree:** {each}."


def _shown(rows: Sequence[np.ndarray], label: int | None) -> np.ndarray:
    """All classes, or, of very many, the likeliest to any model, and the true one."""
    likely = np.max(rows, axis=0)
    if len(likely) <= MOST_CLASSES:
        return np.arange(len(likely))
    if label is not None:
        likely[label] = 2
    return np.sort(np.argsort(-likely, kind="stable")[:MOST_CLASSES])


def _head(arm: ArmName, replies: Replies, row: np.ndarray, class_names: Sequence[str]) -> str:
    look, best = LOOKS[arm], replies[arm].choice
    size = 1.7 if max(map(len, class_names)) <= 6 else 1.15
    return (
        f'<th scope="col" style="{HEAD}" title="{look.label}"><span style="font-size:.85rem">'
        f'<span style="color:{look.colour}">{MARKERS[look.marker]}</span> {look.short}</span>'
        f'<b style="{LARGE};font-size:{size}rem" data-testid="choice-{arm}">'
        f"{escape(class_names[best])}</b></th>"
    )


def _row(
    number: int, rows: dict[ArmName, np.ndarray], class_names: Sequence[str], label: int | None
) -> str:
    name = escape(class_names[number])
    true = ' <span title="the true class">✓</span>' if number == label else ""
    cells = "".join(_cell(arm, row, number, class_names[number]) for arm, row in rows.items())
    head = f'<th scope="row" style="{NAME};font-weight:400" title="{name}">{name}{true}</th>'
    return f"<tr>{head}{cells}</tr>"


def _cell(arm: ArmName, row: np.ndarray, number: int, name: str) -> str:
    look, share = LOOKS[arm], float(row[number])
    weight = 700 if number == int(row.argmax()) else 400
    faint = ";opacity:.6" if share < 0.005 else ""
    words = escape(f"{look.label} gives {name} {100 * share:.1f} %")
    return (
        f'<td style="{CELL}" title="{words}"><div style="{LINE}"><div style="{TRACK}">'
        f'<div style="width:{100 * share:.1f}%;height:100%;background:{look.colour};'
        f'border-radius:2px"></div></div><span style="{NUMBER};font-weight:{weight}{faint}" '
        f'data-testid="share-{arm}-{number}">{100 * share:.0f} %</span></div></td>'
    )


def _time(milliseconds: float) -> str:
    return f"{1000 * milliseconds:.0f} µs" if milliseconds < 1 else f"{milliseconds:.1f} ms"
