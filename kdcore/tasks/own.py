"""Own data that was kept, as tasks by the name that keeping gave it."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import torch

from kdcore.ingest import storage
from kdcore.ingest.storage import Kept
from kdcore.settings import Settings
from kdcore.tasks import Data, Facts, Split, Task


def find(name: str) -> Task | None:
    """The task of that name made of own data, or None where it is not kept here."""
    data = Settings.from_environment().data
    record = storage.find(name, data)
    return None if record is None else _task(record, data)


def names() -> tuple[str, ...]:
    """Names of all own data under the data folder."""
    return tuple(record.task for record in storage.kept(Settings.from_environment().data))


@lru_cache(maxsize=64)
def _task(record: Kept, data: Path) -> Task:
    facts = Facts(record.class_names, record.shape, *record.sizes)
    load = lru_cache(maxsize=1)(partial(_load, record, data))
    return Task(record.task, record.name, "image", facts, (), record.about, load)


def _load(record: Kept, data: Path) -> Data:
    content = storage.load(record, data)
    inputs, labels, places = map(
        torch.from_numpy, (content.pictures, content.labels, content.places)
    )
    parts = [Split(inputs[places == place], labels[places == place]) for place in range(3)]
    return Data(record.class_names, *parts)
