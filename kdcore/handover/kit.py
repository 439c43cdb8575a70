"""A zip of models with the script that measures them, to be taken to another device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kdcore.handover.bundle import REQUIREMENTS, zipped
from kdcore.measure import here

READ_ME = """\
On the device, with Python 3.10 or newer:

    pip install -r requirements.txt
    python measure_here.py --name "what to call this device"

It takes a few minutes, and writes measured.json. Upload that file where this zip came from.
"""


def kit(name: str, models: Sequence[tuple[str, bytes]]) -> bytes:
    """The zip: ONNX files under these names, numbered, and all that it takes to measure them.

    Two models may have one name, for a pipeline may do the same twice. The same models give the
    same bytes.
    """
    files = {
        f"{number:02}-{file_stem(each)}.onnx": content
        for number, (each, content) in enumerate(models, 1)
    }
    files["measure_here.py"] = Path(here.__file__).read_bytes()
    files["requirements.txt"] = REQUIREMENTS.encode()
    files["README.txt"] = READ_ME.encode()
    return zipped(name, files)


def file_stem(name: str) -> str:
    """A model's name as any system's files may be called."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in name)
    return "-".join(kept.split())[:60] or "model"
