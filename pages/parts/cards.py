"""The three columns of a result, one card a model: what it gets right, and what it costs."""

from __future__ import annotations

from html import escape

from kdcore.charts import LOOKS
from kdcore.result import ArmName, Result
from kdcore.spoken import size as bytes_text
from kdcore.statistics import accuracy_text, mean

MARKERS = {"diamond": "◆", "square": "■", "circle": "●"}
GRID = (
    "display:grid;grid-template-columns:1fr auto auto;gap:.3rem .8rem;align-items:baseline;"
    "font-size:.9rem;white-space:nowrap"
)
NUMBERS = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
FAINT = "opacity:.72"
LARGE = "font-size:1.9rem;font-variant-numeric:tabular-nums"
SMALL = f"font-size:.85rem;margin-bottom:.7rem;{FAINT}"


def card(name: ArmName, result: Result, ended: bool) -> str:
    """One model's accuracy, size, arithmetic and latency as HTML, each with its ratio to the
    teacher's; ended: whether nothing more will be measured.
    """
    look, arm = LOOKS[name], result.arms[name]
    marker = f'<span style="color:{look.colour}">{MARKERS[look.marker]}</span>'
    best = accuracy_text(arm.best_on_validation)
    cells = "".join(_cells(*row) for row in _rows(name, result, ended))
    parts = [
        f'<div style="font-weight:600">{marker} {escape(look.label)}</div>',
        f'<div style="{LARGE}" data-arm="{name}">{accuracy_text(arm.accuracy)}</div>',
        f'<div style="{SMALL}">test accuracy, {_seeds(len(arm.accuracy))}{_share(name, result)}; '
        f"of the weights that did best on validation: {best}</div>",
        _left_out(name, result),
        f'<div style="{GRID}">{cells}</div>',
    ]
    return "".join(parts)


def _left_out(name: ArmName, result: Result) -> str:
    """How well a model reads the classes of which the student never saw a sample."""
    left_out = result.arms[name].left_out
    if not left_out:
        return ""
    of = "that the student never saw" if name == "teacher" else "it never saw"
    return (
        f'<div style="margin-bottom:.7rem"><b>{accuracy_text(left_out)}</b> on classes {of}</div>'
    )


def _share(name: ArmName, result: Result) -> str:
    if name == "teacher":
        return ""
    ours, theirs = (mean(result.arms[arm].accuracy) for arm in (name, "teacher"))
    return f", {100 * ours / theirs:.1f}\u00a0% of the teacher's" if theirs else ""


def _rows(name: ArmName, result: Result, ended: bool) -> list[tuple[str, str, str]]:
    arm, teacher = result.arms[name], result.arms["teacher"]
    rows = [
        ("Parameters", f"{arm.parameters:,}", arm.parameters, teacher.parameters),
        ("MACs", _macs(arm.macs), arm.macs, teacher.macs),
    ]
    unknown = "not measured" if ended else "measuring …"
    size = unknown if arm.onnx_bytes is None else bytes_text(arm.onnx_bytes)
    rows.append(("ONNX file", size, arm.onnx_bytes, teacher.onnx_bytes))
    if not arm.latency:
        rows.append(("Latency", unknown, None, None))
    for ours, theirs in zip(arm.latency, teacher.latency, strict=True):
        label = f"Latency, batch {ours.batch}"
        value = _microseconds(ours.median_ms)
        rows.append((label, value, ours.median_ms, theirs.median_ms))
    return [
        (label, value, "" if name == "teacher" else ratio(ours, theirs))
        for label, value, ours, theirs in rows
    ]


def _cells(label: str, value: str, ratio: str) -> str:
    return (
        f'<div style="{FAINT}">{label}</div><div style="{NUMBERS}">{value}</div>'
        f'<div style="{NUMBERS};{FAINT};min-width:3.4rem">{ratio}</div>'
    )


def ratio(ours: float | None, theirs: float | None) -> str:
    """The teacher's as a multiple or a fraction: 1/70 or ×1.2."""
    if not ours or not theirs:
        return ""
    times = max(ours, theirs) / min(ours, theirs)
    told = f"{times:,.0f}" if times >= 100 else f"{times:.3g}"
    return f"1/{told}" if ours < theirs else f"×{told}"


def _macs(count: int | None) -> str:
    return "not counted" if count is None else f"{count:,}"


def _microseconds(milliseconds: float) -> str:
    return f"{1000 * milliseconds:.3g} µs" if milliseconds < 1 else f"{milliseconds:.3g} ms"


def _seeds(count: int) -> str:
    return "one network" if count == 1 else f"{count} seeds"
