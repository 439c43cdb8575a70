"""What an uploaded model may be at most, and what else people upload by mistake."""

from __future__ import annotations

from kdcore.errors import UploadError

MB = 1_000_000
GB = 1000 * MB

FILE_BYTES = 500 * MB
ELEMENTS = 200_000_000
"""Numbers in all tensors together."""
CLASSES = 10_000
SHOWN = 100
"""Characters of a name in a sentence."""

HEADER_BYTES = 2 * MB
TENSORS = 10_000

NODES = 50_000
MESSAGES = 1_000_000
"""Parts of any kind that an ONNX file is made of."""
NESTED = 8
"""Graphs within graphs, and functions that call functions."""
FUNCTIONS = 1_000
SIDE = 1024
INPUT_VALUES = 64_000_000
"""Of one batch, where its size is fixed."""

MEMORY_BYTES = 4 * GB
"""What a model's process may allocate, besides what its libraries take."""
SECONDS = 60.0
"""For loading a model, and for each batch."""

_PICKLE = (
    "a PyTorch file (a pickle, which can run programs when it is opened); {way} and upload that"
)
_WAYS = {
    "safetensors": (
        'save the weights with safetensors.torch.save_file(model.state_dict(), "t.safetensors")'
    ),
    "ONNX": 'export the model with torch.onnx.export(model, (example,), "teacher.onnx")',
}
_BEGINNINGS = {
    b"PK\x03\x04": _PICKLE,
    **{bytes([0x80, protocol]): _PICKLE for protocol in range(2, 6)},
    b"\x89HDF": 'a Keras file (HDF5); export it as ONNX with tf2onnx and choose "ONNX"',
    b"\x1f\x8b": "a packed file (gzip); unpack it first",
}


def first_look(content: bytes, kind: str) -> None:
    """Raise UploadError where a file is too big, or by its first bytes something else.

    kind: "safetensors" or "ONNX", what it should be.
    """
    if len(content) > FILE_BYTES:
        raise UploadError(
            f"the file has {len(content) / MB:,.0f} MB, and at most {FILE_BYTES // MB} MB are "
            "taken; use a smaller model, or save it as float16"
        )
    if kind == "safetensors" and content[8:9] == b"{":
        return  # a header's length may look like a pickle's first bytes
    for beginning, said in _BEGINNINGS.items():
        if content.startswith(beginning):
            raise UploadError(f"the file is {said.format(way=_WAYS[kind])}")


def shown(name: str) -> str:
    """A name from a file, quoted, on one line and not too long."""
    return repr(name if len(name) <= SHOWN else name[:SHOWN] + "…")
