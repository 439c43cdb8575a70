"""The gallery: finished runs that come with the project, so that nobody meets an empty page.

A folder of `runs/*.json.gz`, each a run's name, time, result and curves, and of `files.tar.xz`,
their artifacts by content hash, in one archive since most share a teacher and a control.
`python -m kdcore gallery` makes such a folder from recipes; the app brings its runs into the store,
where they are runs like any other, under ids of their own.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import lzma
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select

from kdcore.errors import HomeError, StoreError
from kdcore.result import Event, Result
from kdcore.runs.schema import artifacts, events, runs
from kdcore.runs.store import GALLERY, Store
from kdcore.shelf import Shelf

log = logging.getLogger(__name__)

FILES = "files.tar.xz"

LARGEST_FILE = 600_000
"""Bytes: what is larger is left out, such as a large test set's answers beyond the first 500."""


@dataclass(frozen=True)
class Exhibit:
    """A finished run of the gallery; created: seconds since the epoch."""

    id: str
    name: str
    created: float
    result: Result
    events: tuple[Event, ...]


def keep(
    folder: Path, stem: str, created: float, result: Result, told: Sequence[Event], shelf: Shelf
) -> None:
    """Write a finished run and its artifacts into a gallery, in place of one of the same stem.

    Raises HomeError where the folder cannot be written.
    """
    files = {role: shelf.get(name) for role, name in result.artifacts.items()}
    small = {role for role, content in files.items() if len(content) <= LARGEST_FILE}
    kept = {role: name for role, name in result.artifacts.items() if role in small}
    text = json.dumps(
        {
            "name": result.recipe.title or stem,
            "created": round(created),
            "result": json.loads(replace(result, artifacts=kept).to_json()),
            "events": [asdict(each) for each in told],
        }
    )
    try:
        for each in ("runs", "files"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        for role, name in kept.items():
            (folder / "files" / name).write_bytes(files[role])
        # without a time of its own, the same run makes the same file
        packed = gzip.compress(text.encode(), mtime=0)
        (folder / "runs" / f"{stem}.json.gz").write_bytes(packed)
    except OSError as error:
        raise HomeError(
            f"cannot write to {folder}: {error.strerror}; give --out another folder"
        ) from None


def pack(folder: Path) -> None:
    """Put the files of all runs into the archive, and leave out those of nobody.

    Raises HomeError where the folder cannot be written.
    """
    needed = {name for each in exhibits(folder) for name in each.result.artifacts.values()}
    found = {name: content for name, content in _contents(folder).items() if name in needed}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz", preset=9) as archive:
        for name, content in sorted(found.items()):
            entry = tarfile.TarInfo(name)  # without a time: the same files make the same archive
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    try:
        (folder / FILES).write_bytes(packed.getvalue())
        for path in (folder / "files").glob("*"):
            path.unlink()
        (folder / "files").rmdir()
    except OSError as error:
        raise HomeError(
            f"cannot write to {folder}: {error.strerror}; give --out another folder"
        ) from None


def _contents(folder: Path) -> dict[str, bytes]:
    """The files of a gallery by name, those that are not packed yet among them."""
    found: dict[str, bytes] = {}
    if (folder / FILES).exists():
        with tarfile.open(folder / FILES, mode="r:xz") as archive:
            for entry in archive:
                content = archive.extractfile(entry)
                found |= {} if content is None else {entry.name: content.read()}
    return found | {path.name: path.read_bytes() for path in (folder / "files").glob("*")}


def exhibits(folder: Path) -> list[Exhibit]:
    """The runs of a gallery, by file name; one that cannot be read is left out."""
    found = []
    for path in sorted((folder / "runs").glob("*.json.gz")):
        try:
            found.append(_exhibit(path.read_bytes()))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is no run of this version of kdcore: %s", path, error)
    return found


def _exhibit(packed: bytes) -> Exhibit:
    told = json.loads(gzip.decompress(packed))
    return Exhibit(
        id=f"{GALLERY}{hashlib.sha256(packed).hexdigest()[:11]}",
        name=str(told["name"]),
        created=float(told["created"]),
        result=Result.from_json(json.dumps(told["result"])),
        events=tuple(Event(**each) for each in told["events"]),
    )


def bring_in(store: Store, shelf: Shelf, folder: Path) -> None:
    """Let the store hold the runs of this gallery, and those of no earlier one.

    Costs a moment the first time, next to nothing after that. A gallery that cannot be read is
    no reason not to start: it is logged, and left out.
    """
    try:
        wanted = {each.id: each for each in exhibits(folder)}
        with store.begin() as connection:
            mine = runs.c.id.startswith(GALLERY)
            there = set(connection.scalars(select(runs.c.id).where(mine)))
        new = [each for key, each in wanted.items() if key not in there]
        files = _contents(folder) if new else {}
        whole = [each for each in new if _copied(each, shelf, files)]
        _exchange(store, there - set(wanted), whole)
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError, HomeError, StoreError) as error:
        log.warning("the gallery in %s is left out: %s", folder, error)


def _copied(each: Exhibit, shelf: Shelf, files: Mapping[str, bytes]) -> bool:
    """Put a run's files on the shelf; False where the gallery lacks one, or has another."""
    for name in each.result.artifacts.values():
        content = files.get(name)
        if content is None or shelf.put(content, name.rpartition(".")[2]) != name:
            log.warning("the gallery's run %r is left out: it lacks %s", each.name, name)
            return False
    return True


def _exchange(store: Store, gone: set[str], new: Sequence[Exhibit]) -> None:
    with store.begin() as connection:
        for table in (artifacts, events):
            connection.execute(delete(table).where(table.c.run_id.in_(gone)))
        connection.execute(delete(runs).where(runs.c.id.in_(gone)))
        for each in new:
            connection.execute(insert(runs).values(_row(each)))
            text = json.dumps([asdict(event) for event in each.events])
            connection.execute(insert(events).values(run_id=each.id, events=text))
            for role, name in each.result.artifacts.items():
                kept = {"run_id": each.id, "role": role, "name": name}
                connection.execute(insert(artifacts).values(kept))


def _row(each: Exhibit) -> dict[str, Any]:
    recipe = each.result.recipe
    times = {"created": each.created, "started": each.created, "heartbeat": each.created}
    return {
        **{"id": each.id, "recipe_id": recipe.id, "recipe": recipe.model_dump_json()},
        **{"name": each.name[:200], "state": "done", "attempt": 1, **times},
        **{"finished": each.created + each.result.seconds, "result": each.result.to_json()},
    }
