"""Sweeps in the store: a row for each, whose members are runs that no list of runs shows.

What the store's contract says of a run holds for a member; beyond that:

* A sweep is stored with all its members, or not at all.
* A member is worked on in a part, with others; each is claimed, recorded and ended for itself.
* A sweep has no state of its own: it is what its members are.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from kdcore.errors import KdError, RunError
from kdcore.outcome import NUMBERS, Cost, plain
from kdcore.recipe import Recipe
from kdcore.result import Phase
from kdcore.runs.schema import artifacts, events, runs, sweeps
from kdcore.runs.store import LISTED, RESTARTABLE, UNFINISHED, State, Store
from kdcore.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

COSTS = tuple(field.name for field in fields(Cost))

FEWEST_TOLD = 0.02
"""Of a sweep must be done before the time left is told."""


@dataclass(frozen=True)
class SweepRun:
    """A snapshot of a sweep.

    counts: how many of its members are in each state; changed: when the last of them ended, in
    seconds since the epoch; costs: of its students by kind, empty until they are measured.
    """

    id: str
    sweep: Sweep
    name: str
    created: float
    counts: Mapping[State, int]
    changed: float
    costs: Mapping[str, Cost]

    @property
    def total(self) -> int:
        """How many members it has."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """How many are still to be worked on."""
        return sum(self.counts.get(state, 0) for state in UNFINISHED)


@dataclass(frozen=True)
class MemberRow:
    """A member in a table: where it stands among the others, and its numbers if it has any.

    summary: as `kdcore.outcome.numbers` gives it.
    """

    run_id: str
    place: int
    state: State
    summary: Mapping[str, Any] | None
    error: str | None


@dataclass(frozen=True)
class Headway:
    """How much of a sweep is done, in [0, 1], and the seconds left; None while nobody can tell.

    phase: what its members under way are at; None while none is.
    """

    share: float
    seconds_left: float | None
    phase: Phase | None = None


@dataclass(frozen=True)
class Part:
    """Members that are worked on together, by run id, under one task's key."""

    task: str
    run_ids: tuple[str, ...]


class Sweeps:
    """The sweeps of a store. Every method raises StoreError where the database cannot be used."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # commands

    def submit(
        self, sweep: Sweep, name: str, parts: Sequence[range], cluster: str | None = None
    ) -> tuple[SweepRun, list[Part]]:
        """Queue all members of a sweep, in parts of places that are worked on together.

        Raises RecipeError where a combination is no recipe.
        """
        sweep_id, now = secrets.token_hex(5), time.time()
        recipes = sweep.members()
        rows: list[dict[str, Any]] = []
        found = []
        for number, part in enumerate(parts):
            task = f"{sweep_id}.{number}"
            mine = [_queued(recipes[place], place, now) for place in part]
            for row in mine:
                row |= {"sweep_id": sweep_id, "task": task, "cluster": cluster, "name": name[:200]}
            rows += mine
            found.append(Part(task, tuple(row["id"] for row in mine)))
        with self._store.begin() as connection:
            values = {"id": sweep_id, "sweep": sweep.to_json(), "name": name[:200], "created": now}
            connection.execute(insert(sweeps).values(values))
            connection.execute(insert(runs), rows)
        return self.get(sweep_id), found

    def request_stop(self, sweep_id: str) -> SweepRun:
        """Cancel the members that wait, and those under way as soon as they tell of themselves."""
        with self._store.begin() as connection:
            mine = (runs.c.sweep_id == sweep_id, runs.c.state.in_(UNFINISHED))
            connection.execute(update(runs).where(*mine).values(stop_requested=True))
            connection.execute(
                update(runs)
                .where(runs.c.sweep_id == sweep_id, runs.c.state == "queued")
                .values(state="cancelled", finished=time.time())
            )
        return self.get(sweep_id)

    def restart(
        self, sweep_id: str, cluster: str | None = None, *, size: int = 32
    ) -> tuple[SweepRun, list[Part]]:
        """Queue the members again that were cancelled, failed or interrupted; keep the others."""
        now = time.time()
        again = runs.c.state.in_(RESTARTABLE)
        with self._store.begin() as connection:
            query = select(runs.c.id).where(runs.c.sweep_id == sweep_id, again)
            left = list(connection.scalars(query.order_by(runs.c.place)))
            found = []
            for start in range(0, len(left), size):
                part = Part(f"{sweep_id}.{secrets.token_hex(3)}", tuple(left[start : start + size]))
                connection.execute(
                    update(runs)
                    .where(runs.c.id.in_(part.run_ids))
                    .values(
                        **{"state": "queued", "cluster": cluster, "task": part.task},
                        created=now,  # it takes its place behind what waits already
                        **{"stop_requested": False, "heartbeat": now, "started": None},
                        **{"finished": None, "progress": None, "result": None},
                        **{"summary": None, "error": None},
                    )
                )
                found.append(part)
        return self.get(sweep_id), found

    def keep_costs(self, sweep_id: str, costs: Mapping[str, Cost]) -> None:
        """Write what the kinds of students cost."""
        text = json.dumps({name: asdict(cost) for name, cost in costs.items()})
        with self._store.begin() as connection:
            mine = update(sweeps).where(sweeps.c.id == sweep_id)
            connection.execute(mine.values(costs=text))

    def rename(self, sweep_id: str, name: str) -> SweepRun:
        """Give it another name."""
        if not name.strip():
            raise RunError("a sweep needs a name; type one, or keep the old one")
        with self._store.begin() as connection:
            mine = update(sweeps).where(sweeps.c.id == sweep_id)
            connection.execute(mine.values(name=name.strip()[:200]))
        return self.get(sweep_id)

    def delete(self, sweep_id: str) -> None:
        """Delete it with all its members. Raises RunError while some are still to be worked on."""
        sweep = self.get(sweep_id)
        if sweep.left:
            raise RunError(f"sweep {sweep.name!r} is under way; cancel it before you delete it")
        with self._store.begin() as connection:
            members = select(runs.c.id).where(runs.c.sweep_id == sweep_id)
            for table in (artifacts, events):
                connection.execute(delete(table).where(table.c.run_id.in_(members)))
            connection.execute(delete(runs).where(runs.c.sweep_id == sweep_id))
            connection.execute(delete(sweeps).where(sweeps.c.id == sweep_id))

    # readers

    def get(self, sweep_id: str) -> SweepRun:
        """One sweep. Raises RunError where there is none of that id."""
        with self._store.begin() as connection:
            row = connection.execute(select(sweeps).where(sweeps.c.id == sweep_id)).first()
            if row is None:
                raise RunError(f"there is no sweep {sweep_id!r}; it may have been deleted")
            return _sweep(row, _states(connection, [sweep_id]))

    def find(self, text: str = "", limit: int = LISTED) -> list[SweepRun]:
        """Sweeps whose name holds the text, newest first."""
        query = select(sweeps).order_by(sweeps.c.created.desc(), sweeps.c.id).limit(limit)
        if text.strip():
            query = query.where(sweeps.c.name.icontains(text.strip(), autoescape=True))
        with self._store.begin() as connection:
            rows = connection.execute(query).all()
            states = _states(connection, [row.id for row in rows])
        return _readable(rows, states)

    def members(
        self, sweep_id: str, *, start: int = 0, limit: int | None = None
    ) -> list[MemberRow]:
        """Members in their order, from a place on."""
        columns = (runs.c.id, runs.c.place, runs.c.state, runs.c.summary, runs.c.error)
        query = (
            select(*columns)
            .where(runs.c.sweep_id == sweep_id, runs.c.place >= start)
            .order_by(runs.c.place)
            .limit(limit)
        )
        with self._store.begin() as connection:
            rows = connection.execute(query).all()
        return [
            MemberRow(
                *(row.id, row.place, row.state),
                *(json.loads(row.summary) if row.summary else None, row.error),
            )
            for row in rows
        ]

    def headway(self, sweep_id: str) -> Headway:
        """How far it is; the time left is told by the pace of what was queued last."""
        columns = (runs.c.state, runs.c.progress, runs.c.started, runs.c.created)
        with self._store.begin() as connection:
            query = select(*columns).where(runs.c.sweep_id == sweep_id)
            members = connection.execute(query).all()
        if not members:
            return Headway(1.0, None)
        latest = max(member.created for member in members)
        current = [member for member in members if member.created == latest]
        begun = [member.started for member in current if member.started is not None]
        share, pace = _done(members), _done(current)
        phase = _phase(members)
        if not begun or pace < FEWEST_TOLD:
            return Headway(share, None, phase)
        return Headway(share, (time.time() - min(begun)) * (1 / pace - 1), phase)


def _done(members: Sequence[Any]) -> float:
    """The share of the work on some members that is done, in [0, 1]."""
    going = (*UNFINISHED, "interrupted")
    done = [_learned(m.progress) if m.state in going else 1.0 for m in members]
    return sum(done) / len(done)


def _phase(members: Sequence[Any]) -> Phase | None:
    told = [json.loads(m.progress) for m in members if m.state == "running" and m.progress]
    return told[-1]["phase"] if told else None


def _learned(progress: str | None) -> float:
    """How much of a member under way is done: its teacher is shared, and counts for nothing."""
    told = json.loads(progress) if progress else {}
    return float(told["done"]) if told.get("phase") == "students" else 0.0


def member_table(run: SweepRun, members: Sequence[MemberRow]) -> pd.DataFrame:
    """All members, a row each: what it sets, by axis; its numbers and what its student costs,
    missing where there are none yet; and `run_id`, `place`, `state` and `error`.
    """
    import pandas as pd

    settings = list(run.sweep.settings())
    costs = {kind: asdict(cost) for kind, cost in run.costs.items()}
    rows = [
        {
            **{field: plain(value) for field, value in settings[member.place].items()},
            **(member.summary or {}),
            **costs.get((member.summary or {}).get("student.key", ""), {}),
            **{"run_id": member.run_id, "place": member.place},
            **{"state": member.state, "error": member.error or ""},
        }
        for member in members
    ]
    found = pd.DataFrame(rows)
    missing = [name for name in (*NUMBERS, *COSTS) if name not in found.columns]
    return found.assign(**dict.fromkeys(missing))


def blank_table(sweep: Sweep) -> pd.DataFrame:
    """The table of a sweep that nobody has submitted: every member waits, none has a number."""
    run = SweepRun("", sweep, "", 0.0, {}, 0.0, {})
    return member_table(
        run, [MemberRow("", place, "queued", None, None) for place in range(len(sweep))]
    )


def _queued(recipe: Recipe, place: int, now: float) -> dict[str, Any]:
    return {
        **{"id": secrets.token_hex(6), "recipe_id": recipe.id, "recipe": recipe.model_dump_json()},
        **{"state": "queued", "created": now, "heartbeat": now, "place": place},
    }


def _states(
    connection: Connection, sweep_ids: Sequence[str]
) -> dict[str, tuple[dict[State, int], float]]:
    """For each sweep, how many members are in each state, and when the last of them ended."""
    query = (
        select(runs.c.sweep_id, runs.c.state, func.count(), func.max(runs.c.finished))
        .where(runs.c.sweep_id.in_(sweep_ids))
        .group_by(runs.c.sweep_id, runs.c.state)
    )
    found: dict[str, tuple[dict[State, int], float]] = {each: ({}, 0.0) for each in sweep_ids}
    for sweep_id, state, count, ended in connection.execute(query):
        counts, last = found[sweep_id]
        found[sweep_id] = ({**counts, state: count}, max(last, ended or 0.0))
    return found


def _readable(
    rows: Sequence[Row[Any]], states: Mapping[str, tuple[Mapping[State, int], float]]
) -> list[SweepRun]:
    """Lists leave out what a newer version of this software may have written."""
    found = []
    for row in rows:
        try:
            found.append(_sweep(row, states))
        except (KdError, ValueError, TypeError) as error:
            log.warning("sweep %s cannot be read: %s", row.id, error)
    return found


def _sweep(row: Row[Any], states: Mapping[str, tuple[Mapping[State, int], float]]) -> SweepRun:
    costs = json.loads(row.costs) if row.costs else {}
    return SweepRun(
        *(row.id, Sweep.from_json(row.sweep), row.name, row.created, *states[row.id]),
        {name: Cost(**cost) for name, cost in costs.items()},
    )
