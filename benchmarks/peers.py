"""How long kdcore takes to distil a student, beside torchdistill and a tutorial's loop.

`python benchmarks/peers.py` measures every pair anew and writes the first table of
benchmarks/README.md; `--only TEXT` measures the pairs whose name holds the text. torchdistill is
left out where it is not installed: `pip install -r benchmarks/requirements.txt`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from contenders import BATCH, Member, Outcome, Pair, distil, taught
from tables import HERE, Job, Kept, Table, main, markdown, percent
from turns import (
    Rooms,
    in_turns,
    machine,
    machine_lines,
    one_thread,
    ratios,
    spread_of,
    waited,
)

from kdcore import tasks
from kdcore.recipe import ModelChoice
from kdcore.setting import reshaped
from kdcore.settings import Settings
from kdcore.statistics import paired_difference, signed
from kdcore.tasks import Data, Split
from kdcore.tasks.download import fetch, missing
from kdcore.train.precision import best_precision

US, TORCHDISTILL, LOOP = "kdcore", "torchdistill", "plain loop"
TESTED = 2000
"""Test pictures that students are judged on, at most; the judging is not timed."""

TOLERANCE = 1.0
"""Points of accuracy by which an interval may miss zero before a row is void."""


@dataclass(frozen=True)
class Contest:
    """One row: what is trained, and in each repeat with which seeds."""

    name: str
    pair: Callable[[], Pair]
    repeats: Sequence[Sequence[int]]
    rivals: tuple[str, ...] = (TORCHDISTILL, LOOP)


# what is trained


@lru_cache
def digits() -> Pair:
    """Small dense networks on 8×8 pictures."""
    data = parts_of(loaded("digits"), 17)
    large = ModelChoice(architecture="mlp", options={"widths": [256, 256]})
    small = ModelChoice(architecture="mlp", options={"widths": [16]})
    return Pair(data, taught(data, large, 400, 1e-3), small, epochs=20, rate=1e-2)


@lru_cache
def mnist() -> Pair:
    """A tutorial's convolutional networks on 28×28 pictures."""
    data = parts_of(loaded("mnist"), 32)
    widths: dict[str, Any] = {"channels": [64, 128, 256], "hidden": [512]}
    large = ModelChoice(architecture="cnn", options=widths)
    return Pair(
        data, taught(data, large, 60, 1e-3), ModelChoice(architecture="cnn"), epochs=2, rate=1e-3
    )


@lru_cache
def resnets() -> Pair:
    """The networks of most papers, on 32×32 pictures; batches of 32, so that few samples make
    steps enough for batch norm's statistics to settle.
    """
    data = parts_of(coloured(), 31)
    large, small = (
        ModelChoice(architecture="resnet_cifar", options={"depth": depth}) for depth in (20, 8)
    )
    return Pair(data, taught(data, large, 60, 3e-3), small, epochs=2, rate=3e-3, batch=32)


def has_cifar() -> bool:
    """Whether its files are there; they are not fetched for a benchmark."""
    return not missing(tasks.get("cifar10").files, Settings.from_environment().data)


def coloured() -> Data:
    """CIFAR-10 where it is at hand, else MNIST made as large: the same work for every network."""
    if has_cifar():
        return loaded("cifar10")
    data = parts_of(loaded("mnist"), 31)
    splits = [
        Split(reshaped(split.inputs, (3, 32, 32)), split.labels)
        for split in (data.train, data.validation, data.test)
    ]
    return Data(data.class_names, *splits)


def loaded(name: str) -> Data:
    """A task's data, fetched where they are missing."""
    task = tasks.get(name)
    for _ in fetch(task.title, task.files, Settings.from_environment().data):
        pass
    return task.load()


def parts_of(data: Data, batches: int) -> Data:
    """So many whole batches to train on, and not too many pictures to test."""

    def first(split: Split, count: int) -> Split:
        return Split(split.inputs[:count].clone(), split.labels[:count].clone())

    train = first(data.train, batches * BATCH)
    return Data(data.class_names, train, data.validation, first(data.test, TESTED))


def contests() -> list[Contest]:
    """All rows of the table."""
    large = "CIFAR-10" if has_cifar() else "MNIST at 32×32×3"
    five = [range(5 * turn, 5 * turn + 5) for turn in range(3)]
    return [
        Contest("digits, MLP 256-256 → 16", digits, [[seed] for seed in range(5)]),
        Contest("the same, five seeds", digits, five, (TORCHDISTILL,)),
        Contest("MNIST, CNN 64-128-256 → 32-64", mnist, [[seed] for seed in range(3)]),
        Contest(f"{large}, ResNet-20 → ResNet-8", resnets, [[seed] for seed in range(3)]),
    ]


# measuring


def measure(contest: Contest, rooms: Rooms) -> dict[str, Any]:
    """Everybody's turns at one contest."""
    pair = contest.pair()
    names = [US, *(name for name in contest.rivals if name != TORCHDISTILL or installed())]
    for name in names:  # imports, and whatever is set up once
        rooms.ask(name, distil, name, pair.shortened(), [Member(0)])

    def take(name: str, turn: int) -> Outcome:
        members = [Member(seed) for seed in contest.repeats[turn]]
        return rooms.ask(name, distil, name, pair, members)

    outcomes = in_turns(names, len(contest.repeats), take)
    labels = pair.data.test.labels
    return {
        "clock": {n: [each.timing.clock for each in o] for n, o in outcomes.items()},
        "processor": {n: [each.timing.processor for each in o] for n, o in outcomes.items()},
        "accuracy": {
            n: [share for each in o for share in each.accuracies(labels)]
            for n, o in outcomes.items()
        },
        "tested": len(labels),
        "samples": len(pair.data.train),
        "epochs": pair.epochs,
        "batch": pair.batch,
        "precision": best_precision(pair.fresh(0), pair.data.input_shape),
        "machine": machine(TORCHDISTILL),
    }


def installed() -> bool:
    """Whether torchdistill is at hand."""
    return find_spec(TORCHDISTILL) is not None


# the table


def text(kept: Kept) -> str:
    """A row for each contest that was held."""
    head = [
        *("what is distilled", "samples × epochs, batch", "kdcore, s", "torchdistill, s"),
        *("plain loop, s", "× torchdistill", "× plain loop", "by processor time"),
        *("accuracy: kdcore", "torchdistill", "plain loop", "gap, points", "computes in", "waited"),
    ]
    rows = [[name, *_cells(facts)] for name, facts in kept.items()]
    lines = [markdown(head, rows)]
    lines += [f"\n**{name}**: {void(facts)}\n" for name, facts in kept.items() if void(facts)]
    return "".join(lines) + "\n" + machine_lines(facts["machine"] for facts in kept.values())


def told(facts: dict[str, Any]) -> str:
    """The figures of one row."""
    return " | ".join(_cells(facts)) + ("; " + void(facts) if void(facts) else "")


def _cells(facts: dict[str, Any]) -> list[str]:
    everybody, rivals = (US, TORCHDISTILL, LOOP), (TORCHDISTILL, LOOP)
    clock, processor = facts["clock"], facts["processor"]
    taken = {name: spread_of(times).text(2) for name, times in clock.items()}
    times = {n: spread_of(ratios(clock[n], clock[US])).text() for n in rivals if n in clock}
    if void(facts):
        times = dict.fromkeys(times, "**void**")
    lean = [
        f"{spread_of(ratios(processor[name], processor[US])).median:.1f}" if name in clock else "–"
        for name in rivals
    ]
    shares = {name: percent(values) for name, values in facts["accuracy"].items()}
    return [
        f"{facts['samples']:,} × {facts['epochs']}, {facts['batch']}",
        *(taken.get(name, "–") for name in everybody),
        *(times.get(name, "–") for name in rivals),
        "–" if void(facts) else " / ".join(lean),
        *(shares.get(name, "–") for name in everybody),
        *(_gap(facts), facts["precision"]),
        f"{100 * waited(chain(*clock.values()), chain(*processor.values())):.0f} %",
    ]


def _gap(facts: dict[str, Any]) -> str:
    """How far kdcore's accuracies are from those of the first of the others, paired by seed."""
    theirs = next((shares for name, shares in facts["accuracy"].items() if name != US), None)
    if theirs is None:
        return "–"
    gap = paired_difference(theirs, facts["accuracy"][US], facts["tested"])
    if gap.low is None or gap.high is None:
        return signed(gap.mean)
    return f"{signed(gap.mean)} ({signed(gap.low)} … {signed(gap.high)})"


def void(facts: dict[str, Any]) -> str:
    """Why a row's times compare nothing, in a sentence, or nothing where they do.

    Who learns less may well be quicker: the paired interval of the difference in accuracy must
    reach to within TOLERANCE of zero.
    """
    ours = facts["accuracy"][US]
    for name, theirs in facts["accuracy"].items():
        if name == US:
            continue
        gap = paired_difference(theirs, ours, facts["tested"])
        if gap.low is None or gap.high is None:
            return "void: with fewer than three seeds, nobody knows whether all learn the same."
        if gap.low > TOLERANCE or gap.high < -TOLERANCE:
            return (
                f"void: kdcore's students are {signed(gap.mean)} points from those of the {name} "
                f"(95 % interval {signed(gap.low)} … {signed(gap.high)}), which is not chance."
            )
    return ""


TABLE = Table(
    HERE,
    *("<!-- made by benchmarks/peers.py -->\n", "<!-- end of peers -->"),
    Path(__file__).with_suffix(".json"),
    text,
)


def start() -> None:
    """Measure what is asked for."""
    one_thread()
    torch.manual_seed(0)
    if not installed():
        print("without torchdistill: pip install -r benchmarks/requirements.txt brings it")
    with Rooms((US, TORCHDISTILL, LOOP)) as rooms:
        jobs = [Job(each.name, each.name, partial(measure, each, rooms)) for each in contests()]
        main(__doc__, TABLE, jobs, told, always=True)


if __name__ == "__main__":
    start()
