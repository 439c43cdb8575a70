"""The form that makes a recipe: widgets in, Recipe out.

Each widget keeps its value in the session under `form.<field>`; `fill` writes a recipe into them,
`recipe` reads one out. Bounds, steps and help texts come from the definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.catalogue import ArchitectureRecord, Catalogue, MethodRecord
from kdcore.errors import RecipeError
from kdcore.knobs import Choice, Knob, Range, Widths
from kdcore.recipe import FEWEST_SEEDS_FOR_A_VERDICT, ModelChoice, Recipe, Training, bounds

PRESETS = Path(__file__).parents[2] / "assets" / "recipes"
LABEL_COUNTS = (10, 20, 50, 100, 200, 500, 1000)
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
BATCH_SIZES = (8, 16, 32, 64, 128, 256, 512)
FIRST_PRESET = "digits-few-labels"
FEW_OPTIONS = 4  # up to so many are shown side by side


@st.cache_data
def presets() -> dict[str, Recipe]:
    """The recipes that come with the project, by file name, the landing page's first."""
    found = {path.stem: Recipe.load(path) for path in sorted(PRESETS.glob("*.json"))}
    return {FIRST_PRESET: found.pop(FIRST_PRESET), **found}


def fill(recipe: Recipe) -> None:
    """Write a recipe into the form; call it before the form is drawn, or from a callback."""
    values: dict[str, Any] = {
        "task": recipe.task,
        "labelled": recipe.transfer.labelled,
        "unlabelled": recipe.transfer.unlabelled,
        "method": recipe.method.name,
        "temperature": recipe.temperature,
        "soft_weight": recipe.soft_weight,
        "hard_weight": recipe.hard_weight,
        "own_hard_weight": abs(recipe.soft_weight + recipe.hard_weight - 1) > 1e-9,
        "teachers": recipe.teachers,
        "seeds": len(recipe.seeds),
        "seed_list": recipe.seeds,
        "teacher_seed": recipe.teacher_seed,
    }
    _forget("method")
    given = {f"method.{name}": value for name, value in recipe.method.options.items()}
    for role in ("teacher", "student"):
        choice: ModelChoice = getattr(recipe, role)
        group = f"{role}.{choice.architecture}"
        values[f"{role}.architecture"] = choice.architecture
        given |= {f"{group}.{name}": _shown(value) for name, value in choice.options.items()}
        _forget(group)
    values |= given | {"given": tuple(given)}
    for role in ("teacher_training", "training"):
        training: Training = getattr(recipe, role)
        values |= {f"{role}.{name}": value for name, value in training.model_dump().items()}
    for name, value in values.items():
        st.session_state[f"form.{name}"] = value


def _forget(group: str) -> None:
    """Let a group's knobs go back to their defaults."""
    for key in [key for key in st.session_state if str(key).startswith(f"form.{group}.")]:
        del st.session_state[key]


def is_filled() -> bool:
    """Whether this session's form holds a recipe already."""
    return "form.task" in st.session_state


def recipe_form(catalogue: Catalogue) -> Recipe | None:
    """Draw the form; returns its recipe, or None after saying what is wrong with it."""
    _transfer(catalogue)
    _models(catalogue)
    _objective(catalogue)
    formula = st.container()
    with st.expander("More settings", icon=":material/tune:"):
        _more()
    with formula:
        try:
            recipe = _recipe(catalogue)
        except RecipeError as error:
            st.error(str(error), icon=":material/error:")
            return None
        _formula(recipe, catalogue.method(recipe.method.name))
    return recipe


def name_for(recipe: Recipe) -> str:
    """What to call a run of this recipe: a preset's title, or what tells it from others."""
    same = (preset.title for preset in presets().values() if preset.id == recipe.id)
    return next(same, recipe.summary)


def preset_picker(catalogue: Catalogue) -> None:
    """Draw the presets; the first one fills a form that is still empty."""
    if not is_filled():
        fill(presets()[FIRST_PRESET])
    # the pill follows the form: it goes out as soon as a setting is no longer the preset's
    st.session_state["form.preset"] = _matching_preset(catalogue)
    st.pills(
        "Preset",
        list(presets()),
        format_func=lambda name: presets()[name].title,
        key="form.preset",
        on_change=_fill_preset,
        persist_state="session",
    )
    chosen = st.session_state.get("form.preset")
    if chosen is not None:
        st.caption(presets()[chosen].about)


def _matching_preset(catalogue: Catalogue) -> str | None:
    try:
        current = _recipe(catalogue).id
    except RecipeError:
        return None
    return next((name for name, preset in presets().items() if preset.id == current), None)


def _fill_preset() -> None:
    chosen = st.session_state["form.preset"]
    if chosen is not None:
        fill(presets()[chosen])


def _transfer(catalogue: Catalogue) -> None:
    if len(catalogue.tasks) > 1:
        names = [task.name for task in catalogue.tasks]
        _select("Data", names, "task", lambda name: catalogue.task(name).title)
    task = catalogue.task(st.session_state["form.task"])
    counts = [count for count in LABEL_COUNTS if count < task.train]
    left, right = st.columns(2)
    with left:
        _ladder(
            "Labelled for the student",
            [*counts, "all"],
            "labelled",
            f"How many of the {task.train:,} training samples the student sees with their label. "
            "The teacher sees every label.",
        )
    with right:
        _ladder(
            "Unlabelled transfer set",
            [0, *counts, "rest"],
            "unlabelled",
            "More training samples, their labels hidden: only the teacher's answers on them "
            "are used, so the student on labels alone cannot learn from them.",
        )


def _models(catalogue: Catalogue) -> None:
    task = catalogue.task(st.session_state["form.task"])
    refusals = {a.name: a.refuses(task) for a in catalogue.architectures}
    fitting = [name for name, reason in refusals.items() if reason is None]
    reasons = "".join(f"\n- {reason}" for reason in refusals.values() if reason is not None)
    for column, role in zip(st.columns(2), ("teacher", "student"), strict=True):
        with column:
            if st.session_state[f"form.{role}.architecture"] not in fitting:
                st.session_state[f"form.{role}.architecture"] = fitting[0]
            if len(fitting) > 1:
                _select(
                    f"{role.title()}",
                    fitting,
                    f"{role}.architecture",
                    lambda name: catalogue.architecture(name).title,
                    help=f"Not for this data:\n{reasons}" if reasons else None,
                )
            architecture = catalogue.architecture(st.session_state[f"form.{role}.architecture"])
            for knob in architecture.knobs:
                label = f"{role.title()} {architecture.title}: {_words(knob.name)}"
                _knob(label, f"{role}.{architecture.name}", knob)


def _objective(catalogue: Catalogue) -> None:
    names = [method.name for method in catalogue.methods]
    _select("Method", names, "method", lambda name: catalogue.method(name).title)
    method = catalogue.method(st.session_state["form.method"])
    if method.takes_temperature:
        _slider("Temperature T", "temperature", bounds(Recipe, "temperature"))
    if method.formula:
        _slider("α, weight on the teacher's answer", "soft_weight", bounds(Recipe, "soft_weight"))
    for knob in method.knobs:
        if knob.name != "temperature":
            _knob(_words(knob.name), "method", knob)
    left, right = st.columns(2)
    with left:
        _slider("Seeds", "seeds", bounds(Recipe, "seeds"))
    with right:
        _slider("Steps", "training.steps", bounds(Training, "steps"))
    few = st.session_state["form.seeds"] < FEWEST_SEEDS_FOR_A_VERDICT
    if few:
        st.caption(f":material/info: Under {FEWEST_SEEDS_FOR_A_VERDICT} seeds there is no verdict.")


def _more() -> None:
    left, right = st.columns(2)
    with left:
        _ladder("Learning rate", LEARNING_RATES, "training.learning_rate", _help("learning_rate"))
        _ladder("Batch size", BATCH_SIZES, "training.batch_size", _help("batch_size"))
    with right:
        key = "teacher_training.learning_rate"
        _ladder("Teacher's learning rate", LEARNING_RATES, key, "Adam's step size, teacher only.")
        _slider("Teacher's steps", "teacher_training.steps", bounds(Training, "steps"))
    st.segmented_control(
        "Teachers",
        ["one", "per seed"],
        key="form.teachers",
        required=True,
        format_func=lambda name: {"one": "one for all seeds", "per seed": "one per seed"}[name],
        help="One teacher isolates the student's luck; one per seed counts the teacher's as well.",
        persist_state="session",
    )
    st.toggle(
        "Weigh the labels apart from α",
        key="form.own_hard_weight",
        help="Otherwise the labels get 1 − α.",
        persist_state="session",
    )
    if st.session_state["form.own_hard_weight"]:
        st.number_input(
            "Weight on the labels",
            min_value=0.0,
            step=0.1,
            key="form.hard_weight",
            persist_state="session",
        )


def _recipe(catalogue: Catalogue) -> Recipe:
    value = {k.removeprefix("form."): v for k, v in st.session_state.items() if _is_form(k)}
    method = catalogue.method(value["method"])
    soft = value["soft_weight"] if method.formula else 0.0
    hard = value["hard_weight"] if value["own_hard_weight"] else round(1 - soft, 9)
    seeds = tuple(value["seed_list"])
    if len(seeds) != value["seeds"]:
        seeds = tuple(range(value["seeds"]))
    return Recipe(
        task=value["task"],
        transfer={"labelled": value["labelled"], "unlabelled": value["unlabelled"]},
        teacher=_choice(value, "teacher", catalogue),
        student=_choice(value, "student", catalogue),
        teacher_training=_training(value, "teacher_training"),
        training=_training(value, "training"),
        method={"name": method.name, "options": _options(value, "method", method)},
        temperature=value["temperature"],
        soft_weight=soft,
        hard_weight=hard,
        teachers=value["teachers"],
        teacher_seed=value["teacher_seed"],
        seeds=seeds,
    )


def _formula(recipe: Recipe, method: MethodRecord) -> None:
    temperature = f"{recipe.temperature:g}"
    terms = f"{recipe.hard_weight:.2f} · CE(labels)"
    if method.formula:
        terms += f" + {recipe.soft_weight:.2f} · {method.formula.format(T=temperature)}"
    st.markdown(f"**loss** = {terms}", help=f"{method.about} {method.paper}.")
    if method.takes_temperature:
        weight = recipe.soft_weight * recipe.temperature**2
        st.caption(
            f"The soft term's effective weight is {recipe.soft_weight:.2f} · {temperature}² "
            f"= {weight:.3g}, against {recipe.hard_weight:.2f} for the labels."
        )


def _is_form(key: str | int) -> bool:
    return isinstance(key, str) and key.startswith("form.")


def _choice(value: dict[str, Any], role: str, catalogue: Catalogue) -> dict[str, Any]:
    architecture = catalogue.architecture(value[f"{role}.architecture"])
    options = _options(value, f"{role}.{architecture.name}", architecture)
    return {"architecture": architecture.name, "options": options}


def _options(
    value: dict[str, Any], group: str, definition: ArchitectureRecord | MethodRecord
) -> dict[str, Any]:
    """What differs from the defaults, and what the filled-in recipe gave, as it gave it."""
    options = {}
    for knob in definition.knobs:
        key = f"{group}.{knob.name}"
        if key in value:
            widths = isinstance(knob.bounds, Widths)
            chosen = _parsed(value[key], key) if widths else value[key]
            if _shown(chosen) != _shown(knob.default) or key in value["given"]:
                options[knob.name] = chosen
    return options


def _training(value: dict[str, Any], group: str) -> dict[str, Any]:
    return {name: value[f"{group}.{name}"] for name in Training.model_fields}


def _parsed(text: str, name: str) -> list[int]:
    try:
        return [int(part) for part in text.replace("-", ",").split(",") if part.strip()]
    except ValueError:
        role, knob = name.split(".")[0], _words(name.split(".")[-1])
        raise RecipeError(
            f"the {role}'s {knob} are {text!r}; give whole numbers, such as 256, 256"
        ) from None


def _shown(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _knob(label: str, group: str, knob: Knob) -> None:
    key = f"{group}.{knob.name}"
    st.session_state.setdefault(f"form.{key}", _shown(knob.default))
    if isinstance(knob.bounds, Range):
        _slider(label, key, knob.bounds)
    elif isinstance(knob.bounds, Choice):
        _pick(label, key, knob.bounds, knob.default)
    else:
        st.text_input(label, key=f"form.{key}", help=knob.bounds.help, persist_state="session")


def _pick(label: str, name: str, choice: Choice, default: Any) -> None:
    """One of a few options side by side, or of many in a list."""
    key = f"form.{name}"
    if st.session_state[key] not in choice.options:
        st.session_state[key] = default
    common: dict[str, Any] = {
        "key": key,
        "format_func": _option_words,
        "help": choice.help or None,
        "persist_state": "session",
    }
    if len(choice.options) <= FEW_OPTIONS:
        st.segmented_control(label, choice.options, required=True, **common)
    else:
        st.selectbox(label, choice.options, **common)


def _slider(label: str, name: str, limits: Range) -> None:
    """A slider over a knob's range, widened where a loaded recipe lies outside it."""
    value = st.session_state[f"form.{name}"]
    number = type(value)
    st.slider(
        label,
        min_value=number(min(limits.low, value)),
        max_value=number(max(limits.high, value)),
        step=number(limits.step) if limits.step else None,
        key=f"form.{name}",
        help=limits.help or None,
        persist_state="session",
    )


def _ladder(label: str, rungs: Sequence[Any], name: str, help: str) -> None:
    """A slider over chosen values, with one more rung where a loaded recipe lies between them."""
    value = st.session_state[f"form.{name}"]
    if value not in rungs:
        rungs = sorted([*rungs, value], key=lambda rung: (isinstance(rung, str), rung))
    st.select_slider(label, rungs, key=f"form.{name}", help=help, persist_state="session")


def _select(
    label: str, names: Sequence[str], name: str, title: Any, help: str | None = None
) -> None:
    key = f"form.{name}"
    st.selectbox(label, names, key=key, format_func=title, help=help, persist_state="session")


def _help(field: str) -> str:
    return bounds(Training, field).help


def _option_words(option: str | int | bool) -> str:
    return ("yes" if option else "no") if isinstance(option, bool) else str(option)


def _words(name: str) -> str:
    return name.replace("_", " ")
