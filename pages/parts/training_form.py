"""How the networks are trained: what most visitors leave as it is."""

from __future__ import annotations

import streamlit as st

from kdcore.recipe import Augmentation, Training, bounds
from pages.parts.widgets import ladder, slider, words

LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
BATCH_SIZES = (8, 16, 32, 64, 128, 256, 512)
DECAYS = (0.0, 1e-5, 1e-4, 5e-4, 1e-3, 1e-2, 1e-1)
PRECISIONS = {
    "auto": "whichever is faster here",
    "float32": "float32",
    "bfloat16": "bfloat16",
}
PRECISION = (
    "What training steps compute in. bfloat16 keeps fewer digits, and is faster on processors that "
    "have it; a short trial finds out. All models are judged in float32."
)
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD, Nesterov"}


def training_form(kind: str, untrained: bool) -> None:
    """Draw the settings of both students' training and of the teacher's.

    untrained: the teacher was brought along, or learns together with the student.
    """
    with st.expander("Students' training", icon=":material/tune:"):
        _training("training", kind)
    if not untrained:
        with st.expander("Teacher's training", icon=":material/school:"):
            slider("Teacher's steps", "teacher_training.steps", bounds(Training, "steps"))
            _training("teacher_training", kind)
            _teachers()


def _training(role: str, kind: str) -> None:
    left, right = st.columns(2)
    with left:
        ladder("Learning rate", LEARNING_RATES, f"{role}.learning_rate", _help("learning_rate"))
        _named("Optimizer", f"{role}.optimizer", OPTIMIZERS)
        slider("Warm-up steps", f"{role}.warm_up", bounds(Training, "warm_up"))
        slider("Label smoothing", f"{role}.label_smoothing", bounds(Training, "label_smoothing"))
    with right:
        ladder("Batch size", BATCH_SIZES, f"{role}.batch_size", _help("batch_size"))
        _named("Schedule", f"{role}.schedule", {n: n for n in ("constant", "cosine", "step")})
        ladder("Weight decay", DECAYS, f"{role}.weight_decay", _help("weight_decay"))
        slider("Patience", f"{role}.patience", bounds(Training, "patience"))
    if kind == "image":
        _named("Precision", f"{role}.precision", PRECISIONS, PRECISION)
        _augmentation(role)


def _augmentation(role: str) -> None:
    st.markdown(
        "**Augmentation**",
        help="Each pass shows pictures a little changed; both students of a seed see the same, "
        "and the teacher answers for the very view.",
    )
    columns = st.columns(2)
    for number, name in enumerate(Augmentation.model_fields):
        key = f"{role}.augmentation.{name}"
        with columns[number % 2]:
            if name == "flip":
                st.toggle("Flip left and right", key=f"form.{key}", persist_state="session")
            else:
                slider(words(name).capitalize(), key, bounds(Augmentation, name))


def _teachers() -> None:
    st.segmented_control(
        "Teachers",
        ["one", "per seed"],
        key="form.teachers",
        required=True,
        format_func=lambda name: {"one": "one for all seeds", "per seed": "one per seed"}[name],
        help="One teacher isolates the student's luck; one per seed counts the teacher's as well.",
        persist_state="session",
    )


def _named(label: str, name: str, titles: dict[str, str], help: str | None = None) -> None:
    st.selectbox(
        label,
        list(titles),
        key=f"form.{name}",
        format_func=titles.get,
        help=help,
        persist_state="session",
    )


def _help(field: str) -> str:
    return bounds(Training, field).help
