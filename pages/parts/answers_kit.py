"""What the components over a run's logits share: their code, their looks, how numbers travel."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from kdcore.charts import LOOKS

HERE = Path(__file__).parent


def component(name: str, files: str, *kits: str) -> Any:
    """An inline component of the three files of that name, with what all of them share, and the
    code and looks of further kits. Where its page says `<!-- name -->`, that file stands instead.
    """
    return st.components.v2.component(
        name,
        html=_page(files),
        css="".join(_text(f"{each}.css") for each in ("answers_kit", *kits, files) if _looks(each)),
        js="".join(_text(f"{each}.js") for each in ("answers_kit", *kits, files)),
    )


def looks() -> dict[str, dict[str, str]]:
    """How the three models are named and coloured."""
    return {
        name: {"label": look.label, "short": look.short, "colour": look.colour}
        for name, look in LOOKS.items()
    }


def inputs(samples: np.ndarray) -> dict[str, Any]:
    """Pictures, or points of the plane with where their axes begin and end."""
    if samples.ndim == 4:
        return {"images": packed(samples, "u1")}
    ends = [samples.min(0).tolist(), samples.max(0).tolist()]
    return {"points": {**packed(samples[:, :2], "<f4"), "ends": ends}}


def packed(array: np.ndarray, kind: str) -> dict[str, Any]:
    """Numbers as the browser reads them: their shape, and their bytes in base64."""
    content = np.ascontiguousarray(array, dtype=kind).tobytes()
    return {"shape": list(array.shape), "bytes": base64.b64encode(content).decode()}


def _page(name: str) -> str:
    """A file of HTML, with the files that it names."""
    return re.sub(r"<!-- (\w+) -->", lambda of: _page(of[1]), _text(f"{name}.html"))


def _looks(name: str) -> bool:
    return (HERE / f"{name}.css").exists()


def _text(file: str) -> str:
    return (HERE / file).read_text(encoding="utf-8")
