"""Numbers as card and report say them."""

from __future__ import annotations

from kdcore.measure.intervals import Interval
from kdcore.recipe import Recipe, brief
from kdcore.spoken import GAP
from kdcore.spoken import size as bytes_text

MISSING = "–"


def percent(found: Interval | None) -> str:
    """A share with its interval: "97.4 % (95.6 to 98.5)"."""
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return f"{100 * found.value:.1f}{GAP}%"
    # Student's interval does not know that a share ends at 0 and at 1
    low, high = 100 * max(found.low, 0.0), 100 * min(found.high, 1.0)
    bounds = f"({low:.1f}{GAP}to{GAP}{high:.1f})"
    return f"{100 * found.value:.1f}{GAP}% {bounds}"


def number(found: Interval | None) -> str:
    """A number with its interval: "0.132 (0.091 to 0.173)"."""
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f}{GAP}to{GAP}{found.high:.3f})"


def size(count: int | None) -> str:
    """Bytes in units of a thousand: "17.3 kB"."""
    return MISSING if count is None else bytes_text(count)


def count(value: int | None) -> str:
    """A whole number with its thousands set apart."""
    return MISSING if value is None else f"{value:,}"


def time(milliseconds: float | None) -> str:
    """A short time in the unit that suits it: "41 µs", "1.3 ms"."""
    if milliseconds is None:
        return MISSING
    if milliseconds < 1e-6:
        return f"under 1{GAP}ns"
    if milliseconds < 0.001:
        return f"{1e6 * milliseconds:.3g}{GAP}ns"
    if milliseconds < 1:
        return f"{1000 * milliseconds:.3g}{GAP}µs"
    return f"{milliseconds:.3g}{GAP}ms"


def models(recipe: Recipe) -> str:
    """Teacher and student in a word each."""
    return f"{brief(recipe.teacher)} → {brief(recipe.student)}"


def data(recipe: Recipe) -> str:
    """What the student was shown."""
    told, transfer = recipe.task, recipe.transfer
    seen = "all labels" if transfer.labelled == "all" else f"{transfer.labelled:,} labels"
    if transfer.unlabelled:
        rest = "all other" if transfer.unlabelled == "rest" else f"{transfer.unlabelled:,}"
        seen += f" and {rest} samples without a label"
    if transfer.left_out:
        seen += f", none of the classes {', '.join(map(str, transfer.left_out))}"
    if transfer.label_noise:
        seen += f", {100 * transfer.label_noise:.0f}{GAP}% of the labels wrong on purpose"
    return f"{told}: {seen}"
