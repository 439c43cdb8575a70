"""One finished run's part of a report: what the template is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape, unescape
from typing import Any

import pandas as pd

from kdcore import look_charts, look_tables, pipeline_charts
from kdcore.answers import Logits
from kdcore.handover import figures, steps, words
from kdcore.handover.card import notes, table
from kdcore.handover.examples import Example, examples, in_words, picture
from kdcore.handover.facts import Facts, all_answers, class_changes, facts, harder
from kdcore.handover.figures import Mark
from kdcore.handover.finished import Finished
from kdcore.handover.limits import untested
from kdcore.handover.measured import Measured
from kdcore.handover.speed import bound_table, device, of_this_run
from kdcore.measure import intervals
from kdcore.measure.intervals import Interval
from kdcore.result import ARMS, ArmName
from kdcore.statistics import verdict_sentence
from kdcore.waterfall import TRAINED_ON, rows_table

Draw = Callable[..., Any]


def section(
    of: Finished,
    measured: Sequence[Measured],
    most_macs: float | None,
    draw: Draw,
    untimed: str = "",
) -> dict[str, Any]:
    """All that the template shows of a run. draw: turns a figure, its name and rows into HTML;
    untimed: why nothing was measured here.
    """
    of = _harmless(of)
    answered = all_answers(of)
    found = facts(of, answered)
    looks = {name: _safe(mark) for name, mark in figures.marks([f.model for f in found]).items()}
    worse = harder(of, most_macs)
    devices = of_this_run(of, measured)
    return {
        "name": of.name,
        "tone": of.result.verdict if of.result.verdict in ("better", "worse") else "",
        "verdict": verdict_sentence(of.result.difference),
        "about": _about(of),
        "head": ["", *(of.label(each.model) for each in found)],
        "rows": [[name, *cells] for name, cells in table(found)],
        "notes": notes(of),
        "since": [
            f"{name}: {how.removesuffix('.')}." for name, how in of.made.items() if how != name
        ],
        "figures": [*_figures(of, found, answered, looks, draw), *_stages(of, draw)],
        "harder": _harder(worse, looks, draw),
        "harder_note": _harder_note(worse),
        "examples": _examples(of, answered, looks, draw),
        "measured": [device(of, each) for each in devices],
        "bounds": bound_table(of, found),
        "untested": untested(of, len(worse) > 0, devices, untimed),
    }


def _harmless(of: Finished) -> Finished:
    """With class names that a figure may show: it takes some HTML for its own."""
    if of.answers is None:
        return of
    names = tuple(escape(name) for name in of.answers.class_names)
    return replace(of, answers=replace(of.answers, class_names=names))


def _safe(mark: Mark) -> Mark:
    return replace(mark, name=escape(mark.name))


def _about(of: Finished) -> str:
    recipe = of.result.recipe
    return (
        f"{words.models(recipe)}; {words.data(recipe)}; method {recipe.method.name}, temperature "
        f"{recipe.temperature:g}; {recipe.training.steps:,} steps; seeds "
        f"{', '.join(map(str, recipe.seeds))}. Both students of a seed start from the same "
        "weights, see the same labelled batches and take the same steps."
    )


def _figures(
    of: Finished,
    found: Sequence[Facts],
    answered: dict[str, Logits],
    looks: dict[str, Mark],
    draw: Draw,
) -> list[Any]:
    """Front, steps, classes and confidence, as far as the run kept what they need."""
    drawn = []
    rows, bars = _accuracies(of, found), _bars(of, found)
    sized = rows.dropna(subset=["bytes"])
    if len(sized):
        drawn.append(draw(figures.pareto(sized, looks), "pareto", sized, note=bars))
        files = sized[sized["model"] != "control"].copy()
        files["against"] = steps.held_against([*files["model"]])
        if len(files) > 1:
            drawn.append(draw(steps.size_steps(files, looks), "sizes", files))
    brought = steps.brought(rows)
    teacher = float(rows.loc[rows["model"] == "teacher", "accuracy"].iloc[0])
    note = bars
    if brought["once"].any():
        note += " Those models' steps begin at that seed's distilled student: the dotted line."
    climbed = steps.accuracy_steps(brought, looks, teacher)
    drawn.append(draw(climbed, "steps", brought, note=note))
    if of.answers is not None:
        classes = class_changes(of, answered)
        drawn.append(draw(figures.by_class(classes, looks), "classes", classes))
        sure = _sure(found)
        bins = look_tables.reliability_rows(sure, fitted=False)
        drawn.append(draw(look_charts.reliability(bins, sure, False), "confidence", bins))
    return drawn


def _stages(of: Finished, draw: Draw) -> list[Any]:
    """All stages of the pipeline, from the teacher to the model that is handed over."""
    if of.pipeline is None:
        return []
    rows = of.pipeline.rows
    table = rows_table(rows)
    note = "Every stage, over all seeds."
    if any(row.name == TRAINED_ON for row in rows):
        note += " Hollow: the distilled student, only trained on for as many steps."
    return [
        draw(pipeline_charts.sizes(rows), "stages-size", table),
        draw(pipeline_charts.accuracies(rows), "stages-accuracy", table, note=note),
    ]


def _sure(found: Sequence[Facts]) -> dict[ArmName, look_tables.Confidence]:
    """How far the confidence of the run's three can be trusted, on all kept samples."""
    bins = {each.model: each.quality.reliability for each in found if each.quality}
    return {arm: look_tables.Confidence(1.0, bins[arm], bins[arm]) for arm in ARMS}


def _accuracies(of: Finished, found: Sequence[Facts]) -> pd.DataFrame:
    """A row a model, with intervals of one kind: over seeds, or of none had several, over samples.

    Beside each other, bars that mean different things would be compared.
    """
    rows = []
    for each in found:
        judged = each.quality.accuracy if each.quality else None
        told = _over_seeds(each, judged) if _has_seeds(found) else _over_samples(of, each, judged)
        if told is not None:
            rows.append(
                {
                    **{"run": escape(of.name), "model": each.model, "bytes": each.file_bytes},
                    **{"accuracy": told.value, "low": told.low, "high": told.high},
                    **{"first": judged.value if judged else None},
                    **{"once": each.over_seeds is None},
                }
            )
    numbers = ("low", "high", "bytes", "first")
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))


def _has_seeds(found: Sequence[Facts]) -> bool:
    """Whether some model was trained several times."""
    return any(each.over_seeds and each.over_seeds.low is not None for each in found)


def _over_seeds(each: Facts, judged: Interval | None) -> Interval | None:
    """No interval where there is but one model of the kind."""
    if each.over_seeds is None and judged is not None:
        return Interval(judged.value, None, None)
    return each.over_seeds


def _over_samples(of: Finished, each: Facts, judged: Interval | None) -> Interval | None:
    """Of one seed, on all test samples, of which a run may have kept a part."""
    if each.over_seeds is None or of.answers is None:
        return each.over_seeds or judged
    tested = of.answers.tested
    return intervals.share(round(each.over_seeds.value * tested), tested)


def _bars(of: Finished, found: Sequence[Facts]) -> str:
    """What the intervals in the charts of accuracies are."""
    if _has_seeds(found):
        told = (
            "Bars: 95 % intervals over the seeds (Student's t): other seeds, the same samples. A "
            "model without a bar was made once; the table has its interval over samples."
        )
    else:
        told = (
            "Bars: 95 % intervals over the test samples (Wilson's): other samples, the same "
            "models. One seed tells nothing of another."
        )
    if any(each.over_seeds is None for each in found) and of.answers is not None:
        told += " Models made since are of the first seed"
        if of.answers.tested > len(of.answers):
            told += f", on {len(of.answers):,} of the {of.answers.tested:,} test samples"
        told += "."
    return told


def _harder(rows: pd.DataFrame, looks: dict[str, Mark], draw: Draw) -> list[Any]:
    if not len(rows):
        return []
    drawn = {name: mark for name, mark in looks.items() if name in set(rows["model"])}
    return [
        draw(figures.harder(rows, kind, drawn), kind, rows[rows["kind"] == kind])
        for kind in rows["kind"].unique()
    ]


def _harder_note(rows: pd.DataFrame) -> str:
    if not len(rows):
        return ""
    return (
        f"The first {int(rows['samples'].iloc[0]):,} test samples, made harder by known amounts, "
        "the same for every model; the first seed's models, with Wilson's intervals."
    )


def _examples(
    of: Finished, answered: dict[str, Logits], looks: dict[str, Mark], draw: Draw
) -> list[dict[str, Any]]:
    if of.answers is None:
        return []
    kept, told = of.answers, []
    for each in examples(kept, answered):
        figure = figures.answer(each.shares, kept.class_names, looks)
        told.append(
            {
                "why": each.why,
                "label": unescape(kept.class_names[kept.labels[each.place]]),
                "said": _said(of, each, kept.class_names),
                "number": each.place + 1,
                "picture": picture(kept, each.place),
                "numbers": in_words(kept, each.place),
                "drawn": draw(figure, f"example{each.place}"),
            }
        )
    return told


def _said(of: Finished, each: Example, names: Sequence[str]) -> str:
    """What each model says: "teacher 4 (97 %), labels alone 9 (51 %)"."""
    parts = [
        f"{of.short(model).lower()} says {unescape(names[int(share.argmax())])} "
        f"({100 * share.max():.0f} %)"
        for model, share in each.shares.items()
    ]
    return ", ".join(parts)
