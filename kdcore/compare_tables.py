"""Runs side by side: what was set differently, what came of it, and which may be compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal

import pandas as pd

from kdcore.outcome import numbers, student_key
from kdcore.recipe import Recipe, content_hash
from kdcore.result import Arm, Latency, Result
from kdcore.spoken import NONE, kilobytes, spans
from kdcore.statistics import (
    Difference,
    Verdict,
    accuracy_text,
    corrected,
    p_value,
    paired_difference,
    signed,
    verdict,
    verdicts,
)

FEWEST, MOST = 2, 6
"""So many runs can be laid side by side."""

LETTERS = "ABCDEF"

NEAR = "\u00a0"
"""Between parts of a number, which no narrow column may tear apart."""

Words = Mapping[str, str]
"""A recipe's settings by their spoken names."""

Obstacle = Literal["data", "seeds", "unknown"]


@dataclass(frozen=True)
class Lettered:
    """A finished run under a letter, short enough for a phone; words: what tells it from the
    others; timed_as: the same where two students' latencies can differ by chance alone; latency_ms:
    the median of those of these runs.
    """

    letter: str
    run_id: str
    name: str
    result: Result
    settings: Words
    words: str = ""
    timed_as: str = ""
    latency_ms: float | None = None

    @property
    def recipe(self) -> Recipe:
        """What was run."""
        return self.result.recipe


@dataclass(frozen=True)
class Against:
    """A run's distilled student against the reference's: run minus reference, paired by seed.

    seeds: those that both have. verdict: what may be said of the difference. obstacle, reason: what
    keeps them from being compared, and why in words; then there is neither.
    """

    seeds: tuple[int, ...] = ()
    difference: Difference | None = None
    verdict: Verdict | None = None
    obstacle: Obstacle | None = None
    reason: str = ""


def lettered(
    found: Sequence[tuple[str, str, Result, Words]], gallery: Collection[str] = ()
) -> list[Lettered]:
    """Runs under their letters, in their order: of each its id, name, result and settings.

    gallery: ids of those that another machine ran, which may be named as this one is.
    """
    fields = _fields([settings for *_, settings in found], every=False)
    runs = []
    for letter, (run_id, name, result, settings) in zip(LETTERS, found, strict=False):
        words = "; ".join(f"{field} {settings.get(field, NONE)}" for field in fields)
        where = [dict(result.machine), run_id in gallery]
        same = content_hash([student_key(result.recipe), *where])
        ms = result.arms["distilled"].latency_ms
        runs.append(Lettered(letter, run_id, name, result, settings, words, same, ms))
    shared: dict[str, list[float]] = {}
    for run in runs:
        if run.latency_ms is not None:
            shared.setdefault(run.timed_as, []).append(run.latency_ms)
    return [
        run if run.latency_ms is None else replace(run, latency_ms=median(shared[run.timed_as]))
        for run in runs
    ]


def alike(runs: Sequence[Lettered]) -> list[list[str]]:
    """Letters of the runs whose students are the same network, timed on the same machine as far as
    it is named; only of groups of two and more.
    """
    found: dict[str, list[str]] = {}
    for run in runs:
        if run.latency_ms is not None:
            found.setdefault(run.timed_as, []).append(run.letter)
    return [letters for letters in found.values() if len(letters) > 1]


def settings_table(runs: Sequence[Lettered], *, every: bool = False) -> pd.DataFrame:
    """A row a run, a column a setting: those that are not the same in all, or every one."""
    fields = _fields([run.settings for run in runs], every)
    rows = {run.letter: [run.settings.get(field, NONE) for field in fields] for run in runs}
    return pd.DataFrame.from_dict(rows, orient="index", columns=fields)


def _fields(settings: Sequence[Words], every: bool) -> list[str]:
    """All fields that any of the runs has, in their order; or those that differ."""
    known = dict.fromkeys(field for each in settings for field in each)
    if every:
        return list(known)
    return [field for field in known if len({each.get(field, NONE) for each in settings}) > 1]


def against(run: Lettered, reference: Lettered, samples: int | None) -> Against:
    """The paired difference of two runs' students, or why there is none.

    samples: of the test split, None where the data are not here any more. Runs of one task have
    the same splits: its name stands for its content. Student's paired t interval over the seeds
    that both have.
    """
    data = "Data"
    if run.recipe.task != reference.recipe.task:
        other = f"other data: {run.settings[data]}, not {reference.settings[data]}"
        return Against(obstacle="data", reason=other)
    seeds = tuple(seed for seed in reference.recipe.seeds if seed in run.recipe.seeds)
    if not seeds:
        ours, theirs = (spans(each.recipe.seeds) for each in (run, reference))
        reason = f"other seeds: {ours}, not {theirs}; nothing to pair"
        return Against(obstacle="seeds", reason=reason)
    if samples is None:
        reason = "the data are not here any more, so the size of their test split is not known"
        return Against(seeds, obstacle="unknown", reason=reason)
    control, distilled = (_accuracies(each, seeds) for each in (reference, run))
    difference = paired_difference(control, distilled, samples)
    return Against(seeds, difference, verdict(difference))


def together(found: Mapping[str, Against]) -> dict[str, Against]:
    """The same, each verdict such that it holds beside all the others: by Holm's procedure."""
    known = {letter: each.difference for letter, each in found.items() if each.difference}
    said = verdicts(known)
    return {letter: replace(each, verdict=said.get(letter)) for letter, each in found.items()}


def _accuracies(run: Lettered, seeds: Sequence[int]) -> list[float]:
    of = dict(zip(run.recipe.seeds, run.result.arms["distilled"].accuracy, strict=True))
    return [of[seed] for seed in seeds]


def apart(run: Lettered, reference: Lettered, found: Against) -> str:
    """A sentence where two runs can't be compared, or on a part of their seeds only; else empty."""
    pair = f"{run.letter} and {reference.letter}"
    if found.obstacle == "data":
        here, there = run.settings["Data"], reference.settings["Data"]
        return (
            f"{pair} can't be compared: {run.letter} was tested on {here}, {reference.letter} on "
            f"{there}. Accuracies on different data say nothing about each other."
        )
    if found.obstacle == "seeds":
        return (
            f"{pair} can't be paired: they have no seed in common "
            f"({spans(run.recipe.seeds)} and {spans(reference.recipe.seeds)}). Run one of them "
            "again with the other's seeds."
        )
    if found.obstacle == "unknown":
        return f"{pair} can't be paired: {found.reason}."
    if set(found.seeds) != {*run.recipe.seeds, *reference.recipe.seeds}:
        return f"{pair} are paired on the seeds that both have: {spans(found.seeds)}."
    return ""


def outcome_table(
    runs: Sequence[Lettered], reference: Lettered, found: Mapping[str, Against]
) -> pd.DataFrame:
    """A row a run: accuracies, both differences, and what the student costs, in words.

    found: by letter, each run against the reference.
    """
    rows = {}
    for run in runs:
        arms = run.result.arms
        student = arms["distilled"]
        rows[run.letter] = {
            "Distilled": accuracy_text(student.accuracy),
            "Labels alone": accuracy_text(arms["control"].accuracy),
            "Teacher": accuracy_text(arms["teacher"].accuracy),
            "Seeds": str(len(run.recipe.seeds)),
            "Gain over labels alone, points": in_words(run.result.difference, run.result.verdict),
            f"Against {reference.letter}, points": _against_words(run, reference, found),
            "Parameters": f"{student.parameters:,}",
            "ONNX file, kB": _kilobytes(student.onnx_bytes),
            "Latency, µs": told(student.latency_ms, 1e3) + _wobble(student),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def in_words(difference: Difference, said: Verdict) -> str:
    """A paired difference with its interval and verdict: +7.2 (+5.6 … +8.9), better."""
    interval = interval_words(difference)
    return f"{signed(difference.mean)}{interval and f'{NEAR}({interval})'}, {said}"


def interval_words(difference: Difference) -> str:
    """The interval of a difference, empty where seeds are too few for one."""
    if difference.low is None or difference.high is None:
        return ""
    return f"{signed(difference.low)}{NEAR}…{NEAR}{signed(difference.high)}"


def told(value: float | None, factor: float) -> str:
    """A measured cost in three digits, or that it was not measured."""
    return "not measured" if value is None else f"{factor * value:,.3g}"


def _kilobytes(count: int | None) -> str:
    return "not measured" if count is None else kilobytes(count)


def _single(student: Arm) -> Latency | None:
    return next((each for each in student.latency if each.batch == 1), None)


def _wobble(student: Arm) -> str:
    """Where eight in ten calls of one sample lie, in µs; empty where nobody knows."""
    single = _single(student)
    if single is None:
        return ""
    return f"{NEAR}({told(single.low_ms, 1e3)}{NEAR}…{NEAR}{told(single.high_ms, 1e3)})"


def _against_words(run: Lettered, reference: Lettered, found: Mapping[str, Against]) -> str:
    if run.letter == reference.letter:
        return "the reference"
    of = found[run.letter]
    if of.difference is None or of.verdict is None:
        return of.reason
    return in_words(of.difference, of.verdict)


def with_interval(differences: Iterable[Difference | None]) -> int:
    """How many of them have an interval: each may be clear by luck."""
    return sum(each is not None and each.low is not None for each in differences)


def exported(
    runs: Sequence[Lettered], reference: Lettered, found: Mapping[str, Against]
) -> pd.DataFrame:
    """All of it for a spreadsheet, a row a run: settings in words, then numbers as they are.

    Accuracies are shares of the test split; differences are in points. against.p is of that pair
    alone; against.p_holm, by which the verdict goes, holds beside all the others (Holm, 1979).
    """
    held = corrected({letter: each.difference for letter, each in found.items() if each.difference})
    return pd.DataFrame([_exported(run, reference, found, held) for run in runs])


def _exported(
    run: Lettered, reference: Lettered, found: Mapping[str, Against], held: Mapping[str, float]
) -> dict[str, Any]:
    """held: the p values by letter, corrected."""
    student = run.result.arms["distilled"]
    of = found.get(run.letter, Against())
    gap, single = of.difference, _single(student)
    return {
        **{"letter": run.letter, "run": run.run_id, "name": run.name},
        **run.settings,
        **numbers(run.result),
        "onnx_bytes": student.onnx_bytes,
        "latency_ms": student.latency_ms,
        "latency_ms.low": None if single is None else single.low_ms,
        "latency_ms.high": None if single is None else single.high_ms,
        "reference": reference.letter,
        "against.mean": None if gap is None else gap.mean,
        "against.low": None if gap is None else gap.low,
        "against.high": None if gap is None else gap.high,
        "against.p": None if gap is None else p_value(gap),
        "against.p_holm": held.get(run.letter),
        "against.verdict": of.verdict,
        "against.seeds": spans(of.seeds),
        "against.reason": of.reason,
    }
