"""A user's own teacher: weights for a known architecture, or an ONNX model. Neither is trusted.

Weights are checked by their header before anything is allocated. An ONNX model is read and run in
a process of its own, with limits on time and memory. Nothing is ever unpickled. What a page needs
stands here, and imports no torch; `network` and `weights.load_into` are for those who train.
"""

from kdcore.uploads.bring import look
from kdcore.uploads.onnx_file import misfit
from kdcore.uploads.storage import (
    ONNX,
    SCALES,
    OwnTeacher,
    Scale,
    delete,
    find,
    get,
    keep,
    kept,
    load,
    rename,
)

__all__ = [
    "ONNX",
    "SCALES",
    "OwnTeacher",
    "Scale",
    "delete",
    "find",
    "get",
    "keep",
    "kept",
    "load",
    "look",
    "misfit",
    "rename",
]
