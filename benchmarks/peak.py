"""How much of this processor's arithmetic a student's training step uses, and where costs bend.

`python benchmarks/peak.py` measures anew and writes the last part of benchmarks/README.md;
`--only TEXT` measures the parts whose name holds the text. Everything runs on noise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from contenders import BATCH, Member, Pair, built, distil, pupils
from tables import HERE, Job, Kept, Table, main, markdown
from torch import nn
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode
from turns import in_turns, machine, machine_lines, one_thread, spread_of, timed

from kdcore.measure.size import macs
from kdcore.recipe import ModelChoice
from kdcore.result import Precision
from kdcore.tasks import Data, Split
from kdcore.train.lesson import alone
from kdcore.train.memory import keep_freed
from kdcore.train.precision import best_precision, has_bfloat16

STEPS, CURVES = "students' steps", "the curves"
REPEATS, TURNS = 15, 3
FEW = 12
"""Steps of a student in one turn."""

CLASSES = 10
DENSE = ModelChoice(architecture="mlp", options={"widths": [16]})
LARGE = ModelChoice(architecture="mlp", options={"widths": [256, 256]})
NAMES: dict[Precision, str] = {"float32": "fp32", "bfloat16": "bf16"}


class Student(NamedTuple):
    """A network, and the shape of the pictures it learns from."""

    choice: ModelChoice
    shape: tuple[int, int, int]
    batch: int = BATCH


def cnn(*channels: int) -> ModelChoice:
    """A CNN of these widths, or the default."""
    return ModelChoice(architecture="cnn", options={"channels": list(channels)} if channels else {})


STUDENTS = {
    "CNN 32-64, 1×28×28": Student(cnn(), (1, 28, 28)),
    "CNN 32-64, 3×32×32": Student(cnn(), (3, 32, 32)),
    "CNN 8-16, 1×28×28": Student(cnn(8, 16), (1, 28, 28)),
    "ResNet-8, 3×32×32": Student(
        ModelChoice(architecture="resnet_cifar", options={"depth": 8}), (3, 32, 32)
    ),
}
WIDTHS = {
    f"{width}-{2 * width}": Student(cnn(width, 2 * width), (1, 28, 28))
    for width in (2, 4, 8, 16, 32, 64)
}
BATCHES = {str(size): Student(cnn(), (1, 28, 28), size) for size in (4, 8, 16, 32, 64, 128)}
SIZES = (256, 1024, 4096, 8192, 16384, 32768)
"""Samples that a dense student learns from, for the curve."""


# the peak


def peak() -> dict[str, Any]:
    """The fastest arithmetic that torch does here, in billions of operations a second."""
    known: list[Precision] = ["float32", "bfloat16"] if has_bfloat16() else ["float32"]
    works = {
        f"{name}, {NAMES[precision]}": work
        for precision in known
        for name, work in _works(torch.float32 if precision == "float32" else torch.bfloat16)
    }
    for _, run in works.values():
        run()

    def take(name: str, _turn: int) -> float:
        operations, run = works[name]
        _, timing = timed(run)
        return operations / timing.clock / 1e9

    with torch.inference_mode():
        return {"rates": in_turns(list(works), REPEATS, take), "machine": machine()}


Work = tuple[float, Callable[[], object]]
"""How many operations it is, and what does them."""


def _works(kind: torch.dtype) -> list[tuple[str, Work]]:
    found: list[tuple[str, Work]] = []
    for side in (1024, 2048):
        square = torch.randn(side, side, dtype=kind)
        found.append((f"matrix product {side}", (2 * side**3, partial(torch.mm, square, square))))
    for into, out, side in ((64, 64, 32), (32, 64, 14)):
        maps = torch.randn(BATCH, into, side, side, dtype=kind)
        maps = maps.contiguous(memory_format=torch.channels_last)
        weights = torch.randn(out, into, 3, 3, dtype=kind)
        weights = weights.contiguous(memory_format=torch.channels_last)
        operations = 2 * BATCH * side**2 * 9 * into * out
        work = (operations, partial(conv2d, maps, weights, padding=1))
        found.append((f"convolution {into}→{out} at {side}×{side}", work))
    return found


# steps


def steps() -> dict[str, Any]:
    """The students' steps, beside the peak of these very minutes."""
    return {**peak(), **_stepped(STUDENTS)}


def _stepped(students: Mapping[str, Student]) -> dict[str, Any]:
    """Seconds of every step, in turns of a few: those that report, and all others."""
    plain: dict[str, list[float]] = {name: [] for name in students}
    told: dict[str, list[float]] = {name: [] for name in students}

    def take(name: str, turn: int) -> None:
        for seconds, reported in _turn(students[name])[1:]:  # the first one warms up
            (told if reported else plain)[name].append(seconds)

    in_turns(list(students), TURNS, take)
    return {
        "plain": plain,
        "told": told,
        "operations": {name: operations(each) for name, each in students.items()},
        "batch": {name: each.batch for name, each in students.items()},
        "precision": {
            name: NAMES[best_precision(built(s.choice, noise(s.shape, 1), 0), s.shape)]
            for name, s in students.items()
        },
        "machine": machine(),
    }


def _turn(student: Student) -> list[tuple[float, bool]]:
    """The seconds of each of a few steps of distillation, and whether a report was due."""
    pair = Pair(
        data=noise(student.shape, student.batch * FEW),
        teacher=nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES)),  # whose time is not taken
        student=student.choice,
        epochs=1,
        rate=1e-3,
        batch=student.batch,
    )
    learning = alone(pupils(pair, [Member(0)], [pair.fresh(0)])[0])
    taken = []
    for _ in range(FEW):
        report, timing = timed(partial(next, learning))
        taken.append((timing.clock, report is not None))
    return taken


def operations(student: Student) -> int:
    """Of one sample in a training step: what forward and backward really multiply and add.

    That is the forward pass three times, once for outputs and twice for gradients, but for the
    first layer, of whose inputs nobody wants the gradient.
    """
    network = built(student.choice, noise(student.shape, 1), seed=0)
    inputs = torch.zeros(2, *student.shape)  # batch norm needs two
    with FlopCounterMode(display=False) as counter:
        network.train()(inputs).sum().backward()
    assert counter.get_total_flops() // 2 <= 6 * macs(network, student.shape)
    return int(counter.get_total_flops()) // 2


def noise(shape: Sequence[int], count: int) -> Data:
    """Pictures and labels without any meaning."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)
    split = Split(pixels, torch.arange(count) % CLASSES)
    return Data(tuple(map(str, range(CLASSES))), split, split, split)


# curves


def curves() -> dict[str, Any]:
    """The cost of one sample by a student's width, the batch, and how many samples there are."""
    return {
        "width": _stepped(WIDTHS),
        "batch": _stepped(BATCHES),
        "samples": _sizes(),
        "machine": machine(),
    }


def _sizes() -> dict[str, list[float]]:
    """Seconds for a sample in each of two passes, the teacher's answers counted in."""
    shape = (1, 28, 28)

    def pair(count: int) -> Pair:
        data = noise(shape, count)
        return Pair(data, built(LARGE, data, seed=0), DENSE, epochs=2, rate=1e-3)

    pairs = {str(count): pair(count) for count in SIZES}
    distil("kdcore", pairs[str(SIZES[0])], [Member(0)])

    def take(name: str, turn: int) -> float:
        return distil("kdcore", pairs[name], [Member(turn)], judge=False).timing.clock

    return {
        name: [seconds / (2 * int(name)) for seconds in taken]
        for name, taken in in_turns(list(pairs), TURNS, take).items()
    }


# the tables


def text(kept: Kept) -> str:
    """All parts, as far as they are known."""
    parts = []
    if STEPS in kept:
        parts += [_peak_table(kept[STEPS]), _steps_table(kept[STEPS])]
    if CURVES in kept:
        found = kept[CURVES]
        parts += [
            _curve("channels of a CNN, 1×28×28", *_costs(found["width"]), bends_by_rate=True),
            _curve("samples in a batch, CNN 32-64", *_costs(found["batch"])),
            _curve("samples of 1×28×28, MLP 256-256 → 16", found["samples"]),
        ]
    machines = machine_lines(facts["machine"] for facts in kept.values())
    return "\n".join([*parts, machines])


def told(facts: dict[str, Any]) -> str:
    """A part, as it stands in the page."""
    return text({STEPS if "rates" in facts else CURVES: facts})


def _peak_table(facts: dict[str, Any]) -> str:
    rows = [[name, spread_of(rates).text(0)] for name, rates in facts["rates"].items()]
    return markdown(["what is computed", "GFLOP/s"], rows)


def best(rates: Mapping[str, Sequence[float]], precision: str) -> float:
    """The highest rate that anything of that precision was seen at."""
    return max(max(each) for name, each in rates.items() if name.endswith(precision))


def _steps_table(facts: dict[str, Any]) -> str:
    rows = []
    for name, seconds in facts["plain"].items():
        step, own = spread_of(seconds).median, facts["precision"][name]
        rate = facts["operations"][name] * facts["batch"][name] / step / 1e9
        report = spread_of(facts["told"][name]).median
        rows.append([
            *(name, own, f"{facts['operations'][name] / 1e6:.1f}", f"{1000 * step:.1f}"),
            f"{rate:.0f}",
            f"{100 * rate / best(facts['rates'], 'fp32'):.0f} %",
            f"{100 * rate / best(facts['rates'], own):.0f} %",
            f"{report / step:.1f}",
        ])  # fmt: skip
    head = [
        *("student", "computes in", "MFLOP a sample", "ms a step", "GFLOP/s"),
        *("of fp32's peak", "of its own peak", "a reporting step ×"),
    ]
    return markdown(head, rows, left=2)


Costs = Mapping[str, Sequence[float]]
"""Seconds for a sample, some repeats, by what is varied."""


def _costs(facts: dict[str, Any]) -> tuple[Costs, dict[str, float]]:
    """Of each step, the seconds of one sample; and the rate of its arithmetic."""
    costs = {n: [s / facts["batch"][n] for s in taken] for n, taken in facts["plain"].items()}
    rates = {n: facts["operations"][n] / spread_of(costs[n]).median / 1e9 for n in costs}
    return costs, rates


def _curve(
    head: str, costs: Costs, rates: dict[str, float] | None = None, *, bends_by_rate: bool = False
) -> str:
    medians = {name: spread_of(taken).median for name, taken in costs.items()}
    heads, rows = [head, "µs a sample"], [[n, f"{1e6 * s:.1f}"] for n, s in medians.items()]
    if rates:
        heads.append("GFLOP/s")
        rows = [[*row, f"{rates[row[0]]:.0f}"] for row in rows]
    return markdown(heads, rows, left=0) + f"\n{bend(medians, rates if bends_by_rate else None)}\n"


def bend(costs: Mapping[str, float], rates: Mapping[str, float] | None = None) -> str:
    """Where a curve turns: the first point within a tenth of the best.

    rates: of arithmetic, where what is varied is arithmetic itself, so that no sample grows
    cheaper; else None.
    """
    if rates:
        name = next(n for n, rate in rates.items() if rate >= 0.9 * max(rates.values()))
        return f"The rate of arithmetic is within a tenth of its best from {name} on."
    name = next(n for n, cost in costs.items() if cost <= 1.1 * min(costs.values()))
    return f"The cost of a sample is within a tenth of its lowest from {name} on."


TABLE = Table(
    HERE,
    *("<!-- made by benchmarks/peak.py -->\n", "<!-- end of peak -->"),
    Path(__file__).with_suffix(".json"),
    text,
)


def start() -> None:
    """Measure what is asked for."""
    one_thread()
    keep_freed()
    jobs = [Job(name, name, measure) for name, measure in ((STEPS, steps), (CURVES, curves))]
    main(__doc__, TABLE, jobs, told, always=True)


if __name__ == "__main__":
    start()
