"""What distillation gives, and where it gives nothing: the table in README.md, run anew.

`python benchmarks/gains.py` runs each recipe that gains.json does not hold yet, five seeds each,
keeps every row as soon as it is known, and writes the table. `--again` runs all of them anew,
`--only TEXT` those whose line holds the text. Some minutes for the digits, an hour or two for all.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from kdcore import Recipe, run  # noqa: E402
from kdcore.result import Result  # noqa: E402
from kdcore.statistics import mean, signed, spread  # noqa: E402

KEPT = Path(__file__).with_suffix(".json")
README = ROOT / "README.md"
BEGIN, END = "<!-- made by benchmarks/gains.py -->\n", "<!-- end -->"

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


def table(kept: dict[str, Any]) -> str:
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
    difference = found["difference"]
    low, high = signed(difference["low"]), signed(difference["high"])
    accuracy = found["accuracy"]
    unseen = f"; on 3s {_percent(found['left_out'])}" if found["left_out"] else ""
    cells = [
        *(line.data, line.models, line.sees, f"{100 * mean(accuracy['teacher']):.1f}"),
        *(_percent(accuracy["control"]), _percent(accuracy["distilled"]) + unseen),
        f"{signed(difference['mean'])} ({low} … {high})",
        *(f"**{found['verdict']}**", f"{found['seconds']:.0f}" + "*" * found["teacher_reused"]),
    ]
    return f"| {' | '.join(cells)} |"


def _percent(shares: list[float]) -> str:
    return f"{100 * mean(shares):.1f} ± {100 * (spread(shares) or 0):.1f}"


def write(kept: dict[str, Any]) -> None:
    """Keep the results, and put the table into the README."""
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}{table(kept)}{END}{after}", encoding="utf-8")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="run what is known already, too")
    parser.add_argument("--only", default="", metavar="TEXT", help="lines that hold the text")
    options = parser.parse_args()
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    for line in lines():
        if options.only in line.name and (options.again or line.recipe.id not in kept):
            print(line.name, flush=True)
            kept[line.recipe.id] = json.loads(json.dumps(facts(run(line.recipe)), default=dict))
            print(_row(line, kept[line.recipe.id]), flush=True)
            write(kept)


if __name__ == "__main__":
    main()
