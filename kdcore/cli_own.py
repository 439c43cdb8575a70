"""python -m kdcore ingest and teacher: own pictures and own teachers, kept for recipes to name."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from kdcore.command import command
from kdcore.errors import UploadError
from kdcore.settings import Settings
from kdcore.uploads.storage import ONNX, SCALES

if TYPE_CHECKING:
    from kdcore.uploads import OwnTeacher


def add(commands: Any) -> None:
    """Add both to the commands of `python -m kdcore`."""
    ingest = command(commands, "ingest", "keep own pictures; prints their task's name")
    ingest.add_argument(
        "path", metavar="PATH", help="a folder or .zip of class folders, .npz, .csv"
    )
    ingest.add_argument("--name", required=True, help="what people call it")
    ingest.add_argument("--side", type=int, metavar="N", help="resize to N×N pixels")
    ingest.set_defaults(command=_ingest)
    teacher = command(commands, "teacher", "keep an own teacher; prints it for a recipe")
    teacher.add_argument("path", metavar="FILE", help="an ONNX model, or weights as safetensors")
    teacher.add_argument("--name", required=True, help="what people call it")
    teacher.add_argument(
        "--architecture", default=ONNX, metavar="NAME", help="the one that the weights are for"
    )
    teacher.add_argument("--options", default="{}", metavar="JSON", help="that architecture's")
    teacher.add_argument("--pixels", default="standardised", metavar="SCALE", choices=SCALES)
    teacher.add_argument("--try", dest="task", metavar="TASK", help="see how much it reads there")
    teacher.set_defaults(command=_teacher)


def _ingest(options: argparse.Namespace) -> int:
    from kdcore.ingest import inspect, keep

    preview = inspect(options.path, options.name, side=options.side)
    for sentence in (f"{preview.summary}.", *preview.warnings):
        print(sentence, file=sys.stderr)
    print(keep(preview, Settings.from_environment().data).task)
    return 0


def _teacher(options: argparse.Namespace) -> int:
    from kdcore import uploads

    try:
        content = Path(options.path).read_bytes()
    except OSError as error:
        raise UploadError(f"cannot read {options.path}: {error.strerror}") from None
    if options.architecture != ONNX:
        from kdcore import models

        models.get(options.architecture)
    found = uploads.look(
        content,
        options.name,
        architecture=options.architecture,
        options=_object(options.options),
        scale=options.pixels,
    )
    own = uploads.keep(found, content, Settings.from_environment().ready_home())
    if own.info is not None:
        for sentence in (f"It {own.info.summary}.", *own.info.notes):
            print(sentence, file=sys.stderr)
    if options.task is not None:
        _try_out(own, options.task)
    print(to_json({"teacher": own.choice}).decode())
    return 0


def _try_out(own: OwnTeacher, task: str) -> None:
    from kdcore.trial import try_out

    trial = try_out(own, task)
    for scale, share in trial.accuracy.items():
        line = f"pixels {scale!r}: {share:.1%} of {trial.pictures} validation pictures"
        print(line + " (kept)" * (scale == own.scale), file=sys.stderr)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UploadError(f"--options is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise UploadError('--options must be a JSON object, such as {"depth": 20}')
    return found
