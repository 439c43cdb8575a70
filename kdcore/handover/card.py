"""The model card of a bundle, as Markdown: what the model is, what it is worth, what it is not.

After Mitchell et al., 2019, "Model Cards for Model Reporting", arXiv:1810.03993.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from kdcore.handover import words
from kdcore.handover.facts import Facts
from kdcore.handover.finished import Finished
from kdcore.handover.limits import untested
from kdcore.measure.quality import Quality
from kdcore.recipe import brief
from kdcore.statistics import verdict_sentence


def card(of: Finished, found: Sequence[Facts]) -> str:
    """The card of the distilled student. found: of all models, as `facts` gives it."""
    parts = (
        f"# {plain(of.name)}",
        _what(of),
        "## How it was made\n\n" + _made(of),
        "## What it is worth\n\n" + _worth(of, found),
        "## What was not tested\n\n" + "\n".join(f"* {each}" for each in untested(of)),
        "## Use it\n\n" + _use(of),
    )
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text that Markdown shows as it was typed, in one line."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|$~<>-])", r"\\\1", " ".join(text.split()))


def _what(of: Finished) -> str:
    recipe, kept = of.result.recipe, of.answers
    classes = "" if kept is None else f" into {len(kept.class_names)} classes"
    return (
        f"A classifier of {plain(recipe.task)}{classes}: `{brief(recipe.student)}`, distilled from "
        f"`{brief(recipe.teacher)}`.\n\n"
        f"**{verdict_sentence(of.result.difference)}**" + "".join(_smaller(of))
    )


def _smaller(of: Finished) -> Iterator[str]:
    """What a pipeline made of it."""
    if of.pipeline is not None:
        yield from (f"\n\nAfter it, `{name}`: {plain(how)}" for name, how in of.made.items())


def _made(of: Finished) -> str:
    recipe = of.result.recipe
    extra = "".join(f" and `{each.name}`" for each in recipe.extra)
    lines = (
        f"* Data: {plain(words.data(recipe))}",
        f"* Teacher: `{brief(recipe.teacher)}`",
        f"* Method: `{recipe.method.name}`{extra}, temperature {recipe.temperature:g}, weight of "
        f"the labels {_weight(recipe.hard_weight)}, of the teacher {_weight(recipe.soft_weight)}",
        f"* Training: {recipe.training.steps:,} steps of {recipe.training.batch_size} samples, "
        f"{recipe.training.optimizer} at {recipe.training.learning_rate:g}",
        f"* Seeds: {', '.join(map(str, recipe.seeds))}; the files are the first one's, after the "
        "last step",
        f"* Recipe: `recipe.json`, which gives the same numbers again: "
        f"`python -m kdcore run recipe.json` (id `{recipe.id}`)",
    )
    return "\n".join(lines)


def _weight(value: float | None) -> str:
    return "as usual for it" if value is None else f"{value:g}"


def _worth(of: Finished, found: Sequence[Facts]) -> str:
    head = "| | " + " | ".join(plain(of.label(each.model)) for each in found) + " |"
    rows = [head, "|---|" + "--:|" * len(found)]
    for name, cells in table(found):
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n\n" + notes(of)


def table(found: Sequence[Facts]) -> list[tuple[str, list[str]]]:
    """Rows of a table of all models: what is told, and each model's figure in words; none of what
    is known of no model.
    """
    told: dict[str, Callable[[Facts], str]] = {
        "Accuracy over the seeds": lambda f: words.percent(f.over_seeds),
        "Accuracy, first seed": _judged(lambda q: words.percent(q.accuracy)),
        "Among the five likeliest": _judged(lambda q: words.percent(q.top5)),
        "Precision, mean over classes": _judged(lambda q: words.percent(q.precision)),
        "Recall, mean over classes": _judged(lambda q: words.percent(q.recall)),
        "F1, mean over classes": _judged(lambda q: words.percent(q.f1)),
        "Loss, nats": _judged(lambda q: words.number(q.loss)),
        "Off in confidence (ECE)": _judged(lambda q: f"{100 * q.error:.1f} %"),
        "Agrees with the teacher": lambda f: words.percent(f.with_teacher),
        "Agrees with the whole student": lambda f: words.percent(f.with_whole),
        "File": lambda f: words.size(f.file_bytes),
        "File in a gzip archive": lambda f: words.size(f.weight.gzip_bytes if f.weight else None),
        "Numbers in it": lambda f: words.count(f.weight.numbers if f.weight else None),
        "Not zero": lambda f: words.count(f.weight.nonzero if f.weight else None),
        "Multiply-accumulates": lambda f: words.count(f.macs),
    }
    rows = [(name, [tell(each) for each in found]) for name, tell in told.items()]
    for place, batch in enumerate(each.batch for each in found[0].latency):
        times = [each.latency[place].median_ms if each.latency else None for each in found]
        called = "one sample" if batch == 1 else f"{batch} at once"
        rows.append((f"Median time of {called}", [words.time(each) for each in times]))
    return [row for row in rows if set(row[1]) != {words.MISSING}]


def _judged(tell: Callable[[Quality], str]) -> Callable[[Facts], str]:
    return lambda found: words.MISSING if found.quality is None else tell(found.quality)


def notes(of: Finished) -> str:
    """How the figures of the table were taken."""
    result, kept = of.result, of.answers
    told = "" if kept is None else f"{len(kept):,}"
    if kept is not None and kept.tested > len(kept):
        told += f" of {kept.tested:,}"
    samples = f" on {told} test samples" if told else ""
    machine = result.machine
    return (
        "In brackets: intervals of 95 %. Over the seeds they are Student's t, for other seeds on "
        f"the same samples; else for other samples, of the first seed's model{samples}: Wilson's "
        "for shares, the bootstrap's for precision, recall and F1, the normal one for the loss. "
        f"Times on {machine.get('system', 'the machine')}, {machine.get('cores', '?')} cores: "
        f"onnxruntime {machine.get('onnxruntime', '')}, one thread, warmed up, in turns."
        + (f" {result.latency_doubt}" if result.latency_doubt else "")
    )


def asked_first(of: Finished) -> str:
    """The file that a bundle is handed over for: what a pipeline made, else the student itself."""
    return f"{of.further[-1]}.onnx" if of.pipeline and of.further else "model.onnx"


def _use(of: Finished) -> str:
    further = "".join(f"* `{name}.onnx`: made of it since\n" for name in of.further)
    weights = "* `model.safetensors`: its weights alone\n" if "distilled" in of.weights else ""
    pipeline = (
        "* `pipeline.json`: its stages, to be made again by `python -m kdcore pipeline "
        "pipeline.json --out DIR`\n"
        if of.pipeline
        else ""
    )
    first = f"`{asked_first(of)}`"
    return f"""```sh
pip install -r requirements.txt
python predict.py --check        # does it answer here as it did where it was made?
python predict.py sample.npy
python measure_here.py           # how fast is it on this device?
```

`predict.py` asks {first}, or another of these with `--model`. All have their weights inside
and take any number of samples at once.

* `model.onnx`: the distilled student, float32
{further}{weights}{pipeline}* `labels.json`: the classes in the order of the answers
* `preprocessing.json`: shape and type of a sample, and how it is normalised
* `check.npz`: test samples and what the models answered to them
* `result.json`: all figures of the run
"""
