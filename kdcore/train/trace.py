"""Where the time of a run goes: a trace by torch's profiler, to be opened in a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from torch.profiler import ProfilerActivity, profile

T = TypeVar("T")

SECONDS = 20.0
"""That are traced, from the beginning: a second of small steps fills some ten megabytes."""


def traced(happenings: Iterator[T], path: Path) -> Iterator[T]:
    """The same happenings; what torch did until they end, or for some seconds, goes to the path.

    The file is a Chrome trace, gzipped: chrome://tracing and https://ui.perfetto.dev open it.
    """
    recorder = profile(activities=[ProfilerActivity.CPU])
    recorder.start()
    began, recording = time.monotonic(), True
    try:
        for each in happenings:
            yield each
            if recording and time.monotonic() - began > SECONDS:
                recording = False
                _write(recorder, path)
    finally:
        if recording:
            _write(recorder, path)


def _write(recorder: profile, path: Path) -> None:
    recorder.stop()
    path.parent.mkdir(parents=True, exist_ok=True)
    recorder.export_chrome_trace(str(path))
