"""Ask the model of this bundle. Needs Python 3.10 or newer, onnxruntime and numpy, nothing else.

    python predict.py SAMPLE.npy          one sample or several, as the data set has them
    python predict.py PICTURE.png         with Pillow installed as well
    python predict.py --check             does it answer here as it did where it was made?

From Python: `from predict import load, probabilities`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
CLOSE = 1e-3
"""Logits that differ by no more than this, or by this share, are the same answer."""


class CannotPredictError(Exception):
    """A sample or file that cannot be used, in one sentence."""


def load(model: str = "", folder: Path = HERE) -> tuple[Any, dict[str, Any]]:
    """An onnxruntime session of one of this bundle's models, usually the one that it was made for,
    and what goes into it and comes out.
    """
    told = json.loads((folder / "preprocessing.json").read_text(encoding="utf-8"))
    told["labels"] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    model = model or told["model"]
    told["model"] = model
    if not (folder / model).exists():
        raise CannotPredictError(f"there is no {model} in {folder}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    path, providers = str(folder / model), ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(path, options, providers=providers), told


def prepare(samples: Any, told: dict[str, Any]) -> Any:
    """Samples as the data set has them, (N, ...) or a single one, as the model takes them."""
    shape, values = tuple(told["shape"]), np.asarray(samples)
    if values.shape == shape:
        values = values[None]
    grey = len(shape) == 3 and shape[0] == 1 and values.ndim <= 3
    if grey and values.shape[-2:] == shape[1:]:
        values = values.reshape(-1, *shape)  # grey pictures without a dimension for the colour
    if values.shape[1:] != shape:
        raise CannotPredictError(
            f"a sample has the shape {shape}, several have one more dimension before it; this has "
            f"{values.shape}"
        )
    low, high = values.min(), values.max()
    scaled = values.dtype.kind == "f" and 0 < high <= 1
    if told["dtype"] == "uint8" and (low < 0 or high > 255 or scaled):
        raise CannotPredictError(f"pixels go from 0 to 255, these from {low:g} to {high:g}")
    mean, deviation = (np.array(told[name], np.float32) for name in ("mean", "deviation"))
    return np.ascontiguousarray((values.astype(np.float32) - mean) / deviation)


def logits(session: Any, prepared: Any) -> Any:
    """Raw answers, (N, K)."""
    return session.run(None, {session.get_inputs()[0].name: prepared})[0]


def probabilities(session: Any, prepared: Any) -> Any:
    """softmax of the answers, (N, K)."""
    found = logits(session, prepared)
    powers = np.exp(found - found.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def read(path: Path, told: dict[str, Any]) -> Any:
    """Samples off a file: .npy, .csv or .txt of numbers, a line each, or a picture."""
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix in (".csv", ".txt"):
            rows = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)
            return rows.reshape(len(rows), *told["shape"])
        return _picture(path, told)
    except (OSError, ValueError) as error:
        raise CannotPredictError(f"cannot read {path}: {error}") from None


def _picture(path: Path, told: dict[str, Any]) -> Any:
    """A picture, brought to the size and colours that the model takes."""
    if len(told["shape"]) != 3:
        raise CannotPredictError(f"this model takes {told['shape'][0]} numbers, not pictures")
    try:
        from PIL import Image
    except ImportError:
        raise CannotPredictError(
            f"to read {path.name}, install Pillow; or save the pixels as .npy"
        ) from None
    channels, height, width = told["shape"]
    with Image.open(path) as picture:
        made = picture.convert("L" if channels == 1 else "RGB").resize((width, height))
    return np.asarray(made).reshape(height, width, channels).transpose(2, 0, 1)


def check(session: Any, told: dict[str, Any], folder: Path = HERE) -> str:
    """Ask the bundle's own samples; raises where the answer to one is another. Returns a sentence.

    What computes in floating point must come out alike to a few digits. Arithmetic in int8 differs
    from processor to processor: there the same class must be the likeliest.
    """
    with np.load(folder / "check.npz", allow_pickle=False) as kept:
        samples, expected = kept["samples"], kept[told["model"]]
    found = logits(session, prepare(samples, told))
    apart = float(np.abs(found - expected).max())
    if np.allclose(found, expected, rtol=CLOSE, atol=CLOSE):
        return f"all {len(samples)} samples are answered as they were"
    alike = (found.argmax(1) == expected.argmax(1)).all()
    if told["model"] not in told["rounds"] or not alike:
        raise CannotPredictError(
            f"this machine answers otherwise, by up to {apart:.3g}; use another onnxruntime"
        )
    return (
        f"all {len(samples)} samples get the class that they got; logits move by up to {apart:.3g}"
    )


def main(arguments: list[str] | None = None) -> int:
    """The script: exit code 0, or 1 with one sentence."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--model", default="", help="another .onnx file of the bundle")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="likeliest classes shown")
    parser.add_argument("--check", action="store_true", help="ask the bundle's own samples")
    options = parser.parse_args(arguments)
    try:
        session, told = load(options.model)
        if options.check:
            print(check(session, told))
        elif not options.files:
            parser.error("give a FILE, or --check")
        for path in options.files:
            for number, row in enumerate(probabilities(session, prepare(read(path, told), told))):
                best = row.argsort()[::-1][: options.top]
                shown = ", ".join(f"{told['labels'][k]} {100 * row[k]:.1f} %" for k in best)
                print(f"{path} {number}: {shown}")
    except (CannotPredictError, OSError) as error:
        print(f"predict: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
