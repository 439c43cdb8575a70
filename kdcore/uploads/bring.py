"""A file that is brought along, looked at before it is kept."""

from __future__ import annotations

from typing import Any

from kdcore.errors import UploadError
from kdcore.uploads.onnx_file import inspect_onnx
from kdcore.uploads.storage import ONNX, SCALES, OwnTeacher, Scale
from kdcore.uploads.weights import check_safetensors

FLOATING = ("F64", "F32", "F16", "BF16")


def look(
    content: bytes,
    title: str,
    *,
    architecture: str = ONNX,
    options: dict[str, Any] | None = None,
    scale: Scale = "standardised",
) -> OwnTeacher:
    """What a file's teacher is, not kept yet: an ONNX model, or weights for an architecture.

    Of weights only the header is read, and whether they fit the architecture is seen when a task
    gives it its shape. Raises UploadError, a sentence, where it cannot be a teacher.
    """
    if scale not in SCALES:
        raise UploadError(f"no scale of pixels {scale!r}. Known: {', '.join(SCALES)}")
    info = inspect_onnx(content) if architecture == ONNX else None
    parameters = _parameters(content) if info is None else info.parameters
    return OwnTeacher(
        *("", title, 0.0, architecture, options or {}, scale, parameters, len(content), info)
    )


def _parameters(content: bytes) -> int:
    """Decimals in the file, but for the running moments of batch norms."""
    tensors = check_safetensors(content).items()
    return sum(
        tensor.elements
        for name, tensor in tensors
        if tensor.dtype in FLOATING and not name.endswith(("running_mean", "running_var"))
    )
