"""What measure_here.py found on some device, read back and held against a run's own files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kdcore.errors import UploadError
from kdcore.validation import file_content

MOST_BYTES = 1_000_000
"""Of such a file: it holds a line for each model, batch and number of threads."""

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
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

    base: Count
    more: int


class Model(_Part):
    """A file that was measured; memory: None where the system does not tell."""

    name: Text
    bytes: Count
    sha256: Text
    memory: Held | None = None


class Cell(_Part):
    """One model at one batch and number of threads, as in `measure.here`."""

    model: Text
    batch: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    rounds: Count
    p50_ms: Positive
    p95_ms: Positive
    cpu_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    low_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    per_second: Positive
    noisy: bool


class Measured(_Part):
    """All that one run of measure_here.py found."""

    format: Literal["kdcore measurement"]
    version: Literal[1]
    taken: Text
    device: Device
    models: Annotated[tuple[Model, ...], Field(min_length=1, max_length=100)]
    latency: Annotated[tuple[Cell, ...], Field(max_length=5000)]


def read(text: str | bytes) -> Measured:
    """Read what measure_here.py wrote. Raises UploadError, a sentence, where it is not that."""
    if len(text) > MOST_BYTES:
        raise UploadError(f"a measurement has at most {MOST_BYTES:,} bytes, this has {len(text):,}")
    try:
        return Measured.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        said = first["msg"][0].lower() + first["msg"][1:]
        raise UploadError(
            f"this is no measurement that measure_here.py wrote ({where}: {said}); give its "
            "measured.json as it is"
        ) from None


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
