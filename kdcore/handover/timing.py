"""A run's models, timed on this machine while its report is made."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Lock

from kdcore.errors import HomeError, UploadError
from kdcore.handover import measured
from kdcore.handover.finished import Finished
from kdcore.handover.measured import Measured
from kdcore.measure import here, onnx_file

_alone = Lock()  # two at once would be each other's noise

log = logging.getLogger(__name__)

SECONDS = 5.0
"""What a page spends on it, and a second for each model's memory."""

MOST_MACS = 3e8
"""Of all models together, for one sample: the fewest rounds of it are still a second or two."""

PATIENCE = 60.0
"""Seconds after which something else is wrong with this machine."""


TOO_LARGE = "The models are too large to be timed while a page waits for its report."
UNCOUNTED = "The models were not timed here: how much work they are could not be told."
UNKEPT = "The models were not timed here: too little of them was kept."
BUSY = "Other models were being timed on this machine when this report was made: ask for it again."
FAILED = "Timing them on this machine failed when this report was made."


def timed_here(of: Finished, wait: float = PATIENCE) -> Measured | str:
    """What measure_here.py finds of the run's files on this machine, in about SECONDS; or why it
    was not asked, in a sentence.

    wait: seconds for others' timings to end.
    """
    if why_not := unaffordable(of):
        return why_not
    if not _alone.acquire(timeout=max(0.0, wait)):
        return BUSY
    try:
        return _timed(of) or FAILED
    finally:
        _alone.release()


def _timed(of: Finished) -> Measured | None:
    """It is a process of its own: the time of the processor is counted for a whole process, and a
    page's has other work.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{place}.onnx" for place in range(len(of.files))]
        for path, content in zip(paths, of.files.values(), strict=True):
            path.write_bytes(content)
        out = Path(folder) / "measured.json"
        files = [str(path) for path in paths]
        words = [sys.executable, here.__file__, *files, "--within", str(SECONDS), "--out", str(out)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
            if done.returncode == 0:
                return measured.read(out.read_bytes())
            log.warning("models were not measured: %s", done.stderr.strip()[-300:])
        except (OSError, subprocess.SubprocessError, UploadError) as error:
            log.warning("models were not measured: %s", error)
    return None


def unaffordable(of: Finished) -> str:
    """Why the models are not timed for a report, whenever it is asked for; empty where they are."""
    if not of.files or of.answers is None:
        return UNKEPT
    shape = of.answers.inputs.shape[1:]
    try:
        macs = [onnx_file.macs(content, shape) for content in of.files.values()]
    except HomeError:
        return UNCOUNTED
    if any(each is None for each in macs):
        return UNCOUNTED
    return TOO_LARGE if sum(each or 0 for each in macs) > MOST_MACS else ""
