"""What is left of students once they are compressed: the tables under "Making it smaller still".

`python benchmarks/diet.py` takes two pairs through the whole pipeline (distil, half the channels,
train on with the teacher, int8), times every model, does the same to a ResNet-18 that is not
trained, and writes the tables of README.md. What diet.json holds already is not measured again:
`--again` does, `--only TEXT` takes what has the text in its name: `--again --only latency` the
timings alone, of the models that were kept. A quarter of an hour on one core.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from diet_pairs import Pair, pairs
from peers import loaded
from tables import README, Job, Kept, Table, main, markdown, percent
from turns import machine, machine_lines, one_thread

from kdcore import models
from kdcore.classroom import Classroom
from kdcore.compress.channels import prune_channels
from kdcore.compress.export import to_onnx
from kdcore.compress.quantize import static_int8
from kdcore.compress.weighing import gzipped
from kdcore.errors import KdError
from kdcore.experiment import default_shelf
from kdcore.measure import here
from kdcore.measure.size import macs
from kdcore.pipeline import Pipeline
from kdcore.setting import reshaped
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.stages import steps
from kdcore.stages.judging import model_of
from kdcore.stages.work import Piece, tuned
from kdcore.statistics import paired_difference, signed, verdict
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, PipelineResult, Row

BATCHES = (1, 32)
TWIN = "student on labels alone, trained on as long"
DEEP, SIDE, SAMPLES = "ResNet-18", 64, 256
LATENCY = "; latency"


# measuring


def compressed(pair: Pair) -> dict[str, Any]:
    """A pair's models: accuracies as shares, by seed, and what the first seed's file weighs."""
    pipeline, shelf, rooms = pair.pipeline(), default_shelf(), list[Classroom]()
    happenings = steps(pipeline, shelf, Shared(), rooms)
    (result,) = (each for each in happenings if isinstance(each, PipelineResult))
    rows = {row.name: kept_row(row) for row in result.rows}
    rows[TWIN] = twin(pipeline, rooms[0], shelf)
    recipe = pipeline.recipe
    return {
        "rows": {name: rows[name] for name in in_order(rows)},
        "stages": [row.name for row in result.rows[-len(pipeline.stages) :]],
        "steps": [recipe.teacher_training.steps, recipe.training.steps, further(pipeline)],
        "tested": len(rooms[0].split("test")),
        "machine": machine("onnxruntime"),
    }


def kept_row(row: Row) -> dict[str, Any]:
    """What is kept of a pipeline's row."""
    sizes = {"bytes": row.bytes, "gzip": row.gzip_bytes, "macs": row.macs}
    return {"accuracy": row.accuracy, **sizes, "file": row.file.onnx}


def twin(pipeline: Pipeline, room: Classroom, shelf: Shelf) -> dict[str, Any]:
    """The students on labels alone, after all further steps of the pipeline on labels alone."""
    networks = []
    for member in room.members["control"]:
        piece = Piece(member.seed, copy.deepcopy(member.network), member.network, member.network)
        for stage in pipeline.tunes():
            for _ in tuned(piece, stage.model_copy(update={"by": "labels"}), room):
                pass
        networks.append(piece.network)
    test, shape = room.split("test"), room.setting.data.input_shape
    model = model_of(TWIN, networks, test, shape)
    labels = test.labels.numpy()
    return {
        "accuracy": [float((each.argmax(1) == labels).mean()) for each in model.answers],
        **{"bytes": len(model.content), "gzip": gzipped(model.content)},
        **{"macs": macs(networks[0], shape), "file": shelf.put(model.content, "onnx")},
    }


def in_order(names: Mapping[str, Any]) -> Iterator[str]:
    """The ends, those on labels alone together, then the stages."""
    first = (TEACHER, CONTROL, TWIN, ORIGINAL, TRAINED_ON)
    yield from first
    yield from (name for name in names if name not in first)


def further(pipeline: Pipeline) -> int:
    """Steps that the stages take."""
    return sum(tune.steps for tune in pipeline.tunes())


def latency(pair: Pair) -> dict[str, Any]:
    """The times of a pair's models, of those that compute alike once."""
    known = TABLE.known().get(pair.name)
    if known is None:
        raise SystemExit(f"{pair.name} is not trained yet; run this without --only, or name it")
    shelf = default_shelf()
    return timed({name: shelf.get(known["rows"][name]["file"]) for name in distinct(known["rows"])})


def distinct(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """By the first of those rows, all whose networks have the same shapes."""
    alike: dict[tuple[int, int], list[str]] = {}
    for name, row in rows.items():
        alike.setdefault((row["bytes"], row["macs"]), []).append(name)
    return {names[0]: names for names in alike.values()}


def timed(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Milliseconds of a processor's time, by model and batch; the models take turns at random."""
    cells = here.grid(files, BATCHES, (1,))
    return {
        "low_ms": {
            name: {str(cell.batch): cell.low_ms for cell in cells if cell.model == name}
            for name in files
        },
        **{"noisy": sum(cell.noisy for cell in cells), "machine": machine("onnxruntime")},
    }


def resnet18() -> dict[str, Any]:
    """ResNet-18 as it is built, with half the channels, and each in int8: no training."""
    shape = (3, SIDE, SIDE)
    pictures = reshaped(loaded("mnist").train.inputs[:SAMPLES], shape).float()
    samples = ((pictures - pictures.mean()) / pictures.std()).numpy().astype(np.float32)
    network = models.get("resnet18").build(shape, 10, {}, seed=0)
    files, rows = {}, {}
    for name in ("as it is", "half the channels"):
        if files:
            list(prune_channels(network, shape, 0.5))
        plain = to_onnx(network, shape)
        count = macs(network, shape)
        for called, content in ((name, plain), (f"{name}, int8", static_int8(plain, samples))):
            files[called] = content
            rows[called] = {"bytes": len(content), "gzip": gzipped(content), "macs": count}
    return {"rows": rows, **timed(files)}


# the tables


def text(kept: Kept) -> str:
    """A table for each pair, and one for ResNet-18, as far as they are measured."""
    parts, told = [], []
    for pair in pairs_of(kept):
        found, times = kept[pair], kept.get(pair + LATENCY)
        parts += [f"**{pair}**: {steps_told(found)}\n\n", waterfall(found, times), "\n"]
        told += [found["machine"], *([times["machine"]] if times else [])]
    if DEEP in kept:
        parts += [f"**{DEEP}** at 3×{SIDE}×{SIDE}, not trained\n\n", bare(kept[DEEP]), "\n"]
        told.append(kept[DEEP]["machine"])
    noisy = [name.removesuffix(LATENCY) for name, each in kept.items() if each.get("noisy")]
    disturbed = f"Others worked on this machine while these were timed: {'; '.join(noisy)}.\n\n"
    return "".join(parts) + disturbed * bool(noisy) + machine_lines(told)


def pairs_of(kept: Kept) -> list[str]:
    """Names of the pairs that were measured."""
    return [name for name, each in kept.items() if "stages" in each]


def steps_told(found: Mapping[str, Any]) -> str:
    """How long everybody was trained."""
    teacher, student, more = found["steps"]
    seeds = len(found["rows"][CONTROL]["accuracy"])
    return (
        f"{teacher:,} steps of the teacher, {student:,} of the students, then {more:,} more; "
        f"{seeds} seeds, {found['tested']:,} test pictures"
    )


def waterfall(found: Mapping[str, Any], times: Mapping[str, Any] | None) -> str:
    """A row for each model, from the teacher to the smallest file."""
    head = ["model", "accuracy, %", "to the plain student, 95 % interval", "kB", "gzip, kB"]
    head += ["MACs, M", "1 picture, ms", f"{BATCHES[1]} pictures, ms"]
    low = spread_over(distinct(found["rows"]), times["low_ms"]) if times else {}
    rows = []
    for name, row in found["rows"].items():
        sizes = [f"{row[key] / 1000:,.1f}" for key in ("bytes", "gzip")]
        count = f"{row['macs'] / 1e6:,.2f}"
        shares, times_told = row["accuracy"], faster(low.get(name), low.get(TEACHER))
        worth = percent(shares) if len(shares) > 1 else f"{100 * shares[0]:.1f}"
        rows.append([name, worth, against(name, found), *sizes, count, *times_told])
    return markdown(head, rows, left=3)


def spread_over(alike: Mapping[str, Sequence[str]], low: Mapping[str, Any]) -> dict[str, Any]:
    """The times of each model, from those of the one that stood for all that are alike."""
    return {name: low[first] for first, names in alike.items() for name in names}


def faster(low: Mapping[str, float] | None, teacher: Mapping[str, float] | None) -> list[str]:
    """Milliseconds at each batch, and how many times faster than the teacher that is."""
    if low is None or teacher is None:
        return ["–" for _ in BATCHES]
    cells = ((low[str(batch)], teacher[str(batch)]) for batch in BATCHES)
    return [short(own) + f" ({of / own:.1f}×)" * (low is not teacher) for own, of in cells]


def short(milliseconds: float) -> str:
    """With as many digits as mean something."""
    digits = 3 if milliseconds < 1 else 2 if milliseconds < 10 else 1
    return f"{milliseconds:,.{digits}f}"


def against(name: str, found: Mapping[str, Any]) -> str:
    """A model's accuracy beside that of the student on labels alone that took as many steps.

    Empty of the teacher and of those students themselves.
    """
    if name in (TEACHER, CONTROL, TWIN):
        return ""
    plain = found["rows"][plain_of(name, found["stages"])]["accuracy"]
    gap = paired_difference(plain, found["rows"][name]["accuracy"], found["tested"])
    if gap.low is None or gap.high is None:
        return f"{signed(gap.mean)}, {verdict(gap)}"
    return f"{signed(gap.mean)} ({signed(gap.low)} … {signed(gap.high)}), **{verdict(gap)}**"


def plain_of(name: str, stages: Sequence[str]) -> str:
    """The student on labels alone that took as many steps as this one: no more than it before it
    is trained on.
    """
    tunes = [number for number, stage in enumerate(stages) if stage.startswith("train on")]
    before = name in stages and stages.index(name) < min(tunes)
    return CONTROL if name == ORIGINAL or before else TWIN


def bare(found: Mapping[str, Any]) -> str:
    """Sizes and times of what was not trained."""
    head = ["weights", "MB", "gzip, MB", "MACs, M", "1 picture, ms", f"{BATCHES[1]} pictures, ms"]
    first = next(iter(found["rows"]))
    rows = []
    for name, row in found["rows"].items():
        sizes = [f"{row[key] / 1e6:.2f}" for key in ("bytes", "gzip")]
        times = faster(found["low_ms"][name], found["low_ms"][first])
        rows.append([name, *sizes, f"{row['macs'] / 1e6:.1f}", *times])
    return markdown(head, rows)


def told(found: Mapping[str, Any]) -> str:
    """A line about one job's figures."""
    if "stages" in found:
        rows = found["rows"].items()
        return "; ".join(f"{name}: {percent(row['accuracy'])}" for name, row in rows)
    return str(found["low_ms"])


def jobs() -> list[Job]:
    """Each pair, and the times of its models; then ResNet-18."""
    found = []
    for pair in pairs():
        timing = pair.name + LATENCY
        found.append(Job(pair.name, pair.name, partial(compressed, pair)))
        found.append(Job(timing, timing, partial(latency, pair)))
    return [*found, Job(f"{DEEP}{LATENCY}", DEEP, resnet18)]


TABLE = Table(
    README,
    *("<!-- made by benchmarks/diet.py -->\n", "<!-- end of diet -->"),
    Path(__file__).with_suffix(".json"),
    text,
)


def start() -> None:
    """Measure what is asked for."""
    one_thread()
    try:
        main(__doc__, TABLE, jobs(), told)
    except KdError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    start()
