"""What distillation gives, and where it gives nothing: the table in README.md, run anew.

`python benchmarks/gains.py` runs each recipe that gains.json does not hold yet, five seeds each,
keeps every row as soon as it is known, and writes the table. `--again` runs all of them anew,
`--only TEXT` those whose line holds the text. Some minutes for the digits, an hour or two for all.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tables import README, Job, Kept, Table, main, percent

from kdcore import Recipe, run
from kdcore.result import Result
from kdcore.statistics import mean, signed

DATA = {"digits": "digits", "mnist": "MNIST"}

SEES: dict[str, dict[str, Any]] = {
    "100 labels, the rest unlabelled": {"transfer": {"labelled": 100, "unlabelled": "rest"}},
    "all labels": {},
    "all but the class 3": {
        "transfer": {"left_out": [3]},
        **{"temperature": 8.0, "soft_weight": 1.0, "hard_weight": 0.0},
    },
    "all labels, 40 % of them wrong": {"transfer": {"label_noise": 0.4}},
}
"""What the student gets to see; T is 4 and α is 0.9 where nothing else is said."""


def pair(
    teacher: str,
    student: str,
    options: tuple[dict[str, Any], dict[str, Any]] = ({}, {}),
    *,
    steps: tuple[int, int],
    rates: tuple[float, float] = (1e-3, 1e-3),
) -> dict[str, Any]:
    """A recipe's two models; options, steps and learning rates are the teacher's, the student's."""
    return {
        "teacher": {"architecture": teacher, "options": options[0]},
        "student": {"architecture": student, "options": options[1]},
        "teacher_training": {"steps": steps[0], "learning_rate": rates[0]},
        "training": {"steps": steps[1], "learning_rate": rates[1]},
    }


SMALL = {
    "MLP 256-256 → 16": pair(
        *("mlp", "mlp", ({"widths": [256, 256]}, {"widths": [16]})),
        steps=(400, 400),
        rates=(1e-3, 1e-2),
    ),
    "CNN 64-128-256 → 32-64": pair(
        *("cnn", "cnn", ({"channels": [64, 128, 256], "hidden": [512]}, {})),
        steps=(200, 100),
    ),
}
DEEP = {
    "ResNet-20 → ResNet-8": pair(
        *("resnet_cifar", "resnet_cifar", ({"depth": 20}, {"depth": 8})), steps=(200, 100)
    ),
    "ResNet-18 → MobileNetV2": pair("resnet18", "mobilenet_v2", steps=(60, 40)),
    "ResNet-18 → ShuffleNetV2": pair("resnet18", "shufflenet_v2_x1_0", steps=(60, 40)),
    "ResNet-18 → SqueezeNet 1.1": pair("resnet18", "squeezenet1_1", steps=(60, 40)),
}


@dataclass(frozen=True)
class Line:
    """One line of the table, and the recipe behind it."""

    data: str
    models: str
    sees: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """What `--only` looks in."""
        return f"{self.data}, {self.models}, {self.sees}"

    def measure(self) -> dict[str, Any]:
        """Run the recipe."""
        return facts(run(self.recipe))


def lines() -> list[Line]:
    """All lines, the quick ones first."""
    small = [
        Line(title, models, sees, Recipe(task=task, **parts, **seen))
        for task, title in DATA.items()
        for models, parts in SMALL.items()
        for sees, seen in SEES.items()
    ]
    deep = [
        Line("MNIST", models, "all labels", Recipe(task="mnist", **parts))
        for models, parts in DEEP.items()
    ]
    return small + deep


def facts(result: Result) -> dict[str, Any]:
    """What is kept of a result: accuracies as shares, the difference in points."""
    arms = result.arms
    return {
        "accuracy": {name: arm.accuracy for name, arm in arms.items()},
        "left_out": arms["distilled"].left_out,
        "difference": vars(result.difference),
        "verdict": result.verdict,
        "parameters": {name: arm.parameters for name, arm in arms.items()},
        "seconds": round(result.seconds, 1),
        "teacher_reused": result.teacher_reused,
        "machine": result.machine,
    }


def text(kept: Kept) -> str:
    """Markdown, a row for each line whose result is known."""
    rows = [
        "| data | teacher → student | the student sees | teacher | on labels alone | distilled "
        "| difference, 95 % interval | verdict | s |",
        "|---|---|---|--:|--:|--:|--:|---|--:|",
    ]
    for line in lines():
        if line.recipe.id in kept:
            rows.append(_row(line, kept[line.recipe.id]))
    return "\n".join(rows) + "\n"


def _row(line: Line, found: dict[str, Any]) -> str:
    return f"| {line.data} | {line.models} | {line.sees} | {told(found)} |"


def told(found: dict[str, Any]) -> str:
    """The figures of one line, as its columns hold them."""
    difference = found["difference"]
    low, high = signed(difference["low"]), signed(difference["high"])
    accuracy = found["accuracy"]
    unseen = f"; on 3s {percent(found['left_out'])}" if found["left_out"] else ""
    cells = [
        f"{100 * mean(accuracy['teacher']):.1f}",
        *(percent(accuracy["control"]), percent(accuracy["distilled"]) + unseen),
        f"{signed(difference['mean'])} ({low} … {high})",
        *(f"**{found['verdict']}**", f"{found['seconds']:.0f}" + "*" * found["teacher_reused"]),
    ]
    return " | ".join(cells)


def jobs() -> list[Job]:
    """Each line's run."""
    return [Job(line.name, line.recipe.id, line.measure) for line in lines()]


TABLE = Table(
    README,
    *("<!-- made by benchmarks/gains.py -->\n", "<!-- end -->"),
    Path(__file__).with_suffix(".json"),
    text,
)

if __name__ == "__main__":
    main(__doc__, TABLE, jobs(), told)
