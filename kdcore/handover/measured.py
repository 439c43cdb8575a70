"""What measure_here.py found on some device, read back and held against a run's own files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kdcore.errors import UploadError
from kdcore.validation import file_content

MOST_BYTES = 1_000_000
"""Of such a file: it holds a line for each model, batch and number of threads."""

MOST_CELLS, MOST_OF_A_MODEL = 2_000, 100
"""Batches times numbers of threads, of all models and of one: a page draws and lists them all."""

MEND = "give its measured.json as it is"

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Many = Annotated[int, Field(ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(ge=0, le=10**15)]
Milliseconds = Annotated[float, Field(ge=1e-6, le=1e7, allow_inf_nan=False)]
"""Of a call by the clock: from a cycle of the processor to three hours."""

Worked = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]
"""Milliseconds of all its threads; none where they are less than that clock can tell."""

Rate = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Device(_Part):
    """What was measured on."""

    name: Text
    system: Text
    cores: Count
    onnxruntime: Text


class Held(_Part):
    """Bytes of a process: before a model, and what one answer took beyond that."""

    base: Bytes
    more: Annotated[int, Field(ge=-(10**15), le=10**15)]


class Model(_Part):
    """A file that was measured; memory: None where the system does not tell."""

    name: Text
    bytes: Bytes
    sha256: Text
    memory: Held | None = None


class Cell(_Part):
    """One model at one batch and number of threads, as in `measure.here`."""

    model: Text
    batch: Many
    threads: Many
    rounds: Count
    p50_ms: Milliseconds
    p95_ms: Milliseconds
    cpu_ms: Worked
    low_ms: Worked
    per_second: Rate
    noisy: bool


class Measured(_Part):
    """All that one run of measure_here.py found."""

    format: Literal["kdcore measurement"]
    version: Literal[1]
    taken: Text
    device: Device
    models: Annotated[tuple[Model, ...], Field(min_length=1, max_length=100)]
    latency: Annotated[tuple[Cell, ...], Field(max_length=MOST_CELLS)]


def read(text: str | bytes) -> Measured:
    """Read what measure_here.py wrote; what it tells twice stands there once.

    Raises UploadError, a sentence, where it is not that, or more than a page can show.
    """
    if len(text) > MOST_BYTES:
        raise UploadError(f"a measurement has at most {MOST_BYTES:,} bytes, this has {len(text):,}")
    try:
        return _once(Measured.model_validate_json(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        said = first["msg"][0].lower() + first["msg"][1:]
        raise UploadError(
            f"this is no measurement that measure_here.py wrote ({where}: {said}); {MEND}"
        ) from None


def _once(found: Measured) -> Measured:
    """Each model, and each of its batches and numbers of threads, told once and in one way."""
    models = {each.name: each for each in found.models}
    cells = {(each.model, each.batch, each.threads): each for each in found.latency}
    for model in found.models:
        if models[model.name] != model:
            raise UploadError(f"this measurement has two models called {model.name!r}; {MEND}")
    for cell in found.latency:
        if cells[cell.model, cell.batch, cell.threads] != cell:
            raise UploadError(
                f"this measurement has two latencies of {cell.model!r} for a batch of "
                f"{cell.batch:,} and {cell.threads:,} thread{'s' * (cell.threads != 1)}; "
                "measure each once"
            )
    for name, count in Counter(model for model, _, _ in cells).items():
        if count > MOST_OF_A_MODEL:
            raise UploadError(
                f"this measurement has {count:,} latencies of {name!r}, more than "
                f"{MOST_OF_A_MODEL}; give measure_here.py fewer batches or numbers of threads"
            )
    return found.model_copy(update={"models": (*models.values(),), "latency": (*cells.values(),)})


def load(path: str) -> Measured:
    """Read such a file. Raises RecipeError or UploadError, a sentence, where that cannot be."""
    return read(file_content(path, "measurement"))


def matched(found: Measured, files: Mapping[str, bytes]) -> Measured:
    """The same, each model under the name that a run has for that very file.

    A device's "model" is this run's "distilled". Raises UploadError where no file is one of the
    run's: a measurement of another model says nothing about this one.
    """
    names = {hashlib.sha256(content).hexdigest(): name for name, content in files.items()}
    known = {each.name: names[each.sha256] for each in found.models if each.sha256 in names}
    if not known:
        told = ", ".join(each.name for each in found.models)
        raise UploadError(
            f"this measurement is of other files ({told}) than this run's; measure its own bundle"
        )
    models = [m.model_copy(update={"name": known[m.name]}) for m in found.models if m.name in known]
    cells = [
        c.model_copy(update={"model": known[c.model]}) for c in found.latency if c.model in known
    ]
    return found.model_copy(update={"models": tuple(models), "latency": tuple(cells)})
