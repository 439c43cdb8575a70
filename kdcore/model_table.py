"""Every finished model of a task, one record each: what it reads, what it costs, whose it is.

A model that several runs have, such as the teacher of them all, is there once, with every time that
its latency was taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import pandas as pd

from kdcore.recipe import Recipe, brief, content_hash
from kdcore.result import ARMS, STUDENTS, ArmName, Latency, Result
from kdcore.statistics import mean, spread
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, PipelineResult, Row

SHARE = "share of the teacher's"
"""In place of a machine's name: each latency by that of the teacher beside which it was taken."""

PROTOCOL = (
    "onnxruntime, one thread, batch of 1, warmed up by 10 calls, models taking turns, median of 60 "
    "repeats"
)
"""How `kdcore.measure.latency` takes every latency."""

ROLES: dict[str, ArmName] = {TEACHER: "teacher", CONTROL: "control"}
"""Of a pipeline's rows; all others come of the distilled student."""


@dataclass(frozen=True)
class Timing:
    """One time that a network's latency was taken, milliseconds for one sample, and that of a
    teacher beside it; machine, teacher: which ones, in words.
    """

    machine: str
    ms: float
    teacher_ms: float | None
    teacher: str = ""


@dataclass(frozen=True)
class Beside:
    """What the teacher of a model reads and costs, and its network in words; accuracy as in
    `Model`.
    """

    accuracy: tuple[float, ...]
    bytes: int | None
    network: str = ""


@dataclass(frozen=True)
class Model:
    """A finished model, to be weighed against others of its task.

    key: the same for the same model; run_id, run: the newest run that has it, and its name; runs:
    how many have it; accuracy: on the test split, in [0, 1], for each seed; control: that of the
    same student on labels alone, distilled: that of the same student with the teacher, each empty
    where there is none; bytes: of the ONNX file of the first seed; macs: multiply-accumulates of
    one sample. None of what was not measured. timings: of its network; network: that of equal ones
    is the same, whatever they learned; labels: how many the students saw, in words.
    pipeline: whether `run_id` is a pipeline's; row: then, the place of this model in its result.
    """

    key: str
    name: str
    role: ArmName
    run_id: str
    run: str
    task: str
    accuracy: tuple[float, ...]
    bytes: int | None
    macs: int | None
    parameters: int
    timings: tuple[Timing, ...]
    teacher: Beside
    control: tuple[float, ...] = ()
    distilled: tuple[float, ...] = ()
    runs: int = 1
    pipeline: bool = False
    row: int = 0
    network: str = ""
    labels: str = ""

    @property
    def mean(self) -> float:
        """Over the seeds, in [0, 1]."""
        return mean(self.accuracy)

    @property
    def sd(self) -> float | None:
        """Over the seeds, in [0, 1]; None for one alone."""
        return spread(self.accuracy)

    def latency(self, by: str) -> float | None:
        """On a machine, in milliseconds; or by `SHARE`, as a share of that of its teacher's
        network. The median where it was taken several times; None where never.
        """
        found = [each.ms for each in self.timings if each.machine == by]
        if by == SHARE:
            found = [
                each.ms / each.teacher_ms
                for each in self.timings
                if each.teacher_ms and each.teacher == self.teacher.network
            ]
        return median(found) if found else None


def machine_words(machine: Mapping[str, str | int], *, gallery: bool) -> str:
    """A machine as far as its result names it, and whose it is: nothing else tells two apart."""
    whose = "gallery" if gallery else "here"
    system, cores = machine.get("system", "unknown system"), machine.get("cores", "?")
    return f"{whose}: {system}, {cores} cores, onnxruntime {machine.get('onnxruntime', '?')}"


def of_run(run_id: str, name: str, result: Result, *, gallery: bool) -> list[Model]:
    """The three models of a finished run; gallery: whether another machine ran it."""
    recipe, arms = result.recipe, result.arms
    machine = machine_words(result.machine, gallery=gallery)
    teacher = arms["teacher"]
    found = []
    for role in ARMS:
        arm = arms[role]
        timings: tuple[Timing, ...] = ()
        if arm.latency_ms is not None:
            timings = (Timing(machine, arm.latency_ms, teacher.latency_ms, brief(recipe.teacher)),)
        control, distilled = (
            arms[other].accuracy if role in STUDENTS and role != other else () for other in STUDENTS
        )
        found.append(
            Model(
                _key(recipe, role, result.artifacts.get(f"{role}.onnx", run_id), arm.accuracy),
                model_name(recipe, role),
                role,
                run_id,
                name,
                recipe.task,
                arm.accuracy,
                arm.onnx_bytes,
                arm.macs,
                arm.parameters,
                timings,
                Beside(teacher.accuracy, teacher.onnx_bytes, brief(recipe.teacher)),
                control,
                distilled,
                network=_network(recipe, role),
                labels=_labels(recipe),
            )
        )
    return found


def model_name(recipe: Recipe, role: ArmName) -> str:
    """A model in a few words: its network, and how it learned."""
    if role == "teacher":
        if recipe.scheme.peers:
            return f"{brief(recipe.teacher)}, first peer"
        others = "".join(f" & {brief(each)}" for each in recipe.scheme.co_teachers)
        return f"{brief(recipe.teacher)}{others}, teacher"
    if role == "control":
        return f"{brief(recipe.student)}, labels alone"
    by = " + ".join(each.name for each in (recipe.method, *recipe.extra))
    learning = "" if by == "kd" else f", {by}"
    return f"{brief(recipe.student)}{learning}, T {recipe.temperature:g}"


def _network(recipe: Recipe, role: ArmName) -> str:
    """By content: what is equal in it takes the same time, whatever it learned. Several teachers
    are asked as one model.
    """
    choice = recipe.teacher if role == "teacher" else recipe.student
    others = recipe.scheme.co_teachers if role == "teacher" else ()
    told = [each.model_dump(mode="json") for each in (choice, *others)]
    return content_hash([recipe.task, told])


def _labels(recipe: Recipe) -> str:
    labelled = recipe.transfer.labelled
    return "all labels" if labelled == "all" else f"{labelled:,} labels"


def _key(recipe: Recipe, role: ArmName, file: str, accuracy: Sequence[float]) -> str:
    """By content: a teacher's is all that decides what it becomes, a student's its file."""
    if role == "teacher" and recipe.teachers == "one" and not recipe.scheme.peers:
        scheme = recipe.scheme.model_dump(mode="json", include={"co_teachers", "co_weights"})
        return content_hash([recipe.teacher_part(recipe.teacher_seed), scheme, accuracy])
    return content_hash([role, file, accuracy])


def of_pipeline(
    pipeline_id: str, name: str, result: PipelineResult, *, gallery: bool = False
) -> list[Model]:
    """The models of a finished pipeline: its ends, and one after each stage, named by all stages
    up to it.
    """
    recipe = result.pipeline.recipe
    machine = machine_words(result.machine, gallery=gallery)
    ends = {row.name: row for row in result.rows if row.name in (TEACHER, CONTROL, ORIGINAL)}
    done: list[str] = []
    found = []
    for place, row in enumerate(result.rows):
        role = ROLES.get(row.name, "distilled")
        if row.name == TRAINED_ON:
            told = f"{model_name(recipe, role)}, trained on as long"
        elif row.name in ends:
            told = model_name(recipe, role)
        else:
            done.append(row.name)
            told = f"{model_name(recipe, role)}, {', then '.join(done)}"
        key = _key(recipe, role, row.file.packed or row.file.onnx, row.accuracy)
        whole = row.name in ends or row.name == TRAINED_ON
        found.append(
            Model(
                *(key, told, role, pipeline_id, name, recipe.task),
                *(row.accuracy, row.bytes, row.macs, row.parameters),
                _row_timings(row, ends.get(TEACHER), machine, brief(recipe.teacher)),
                _row_teacher(ends.get(TEACHER), brief(recipe.teacher)),
                control=_row_accuracy(ends.get(CONTROL)) if role == "distilled" else (),
                distilled=_row_accuracy(ends.get(ORIGINAL)) if role == "control" else (),
                pipeline=True,
                row=place,
                network=_network(recipe, role) if whole else "",
                labels=_labels(recipe),
            )
        )
    return found


def _row_teacher(row: Row | None, network: str) -> Beside:
    return Beside((), None) if row is None else Beside(row.accuracy, row.bytes, network)


def _row_accuracy(row: Row | None) -> tuple[float, ...]:
    return () if row is None else row.accuracy


def _row_timings(row: Row, teacher: Row | None, machine: str, network: str) -> tuple[Timing, ...]:
    ms = _single(row.latency)
    if ms is None:
        return ()
    beside = None if teacher is None else _single(teacher.latency)
    return (Timing(machine, ms, beside, network),)


def _single(latency: Sequence[Latency]) -> float | None:
    """Of a batch of one."""
    return next((each.median_ms for each in latency if each.batch == 1), None)


def merged(models: Iterable[Model]) -> list[Model]:
    """Each model once, in the order of its first appearance, newest first; equal networks share
    every time that the latency of one of them was taken.
    """
    found: dict[str, Model] = {}
    timings: dict[str, tuple[Timing, ...]] = {}
    for each in models:
        known = found.get(each.key)
        found[each.key] = each if known is None else replace(known, runs=known.runs + each.runs)
        of = each.network or each.key
        timings[of] = timings.get(of, ()) + each.timings
    return [replace(each, timings=timings[each.network or each.key]) for each in found.values()]


def machines(models: Iterable[Model]) -> list[str]:
    """Those on which some latency was taken, the one with the most models first."""
    counts: dict[str, int] = {}
    for each in models:
        for name in {timing.machine for timing in each.timings}:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def table(models: Sequence[Model], by: str) -> pd.DataFrame:
    """A row a model, as a reader takes it away; by: as in `Model.latency`.

    Accuracies are shares of the test split, `latency` in milliseconds or, by `SHARE`, a share.
    """
    return pd.DataFrame([_line(each, by) for each in models], columns=COLUMNS)


COLUMNS = [
    *("model", "role", "run", "run_id", "runs", "task", "accuracy", "sd", "seeds"),
    *("onnx_bytes", "latency", "latency_by", "macs", "parameters"),
    *("teacher", "teacher_bytes", "labels_alone"),
]


def _line(of: Model, by: str) -> tuple[object, ...]:
    return (
        *(of.name, of.role, of.run, of.run_id, of.runs, of.task, of.mean, of.sd, len(of.accuracy)),
        *(of.bytes, of.latency(by), by, of.macs, of.parameters),
        mean(of.teacher.accuracy) if of.teacher.accuracy else None,
        of.teacher.bytes,
        mean(of.control) if of.control else None,
    )
