"""What a pipeline gave, as tables and sentences for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kdcore.result import Latency
from kdcore.spoken import NONE, kilobytes, size
from kdcore.statistics import accuracy_text, mean, signed, verdict
from kdcore.waterfall import ORIGINAL, TRAINED_ON, Foreseen, PipelineResult, Row


def shown(rows: Sequence[Row]) -> pd.DataFrame:
    """A row for each model, in words: what it reads, beside what it is held, what it costs."""
    return pd.DataFrame([_shown(row) for row in rows])


def _shown(row: Row) -> dict[str, str]:
    zeros = None if row.nonzeros is None else row.parameters - row.nonzeros
    found = {
        "Model": row.name[:1].upper() + row.name[1:],
        "Test accuracy": accuracy_text(row.accuracy),
        "Difference, points": difference_text(row),
        "Verdict": NONE if row.difference is None else verdict(row.difference),
        "As the teacher": f"{100 * mean(row.like_teacher):.1f} %",
        "As before all stages": f"{100 * mean(row.like_original):.1f} %",
        "On disk, kB": kilobytes(row.bytes),
        "Gzipped, kB": kilobytes(row.gzip_bytes),
        "Parameters": f"{row.parameters:,}",
        "of them zero": NONE if zeros is None else f"{zeros:,}",
        "MACs": NONE if row.macs is None else f"{row.macs:,}",
    }
    for each in row.latency:
        found[f"Latency, batch {each.batch}"] = time_text(each.median_ms)
    return found


def difference_text(row: Row) -> str:
    """The difference to the student that was trained on as long, with its interval."""
    if row.difference is None:
        return NONE
    if row.difference.low is None or row.difference.high is None:
        return signed(row.difference.mean)
    low, high = signed(row.difference.low), signed(row.difference.high)
    return f"{signed(row.difference.mean)} ({low} … {high})"


def foreseen_table(found: Sequence[Foreseen]) -> pd.DataFrame:
    """What is known of each model before anything is trained."""
    return pd.DataFrame(
        {
            "After": each.name[:1].upper() + each.name[1:],
            "kB": NONE if each.bytes is None else kilobytes(each.bytes),
            "Parameters": f"{each.parameters:,}",
            "of them zero": NONE if each.zeros is None else f"{each.zeros:,}",
            "MACs": f"{each.macs:,}",
        }
        for each in found
    )


def headline(result: PipelineResult, after: str = "After all stages") -> str:
    """What the stages together came to, in a sentence or two; after: which ones, if not all."""
    named = {row.name: row for row in result.rows}
    first, last = named[ORIGINAL], result.rows[-1]
    smaller = _times(first.bytes, last.bytes, "smaller", "larger")
    gone = f"from {size(first.bytes)} to {size(last.bytes)}"
    text = f"{after}, the student has gone {gone} on disk: {smaller}."
    if first.latency and last.latency:
        text += f" {_speed(first.latency[0], last.latency[0])}"
    beside = "trained on as long" if TRAINED_ON in named else "not compressed"
    return f"{text} {_accuracy(last, beside)}"


def _speed(before: Latency, after: Latency) -> str:
    """Whether it answers faster: only where the middle four fifths of both lie apart."""
    text = f"An answer takes {time_text(after.median_ms)}"
    if before.noisy or after.noisy:
        return f"{text}, taken while the machine was busy: no speed can be told from it."
    if after.high_ms < before.low_ms or before.high_ms < after.low_ms:
        return f"{text}: {_times(before.median_ms, after.median_ms, 'faster', 'slower')}."
    return f"{text}, which is not clearly different from {time_text(before.median_ms)} before."


def _accuracy(row: Row, beside: str) -> str:
    gap = row.difference
    if gap is None:
        return ""
    if gap.low is None or gap.high is None:
        return (
            f"Its accuracy is {signed(gap.mean)} points against the student that was {beside}; "
            "too few seeds to tell luck from loss."
        )
    points, interval = f"{abs(gap.mean):.1f} points", f"{signed(gap.low)} to {signed(gap.high)}"
    match verdict(gap):
        case "worse":
            said = f"It is worse by {points} than"
        case "better":
            said = f"It is better by {points} than"
        case _:
            said = f"There is no clear difference in accuracy, {signed(gap.mean)} points, to"
    return f"{said} the student that was {beside} (95 % interval {interval})."


def _times(before: float, after: float, less: str, more: str) -> str:
    """How many times less or more, where it is worth telling."""
    if not before or not after or 0.95 < after / before < 1.05:
        return "about the same"
    word, ratio = (less, before / after) if after < before else (more, after / before)
    return f"{ratio:.1f} times {word}"


def latency_sentence(machine: Mapping[str, str | int], rounds: int, warm_up: int) -> str:
    """How and where latencies were taken; rounds, warm_up: of `kdcore.measure.latency`."""
    return (
        f"Latency on the machine that it was measured on ({machine['system']}, {machine['cores']} "
        f"cores): onnxruntime {machine['onnxruntime']}, one thread, {warm_up} calls to warm up, "
        f"the models in turns, median of {rounds} samples; all of the first seed's files."
    )


def time_text(milliseconds: float) -> str:
    """A latency with its unit."""
    if milliseconds < 1:
        return f"{1000 * milliseconds:.3g} µs"
    return f"{milliseconds:.3g} ms"
