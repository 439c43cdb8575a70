"""What the charts of runs side by side draw, as tables: one row a mark, as a reader takes it away.

Every table has the columns `run`, its letter, and `words`, what is different about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from kdcore.charts import over_seeds
from kdcore.compare_tables import Lettered
from kdcore.result import Arm, ArmName
from kdcore.statistics import Difference, Verdict, mean, signed, spread


@dataclass(frozen=True)
class Cost:
    """What a student may cost: its name, an axis title with the unit, and how it is read off."""

    name: str
    title: str
    read: Callable[[Lettered], float | None]
    factor: float = 1.0

    def of(self, run: Lettered) -> float | None:
        """Of a run's distilled student, in the axis' unit; None where it was not measured."""
        value = self.read(run)
        return None if value is None else self.factor * value


COSTS: dict[str, Cost] = {
    "size": Cost("File size", "ONNX file size, kB", lambda run: _student(run).onnx_bytes, 1e-3),
    "latency": Cost(
        "Latency", "latency, µs, batch of 1, where each ran", lambda run: run.latency_ms, 1e3
    ),
    "parameters": Cost("Parameters", "parameters", lambda run: _student(run).parameters),
    "macs": Cost("MACs", "multiply-accumulates for one sample", lambda run: _student(run).macs),
}


UNITS: dict[str, dict[str, str]] = {
    "gains": dict.fromkeys(("mean", "low", "high"), "points"),
    "against-reference": dict.fromkeys(("mean", "low", "high"), "points"),
    "curves-control": {},
    "curves-distilled": {},
    **{
        f"accuracy-{cost}": {"cost": unit, "accuracy": "percent", "sd": "points"}
        for cost, unit in {
            "size": "kB",
            "latency": "us",
            "parameters": "count",
            "macs": "count",
        }.items()
    },
    "measures": {},
}
"""By figure, the units of its columns; where there is none, a column is a share or a count."""


def to_take_away(rows: pd.DataFrame, runs: Sequence[Lettered], figure: str) -> pd.DataFrame:
    """A figure's rows for somebody who has not got the page: with each run's id and name, and with
    the units of the columns in their names, such as mean_points.
    """
    known = {run.letter: run for run in runs}
    found = rows.rename(columns={name: f"{name}_{unit}" for name, unit in UNITS[figure].items()})
    found.insert(1, "run_id", [known[letter].run_id for letter in rows["run"]])
    found.insert(2, "run_name", [known[letter].name for letter in rows["run"]])
    return found


def _student(run: Lettered) -> Arm:
    return run.result.arms["distilled"]


def difference_rows(
    runs: Sequence[Lettered], found: Mapping[str, tuple[Difference, Verdict]]
) -> pd.DataFrame:
    """A paired difference a run, in points; columns mean, low, high, verdict, pairs.

    found: by letter, the difference and what may be said of it.
    """
    rows = []
    for run in runs:
        if run.letter in found:
            gap, said = found[run.letter]
            told = (gap.mean, gap.low, gap.high, said, len(gap.per_seed))
            rows.append((run.letter, run.words, *told))
    columns = ["run", "words", "mean", "low", "high", "verdict", "pairs"]
    return pd.DataFrame(rows, columns=columns)


def curve_rows(
    runs: Sequence[Lettered], points: Mapping[str, pd.DataFrame], arm: ArmName
) -> pd.DataFrame:
    """One student's validation accuracy over the steps: columns step, mean, sd, as shares.

    points: by letter, the run's events as `kdcore.charts.frame` gives them; none of a run that
    kept no curve.
    """
    found = [
        over_seeds(points[run.letter], arm, "accuracy").assign(run=run.letter, words=run.words)
        for run in runs
        if run.letter in points
    ]
    columns = ["run", "words", "step", "mean", "sd"]
    return pd.concat(found)[columns] if found else pd.DataFrame(columns=columns)


def cost_rows(runs: Sequence[Lettered], cost: str) -> pd.DataFrame:
    """What each distilled student costs and reads: columns cost, accuracy, sd, in percent.

    Runs of which that cost was not measured are left out.
    """
    rows = []
    for run in runs:
        value = COSTS[cost].of(run)
        if value is not None:
            percent = _percent(run)
            rows.append((run.letter, run.words, value, mean(percent), spread(percent)))
    return pd.DataFrame(rows, columns=["run", "words", "cost", "accuracy", "sd"])


def known_costs(runs: Sequence[Lettered]) -> list[str]:
    """The costs that were measured of two runs at least, the most telling first."""
    return [name for name in COSTS if len(cost_rows(runs, name)) > 1]


def measure_rows(runs: Sequence[Lettered]) -> pd.DataFrame:
    """Every measure of every run: columns measure, unit, value, text, place.

    place: 0 for the worst of these runs, 1 for the best, 0.5 where all are alike; of what was not
    measured, neither value nor place. A measure that one run alone has is left out.
    """
    rows = []
    for of in MEASURES:
        values = [of.value(run) for run in runs]
        known = [value for value in values if value is not None]
        if len(known) < 2:
            continue
        for run, value in zip(runs, values, strict=True):
            text = "not measured" if value is None else of.text(value)
            place = _place(value, min(known), max(known), of.more_is_better)
            rows.append((run.letter, run.words, of.name, of.unit, value, text, place))
    columns = ["run", "words", "measure", "unit", "value", "text", "place"]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class Measure:
    """One thing that is measured of a run: its name and unit, how it is read off and written."""

    name: str
    unit: str
    value: Callable[[Lettered], float | None]
    text: Callable[[float], str]
    more_is_better: bool = False


def _percent(run: Lettered) -> list[float]:
    return [100 * each for each in _student(run).accuracy]


MEASURES = (
    Measure("Accuracy", "%", lambda run: mean(_percent(run)), "{:.1f}".format, True),
    Measure("Gain", "points", lambda run: run.result.difference.mean, signed, True),
    Measure("Spread", "points", lambda run: spread(_percent(run)), "{:.1f}".format),
    Measure("Size", "kB", COSTS["size"].of, "{:,.3g}".format),
    Measure("Latency", "µs", COSTS["latency"].of, "{:,.3g}".format),
    Measure("MACs", "", COSTS["macs"].of, "{:,.0f}".format),
)
"""Accuracy on the test split, the gain over labels alone, the spread over the seeds, and costs."""


def _place(value: float | None, low: float, high: float, more_is_better: bool) -> float | None:
    if value is None:
        return None
    share = 0.5 if low == high else (value - low) / (high - low)
    return share if more_is_better else 1 - share
