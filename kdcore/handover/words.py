"""Numbers as card and report say them."""

from __future__ import annotations

from kdcore.measure.intervals import Interval
from kdcore.recipe import Recipe, brief

MISSING = "–"


def percent(found: Interval | None) -> str:
    """A share with its interval: "97.4 % (95.6 – 98.5)"."""
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return f"{100 * found.value:.1f} %"
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} – {100 * found.high:.1f})"


def number(found: Interval | None) -> str:
    """A number with its interval: "0.132 (0.091 – 0.173)"."""
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.low:.3f} – {found.high:.3f})"


def size(count: int | None) -> str:
    """Bytes in units of a thousand: "17.3 kB"."""
    if count is None:
        return MISSING
    if count < 1000:
        return f"{count} B"
    value, unit = (count / 1e3, "kB") if count < 1e6 else (count / 1e6, "MB")
    return f"{value:,.1f} {unit}"


def count(value: int | None) -> str:
    """A whole number with its thousands set apart."""
    return MISSING if value is None else f"{value:,}"


def time(milliseconds: float | None) -> str:
    """A short time in the unit that suits it: "41 µs", "1.3 ms"."""
    if milliseconds is None:
        return MISSING
    if milliseconds < 0.001:
        return f"{1e6 * milliseconds:.2g} ns"
    if milliseconds < 1:
        return f"{1000 * milliseconds:.3g} µs"
    return f"{milliseconds:.3g} ms"


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
        seen += f", {transfer.label_noise:.0%} of the labels wrong on purpose"
    return f"{told}: {seen}"
