"""What there is to choose from, as plain records that a page reads without importing torch.

The records are read off the definitions in `tasks`, `models` and `methods`, and kept in the store
under the code's id: a new definition makes a new catalogue by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from kdcore.errors import UnknownNameError
from kdcore.fits import Needs, refusal
from kdcore.ingest import Kept, kept
from kdcore.knobs import Knob

if TYPE_CHECKING:
    from kdcore.methods import Method
    from kdcore.models import Architecture
    from kdcore.tasks import Task


@dataclass(frozen=True)
class TaskRecord:
    """A task: its sizes, shapes and words, and the files that it must have under the data folder.

    megabytes: what downloading them takes, about; 0 for a task that comes with the packages.
    """

    name: str
    title: str
    kind: str
    about: str
    class_names: tuple[str, ...]
    input_shape: tuple[int, ...]
    train: int
    validation: int
    test: int
    files: tuple[str, ...] = ()
    megabytes: float = 0.0


@dataclass(frozen=True)
class ArchitectureRecord:
    """An architecture family, what input it takes, and its options.

    dense: whether it is linear layers and ReLU, unless an option puts something else between them.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    smallest: int
    about: str
    knobs: tuple[Knob, ...]
    maps: bool
    dense: bool

    def refuses(self, task: TaskRecord) -> str | None:
        """Why this architecture cannot take a task's input, in a sentence; else None."""
        return refusal(self.title, self.kinds, self.smallest, task.kind, task.input_shape)


@dataclass(frozen=True)
class MethodRecord:
    """A distillation method, its options and its formula; what it does and why, and its paper.

    hard_weight, soft_weight, temperature: what its paper uses; closed: whether its gradient is
    written out, so that small dense students learn by it side by side.
    """

    name: str
    title: str
    paper: str
    link: str
    formula: str
    about: str
    why: str
    needs: Needs
    hard_weight: float
    soft_weight: float
    temperature: float | None
    knobs: tuple[Knob, ...]
    closed: bool

    @property
    def takes_temperature(self) -> bool:
        """Whether the recipe's temperature plays a part."""
        return self.temperature is not None

    @property
    def shares(self) -> bool:
        """Whether its two weights are shares of one whole, so that one number says both."""
        return bool(self.formula) and abs(self.hard_weight + self.soft_weight - 1) < 1e-9

    @property
    def own_knobs(self) -> tuple[Knob, ...]:
        """Its options besides the temperature, which the recipe sets for all."""
        return tuple(knob for knob in self.knobs if knob.name != "temperature")

    def formula_with(self, options: Mapping[str, object], temperature: float | str) -> str:
        """The formula with the numbers of a recipe in it; temperature: in words where it moves."""
        numbers = {knob.name: knob.default for knob in self.knobs} | dict(options)
        shown = {name: _short(number) for name, number in numbers.items()}
        return self.formula.format(**{"T": _short(temperature), **shown})


Record = TypeVar("Record", TaskRecord, ArchitectureRecord, MethodRecord)


@dataclass(frozen=True)
class Catalogue:
    """All definitions of this installation; own data comes and goes, see `with_own`."""

    tasks: tuple[TaskRecord, ...]
    architectures: tuple[ArchitectureRecord, ...]
    methods: tuple[MethodRecord, ...]

    def task(self, name: str) -> TaskRecord:
        """The task of that name. Raises UnknownNameError, as for own data that was deleted."""
        return _named("task", self.tasks, name)

    def architecture(self, name: str) -> ArchitectureRecord:
        """The architecture of that name."""
        return _named("architecture", self.architectures, name)

    def method(self, name: str) -> MethodRecord:
        """The method of that name."""
        return _named("method", self.methods, name)

    def with_own(self, data: Path) -> Catalogue:
        """This catalogue, and the own data that is kept under the data folder right now."""
        own = tuple(_own_record(each) for each in kept(data))
        return replace(self, tasks=self.tasks + own)

    def to_json(self) -> str:
        """JSON that `from_json` reads back."""
        return _adapter().dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Catalogue:
        """Read a catalogue that `to_json` wrote."""
        return _adapter().validate_json(text)


def read_catalogue() -> Catalogue:
    """Read the definitions themselves: imports torch, which takes a second or two."""
    from kdcore import methods, models, tasks

    return Catalogue(
        tasks=tuple(_task_record(tasks.get(name)) for name in tasks.built_in()),
        architectures=tuple(_architecture_record(models.get(name)) for name in models.names()),
        methods=tuple(_method_record(methods.get(name)) for name in methods.names()),
    )


def _task_record(task: Task) -> TaskRecord:
    return TaskRecord(
        *(task.name, task.title, task.kind, task.about),
        **vars(task.facts),
        files=tuple(file.path for file in task.files),
        megabytes=sum(file.megabytes for file in task.files),
    )


def _architecture_record(found: Architecture) -> ArchitectureRecord:
    return ArchitectureRecord(
        *(found.name, found.title, found.kinds, found.smallest, found.about, found.knobs),
        *(found.maps, not found.maps and _is_dense(found)),
    )


def _is_dense(found: Architecture) -> bool:
    from kdcore.train.dense import linears

    network = found.build((1, found.smallest, found.smallest), 2, {}, seed=0)
    return linears(network) is not None


def _method_record(method: Method) -> MethodRecord:
    usual = next((knob.default for knob in method.knobs if knob.name == "temperature"), None)
    return MethodRecord(
        *(method.name, method.title, method.paper, method.link, method.formula),
        *(method.about, method.why),
        needs=method.needs,
        hard_weight=method.hard_weight,
        soft_weight=method.soft_weight,
        temperature=usual,
        knobs=method.knobs,
        closed=method.closed is not None,
    )


def _short(number: object) -> str:
    return f"{number:g}" if isinstance(number, int | float) else str(number)


def _own_record(own: Kept) -> TaskRecord:
    train, validation, test = own.sizes
    return TaskRecord(
        *(own.task, own.name, "image", own.about, own.class_names, own.shape),
        *(train, validation, test),
    )


def _named(kind: str, records: tuple[Record, ...], name: str) -> Record:
    for record in records:
        if record.name == name:
            return record
    raise UnknownNameError(kind, name, [record.name for record in records])


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Catalogue]:
    return TypeAdapter(Catalogue)
