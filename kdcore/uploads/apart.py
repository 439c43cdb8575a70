"""A process apart, in which an uploaded model is read and run: started, asked, timed and ended.

A plain child process that talks over its pipes, so that it works inside a Dask worker, which may
have no `multiprocessing` children, and on Windows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Timer
from typing import Any, Literal

from kdcore.errors import UploadError
from kdcore.uploads.frames import REFUSED, receive, send

ROOT = Path(__file__).parents[2]

Mode = Literal["look", "run", "time"]

START_SECONDS = 60.0
SENTENCE_BYTES = 1000
PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"),
    *("HOME", "USERPROFILE", "APPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG"),
)
"""All that the process gets to know of our environment: no address, no password."""


class Apart:
    """The process of one model. Not to be asked by two threads at once.

    mode: "look" answers the model with what it is, "run" with that and then batches with rows,
    "time" answers several models with their latencies.
    memory: bytes it may allocate; seconds: it may take for each answer, or it is ended.
    """

    def __init__(self, mode: Mode, memory: int, seconds: float) -> None:
        self.seconds = seconds
        self._process = _start(mode, memory)
        try:
            self._exchange((), "Starting", 1, START_SECONDS)
        except BaseException:
            self.close()
            raise

    def ask(self, *parts: bytes, doing: str, most: int) -> bytes:
        """The answer to a message, at most that many bytes.

        doing: what it takes its time for, in a sentence. Raises UploadError where the process
        refuses, ends, or takes too long; it is gone after the latter two.
        """
        reply = self._exchange(parts, doing, max(most, SENTENCE_BYTES) + 1, self.seconds)
        if reply[:1] == REFUSED:
            raise UploadError(_one_line(reply[1 : SENTENCE_BYTES + 1]))
        return reply[1:]

    def close(self) -> None:
        """End the process; it may have ended before."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be sent any more
                    pipe.close()

    def _exchange(self, parts: tuple[bytes, ...], doing: str, most: int, seconds: float) -> bytes:
        """Say something, if there is something to say, and wait for the answer."""
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        if requests.closed:
            raise UploadError("the model's process has ended already; load the model again")
        overran = Event()
        timer = Timer(seconds, self._stop, [overran])
        timer.daemon = True
        timer.start()
        try:
            if parts:
                send(requests, *parts)
            reply = receive(replies, most)
        except OSError:
            reply = None
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()
        if overran.is_set() or reply is None:
            self.close()
            raise self._ended(doing, seconds if overran.is_set() else None)
        return reply

    def _stop(self, overran: Event) -> None:
        overran.set()
        self._process.kill()

    def _ended(self, doing: str, limit: float | None) -> UploadError:
        if limit is not None:
            return UploadError(
                f"{doing} took the model more than {limit:g} seconds, and it was stopped; "
                "use a smaller model"
            )
        return UploadError(
            f"{doing}, the model ended its process (exit code {self._process.returncode}): out of "
            "memory or a bad graph; use a smaller model, or export it again"
        )


def _start(mode: Mode, memory: int) -> subprocess.Popen[bytes]:
    apart: dict[str, Any] = {}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NO_WINDOW}
    known = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return subprocess.Popen(
        [sys.executable, "-m", "kdcore.uploads.onnx_host", mode, str(memory)],
        cwd=ROOT,
        env={**known, **threads},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **apart,
    )


def _one_line(text: bytes) -> str:
    words = " ".join(text.decode(errors="replace").split())
    return "".join(letter for letter in words if letter.isprintable())
