"""25 settings of the loss with three seeds each: all students at once, and one by one.

`python benchmarks/sweep.py` measures anew and writes the second part of benchmarks/README.md;
`--only TEXT` measures the parts whose name holds the text.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from contenders import Member, Outcome, Pair, distil
from peers import LOOP, US, digits
from tables import HERE, Job, Kept, Table, main, markdown
from turns import Rooms, in_turns, machine, machine_lines, one_thread, ratios, spread_of, waited

from kdcore.statistics import mean

ONE, AUTOGRAD = "kdcore, one at a time", "kdcore, by autograd"
TEMPERATURES = (1.0, 2.0, 4.0, 8.0, 16.0)
WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)
SEEDS = (0, 1, 2)

COUNTS = (1, 2, 5, 10, 25, 75, 150)
"""Of students at once, for the curve."""

CURVE_REPEATS = 5
SWEEP, CURVE = "the sweep", "the curve"

SAME = 0.99
"""The share of a student's answers, at least, that must not depend on who learns beside it."""


def members(seeds: Sequence[int]) -> list[Member]:
    """Every setting with each of these seeds, seed by seed."""
    return [Member(s, t, w) for s, t, w in product(seeds, TEMPERATURES, WEIGHTS)]


def slow_ones(seed: int) -> list[Member]:
    """Of one seed's 25 settings, five that hold every temperature and every weight once."""
    pairs = zip(TEMPERATURES, WEIGHTS[seed:] + WEIGHTS[:seed], strict=True)
    return [Member(seed, temperature, weight) for temperature, weight in pairs]


# measuring


def sweep() -> dict[str, Any]:
    """In each repeat all students at once, and then those of one seed one by one."""
    pair = digits()
    everyone = members(SEEDS)
    asked = {
        US: [everyone] * len(SEEDS),
        **{name: [members([seed]) for seed in SEEDS] for name in (ONE, AUTOGRAD)},
        LOOP: [slow_ones(seed) for seed in SEEDS],
    }
    outcomes = _held(pair, {n: (n, each) for n, each in asked.items()}, len(SEEDS))
    labels = pair.data.test.labels
    return {
        **_times(outcomes, {name: [len(each) for each in asked[name]] for name in asked}),
        "students": len(everyone),
        "same": _same(everyone, outcomes[US][0], asked[AUTOGRAD], outcomes[AUTOGRAD]),
        "accuracy": {n: mean(_shares(o, labels)) for n, o in outcomes.items()},
        "gaps": _gaps(pair, everyone, asked[AUTOGRAD], outcomes),
        "machine": machine(),
    }


def curve() -> dict[str, Any]:
    """The cost of one student by how many learn at once."""
    groups = {str(count): members(range(6))[:count] for count in COUNTS}
    asked = {name: (US, [group] * CURVE_REPEATS) for name, group in groups.items()}
    outcomes = _held(digits(), asked, CURVE_REPEATS)
    counts = {name: [len(group)] * CURVE_REPEATS for name, group in groups.items()}
    return {**_times(outcomes, counts), "machine": machine()}


def _held(
    pair: Pair, asked: dict[str, tuple[str, list[list[Member]]]], repeats: int
) -> dict[str, list[Outcome]]:
    """Everybody's turns, by name: the way, and for each repeat the students."""
    ways = list(dict.fromkeys(way for way, _ in asked.values()))
    with Rooms(ways) as rooms:
        for way in ways:
            rooms.ask(way, distil, way, pair.shortened(), [Member(0), Member(1)])

        def take(name: str, turn: int) -> Outcome:
            way, groups = asked[name]
            return rooms.ask(way, distil, way, pair, groups[turn])

        return in_turns(list(asked), repeats, take)


def _times(outcomes: dict[str, list[Outcome]], counts: dict[str, list[int]]) -> dict[str, Any]:
    """Seconds of each repeat, and of how many students."""
    return {
        "clock": {n: [each.timing.clock for each in o] for n, o in outcomes.items()},
        "processor": {n: [each.timing.processor for each in o] for n, o in outcomes.items()},
        "counts": counts,
    }


def _same(
    everyone: list[Member],
    joint: Outcome,
    groups: list[list[Member]],
    apart: list[Outcome],
) -> list[float]:
    """Of each student, the share of test answers that are the same as where it learnt alone."""
    together = dict(zip(everyone, joint.predictions, strict=True))
    shares = []
    for group, outcome in zip(groups, apart, strict=True):
        for member, alone in zip(group, outcome.predictions, strict=True):
            pairs = zip(together[member], alone, strict=True)
            shares.append(mean([one == other for one, other in pairs]))
    return shares


def _shares(outcomes: list[Outcome], labels: Any) -> list[float]:
    return [share for outcome in outcomes for share in outcome.accuracies(labels)]


def _gaps(
    pair: Pair,
    everyone: list[Member],
    groups: list[list[Member]],
    outcomes: dict[str, list[Outcome]],
) -> list[float]:
    """Of each student, how far its accuracy is from that of the same student taught alone."""
    labels = pair.data.test.labels
    together = dict(zip(everyone, outcomes[US][0].accuracies(labels), strict=True))
    return [
        together[member] - share
        for group, outcome in zip(groups, outcomes[AUTOGRAD], strict=True)
        for member, share in zip(group, outcome.accuracies(labels), strict=True)
    ]


# the tables


def text(kept: Kept) -> str:
    """Both tables, as far as they are known."""
    parts = []
    if SWEEP in kept:
        parts.append(_sweep_table(kept[SWEEP]))
    if CURVE in kept:
        parts.append(_curve_table(kept[CURVE]))
    machines = machine_lines(facts["machine"] for facts in kept.values())
    return "\n".join([*parts, machines])


def told(facts: dict[str, Any]) -> str:
    """The figures of a part, as they go into its table."""
    return _sweep_table(facts) if "same" in facts else _curve_table(facts)


def _sweep_table(facts: dict[str, Any]) -> str:
    costs = {name: _each(facts, name) for name in facts["clock"]}
    lean = {name: _each(facts, name, "processor") for name in costs}
    rows = []
    for name, cost in costs.items():
        measured = facts["students"] if name == US else sum(facts["counts"][name])
        slower = [spread_of(ratios(cost, costs[US])).text(), f"{_lean(lean, name):.1f}"]
        rows.append([
            "kdcore, all at once" if name == US else name,
            f"{measured} of {facts['students']}",
            spread_of([1000 * seconds for seconds in cost]).text(),
            *(["1", "1"] if name == US else ["**void**", "–"] if void(facts) else slower),
            f"{100 * facts['accuracy'][name]:.1f}",
            f"{100 * waited(facts['clock'][name], facts['processor'][name]):.0f} %",
        ])  # fmt: skip
    head = [
        *("how", "students measured", "ms a student", "× all at once", "by processor time"),
        *("accuracy of those", "waited"),
    ]
    return markdown(head, rows) + f"\n{_equality(facts)}\n"


def _each(facts: dict[str, Any], name: str, clock: str = "clock") -> list[float]:
    """Seconds for one student, in each repeat."""
    return [s / count for s, count in zip(facts[clock][name], facts["counts"][name], strict=True)]


def _lean(costs: dict[str, list[float]], name: str) -> float:
    return spread_of(ratios(costs[name], costs[US])).median


def _equality(facts: dict[str, Any]) -> str:
    same, gaps = facts["same"], [abs(gap) for gap in facts["gaps"]]
    sentence = (
        f"Each of {len(same)} students, taught with all others or by autograd alone, gives the "
        f"same answer to {100 * mean(same):.2f} % of the test pictures, to {100 * min(same):.1f} % "
        f"where they differ most; the accuracies differ by {100 * max(gaps):.1f} points at most."
    )
    return sentence + (f" **{void(facts)}**" if void(facts) else "")


def void(facts: dict[str, Any]) -> str:
    """Why the times compare nothing, or nothing where they do."""
    if min(facts["same"]) < SAME:
        return f"void: that is less than {100 * SAME:.0f} %, so they did not learn the same."
    return ""


def _curve_table(facts: dict[str, Any]) -> str:
    single = _each(facts, "1")
    rows = []
    for name, seconds in facts["clock"].items():
        each = _each(facts, name)
        rows.append([
            name,
            spread_of([1000 * s for s in seconds]).text(),
            spread_of([1000 * s for s in each]).text(),
            spread_of(ratios(single, each)).text(),
        ])  # fmt: skip
    head = ["students at once", "ms for all", "ms a student", "× cheaper than alone"]
    return markdown(head, rows, left=0)


TABLE = Table(
    HERE,
    *("<!-- made by benchmarks/sweep.py -->\n", "<!-- end of sweep -->"),
    Path(__file__).with_suffix(".json"),
    text,
)


def start() -> None:
    """Measure what is asked for."""
    one_thread()
    jobs = [Job(name, name, measure) for name, measure in ((SWEEP, sweep), (CURVE, curve))]
    main(__doc__, TABLE, jobs, told, always=True)


if __name__ == "__main__":
    start()
