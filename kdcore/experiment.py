"""The protocol: one teacher, and for each seed the same student twice, without it and with it.

Both students of a seed start from the same weights, see the same labelled batches in the same
order, for the same steps at the same learning rate. What is left to differ is the teacher.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TypeVar

import onnxruntime
import torch
from torch import Tensor, nn

from kdcore import answers, insides, tasks
from kdcore.anatomy import Observed, dissect
from kdcore.classroom import Classroom
from kdcore.classroom.room import Member, check_finite, telling
from kdcore.compress.export import to_onnx
from kdcore.measure.latency import Call, timing
from kdcore.measure.onnx_file import same_work
from kdcore.measure.size import macs, parameters
from kdcore.panel import Scale
from kdcore.recipe import Recipe
from kdcore.result import (
    ARMS,
    STUDENTS,
    Arm,
    ArmName,
    Event,
    Latency,
    Progress,
    Result,
    with_costs,
)
from kdcore.setting import Setting
from kdcore.settings import Settings
from kdcore.shared import Shared
from kdcore.shelf import Shelf
from kdcore.statistics import paired_difference, verdict
from kdcore.tasks.download import fetch
from kdcore.train.loop import logits, share_correct
from kdcore.train.threads import one_thread
from kdcore.train.trace import traced
from kdcore.train.weights import packed
from kdcore.uploads.network import OnnxTeacher, latencies_apart

R = TypeVar("R")

log = logging.getLogger(__name__)

LATENCY_BATCHES = (1, 32)


def run(
    recipe: Recipe,
    on_event: Callable[[Event | Progress | Result], object] | None = None,
    shelf: Shelf | None = None,
) -> Result:
    """Run a recipe to its end and return the result; `on_event` hears all that happens.

    shelf: where teachers are reused from and artifacts kept, by default under KDCORE_HOME.
    Raises RecipeError, before any training, on a recipe that cannot be run.
    """
    result = None
    for happening in traced_steps(recipe, shelf or default_shelf()):
        if on_event is not None:
            on_event(happening)
        if isinstance(happening, Result):
            result = happening
    assert result is not None  # the last happening of a run is its result
    return result


def default_shelf() -> Shelf:
    """The artifacts under KDCORE_HOME. Raises HomeError where it can't be written."""
    return Shelf(Settings.from_environment().ready_home() / "artifacts")


def steps(recipe: Recipe, shelf: Shelf) -> Iterator[Event | Progress | Result]:
    """A run as a generator: events and progress, then results, each more complete.

    The first result carries the verdict, the last one size and latency as well. Closing the
    generator stops the run. One thread is used throughout, so that the same recipe gives the same
    numbers here and in a worker; on Linux, this process keeps what it frees from then on.
    """
    with one_thread():
        yield from fetched(recipe)
        with closing(Experiment(recipe, shelf)) as experiment:
            yield from experiment.steps()


def traced_steps(recipe: Recipe, shelf: Shelf) -> Iterator[Event | Progress | Result]:
    """A run as a generator, which leaves a trace of itself where KDCORE_TRACE is set.

    To be taken and closed in one thread.
    """
    settings, happenings = Settings.from_environment(), steps(recipe, shelf)
    if not settings.trace:
        return happenings
    name = f"{recipe.id}-{time.strftime('%Y%m%d-%H%M%S')}.json.gz"
    return traced(happenings, settings.ready_home() / "traces" / name)


def fetched(recipe: Recipe) -> Iterator[Progress]:
    """Download what the recipe's data sets lack."""
    names = {recipe.task, recipe.transfer.source} - {"task", "noise"}
    for task in map(tasks.get, sorted(names)):
        for share in fetch(task.title, task.files, Settings.from_environment().data):
            yield Progress("data", share, None)


def check(recipe: Recipe) -> None:
    """Raise RecipeError, a sentence, if the recipe names what is unknown or does not fit."""
    Setting(recipe)


Pairs = list[tuple[Tensor, Tensor]]
"""For each seed, the test logits after the last step, and of the best on validation."""


class Experiment:
    """One recipe from its teachers to what its models cost; shared: with others beside it."""

    def __init__(self, recipe: Recipe, shelf: Shelf, shared: Shared | None = None) -> None:
        self.recipe, self.shelf = recipe, shelf
        self.room = Classroom(recipe, shelf, shared)
        self.setting, self.members = self.room.setting, self.room.members
        self.observed: dict[int, Observed] = {}  # of members that are looked into, by id

    def steps(self) -> Iterator[Event | Progress | Result]:
        """All of it, the verdict first, then what is inside the models, and what they cost."""
        self.room.photographed = self.setting.data.input_shape == (2,)
        yield from self.train()
        self.observed = {id(self.members[arm][0]): Observed() for arm in ARMS}
        result, outputs = yield from self.judge()
        yield result
        yield Progress("measuring", 0.0, None)
        files = yield from telling("measuring", self.exported(), scale=0.5)
        artifacts = {**self.kept(outputs, files), insides.ROLE: self._keep_insides()}
        latency = yield from self._timed(files)
        costing = with_costs(result, {arm: len(file) for arm, file in files.items()}, latency)
        seconds = time.perf_counter() - self.room.began
        yield replace(costing, artifacts=artifacts, seconds=seconds)

    def train(self) -> Generator[Event | Progress, None, None]:
        """The teacher or teachers, then all students."""
        yield from self.room.train_teachers()
        yield from self.room.train_students()

    def judge(self) -> Generator[Progress, None, tuple[Result, dict[ArmName, Pairs]]]:
        """What the trained models are worth on the test split, and their answers."""
        outputs = {}
        for arm in ARMS:
            outputs[arm] = yield from self._test_logits(self.members[arm])
        chain = []
        for members in self.room.assistants:
            chain.append(self._arm(members, (yield from self._test_logits(members))))
        return self._verdict(outputs, chain), outputs

    def close(self) -> None:
        """Let go of what was opened for an own teacher."""
        self.room.close()

    # the verdict

    def _test_logits(self, members: list[Member]) -> Generator[Progress, None, Pairs]:
        """For each member: test logits after the last step, and of the best on validation."""
        pairs = []
        for member in members:
            yield Progress("students", 1.0, 0.0)
            key = ("test logits", id(member))
            pairs.append(self.setting.shared.once(key, partial(self._tested, member)))
        return pairs

    def _tested(self, member: Member) -> tuple[Tensor, Tensor]:
        images = self.room.split("test").inputs
        observed = self.observed.get(id(member))
        if observed is None:
            last = logits(member.network, images)
        else:
            last = observed.logits(member.network, images)
        check_finite(member, (last.sum().item(),))
        kept = {k: v.clone() for k, v in member.network.state_dict().items()}
        if not member.best.weights or _equal(kept, member.best.weights):
            return last, last  # a large test set takes longer than many steps
        member.network.load_state_dict(member.best.weights)
        best = logits(member.network, images)
        member.network.load_state_dict(kept)
        return last, best

    def _arm(self, members: list[Member], pairs: Pairs) -> Arm:
        """What a model is worth over its seeds, and what it costs."""
        network, labels = members[0].network, self.room.split("test").labels
        counted = not isinstance(network, OnnxTeacher)
        return Arm(
            left_out=self._on_left_out([last for last, _ in pairs]),
            accuracy=tuple(share_correct(last, labels) for last, _ in pairs),
            best_on_validation=tuple(share_correct(best, labels) for _, best in pairs),
            parameters=_parameters(network),
            macs=self._macs(network) if counted else None,
            adapter_parameters=parameters(members[0].adapters),
        )

    def _macs(self, network: nn.Module) -> int:
        shape = self.setting.data.input_shape
        key = ("macs", repr(network), shape)  # weights make no difference
        return self.setting.shared.once(key, lambda: macs(network, shape))

    def _verdict(self, outputs: dict[ArmName, Pairs], chain: list[Arm]) -> Result:
        labels = self.room.split("test").labels
        arms = {arm: self._arm(self.members[arm], pairs) for arm, pairs in outputs.items()}
        control, distilled = (arms[arm].accuracy for arm in STUDENTS)
        difference = paired_difference(control, distilled, samples=len(labels))
        return Result(
            recipe=self.recipe,
            verdict=verdict(difference),
            difference=difference,
            seconds=time.perf_counter() - self.room.began,
            arms=arms,
            teacher_reused=self.room.reused,
            machine=machine(),
            chain=tuple(chain),
            compared=tuple(self.room.compared),
            precision=self.room.precision,
        )

    def _on_left_out(self, outputs: list[Tensor]) -> tuple[float, ...]:
        """Each seed's accuracy on the test samples of the classes that the student never saw."""
        left_out = self.recipe.transfer.left_out
        if not left_out:
            return ()
        labels = self.room.split("test").labels
        chosen = torch.isin(labels, torch.tensor(left_out))
        return tuple(share_correct(each[chosen], labels[chosen]) for each in outputs)

    # what is kept and measured

    def exported(self) -> Generator[float, None, dict[ArmName, bytes]]:
        """The ONNX files of the first seed's three models; the share that is done on the way."""
        files = {}
        for number, arm in enumerate(ARMS):
            yield number / len(ARMS)
            files[arm] = self._file(self.members[arm][0].network)
        return files

    def kept(self, outputs: dict[ArmName, Pairs], files: dict[ArmName, bytes]) -> dict[str, str]:
        """What the models answered, and the first seed's files, put on the shelf; from what each
        is to its name there. outputs: of `judge`; files: of `exported`.
        """
        roles = self._keep_logits(outputs)
        for arm, content in files.items():
            network = self.members[arm][0].network
            if not isinstance(network, OnnxTeacher):  # that one is kept already, as it came
                roles[f"{arm}.onnx"] = self.shelf.put(content, "onnx")
                weights = packed(network.state_dict())
                roles[f"{arm}.safetensors"] = self.shelf.put(weights, "safetensors")
        return roles

    def _keep_logits(self, outputs: dict[ArmName, Pairs]) -> dict[str, str]:
        """The three models' last test logits, the labels and the samples: the first few for a
        browser, and, of a larger test set, as many as the budget holds in files of their own; and
        how samples are normalised.
        """
        test = self.setting.data.test
        classes, models = len(self.setting.data.class_names), sum(map(len, outputs.values()))
        each = test.inputs[0].numel() * test.inputs.element_size()
        kept = answers.within_budget(len(test), models * classes, each)
        found = answers.Answers(
            class_names=self.setting.data.class_names,
            labels=test.labels[:kept].numpy(),
            inputs=test.inputs[:kept].numpy(),
            logits={
                arm: torch.stack([last[:kept] for last, _ in pairs]).numpy()
                for arm, pairs in outputs.items()
            },
            tested=len(test),
        )
        roles = {"logits": self.shelf.put(answers.pack_probe(found), "npz")}
        mean, deviation = (each.numpy() for each in self.setting.data.moments)
        roles["scale"] = self.shelf.put(Scale(mean, deviation).to_json(), "json")
        if kept > answers.PROBE:
            roles["answers"] = self.shelf.put(answers.pack_logits(found), "npz")
            roles["samples"] = self.shelf.put(answers.pack_samples(found), "npz")
        return roles

    def _keep_insides(self) -> str:
        """What is inside the first seed's models; returns the file's name."""
        first = {arm: self.members[arm][0] for arm in ARMS}
        found = dissect(
            {arm: member.network for arm, member in first.items()},
            {arm: self.observed[id(member)] for arm, member in first.items()},
            *(self.setting.data, self.room.split("test")),
            {arm: member.snapshots for arm, member in first.items() if member.snapshots},
        )
        return self.shelf.put(insides.pack(found), "npz")

    def _timed(
        self, files: dict[ArmName, bytes]
    ) -> Generator[Progress, None, dict[ArmName, tuple[Latency, ...]]]:
        """The latencies of the very files, at each batch size."""
        share, taken = 0.5 / len(LATENCY_BATCHES), []
        for number, batch in enumerate(LATENCY_BATCHES):
            timings = self._latencies(files, batch)
            start = 0.5 + number * share
            taken.append((yield from telling("measuring", timings, start=start, scale=share)))
        return {arm: tuple(timings[arm] for timings in taken) for arm in ARMS}

    def _file(self, network: nn.Module) -> bytes:
        if isinstance(network, OnnxTeacher):
            return network.content
        return to_onnx(network, self.setting.data.input_shape)

    def _latencies(
        self, files: dict[ArmName, bytes], batch: int
    ) -> Generator[float, None, dict[ArmName, Latency]]:
        shape = self.setting.data.input_shape
        teacher = self.members["teacher"][0].network
        first = same_work(files, "teacher" if isinstance(teacher, OnnxTeacher) else None)
        timed = {arm: files[arm] for arm in dict.fromkeys(first.values())}
        if isinstance(teacher, OnnxTeacher):
            yield 0.0
            calls: dict[ArmName, Call] = {"teacher": teacher.call(batch)}
            found = latencies_apart(timed, shape, batch, calls)
        else:
            found = yield from timing(timed, shape, batch)
        return {arm: found[of] for arm, of in first.items()}


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def _parameters(network: nn.Module) -> int:
    """Of an own ONNX model, those that its file holds."""
    if isinstance(network, OnnxTeacher):
        return network.teacher.parameters
    return parameters(network)


def machine() -> dict[str, str | int]:
    """On what was measured, and by what."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
