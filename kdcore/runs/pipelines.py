"""Pipelines in the store: a row for each, with the models that came of it so far.

Snapshots out, commands in, as for runs, whose contract holds here too: each claim is a new attempt
that starts from nothing, and what an earlier attempt still writes changes nothing. The files of a
pipeline's models are listed beside it, so that the shelf keeps them as long as it is there.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic import JsonValue, TypeAdapter
from sqlalchemy import delete, func, insert, select, update

from kdcore import waterfall
from kdcore.errors import KdError, RunError
from kdcore.pipeline import Pipeline
from kdcore.result import Event, Progress
from kdcore.runs import rows
from kdcore.runs.jobs import Jobs
from kdcore.runs.records import (
    LISTED,
    RESTARTABLE,
    UNFINISHED,
    Listed,
    State,
    Work,
    deletable,
    unreadable,
)
from kdcore.runs.schema import artifacts, pipeline_events, pipeline_files, pipelines
from kdcore.runs.store import Store
from kdcore.waterfall import Lap, PipelineResult, files_of

Heard = Event | Lap
"""What a member tells while it trains."""


@dataclass(frozen=True)
class Member:
    """What came of one setting of a pipeline: its rows so far, then its result, or why there is
    none.
    """

    rows: tuple[waterfall.Row, ...] = ()
    result: PipelineResult | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.result is not None or self.error is not None

    def after(self, happening: waterfall.Row | PipelineResult | KdError) -> Member:
        """With a row more, or as it ended."""
        if isinstance(happening, PipelineResult):
            return Member(happening.rows, happening)
        if isinstance(happening, KdError):
            return replace(self, error=str(happening))
        return replace(self, rows=(*self.rows, happening))


@dataclass(frozen=True)
class PipelineRun(Work):
    """A snapshot of a pipeline. Times are seconds since the epoch.

    members: one for each of its settings, a single one without axes; place: the one that is worked
    on, which `progress` is about.
    """

    id: str
    pipeline: Pipeline
    name: str
    state: State
    attempt: int
    stop_requested: bool
    created: float
    finished: float | None
    heartbeat: float
    place: int
    progress: Progress | None
    members: tuple[Member, ...]
    error: str | None
    cluster: str | None


class Pipelines(Jobs[PipelineRun]):
    """The pipelines of a store."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, pipelines, "pipeline", _pipeline)

    # commands of a page

    def submit(self, pipeline: Pipeline, name: str, cluster: str | None = None) -> PipelineRun:
        """Queue a pipeline under a name for people, for that cluster."""
        return self._queue(secrets.token_hex(5), pipeline.to_json(), name, cluster)

    def restart(self, pipeline_id: str, cluster: str | None = None) -> PipelineRun:
        """Queue one again that was cancelled, failed or interrupted, under its own id."""
        values = {
            **{"state": "queued", "cluster": cluster, "stop_requested": False},
            **{"heartbeat": time.time(), "finished": None, "error": None},
            **{"place": 0, "progress": None, "members": None},
        }
        with self._store.begin() as connection:
            mine = (pipelines.c.id == pipeline_id, pipelines.c.state.in_(RESTARTABLE))
            changed = connection.execute(update(pipelines).where(*mine).values(values)).rowcount
        found = self.get(pipeline_id)
        if not changed:
            raise RunError(
                f"pipeline {found.name!r} is {found.state}; only one that was stopped, failed or "
                "interrupted starts again"
            )
        return found

    def delete(self, pipeline_id: str) -> tuple[str, ...]:
        """Delete an ended pipeline; returns the names of files that nothing else needs."""
        deletable("pipeline", self.get(pipeline_id))
        name, of = pipeline_files.c.name, pipeline_files.c.pipeline_id
        with self._store.begin() as connection:
            others = select(name).where(of != pipeline_id)
            orphans = connection.scalars(
                select(name)
                .where(of == pipeline_id)
                .where(name.not_in(others), name.not_in(select(artifacts.c.name)))
            ).all()
            _forget(connection, pipeline_id)
            connection.execute(delete(pipelines).where(pipelines.c.id == pipeline_id))
        return tuple(orphans)

    # commands of a worker

    def claim(self, pipeline_id: str) -> PipelineRun | None:
        """Begin a new attempt, from nothing; None where it is no longer wanted."""
        now = time.time()
        mine = (pipelines.c.id == pipeline_id, pipelines.c.state.in_(UNFINISHED))
        begun = {"state": "running", "attempt": pipelines.c.attempt + 1, "heartbeat": now}
        with self._store.begin() as connection:
            claimed = connection.execute(
                update(pipelines)
                .where(*mine, pipelines.c.stop_requested.is_(False))
                .values(**begun, place=0, progress=None, members=None)
            ).rowcount
            if not claimed:
                unwanted = update(pipelines).where(*mine)
                connection.execute(unwanted.values(state="cancelled", finished=now))
                return None
            _forget(connection, pipeline_id)
        return self.get(pipeline_id)

    def record(
        self,
        run: PipelineRun,
        told: tuple[int, Progress] | None = None,
        members: Sequence[Member] | None = None,
        heard: Mapping[int, Sequence[Heard]] | None = None,
    ) -> bool:
        """Write a sign of life, and what is new; whether the attempt should go on.

        told: the place of the member that is worked on, and how far it is; members: all of them;
        heard: what members told since the last time, by place.
        """
        values: dict[str, Any] = {}
        if told is not None:
            values |= {"place": told[0], "progress": json.dumps(asdict(told[1]))}
        if members is not None:
            values["members"] = members_text(members)
        with self._store.begin() as connection:
            if not rows.told(connection, pipelines, run, values):
                return False
            if members is not None:
                of = pipeline_files.c.pipeline_id == run.id
                connection.execute(delete(pipeline_files).where(of))
                kept = [{"pipeline_id": run.id, "name": name} for name in sorted(_files(members))]
                if kept:
                    connection.execute(insert(pipeline_files), kept)
            lines = [
                {"pipeline_id": run.id, "place": place, "events": spelled(of)}
                for place, of in (heard or {}).items()
                if of
            ]
            if lines:
                connection.execute(insert(pipeline_events), lines)
            return rows.goes_on(connection, pipelines, run.id)

    def fail(self, pipeline_id: str, error: str) -> None:
        """End a pipeline that its worker could not end itself."""
        self._end(*rows.unfinished(pipelines, pipeline_id), state="failed", error=error)

    # readers

    def heard(self, pipeline_id: str, place: int) -> tuple[list[Event], list[Lap]]:
        """What the member of that place told so far: of the recipe's training, and of the stages'.

        Of students that several members begin from, the first one told.
        """
        of = (pipeline_events.c.pipeline_id == pipeline_id, pipeline_events.c.place == place)
        query = select(pipeline_events.c.events).where(*of).order_by(pipeline_events.c.number)
        with self._store.begin() as connection:
            texts = connection.scalars(query).all()
        found = [each for text in texts for each in heard_in(text)]
        return (
            [each for each in found if isinstance(each, Event)],
            [each for each in found if isinstance(each, Lap)],
        )

    def done(self, limit: int = LISTED) -> list[tuple[str, str, PipelineResult]]:
        """The results of the newest pipelines that are done, each under its id and name; of one
        with axes there is a result for each setting, named after it.
        """
        found = self.find(limit, "done")
        return [(run.id, each.name, each.result) for run in found for each in _named(run)]

    def listed(self, limit: int = LISTED) -> list[Listed]:
        """The same pipelines without what they gave, of which nothing is read."""
        columns = (pipelines.c.id, pipelines.c.name, pipelines.c.created)
        newest = (pipelines.c.created.desc(), pipelines.c.id)
        query = select(*columns).where(pipelines.c.state == "done").order_by(*newest).limit(limit)
        with self._store.begin() as connection:
            return [Listed(*row) for row in connection.execute(query)]

    def results(self, pipeline_id: str) -> list[Named]:
        """One pipeline's results under their names, as in `done`; none where it is gone, or where
        this version cannot read it.
        """
        query = select(pipelines).where(pipelines.c.id == pipeline_id)
        with self._store.begin() as connection:
            found = rows.readable(connection.execute(query).all(), _pipeline)
        return [each for run in found for each in _named(run)]

    def unfinished(self) -> int:
        """How many are queued or under way."""
        query = select(func.count()).where(pipelines.c.state.in_(UNFINISHED))
        with self._store.begin() as connection:
            return connection.scalar(query) or 0


def _forget(connection: sa.Connection, pipeline_id: str) -> None:
    """What came of earlier attempts, and was heard of them."""
    for table in (pipeline_files, pipeline_events):
        connection.execute(delete(table).where(table.c.pipeline_id == pipeline_id))


def result_name(run: PipelineRun, place: int) -> str:
    """What to call what came of a setting: the pipeline, and what the setting sets."""
    return _name(run.name, next(islice(run.pipeline.settings(), place, None)))


def _name(name: str, setting: Mapping[str, JsonValue]) -> str:
    words = ", ".join(f"{field} {value}" for field, value in setting.items())
    return f"{name}: {words}" if words else name


class Named(NamedTuple):
    """What came of a setting; place: the setting's."""

    name: str
    result: PipelineResult
    place: int


def _named(run: PipelineRun) -> list[Named]:
    """Its results, each under its name."""
    settings = zip(run.pipeline.settings(), run.members, strict=True)
    return [
        Named(_name(run.name, setting), member.result, place)
        for place, (setting, member) in enumerate(settings)
        if member.result is not None
    ]


def spelled(heard: Sequence[Heard]) -> str:
    """What was heard, as the database has it."""
    return json.dumps([{type(each).__name__.lower(): asdict(each)} for each in heard])


def heard_in(text: str) -> list[Heard]:
    """What `spelled` was given."""
    return [
        Event(**each["event"]) if "event" in each else Lap(**each["lap"])
        for each in json.loads(text)
    ]


def members_text(members: Sequence[Member]) -> str:
    """What came of each setting, as the database has it."""
    return _members().dump_json(tuple(members)).decode()


def _files(members: Sequence[Member]) -> set[str]:
    """Names of all files that came of a pipeline."""
    found = (each.result.files if each.result else files_of(each.rows) for each in members)
    return set().union(*found)


@lru_cache(maxsize=1)
def _members() -> TypeAdapter[tuple[Member, ...]]:
    return TypeAdapter(tuple[Member, ...])


def _pipeline(row: sa.Row[Any]) -> PipelineRun:
    values = dict(row._mapping)
    try:
        pipeline = Pipeline.from_json(values["pipeline"])
        progress, members = values["progress"], values["members"]
        values["pipeline"] = pipeline
        values["progress"] = Progress(**json.loads(progress)) if progress else None
        values["members"] = (
            _members().validate_json(members) if members else (Member(),) * len(pipeline)
        )
    except (ValueError, TypeError, KeyError, KdError) as error:
        raise unreadable("pipeline", row, error) from error
    return PipelineRun(**values)
