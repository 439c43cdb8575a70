"""Every distillation method on three tasks, five seeds each: the second table in README.md.

`python benchmarks/methods.py` runs what methods.json does not hold yet, keeps every figure as soon
as it is known, and writes the table. `--again` runs all anew, `--only TEXT` the lines whose name
holds the text. Half an hour on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tables import README, Job, Kept, Table, main, percent

from kdcore import Recipe, methods
from kdcore.errors import RecipeError
from kdcore.experiment import default_shelf, steps
from kdcore.result import Result
from kdcore.statistics import signed

NOT_POSSIBLE = "not possible"
MARKS = {"better": "▲", "worse": "▼"}

MLPS: dict[str, Any] = {
    "teacher": {"architecture": "mlp", "options": {"widths": [256, 256]}},
    "student": {"architecture": "mlp", "options": {"widths": [16]}},
    "teacher_training": {"steps": 400, "learning_rate": 1e-3},
    "training": {"steps": 400, "learning_rate": 1e-2},
}
CNNS: dict[str, Any] = {
    "teacher": {"architecture": "cnn", "options": {"channels": [64, 128, 256], "hidden": [512]}},
    "student": {"architecture": "cnn"},
    "teacher_training": {"steps": 200, "learning_rate": 1e-3},
    "training": {"steps": 200, "learning_rate": 3e-3},
}
HELPER = {
    "mlp": {"architecture": "mlp", "options": {"widths": [64]}},
    "cnn": {"architecture": "cnn", "options": {"channels": [64, 128]}},
}
TASKS: dict[str, dict[str, Any]] = {
    "digits, MLPs, 100 labels": {
        **MLPS,
        "task": "digits",
        "transfer": {"labelled": 100, "unlabelled": "rest"},
    },
    "digits, CNNs, 100 labels": {
        **CNNS,
        "task": "digits",
        "transfer": {"labelled": 100, "unlabelled": "rest"},
    },
    "MNIST, MLPs, 500 labels": {
        **MLPS,
        "task": "mnist",
        "transfer": {"labelled": 500, "unlabelled": "rest"},
    },
}


@dataclass(frozen=True)
class Line:
    """One line: a name, and what it changes in a task's recipe."""

    name: str
    method: str
    changes: dict[str, Any] = field(default_factory=dict)

    def recipe(self, task: str) -> Recipe:
        """This line on that task, the method's own weights and temperature."""
        method = methods.get(self.method)
        usual = next((k.default for k in method.knobs if k.name == "temperature"), 4.0)
        parts = TASKS[task]
        kind = parts["student"]["architecture"]
        changes = {key: _filled(value, parts, kind) for key, value in self.changes.items()}
        return Recipe(**{**parts, "method": {"name": self.method}, "temperature": usual, **changes})


def _filled(value: Any, parts: dict[str, Any], kind: str) -> Any:
    """A change with the task's own models where it asks for them."""
    if value == "student":
        return parts["student"]
    if value == "helper":
        return HELPER[kind]
    if isinstance(value, dict):
        return {key: _filled(each, parts, kind) for key, each in value.items()}
    return [_filled(each, parts, kind) for each in value] if isinstance(value, list) else value


COMBINED = [
    Line("KD + attention", "kd", {"extra": [{"name": "attention"}]}),
    Line("KD + hint", "kd", {"extra": [{"name": "fitnet"}]}),
    Line("KD, T from 8 to 1", "kd", {
        "temperature": 8.0,
        "temperature_schedule": {"how": "linear", "to": 1.0},
    }),
    Line("KD through an assistant", "kd", {"scheme": {"assistants": ["helper"]}}),
    Line("KD from three teachers", "kd", {"scheme": {"co_teachers": ["helper", "helper"]}}),
    Line("Self-distillation", "kd", {"teacher": "student"}),
    Line("Born again, third generation", "kd", {
        "teacher": "student",
        "scheme": {"assistants": ["student", "student"]},
    }),
    Line("Mutual learning", "kd", {
        "scheme": {"peers": 1},
        "temperature": 1.0,
        "soft_weight": 1.0,
        "hard_weight": 1.0,
    }),
]  # fmt: skip
"""Several terms, schedules, and other schemes than one teacher who was trained before."""


def lines() -> list[Line]:
    """All lines: each method as its file defines it, by what it transfers, then the others."""
    order = ("answers", "features", "relations", "labels")
    known = [methods.get(name) for name in methods.names() if name != "hard"]
    known.sort(key=lambda each: (order.index(each.needs.group), each.title))
    return [Line(each.title, each.name) for each in known] + COMBINED


def facts(recipe: Recipe) -> dict[str, Any] | str:
    """What is kept of a run up to its verdict, or that these models cannot run it."""
    try:
        happenings: Iterator[object] = steps(recipe, default_shelf())
        result = next(each for each in happenings if isinstance(each, Result))
    except RecipeError:
        return NOT_POSSIBLE
    return {
        "control": result.arms["control"].accuracy,
        "distilled": result.arms["distilled"].accuracy,
        "teacher": result.arms["teacher"].accuracy,
        "difference": vars(result.difference),
        "verdict": result.verdict,
        "seconds": round(result.seconds, 1),
        "machine": dict(result.machine),
    }


def text(kept: Kept) -> str:
    """Markdown: a line for each method, a column for each task."""
    rows = [f"| | {' | '.join(TASKS)} |", "|---" * (1 + len(TASKS)) + "|"]
    everyone = [_control(task, kept) for task in TASKS]
    rows.append(f"| *the student on labels alone* | {' | '.join(everyone)} |")
    for line in lines():
        cells = [_cell(kept.get(_key(line, task))) for task in TASKS]
        rows.append(f"| {line.name} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _control(task: str, kept: Kept) -> str:
    found = kept.get(_key(lines()[0], task))
    return percent(found["control"]) if isinstance(found, dict) else ""


def _cell(found: Any) -> str:
    if not isinstance(found, dict):
        return "–" if found == NOT_POSSIBLE else ""
    gap = found["difference"]
    numbers = f"{signed(gap['mean'])} ({signed(gap['low'])} … {signed(gap['high'])})"
    mark = MARKS.get(found["verdict"], "")
    if mark:
        numbers = f"**{mark} {numbers}**"
    return f"{percent(found['distilled'])}, {numbers}, {found['seconds']:.0f} s"


def _key(line: Line, task: str) -> str:
    return f"{line.name} | {task}"


def jobs() -> list[Job]:
    """Each line on each task; a recipe may turn out not to be possible only when it is made."""
    return [
        Job(_key(line, task), _key(line, task), partial(measured, line, task))
        for task in TASKS
        for line in lines()
    ]


def measured(line: Line, task: str) -> dict[str, Any] | str:
    """One line's figures on one task."""
    return facts(line.recipe(task))


TABLE = Table(
    README,
    *("<!-- made by benchmarks/methods.py -->\n", "<!-- end of methods -->"),
    Path(__file__).with_suffix(".json"),
    text,
)

if __name__ == "__main__":
    main(__doc__, TABLE, jobs(), _cell)
