"""What became of a sweep's members, in one table; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdcore.recipe import Recipe, brief, content_hash
from kdcore.result import ARMS, Result
from kdcore.statistics import mean, spread

if TYPE_CHECKING:
    import pandas as pd


NUMBERS = (
    *(f"{arm}.{what}" for arm in ARMS for what in ("mean", "sd")),
    *("difference", "low", "high", "verdict", "pairs"),
    *("student.name", "student.key", "student.parameters", "student.macs"),
)
"""Of what `numbers` tells, the names."""


@dataclass(frozen=True)
class Cost:
    """What a kind of student costs: its ONNX file, and one call on one sample (median)."""

    onnx_bytes: int
    latency_ms: float


@dataclass(frozen=True)
class Outcome:
    """One member: what it sets, by axis, and its result up to the verdict, or why there is none."""

    setting: Mapping[str, Any]
    result: Result | None = None
    error: str = ""


def numbers(result: Result) -> dict[str, Any]:
    """What a result says in one line.

    Accuracies are shares of the test split, as mean and standard deviation (None for one seed);
    the difference is in points, distilled minus control, by `pairs` of seeds, with its 95 %
    interval.
    """
    told: dict[str, Any] = {}
    for arm in ARMS:
        accuracy = result.arms[arm].accuracy
        told |= {f"{arm}.mean": mean(accuracy), f"{arm}.sd": spread(accuracy)}
    difference = result.difference
    return {
        **told,
        **{"difference": difference.mean, "low": difference.low, "high": difference.high},
        **{"verdict": result.verdict, "pairs": len(result.recipe.seeds)},
        "student.name": brief(result.recipe.student),
        "student.key": student_key(result.recipe),
        "student.parameters": result.arms["distilled"].parameters,
        "student.macs": result.arms["distilled"].macs,
    }


def student_key(recipe: Recipe) -> str:
    """Content hash of what a student is: those of one hash have the same size and latency."""
    return content_hash([recipe.task, recipe.student.model_dump(mode="json")])


def row(outcome: Outcome) -> dict[str, Any]:
    """One line of the table: the setting, then the numbers, then what went wrong if anything."""
    told = {field: plain(value) for field, value in outcome.setting.items()}
    if outcome.result is not None:
        told |= numbers(outcome.result)
    return {**told, "error": outcome.error}


def table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """All members, a row each, in their order."""
    import pandas as pd

    return pd.DataFrame([row(outcome) for outcome in outcomes])


def plain(value: Any) -> Any:
    """A list or an object as text, for a table's cell holds one value; None, as of a weight, is
    what the recipe's method uses.
    """
    if value is None:
        return "as usual"
    return value if isinstance(value, str | int | float) else str(value)
