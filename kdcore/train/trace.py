"""Where the time of a run goes: a trace by torch's profiler, to be opened in a browser."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from torch.profiler import ProfilerActivity, profile

T = TypeVar("T")

log = logging.getLogger(__name__)

SECONDS = 20.0
"""That are traced, from the beginning: a second of small steps fills some ten megabytes."""

_one_at_a_time = threading.Lock()
"""torch has one profiler a process, and crashes where a second one is started."""


def traced(happenings: Iterator[T], path: Path) -> Iterator[T]:
    """The same happenings; what torch did until they end, or for some seconds, goes to the path.

    To be taken and closed in one thread. Where another run is being traced, or the file cannot be
    written, the run goes on without. The file is a Chrome trace, gzipped: chrome://tracing and
    https://ui.perfetto.dev open it.
    """
    if not _one_at_a_time.acquire(blocking=False):
        log.warning("another run is being traced; %s is not written", path.name)
        yield from happenings
        return
    recorder, thread = profile(activities=[ProfilerActivity.CPU]), threading.get_ident()
    recorder.start()
    began, recording = time.monotonic(), True
    try:
        for each in happenings:
            yield each
            if recording and time.monotonic() - began > SECONDS:
                recording = False
                _write(recorder, path)
    finally:
        if recording and threading.get_ident() == thread:  # elsewhere, stopping it would crash
            _write(recorder, path)


def _write(recorder: profile, path: Path) -> None:
    recorder.stop()
    _one_at_a_time.release()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        recorder.export_chrome_trace(str(path))
    except OSError as error:
        log.warning("the trace %s could not be written: %s", path, error)
