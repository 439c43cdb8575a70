"""What each model looks at in a picture: covered square by square, and asked again."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from kdcore import inside_charts, panel
from kdcore import saliency as looking
from kdcore.answers import Answers
from kdcore.charts import LOOKS
from kdcore.result import ARMS, ArmName
from kdcore.runs.store import Run
from pages.parts.asked_models import Names, models, why_no_teacher
from pages.parts.look import (
    Files,
    answers_of,
    figure,
    picture_format,
    pool_of,
    table_download,
)
from pages.parts.soft_sample import sample_asked

PICTURE = (
    "width:100%;max-width:9rem;display:block;border-radius:4px;margin-top:2.2rem;"
    "outline:1px solid rgba(128,128,128,.35)"
)
PIXELS = 240
"""A small picture is drawn so large, pixel by pixel, or a browser would smooth it."""

SKETCHED = 120
"""The alpha of the darkest ink, of 255: enough to be seen through colours."""

Salient = dict[ArmName, looking.Saliency]


def saliency(run: Run, files: Files) -> None:
    """One test sample, and what each model's belief in a class rests on."""
    assert run.result is not None
    kept = answers_of(files)
    if kept.inputs.ndim != 4:
        st.info(
            "Saliency is drawn on pictures. A point of the plane has two numbers, and both "
            "matter: Boundaries shows how.",
            icon=":material/center_focus_strong:",
        )
        return
    names = panel.names(run.result.artifacts)
    macs = sum(run.result.arms[arm].macs or 0 for arm in ARMS if f"{arm}.onnx" in names)
    if why_not := looking.too_much(macs):
        st.info(why_not, icon=":material/hourglass_disabled:")
        return
    sample, of = _sample_and_class(run, files, kept)
    found = salient(tuple(names.items()), files, sample, of, macs)
    picture = kept.inputs[sample]
    drawing = _address(sketch(picture))
    left, *columns = st.columns([1, *[2] * len(found)])
    with left:
        _itself(kept, sample, _address(picture))
    for column, (arm, each) in zip(columns, found.items(), strict=True):
        with column:
            alt = f"The pixels on which {LOOKS[arm].label.lower()}'s answer rests."
            figure(_drawn(kept, sample, drawing, arm, each, macs), f"saliency-{arm}", alt)
    table_download(lambda: salient_rows(found), "saliency", "All windows as CSV")
    st.caption(
        "A square is covered with the training samples' mean, and the model asked again; each "
        "pixel has the mean over the squares that cover it (Zeiler and Fergus, 2013). Orange: "
        "without it the model believes less in the class, in nats of log-odds; blue: more. Grey "
        "is the picture's ink. Each model has a scale of its own."
    )
    if "teacher" not in found:
        st.caption(f"{why_no_teacher(run)}: the two students are shown.")
    picture_format()


def _sample_and_class(run: Run, files: Files, kept: Answers) -> tuple[int, int | None]:
    """The chosen sample's place, and the class; None for what each model says."""
    left, right = st.columns(2)
    with left:
        start = sample_asked(len(kept))
        number = st.number_input(
            "Test sample",
            1,
            len(kept),
            value=1 + (start if start is not None else _first_split(files)),
            key=f"inside.sample.{run.id}.{start}",
            help="Begins with the first one on which the models disagree, if there is any.",
        )
    with right:
        of = st.selectbox(
            "Evidence for",
            [None, *range(len(kept.class_names))],
            format_func=lambda i: "what each model says" if i is None else kept.class_names[i],
            key=f"inside.class.{run.id}",
        )
    return int(number) - 1, of


@st.cache_resource(max_entries=32, show_spinner=False)
def _first_split(files: Files) -> int:
    """The first sample on which not all models say the same."""
    said = np.stack(list(pool_of(files, 0).predicted.values()))
    return int((said != said[0]).any(0).argmax())


@st.cache_resource(max_entries=200, show_spinner=False)
def salient(names: Names, files: Files, sample: int, of: int | None, macs: int) -> Salient:
    """Each model's saliency: a few hundred numbers, whatever the picture's size."""
    asked, scale = models(names)
    picture = answers_of(files).inputs[sample]
    over = looking.windows(*picture.shape[1:], macs)
    return {arm: looking.occlusion(model, scale, picture, over, of) for arm, model in asked.items()}


def _drawn(
    kept: Answers, sample: int, drawing: str, arm: ArmName, found: looking.Saliency, macs: int
) -> go.Figure:
    """One model's saliency over the sketch at that address."""
    height, width = kept.inputs[sample].shape[1:]
    over = looking.windows(height, width, macs)
    lost = looking.by_pixel(found, over, height, width)
    name = kept.class_names[found.place]
    return inside_charts.saliency(lost, drawing, arm, f"{name}, {100 * found.share:.0f} %", name)


def salient_rows(salient: Salient) -> pd.DataFrame:
    """A row for each window, as it was asked."""
    rows = []
    for arm, found in salient.items():
        for (row, column), lost in np.ndenumerate(found.lost):
            rows.append((arm, found.place, row, column, lost))
    return pd.DataFrame(rows, columns=["model", "class", "row", "column", "log-odds lost"])


def _itself(kept: Answers, sample: int, source: str) -> None:
    truth = escape(kept.class_names[kept.labels[sample]])
    st.html(
        f'<img style="{PICTURE}" src="{source}" alt="The test sample">'
        f'<div style="font-size:.85rem;margin-top:.3rem">truly <b>{truth}</b></div>'
    )


def sketch(picture: np.ndarray) -> np.ndarray:
    """A picture (C, H, W) in grey that leaves its ground empty: (2, H, W), grey and alpha.

    The ground is what most pixels are near; what lies over the sketch keeps its own colours there.
    """
    bright = picture.mean(0)
    ink = np.abs(bright - np.median(bright))
    alpha = SKETCHED * ink / max(float(ink.max()), 1e-6)
    return np.stack([np.full_like(alpha, 128), alpha]).astype(np.uint8)


def _address(picture: np.ndarray) -> str:
    """A picture (C, H, W) as an address, its pixels large enough to stay squares.

    One channel is grey, two are grey and alpha, three are colours.
    """
    times = max(1, PIXELS // max(picture.shape[1:]))
    large = picture.repeat(times, 1).repeat(times, 2)
    file = io.BytesIO()
    Image.fromarray(large[0] if len(large) == 1 else large.transpose(1, 2, 0)).save(file, "PNG")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
