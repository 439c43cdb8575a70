"""The other side of `apart`: a process that reads one uploaded ONNX model, and runs it.

Started as `python -m kdcore.uploads.onnx_host MODE MEMORY`; `Apart` says what those are. It
imports no torch, and keeps its answers to stdout, its only way out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import onnxruntime
from pydantic import TypeAdapter
from pydantic_core import to_json

from kdcore.errors import UploadError
from kdcore.measure.latency import Call, latencies, session
from kdcore.uploads.frames import DONE, REFUSED, receive, send
from kdcore.uploads.limits import FILE_BYTES, INPUT_VALUES
from kdcore.uploads.onnx_file import OnnxInfo
from kdcore.uploads.onnx_graph import examine, names

MOST_BYTES = 2 * FILE_BYTES + 4 * INPUT_VALUES

Answer = Callable[[bytes], bytes]


def main(mode: str, memory: str) -> None:
    """Say that it is ready, then answer each message until the other side is gone."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    _limit_memory(int(memory))
    send(replies, DONE)
    answers: dict[str, Answer] = {"look": _look, "run": _Model(), "time": _time}
    while (message := receive(requests, MOST_BYTES)) is not None:
        _reply(replies, answers[mode], message)


def _reply(replies: BinaryIO, answer: Answer, message: bytes) -> None:
    try:
        content = answer(message)
    except UploadError as error:
        send(replies, REFUSED, str(error).encode())
    except MemoryError:
        send(replies, REFUSED, b"the model needs more memory than it is given; use a smaller one")
    else:
        send(replies, DONE, content)


def _look(content: bytes) -> bytes:
    return to_json(examine(content))


@dataclass(frozen=True)
class Question:
    """What `latencies` is asked; sizes: of each model's file, in the order they come."""

    input_shape: tuple[int, ...]
    batch: int
    calls: dict[str, Call]
    sizes: dict[str, int]


class _Model:
    """Takes the model first, then batches as `pack` made them; answers float32 rows."""

    def __init__(self) -> None:
        self.info: OnnxInfo | None = None

    def __call__(self, message: bytes) -> bytes:
        if self.info is None:
            return self._load(message)
        try:
            rows = self.session.run([self.output], {self.input: unpack(message)})[0]
        except Exception as error:  # whatever onnxruntime makes of a bad graph
            raise _fails("run", error) from None
        if not isinstance(rows, np.ndarray) or rows.ndim != 2:
            raise UploadError(
                "the model does not answer with a row of numbers for each picture; export it up "
                "to its last linear layer"
            )
        return np.ascontiguousarray(rows, np.float32).tobytes()

    def _load(self, content: bytes) -> bytes:
        info = examine(content)
        self.input, self.output = names(content)
        try:
            self.session = session(content)
        except Exception as error:
            raise _fails("load", error) from None
        self.info = info
        return to_json(info)


def _time(message: bytes) -> bytes:
    """Latencies of some models: a Question as a line of JSON, then the models themselves."""
    line, _, rest = message.partition(b"\n")
    asked = TypeAdapter(Question).validate_json(line)
    models = {}
    for name, size in asked.sizes.items():
        models[name], rest = rest[:size], rest[size:]
    try:
        return to_json(latencies(models, asked.input_shape, asked.batch, asked.calls))
    except Exception as error:
        raise _fails("run", error) from None


def pack(batch: np.ndarray) -> tuple[bytes, bytes]:
    """A batch as two parts of a message."""
    header = json.dumps([batch.dtype.name, batch.shape])
    return header.encode() + b"\n", np.ascontiguousarray(batch).tobytes()


def unpack(message: bytes) -> np.ndarray:
    """The batch that `pack` made a message of."""
    header, _, content = message.partition(b"\n")
    dtype, shape = json.loads(header)
    return np.frombuffer(content, dtype).reshape(shape)


def _fails(doing: str, error: Exception) -> UploadError:
    reason = " ".join(str(error).split())[:300]
    return UploadError(f"onnxruntime {onnxruntime.__version__} cannot {doing} the model: {reason}")


def _limit_memory(memory: int) -> None:
    """Allow so much more than the libraries have taken; Windows and macOS know no such limit."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes no file


if __name__ == "__main__":
    main(*sys.argv[1:])
