"""What a gallery holds: finished runs and finished pipelines.

Each is a gzipped JSON file in the folder of its kind, and knows the files that came of it and the
rows that it is in the database.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Table

from kdcore.pipeline import Pipeline
from kdcore.result import Event, Result
from kdcore.runs import schema
from kdcore.runs.pipelines import Heard, Member, heard_in, members_text, spelled
from kdcore.runs.records import GALLERY
from kdcore.waterfall import PipelineResult

Rows = Iterator[tuple[Table, dict[str, Any]]]
Head = tuple[str, str, float]
"""An exhibit's id, name and time."""
Told = Mapping[str, Any]
"""What its file says."""


@dataclass(frozen=True)
class RunExhibit:
    """A finished run of the gallery; created: seconds since the epoch."""

    folder: ClassVar = "runs"
    table: ClassVar = schema.runs
    beside: ClassVar = (schema.artifacts.c.run_id, schema.events.c.run_id)

    id: str
    name: str
    created: float
    result: Result
    events: tuple[Event, ...]

    @classmethod
    def read(cls, head: Head, told: Told) -> RunExhibit:
        """As its file tells of it."""
        result = Result.from_json(json.dumps(told["result"]))
        return cls(*head, result, tuple(Event(**each) for each in told["events"]))

    @property
    def files(self) -> set[str]:
        """Names of the files that came of it."""
        return set(self.result.artifacts.values())

    def rows(self) -> Rows:
        """What the database holds of it, its own row first."""
        recipe, ended = self.result.recipe, self.created + self.result.seconds
        yield (
            self.table,
            {
                **_ended(self, ended),
                **{"recipe_id": recipe.id, "recipe": recipe.model_dump_json()},
                **{"started": self.created, "result": self.result.to_json()},
            },
        )
        events = json.dumps([asdict(event) for event in self.events])
        yield schema.events, {"run_id": self.id, "events": events}
        for role, name in self.result.artifacts.items():
            yield schema.artifacts, {"run_id": self.id, "role": role, "name": name}


@dataclass(frozen=True)
class PipelineExhibit:
    """A finished pipeline of the gallery, with a result and what was heard for each setting."""

    folder: ClassVar = "pipelines"
    table: ClassVar = schema.pipelines
    beside: ClassVar = (
        schema.pipeline_files.c.pipeline_id,
        schema.pipeline_events.c.pipeline_id,
    )

    id: str
    name: str
    created: float
    pipeline: Pipeline
    results: tuple[PipelineResult, ...]
    heard: tuple[tuple[Heard, ...], ...]

    @classmethod
    def read(cls, head: Head, told: Told) -> PipelineExhibit:
        """As its file tells of it."""
        pipeline = Pipeline(**told["pipeline"])
        results = [PipelineResult.from_json(json.dumps(each)) for each in told["results"]]
        heard = tuple(tuple(heard_in(json.dumps(each))) for each in told["heard"])
        if len(pipeline) != len(results):
            raise ValueError(f"{len(results)} results of {len(pipeline)} settings")
        return cls(*head, pipeline, tuple(results), heard)

    @property
    def members(self) -> tuple[Member, ...]:
        """As the store knows them."""
        return tuple(Member(result.rows, result) for result in self.results)

    @property
    def files(self) -> set[str]:
        """Names of the files that came of it."""
        return set().union(*(result.files for result in self.results))

    def rows(self) -> Rows:
        """What the database holds of it, its own row first."""
        ended = self.created + sum(result.seconds for result in self.results)
        told = {"pipeline": self.pipeline.to_json(), "members": members_text(self.members)}
        yield self.table, _ended(self, ended) | told
        for name in sorted(self.files):
            yield schema.pipeline_files, {"pipeline_id": self.id, "name": name}
        for place, heard in enumerate(self.heard):
            line = {"pipeline_id": self.id, "place": place, "events": spelled(heard)}
            yield schema.pipeline_events, line


Exhibit = RunExhibit | PipelineExhibit
KINDS: tuple[type[Exhibit], ...] = (RunExhibit, PipelineExhibit)


def _ended(of: Exhibit, finished: float) -> dict[str, Any]:
    """What is alike in the rows of both kinds."""
    times = {"created": of.created, "heartbeat": of.created, "finished": finished}
    return {"id": of.id, "name": of.name[:200], "state": "done", "attempt": 1, **times}


# files


def run_text(name: str, created: float, result: Result, told: Sequence[Event]) -> str:
    """What the file of a run says."""
    values = {"result": json.loads(result.to_json()), "events": [asdict(each) for each in told]}
    return json.dumps({"name": name, "created": round(created), **values})


def pipeline_text(
    name: str,
    created: float,
    pipeline: Pipeline,
    results: Sequence[PipelineResult],
    heard: Sequence[Sequence[Heard]],
) -> str:
    """What the file of a pipeline says."""
    values = {
        "pipeline": json.loads(pipeline.to_json()),
        "results": [json.loads(result.to_json()) for result in results],
        "heard": [json.loads(spelled(each)) for each in heard],
    }
    return json.dumps({"name": name, "created": round(created), **values})


def packed(text: str) -> bytes:
    """A file's content; without a time of its own, so that the same text makes the same file."""
    return gzip.compress(text.encode(), mtime=0)


def read(path: Path, kind: type[Exhibit]) -> Exhibit:
    """An exhibit of a kind. Raises OSError, EOFError, KdError, ValueError, KeyError or TypeError
    where the file is no such one.
    """
    content = path.read_bytes()
    told: Told = json.loads(gzip.decompress(content))
    exhibit_id = f"{GALLERY}{hashlib.sha256(content).hexdigest()[:11]}"
    return kind.read((exhibit_id, str(told["name"]), float(told["created"])), told)
