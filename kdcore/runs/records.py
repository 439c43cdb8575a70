"""Runs as the store tells of them: frozen records, read off the rows of the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Row

from kdcore.errors import RunError, StoreError
from kdcore.recipe import Recipe
from kdcore.result import Progress, Result

State = Literal["queued", "running", "done", "cancelled", "failed", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
UNFINISHED: tuple[State, ...] = ("queued", "running")
RESTARTABLE: tuple[State, ...] = ("cancelled", "failed", "interrupted")

GALLERY = "g"
"""The ids of runs from the gallery begin with it, all others with a digit or a to f."""

LISTED = 200
"""A list holds so many runs at most; a filter finds the others."""


class Work:
    """What a record tells of itself whatever the work is: a run, a search or a pipeline."""

    id: str
    name: str
    state: State
    attempt: int

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state not in UNFINISHED

    @property
    def shown(self) -> bool:
        """Whether it comes with the project, to be looked at, and was not run here."""
        return self.id.startswith(GALLERY)


@dataclass(frozen=True)
class Run(Work):
    """A snapshot of one run. Times are seconds since the epoch; `cluster` is the one it was handed
    to, None before; `sweep_id` and `place` say of which sweep it is which
    member, if it is one.
    """

    id: str
    recipe: Recipe
    name: str
    note: str
    tags: tuple[str, ...]
    state: State
    attempt: int
    stop_requested: bool
    created: float
    started: float | None
    finished: float | None
    heartbeat: float
    progress: Progress | None
    result: Result | None
    error: str | None
    cluster: str | None
    sweep_id: str | None = None
    place: int | None = None


class Silent(NamedTuple):
    """Unfinished work that is not heard of: its id, its task's key, and whom it was handed to."""

    run_id: str
    task: str
    cluster: str | None


class Ended(NamedTuple):
    """An attempt that is over: how it ended, why if it failed, and what came of it if anything."""

    run: Run
    state: State
    error: str | None = None
    result: Result | None = None


class Listed(NamedTuple):
    """A run or pipeline in a list to choose from; created: seconds since the epoch."""

    id: str
    name: str
    created: float

    @property
    def shown(self) -> bool:
        """Whether it is from the gallery."""
        return self.id.startswith(GALLERY)


def run_of(row: Row[Any]) -> Run:
    """The run of a row. Raises StoreError where this version cannot read it."""
    try:
        return _read(row)
    except (ValueError, TypeError, KeyError) as error:
        raise unreadable("run", row, error) from error


def _read(row: Row[Any]) -> Run:
    values = row._mapping
    progress = values["progress"]
    result = values["result"]
    return Run(
        **{
            name: values[name]
            for name in (
                *("id", "name", "note", "state", "attempt", "stop_requested", "created"),
                *("started", "finished", "heartbeat", "error", "cluster", "sweep_id", "place"),
            )
        },
        recipe=Recipe.from_json(values["recipe"]),
        tags=tuple(json.loads(values["tags"])),
        progress=Progress(**json.loads(progress)) if progress else None,
        result=Result.from_json(result) if result else None,
    )


def unreadable(what: str, row: Row[Any], error: Exception) -> StoreError:
    """What to raise of a row that is not as this version writes it."""
    return StoreError(
        f"{what} {row.name!r} ({row.id}) cannot be read by this version of kdcore: {error}; "
        "update kdcore"
    )


def deletable(what: str, found: Work, how: str = "stop") -> None:
    """Raise RunError, a sentence, where work cannot be deleted; how: what ends it first."""
    if found.shown:
        raise RunError(
            f"{what} {found.name!r} is from the gallery, which comes with the project; set "
            "KDCORE_GALLERY to another folder to be without it"
        )
    if not found.ended:
        raise RunError(f"{what} {found.name!r} is {found.state}; {how} it before you delete it")
