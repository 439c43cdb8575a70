"""Loaded by every worker of our own cluster as it starts, a replaced one too."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from kdcore.recipe import ModelChoice, Recipe, Training
from kdcore.result import Result
from kdcore.runs.worker import AT_WORK
from kdcore.shelf import Shelf

log = logging.getLogger(__name__)


def dask_setup(_worker: object) -> None:
    """Warm up beside the worker's own start, so that it can take work at once."""
    threading.Thread(target=warm_up, daemon=True).start()


def warm_up() -> None:
    """Do a tiny run, so that the first real one finds everything loaded: torch, its optimizer,
    the exporter, onnxruntime. Takes seconds; writes nothing that stays.
    """
    try:
        from kdcore.experiment import steps

        tiny = Recipe(
            teacher=ModelChoice(options={"widths": [4]}),
            student=ModelChoice(options={"widths": [2]}),
            teacher_training=Training(steps=2),
            training=Training(steps=2),
            seeds=(0, 1, 2),
        )
        with TemporaryDirectory() as folder:
            run = steps(tiny, Shelf(Path(folder)))
            with AT_WORK:
                for happening in run:
                    if isinstance(happening, Result):
                        break  # all that training needs is loaded
            time.sleep(0.1)  # a run that waits goes first; the exporter takes seconds more
            with AT_WORK:
                for _ in run:
                    pass
    except Exception:
        log.exception("warming up failed; the first run will say why")
