"""Inside: what the models are made of, what they make of the samples, and what they look at."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from kdcore import inside_charts, insides, layer_charts
from kdcore.answers import Answers
from kdcore.charts import LOOKS
from kdcore.insides import PAIRS, Insides
from kdcore.measure.tsne import SAMPLES, tsne
from kdcore.result import ARMS, ArmName
from kdcore.runs.store import Run
from pages.parts.boundaries import boundaries
from pages.parts.embedding import embedding
from pages.parts.gallery import gallery
from pages.parts.look import (
    Files,
    answers_of,
    figure,
    files_of,
    picture_format,
    pool_of,
    table_download,
)
from pages.parts.run_picker import look_into_runs, pick_view
from pages.parts.saliency import saliency
from pages.parts.services import plainly, runner

VIEWS = ("Embeddings", "Boundaries", "Saliency", "Layers", "Architecture", "First weights")
SHOWN = 12
"""Cards of chosen samples, at most."""


@st.cache_resource(max_entries=8, show_spinner="Reading what is inside the models …")
def insides_of(name: str) -> Insides:
    """What a run kept, by its file's name."""
    return insides.read(runner().shelf.get(name))


# embeddings


def embeddings(run: Run, files: Files, found: Insides) -> None:
    """Three clouds of points, and the samples that are chosen in them."""
    assert run.result is not None
    kept = answers_of(files)
    first = min(SAMPLES, len(kept))
    layout = st.segmented_control(
        "Laid out by",
        ["PCA", "t-SNE"],
        default="PCA",
        required=True,
        key="layout",
        bind="query-params",
        help="PCA: the two directions in which the layer's output differs most. t-SNE keeps "
        f"neighbours side by side; it takes some seconds for the first {first:,} samples, once.",
    )
    file = run.result.artifacts[insides.ROLE]
    if layout == "PCA":
        at, notes = insides.in_plane(found.embeddings, len(kept)), _pca_notes(found)
    else:
        at, notes = neighbours(file, first), _tsne_notes(found)
    chosen = embedding(files, at, notes, "pca" if layout == "PCA" else "tsne", run.name)
    if chosen:
        places = np.array(chosen[:SHOWN])
        gallery(kept, pool_of(files, 0), places, run_id=run.id, seeds=run.recipe.seeds)
        if len(chosen) > SHOWN:
            st.caption(f"The first {SHOWN} of the chosen samples; draw around fewer to see others.")
    count = len(next(iter(at.values())))
    st.caption(
        f"Each point is one of {_of_all(count, kept)}, where the model's last hidden layer puts "
        "it, in its true class's colour. The three share no axes: what can be compared is who "
        "lies beside whom. "
        + (
            "A student's axes are mirrored where that brings them nearer to the teacher's."
            if layout == "PCA"
            else "Distances between groups say little (van der Maaten and Hinton, 2008)."
        )
    )


@st.cache_resource(max_entries=12, show_spinner="Laying out the samples by t-SNE …")
def neighbours(file: str, count: int) -> dict[ArmName, np.ndarray]:
    """Places of the first samples, for each model."""
    return {arm: tsne(each.scores[:count]) for arm, each in insides_of(file).embeddings.items()}


def _pca_notes(found: Insides) -> dict[ArmName, str]:
    notes = {}
    for arm, each in found.embeddings.items():
        share = 100 * float(each.shares[:2].sum())
        notes[arm] = f"{_whose(each)}; {share:.0f} % of what they vary is seen here"
    return notes


def _tsne_notes(found: Insides) -> dict[ArmName, str]:
    return {arm: _whose(each) for arm, each in found.embeddings.items()}


def _whose(each: insides.Embedding) -> str:
    return f"{each.width} numbers of its last hidden layer" if each.layer else "its logits"


def _of_all(count: int, kept: Answers) -> str:
    total = kept.tested or len(kept)
    return (
        f"the first {count:,} of {total:,} test samples"
        if count < total
        else (f"all {count:,} test samples")
    )


# boundaries


def planes(run: Run, files: Files, found: Insides) -> None:
    """Boundaries through training."""
    if found.boundaries is not None:
        boundaries(files, found.boundaries, run.name)
        st.caption(
            "The plane was asked point by point after so many steps of both students; the teacher "
            "stands as it was when it taught. Drawn over it are test points, by their true class; "
            "the share that is right is of all of them."
        )
    elif found.input_shape != (2,):
        st.info(
            "Boundaries can be drawn where a sample is a point of the plane. Run one of the toys "
            "on Distill, such as Two moons.",
            icon=":material/scatter_plot:",
        )
    else:
        st.info(
            "This run's student has too many weights to keep them all through training. Run its "
            "recipe with a smaller one.",
            icon=":material/scatter_plot:",
        )


# layers, architecture, first weights


@st.cache_resource(max_entries=24, show_spinner=False)
def layer_figures(file: str) -> dict[str, go.Figure]:
    """How alike layers are, for each pair of models."""
    found = insides_of(file)
    pairs = [pair for pair in PAIRS if pair in found.alike]
    return {"-".join(pair): layer_charts.layer_map(found, pair) for pair in pairs}


@st.cache_resource(max_entries=24, show_spinner=False)
def architecture_figures(file: str) -> dict[str, go.Figure]:
    """The teacher's layers, and the students', which are built alike."""
    found = insides_of(file)
    labels = {"teacher": "Teacher", "distilled": "Both students"}
    return {
        arm: layer_charts.architecture(found, arm, label)
        for arm, label in labels.items()
        if arm in found.layers
    }


@st.cache_resource(max_entries=8, show_spinner=False)
def first_figures(file: str) -> dict[str, go.Figure]:
    """The first weights of each model."""
    first = insides_of(file).first
    return {arm: inside_charts.first_weights(first, arm) for arm in ARMS if arm in first}


def layers(run: Run, files: Files, found: Insides) -> None:
    """How alike the layers of the models are."""
    if not found.alike:
        st.info("There are too few test samples, or too few layers, to tell how alike layers are.")
        return
    _side_by_side(layer_figures(_file(run)), "layers", "How alike the layers are, by CKA.")
    _say_no_teacher(found)
    table_download(lambda: layer_charts.layer_map_rows(found), "layers", "All pairs as CSV")
    st.caption(
        f"Linear CKA (Kornblith et al., 2019) over {found.probe:,} test samples, as many of each "
        "class; 1: the same but for turning, mirroring and scaling, 0: unrelated. Estimated "
        "without bias (Nguyen et al., 2020), so that layers wider than there are samples are not "
        "all alike. The numbers are those on Architecture."
    )
    picture_format()


def architectures(run: Run, files: Files, found: Insides) -> None:
    """What the networks are made of, side by side."""
    alt = "Layer by layer, with output shapes, parameters and MACs."
    _side_by_side(architecture_figures(_file(run)), "architecture", alt)
    _say_no_teacher(found)
    rows = layer_charts.architecture_rows
    table_download(lambda: rows(found), "architecture", "All layers as CSV")
    st.caption(
        "In each bar stands the shape of what leaves the layer; beside it, parameters · MACs, "
        "which are multiply-accumulates of one sample. Coloured: it has weights. An activation or "
        "a norm belongs to the layer before it: point at a bar to read all."
    )
    picture_format()


def first_layer(run: Run, files: Files, found: Insides) -> None:
    """The first layer's weights."""
    if not found.first:
        st.info("No model of this run has a first layer that is small enough to be drawn.")
        return
    _side_by_side(first_figures(_file(run)), "first-weights", "The first layer's weights.")
    rows = inside_charts.first_weight_rows
    table_download(lambda: rows(found.first), "first-weights", "These weights as CSV")
    counts = ", ".join(
        f"{LOOKS[arm].label.lower()} {len(found.first[arm]):,} of {found.units[arm]:,}"
        for arm in ARMS
        if arm in found.first
    )
    st.caption(
        f"Units shown: {counts}. Both students of a seed began with the same weights, and have one "
        "scale of colours; the teacher has its own."
    )
    picture_format()


def _side_by_side(figures: dict[str, go.Figure], name: str, alt: str) -> None:
    if not figures:
        return
    for column, (what, chart) in zip(st.columns(len(figures)), figures.items(), strict=True):
        with column:
            figure(chart, f"{name}-{what}", alt)


def _say_no_teacher(found: Insides) -> None:
    if "teacher" not in found.layers:
        st.caption(
            "The teacher is a file of its own or several networks that answer as one: its layers "
            "cannot be looked at."
        )


def _file(run: Run) -> str:
    assert run.result is not None
    return run.result.artifacts[insides.ROLE]


DRAW = dict(
    zip(
        VIEWS,
        (embeddings, planes, None, layers, architectures, first_layer),
        strict=True,
    )
)


@plainly
def views(run: Run) -> None:
    """The view, and what it shows."""
    assert run.result is not None
    view = pick_view(VIEWS)
    files = files_of(run)
    draw = DRAW[view]
    if draw is None:
        saliency(run, files)
    elif insides.ROLE not in run.result.artifacts:
        st.info(
            "This run was made before runs kept what is inside their models. Run its recipe again "
            "to see it; Saliency can be drawn all the same.",
            icon=":material/history:",
        )
        return
    else:
        draw(run, files, insides_of(_file(run)))
    st.caption(f"Models of seed {run.recipe.seeds[0]}, after the last step.")


look_into_runs("Inside", views)
