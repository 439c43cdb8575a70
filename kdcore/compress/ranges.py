"""Calibration: which values the activations of a network take, found on samples."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from kdcore.errors import RecipeError

Samples = NDArray[np.float32]

Calibration = Literal["min-max", "entropy", "percentile"]
"""How the range of an activation is found: all that was seen; the range that loses the least
information; or all but the rarest values."""

METHODS: dict[Calibration, str] = {
    "min-max": "MinMax",
    "entropy": "Entropy",
    "percentile": "Percentile",
}
PERCENTILE = 99.99
BINS = {"entropy": 512, "percentile": 2048}
"""Of the histograms that these two go by. With onnxruntime's own 128, the range that loses the
least information is always the whole one; with 2048, finding it takes half a minute.
"""

AT_ONCE = 32
"""Calibration samples in a call."""


def ranges(
    ready: ModelProto, samples: Samples, calibration: Calibration, only: Collection[str] | None
) -> bytes:
    """What each activation reaches on the samples, in the form in which onnxruntime keeps it.

    ready: a prepared model; samples: (N, ...) as the network takes them; only: the kinds of nodes
    that will be quantized, None for all. Raises RecipeError where there are no samples.
    """
    from onnxruntime.quantization import CalibrationMethod, create_calibrator
    from onnxruntime.quantization.calibrate import save_tensors_data

    if not len(samples):
        raise RecipeError("calibration needs samples, and there are none; give some of training")
    how: dict[str, object] = {} if calibration == "min-max" else {"num_bins": BINS[calibration]}
    if calibration == "percentile":
        how |= {"percentile": PERCENTILE, "symmetric": False}
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):  # it prints
        path, cache = Path(folder, "model.onnx"), Path(folder, "ranges.json")
        onnx.save(ready, path)
        calibrator = create_calibrator(
            *(path, kinds(only), str(Path(folder, "augmented.onnx"))),
            calibrate_method=CalibrationMethod[METHODS[calibration]],
            extra_options=how,
        )
        calibrator.collect_data(_Reader(ready.graph.input[0].name, samples))
        save_tensors_data(calibrator.compute_data(), cache)
        del calibrator  # on Windows an open file can't be deleted
        return cache.read_bytes()


def kinds(only: Collection[str] | None) -> list[str]:
    """The kinds of nodes named; or, for None, all that onnxruntime can quantize."""
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return sorted({*QDQRegistry, *QLinearOpsRegistry} if only is None else set(only))


class _Reader:
    """Samples in batches, as onnxruntime asks for them."""

    def __init__(self, name: str, samples: Samples) -> None:
        self._batches: Iterator[Samples] = iter(
            [samples[start : start + AT_ONCE] for start in range(0, len(samples), AT_ONCE)]
        )
        self._name = name

    def get_next(self) -> dict[str, Samples] | None:
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}
