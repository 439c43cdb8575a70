"""A zip of all that it takes to use a distilled student where there is no kdcore and no torch."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from kdcore.answers import Answers
from kdcore.errors import HomeError
from kdcore.handover import predict
from kdcore.handover.card import asked_first, card
from kdcore.handover.facts import all_answers, facts
from kdcore.handover.finished import Finished, asked
from kdcore.measure import here, onnx_file
from kdcore.panel import Scale

CHECKED = 500
"""Test samples on which the file must answer as the network did."""

SHIPPED = 16
"""Test samples that go with the bundle."""

REQUIREMENTS = "onnxruntime>=1.20\nnumpy>=2.0\n"


class Kept(NamedTuple):
    """What a bundle cannot do without: the student's file, and what went into it and came out."""

    content: bytes
    scale: Scale
    answers: Answers


def bundle(of: Finished) -> bytes:
    """The distilled student of a finished run as a zip, and what was made of it since; the same run
    gives the same bytes.

    Raises HomeError where the run kept too little, or a file is not what the run was judged by.
    """
    kept = _kept(of)
    check(kept)
    for name in of.further:
        check_file(of.files[name], f"the file of {name!r}")
    answered = all_answers(of)
    files: dict[str, bytes] = {
        "MODEL_CARD.md": card(of, facts(of, answered)).encode(),
        "model.onnx": kept.content,
        **{f"{name}.onnx": of.files[name] for name in of.further},
        "labels.json": _json(list(kept.answers.class_names)),
        "preprocessing.json": _json({**_preprocessing(kept), **_asked(of)}),
        "check.npz": _check_samples(of, kept),
        "recipe.json": of.result.recipe.to_json().encode(),
        "result.json": of.result.to_json(indent=2).encode(),
        "predict.py": Path(predict.__file__).read_bytes(),
        "measure_here.py": Path(here.__file__).read_bytes(),
        "requirements.txt": REQUIREMENTS.encode(),
    }
    if "distilled" in of.weights:
        files["model.safetensors"] = of.weights["distilled"]
    if of.pipeline is not None:
        files["pipeline.json"] = of.pipeline.pipeline.to_json().encode()
    return zipped(f"kd-{of.result.recipe.id}", files)


def check(kept: Kept) -> None:
    """Hold the student's file against ONNX's own rules, and against what the network answered.

    Raises HomeError, a sentence, where either fails.
    """
    check_file(kept.content, "the student's file")
    expected = kept.answers.logits["distilled"][0, :CHECKED]
    found = asked(kept.content, kept.scale, kept.answers.inputs[:CHECKED])
    apart = float(np.abs(found - expected).max())
    if not np.allclose(found, expected, rtol=predict.CLOSE, atol=predict.CLOSE):
        raise HomeError(
            f"the student's file answers otherwise than the network did, by up to {apart:.3g}; "
            "run its recipe again"
        )


def check_file(content: bytes, whose: str) -> None:
    """Hold a file against ONNX's own rules. Raises HomeError, a sentence, where it breaks one."""
    try:
        onnx.checker.check_model(content, full_check=True)
    except Exception as error:  # the checker has its own for every rule
        first = str(error).splitlines()[0][:200]
        raise HomeError(f"{whose} is no valid ONNX: {first}") from None


def _kept(of: Finished) -> Kept:
    content = of.files.get("distilled")
    if content is None or of.scale is None or of.answers is None:
        raise HomeError(
            f"the run {of.name!r} kept no model to hand over; run its recipe again, by itself"
        )
    return Kept(content, of.scale, of.answers)


def _preprocessing(kept: Kept) -> dict[str, Any]:
    inputs = kept.answers.inputs
    return {
        "about": "(sample - mean) / deviation, as float32",
        "shape": list(inputs.shape[1:]),
        "dtype": str(inputs.dtype),
        "mean": kept.scale.mean.tolist(),
        "deviation": kept.scale.deviation.tolist(),
    }


def _asked(of: Finished) -> dict[str, Any]:
    """Which model is asked first, and which compute in whole numbers, as each processor does it."""
    rounds = [f"{name}.onnx" for name in of.further if onnx_file.rounds(of.files[name])]
    return {"model": asked_first(of), "rounds": rounds}


def _check_samples(of: Finished, kept: Kept) -> bytes:
    """Samples, and under each file's name what it answers to them here."""
    samples = kept.answers.inputs[:SHIPPED]
    arrays: dict[str, Any] = {
        f"{name}.onnx": asked(of.files[name], kept.scale, samples) for name in of.further
    }
    arrays["model.onnx"] = kept.answers.logits["distilled"][0, :SHIPPED]
    file = io.BytesIO()
    np.savez_compressed(file, samples=samples, labels=kept.answers.labels[:SHIPPED], **arrays)
    return file.getvalue()


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def zipped(folder: str, files: dict[str, bytes]) -> bytes:
    """Files in a folder of a zip; the same files give the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # of 1980, whenever it is made
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return made.getvalue()
