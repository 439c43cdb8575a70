"""The gallery: what comes finished with the project, so that nobody meets an empty page.

A folder of `runs/*.json.gz` and `pipelines/*.json.gz`, each one's name, time, results and curves,
and of `files.tar.xz`, what came of them by content hash, in one archive since most share a teacher
and a control. `python -m kdcore gallery` makes such a folder from recipes and pipelines; the app
brings them into the store, where they are like any other, under ids of their own.
"""

from __future__ import annotations

import io
import logging
import lzma
import tarfile
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select

from kdcore.errors import HomeError, StoreError
from kdcore.pipeline import Pipeline
from kdcore.result import Event, Result
from kdcore.runs.exhibits import (
    KINDS,
    Exhibit,
    PipelineExhibit,
    RunExhibit,
    packed,
    pipeline_text,
    read,
    run_text,
)
from kdcore.runs.pipelines import Heard
from kdcore.runs.records import GALLERY
from kdcore.runs.store import Store
from kdcore.shelf import Shelf
from kdcore.waterfall import PipelineResult

log = logging.getLogger(__name__)

FILES = "files.tar.xz"

LARGEST_FILE = 600_000
"""Bytes: what is larger is left out, such as a large test set's answers beyond the first 500."""


def keep(
    folder: Path, stem: str, created: float, result: Result, told: Sequence[Event], shelf: Shelf
) -> None:
    """Write a finished run and its artifacts into a gallery, in place of one of the same stem.

    Raises HomeError where the folder cannot be written.
    """
    files = {name: shelf.get(name) for name in result.artifacts.values()}
    small = {name: content for name, content in files.items() if len(content) <= LARGEST_FILE}
    kept = {role: name for role, name in result.artifacts.items() if name in small}
    text = run_text(result.recipe.title or stem, created, replace(result, artifacts=kept), told)
    _write(folder, RunExhibit.folder, stem, text, small)


def keep_pipeline(
    folder: Path,
    stem: str,
    created: float,
    pipeline: Pipeline,
    results: Sequence[PipelineResult],
    heard: Sequence[Sequence[Heard]],
    shelf: Shelf,
) -> None:
    """The same of a finished pipeline: a result and what was heard for each of its settings.

    Its models' ONNX files are kept however large; pages and kits ask for them.
    """
    names = set().union(*(each.files for each in results))
    files = {name: shelf.get(name) for name in names}
    small = {
        name: content
        for name, content in files.items()
        if len(content) <= LARGEST_FILE or name.endswith(".onnx")
    }
    lean = [_lean(each, small) for each in results]
    text = pipeline_text(pipeline.title or stem, created, pipeline, lean, heard)
    _write(folder, PipelineExhibit.folder, stem, text, small)


def _lean(result: PipelineResult, kept: Container[str]) -> PipelineResult:
    """The same, with those of its files that are kept."""
    rows = []
    for row in result.rows:
        gone = [each for each in ("weights", "packed") if getattr(row.file, each) not in kept]
        rows.append(replace(row, file=replace(row.file, **dict.fromkeys(gone, ""))))
    run = result.run
    if run is not None:
        artifacts = {role: name for role, name in run.artifacts.items() if name in kept}
        run = replace(run, artifacts=artifacts)
    return replace(result, rows=tuple(rows), run=run)


def _write(folder: Path, kind: str, stem: str, text: str, files: Mapping[str, bytes]) -> None:
    try:
        for each in (kind, "files"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / "files" / name).write_bytes(content)
        (folder / kind / f"{stem}.json.gz").write_bytes(packed(text))
    except OSError as error:
        raise _unwritten(folder, error) from None


def _unwritten(folder: Path, error: OSError) -> HomeError:
    return HomeError(f"cannot write to {folder}: {error.strerror}; give --out another folder")


def pack(folder: Path) -> None:
    """Put the files of all exhibits into the archive, and leave out those of nobody.

    Raises HomeError where the folder cannot be written.
    """
    needed = {name for each in exhibits(folder) for name in each.files}
    found = {name: content for name, content in _contents(folder).items() if name in needed}
    archived = io.BytesIO()
    with tarfile.open(fileobj=archived, mode="w:xz", preset=9) as archive:
        for name, content in sorted(found.items()):
            entry = tarfile.TarInfo(name)  # without a time: the same files make the same archive
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    try:
        (folder / FILES).write_bytes(archived.getvalue())
        for path in (folder / "files").glob("*"):
            path.unlink()
        (folder / "files").rmdir()
    except OSError as error:
        raise _unwritten(folder, error) from None


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
    """The runs of a gallery by file name, then its pipelines; what cannot be read is left out."""
    return [each for kind in KINDS for each in _of_kind(folder, kind)]


def _of_kind(folder: Path, kind: type[Exhibit]) -> list[Exhibit]:
    found = []
    for path in sorted((folder / kind.folder).glob("*.json.gz")):
        try:
            found.append(read(path, kind))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is nothing of this version of kdcore: %s", path, error)
    return found


def bring_in(store: Store, shelf: Shelf, folder: Path) -> None:
    """Let the store hold the runs and pipelines of this gallery, and those of no earlier one.

    Costs a moment the first time, next to nothing after that. A gallery that cannot be read is
    no reason not to start: it is logged, and left out.
    """
    try:
        wanted = {each.id: each for each in exhibits(folder)}
        with store.begin() as connection:
            there = {each for kind in KINDS for each in _held(connection, kind)}
        new = [each for key, each in wanted.items() if key not in there]
        files = _contents(folder) if new else {}
        whole = [each for each in new if _copied(each, shelf, files)]
        _exchange(store, there - set(wanted), whole)
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError, HomeError, StoreError) as error:
        log.warning("the gallery in %s is left out: %s", folder, error)


def _held(connection: Connection, kind: type[Exhibit]) -> Sequence[str]:
    """The ids of those of a kind that the store holds."""
    mine = select(kind.table.c.id).where(kind.table.c.id.startswith(GALLERY))
    return connection.scalars(mine).all()


def _copied(each: Exhibit, shelf: Shelf, files: Mapping[str, bytes]) -> bool:
    """Put an exhibit's files on the shelf; False where the gallery lacks one, or has another."""
    for name in each.files:
        content = files.get(name)
        if content is None or shelf.put(content, name.rpartition(".")[2]) != name:
            log.warning("the gallery's %r is left out: it lacks %s", each.name, name)
            return False
    return True


def _exchange(store: Store, gone: set[str], new: Sequence[Exhibit]) -> None:
    with store.begin() as connection:
        for kind in KINDS:
            for column in (*kind.beside, kind.table.c.id):
                connection.execute(delete(column.table).where(column.in_(gone)))
        for each in new:
            for table, values in each.rows():
                connection.execute(insert(table).values(values))
