"""A recipe's settings as people say them: every field by its spoken name, defaults filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kdcore.catalogue import ArchitectureRecord, Catalogue, MethodRecord, TaskRecord
from kdcore.knobs import Knob
from kdcore.recipe import MethodChoice, ModelChoice, Recipe, Schedule, Training, brief

NONE = "–"
"""Where a recipe has no such setting."""

GAP = "\u00a0"
"""A space that no line ends at: between a number and its unit."""

TRAINING = {
    "steps": "Steps",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "optimizer": "Optimizer",
    "schedule": "Schedule",
    "warm_up": "Warm-up steps",
    "weight_decay": "Weight decay",
    "label_smoothing": "Label smoothing",
    "patience": "Patience",
    "precision": "Precision",
}
AUGMENTATION = {
    "shift": "Shift, pixels",
    "rotation": "Rotation, degrees",
    "crop": "Crop, share of a side",
    "flip": "Flip left and right",
    "cutout": "Cutout, share of a side",
    "mixup": "Mixup",
    "cutmix": "Cutmix",
}
WORDS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD, Nesterov",
    "auto": "whichever is faster",
    "noise": "random pixels",
}

Record = TypeVar("Record", TaskRecord, ArchitectureRecord, MethodRecord)


def settings(recipe: Recipe, catalogue: Catalogue) -> dict[str, str]:
    """Every setting of a recipe, by its spoken name, in the order of the form.

    What a recipe leaves to its method or network is filled in, so that two recipes that mean the
    same are spelled the same. What the catalogue does not know, such as own data that were
    deleted, goes by its bare name.
    """
    return {
        **_data(recipe, catalogue),
        **_model("Teacher", recipe.teacher, catalogue),
        **_model("Student", recipe.student, catalogue),
        **_scheme(recipe),
        **_loss(recipe, catalogue),
        **_training(recipe.training),
        **{_of_teacher(name): text for name, text in _training(recipe.teacher_training).items()},
        "Teachers": "one for all seeds" if recipe.teachers == "one" else "one per seed",
        "Teacher's seed": str(recipe.teacher_seed),
        "Seeds": spans(recipe.seeds),
    }


def spans(numbers: Iterable[int]) -> str:
    """Whole numbers with those in a row drawn together: 0–4, 7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [map(str, run) if len(run) < 3 else (f"{run[0]}–{run[-1]}",) for run in runs]
    return ", ".join(text for part in parts for text in part)


def told(value: Any) -> str:
    """A recipe's value as a reader sees it."""
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(map(told, value)) or "none"
        case _:
            return WORDS.get(value, str(value))


def size(count: float) -> str:
    """Bytes in units of a thousand: 17.3 kB."""
    if count < 1000:
        return f"{count:.0f}{GAP}B"
    return f"{kilobytes(count)}{GAP}kB" if count < 1e6 else f"{count / 1e6:,.1f}{GAP}MB"


def kilobytes(count: float) -> str:
    """Bytes in kB, for a column whose title has the unit."""
    return f"{count / 1000:,.1f}"


def percent(share: float, digits: int = 1) -> str:
    """A share in per cent: 97.4 %."""
    return f"{100 * share:.{digits}f}{GAP}%"


def task_title(name: str, catalogue: Catalogue) -> str:
    """A task's title; its bare name where it is not here any more."""
    record = _find(catalogue.tasks, name)
    return name if record is None else record.title


def _find(records: Sequence[Record], name: str) -> Record | None:
    return next((each for each in records if each.name == name), None)


def _of_teacher(name: str) -> str:
    return f"Teacher's {name[:1].lower()}{name[1:]}"


def _data(recipe: Recipe, catalogue: Catalogue) -> dict[str, str]:
    transfer, task = recipe.transfer, _find(catalogue.tasks, recipe.task)
    names = dict(enumerate(task.class_names)) if task is not None else {}
    left_out = [names.get(number, str(number)) for number in transfer.left_out]
    source = transfer.source
    return {
        "Data": task_title(recipe.task, catalogue),
        "Labelled for the student": told(transfer.labelled),
        "Unlabelled transfer set": told(transfer.unlabelled),
        "Classes never seen": ", ".join(left_out) or "none",
        "Wrong labels": f"{100 * transfer.label_noise:g}{GAP}%",
        "Unlabelled samples come from": (
            {"task": "the same data", "noise": "random pixels"}.get(source)
            or task_title(source, catalogue)
        ),
        "Labelled for the teacher": told(recipe.teacher_labelled),
    }


def _model(role: str, choice: ModelChoice, catalogue: Catalogue) -> dict[str, str]:
    record = _find(catalogue.architectures, choice.architecture)
    title = choice.architecture if record is None else record.title
    if choice.weights:
        title = f"{choice.weights} (brought along)"
    filled = _filled(() if record is None else record.knobs, choice.options)
    return {role: title} | {f"{role}'s {name}": text for name, text in filled.items()}


def _filled(knobs: Iterable[Knob], options: Mapping[str, Any]) -> dict[str, str]:
    """Options by their spoken names, the defaults of those that are not given."""
    values = {knob.name: knob.default for knob in knobs} | dict(options)
    return {name.replace("_", " "): told(value) for name, value in values.items()}


def _scheme(recipe: Recipe) -> dict[str, str]:
    scheme = recipe.scheme
    says = scheme.co_weights or (1.0,) * len(scheme.co_teachers)
    return {
        "Assistants": ", ".join(map(brief, scheme.assistants)) or "none",
        "Co-teachers": ", ".join(map(brief, scheme.co_teachers)) or "none",
        "Co-teachers' say": told(says) if says else NONE,
        "Peers": told(scheme.peers),
    }


def _loss(recipe: Recipe, catalogue: Catalogue) -> dict[str, str]:
    method = _find(catalogue.methods, recipe.method.name)
    usual = (None, None) if method is None else (method.soft_weight, method.hard_weight)
    soft = usual[0] if recipe.soft_weight is None else recipe.soft_weight
    hard = usual[1] if recipe.hard_weight is None else recipe.hard_weight
    extra: dict[str, str] = {}
    for each in recipe.extra:
        record = _find(catalogue.methods, each.name)
        weight = record.soft_weight if each.weight is None and record is not None else each.weight
        title = each.name if record is None else record.title
        extra |= {f"Weight of {title}": told(weight), **_method(title, each, record)}
    others = [_find(catalogue.methods, each.name) or each for each in recipe.extra]
    title = recipe.method.name if method is None else method.title
    return {
        "Method": title,
        "Temperature T": told(recipe.temperature),
        "Weight on the teacher": told(soft),
        "Weight on the labels": told(hard),
        **_method(title, recipe.method, method),
        "Methods beside it": ", ".join(getattr(each, "title", each.name) for each in others)
        or "none",
        **extra,
        "T over the steps": _moves(recipe.temperature_schedule),
        "Weight on the teacher over the steps": _moves(recipe.soft_schedule),
        "Weight on the labels over the steps": _moves(recipe.hard_schedule),
    }


def _method(title: str, choice: MethodChoice, record: MethodRecord | None) -> dict[str, str]:
    knobs = () if record is None else record.own_knobs
    found = {f"{title}: {name}": text for name, text in _filled(knobs, choice.options).items()}
    if choice.layers:
        pairs = (f"{ours} with {theirs}" for ours, theirs in choice.layers)
        found[f"{title}: layers"] = "; ".join(pairs)
    return found


def _moves(schedule: Schedule) -> str:
    return "constant" if schedule.how == "constant" else f"{schedule.how} to {schedule.to:g}"


def _training(training: Training) -> dict[str, str]:
    found = {title: told(getattr(training, field)) for field, title in TRAINING.items()}
    changes = training.augmentation
    return found | {title: told(getattr(changes, field)) for field, title in AUGMENTATION.items()}
