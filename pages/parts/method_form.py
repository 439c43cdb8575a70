"""The loss: which methods, with which weights, and how these move over the steps.

Each widget keeps its value in the session under `form.<field>`, as in `recipe_form`.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any, NamedTuple

import streamlit as st

from kdcore import schedule
from kdcore.catalogue import Catalogue, MethodRecord
from kdcore.fits import Networks
from kdcore.recipe import ExtraTerm, MethodChoice, ModelChoice, Recipe, Schedule, bounds
from pages.parts.model_form import choice, options
from pages.parts.widgets import knob, number, select, slider, words

GROUPS = {
    "answers": "Answers",
    "features": "Features",
    "relations": "Relations",
    "labels": "No teacher",
}
"""What a method passes on, in the order in which they are offered."""

HOW = {"constant": "stays", **schedule.WAYS}
SCHEDULES = ("temperature_schedule", "soft_schedule", "hard_schedule")
CURVE_STEPS = 40


class Moving(NamedTuple):
    """A number that may move over the steps: its field, name, where it starts and may arrive."""

    field: str
    label: str
    start: float
    low: float


def method_form(catalogue: Catalogue, networks: Networks) -> None:
    """Draw the methods that can teach between the networks, and everything about their weights."""
    refusals = {each.name: each.needs.refuses(each.title, networks) for each in catalogue.methods}
    fitting = [each for each in _in_order(catalogue) if refusals[each.name] is None]
    _keep_fitting(catalogue, fitting, refusals)
    reasons = "".join(f"\n- {reason}" for reason in refusals.values() if reason is not None)
    select(
        "Method",
        [each.name for each in fitting],
        "method",
        lambda name: _titled(catalogue.method(name)),
        help=f"Not for these models:\n{reasons}" if reasons else None,
        on_change=take_defaults,
        args=(catalogue,),
    )
    method = catalogue.method(st.session_state["form.method"])
    st.caption(explained(method))
    _temperature(catalogue)
    _weights(method)
    for each in method.own_knobs:
        knob(words(each.name).capitalize(), f"method.{method.name}", each)
    _more_terms(catalogue, [each for each in fitting if each.name != method.name and each.formula])
    _schedules(catalogue)


def _temperature(catalogue: Catalogue) -> None:
    """The slider, where any of the methods softens by it; its help says which do."""
    chosen = _chosen(catalogue)
    soften = [each.title for each in chosen if each.takes_temperature]
    if not soften:
        return
    help = (
        f"In {_listed(soften)}, logits are divided by T before they become probabilities: the "
        "larger T, the more the wrong classes weigh. The term is multiplied by T², so that its "
        "pull does not fade."
    )
    others = [each.title for each in chosen if each.formula and not each.takes_temperature]
    if others:
        help += f" T has no effect in {_listed(others)}."
    limits = replace(bounds(Recipe, "temperature"), help=help)
    slider("Temperature T", "temperature", limits)


def _listed(titles: list[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def take_defaults(catalogue: Catalogue) -> None:
    """Set the temperature and the weights to what the chosen method's paper uses."""
    state = st.session_state
    method = catalogue.method(state["form.method"])
    state["form.own_hard_weight"] = False
    state["form.hard_weight"] = method.hard_weight
    state["form.soft_weight"] = method.soft_weight
    if method.temperature is not None:
        state["form.temperature"] = method.temperature
    state["form.method.layers"] = ()
    for field in SCHEDULES:
        state[f"form.{field}.how"] = "constant"


def explained(method: MethodRecord) -> str:
    """What a method does, why, and where to read more."""
    paper = f"[{method.paper}]({method.link})" if method.link else method.paper
    return " ".join(part for part in (method.about, method.why, f"{paper}.") if part)


def _in_order(catalogue: Catalogue) -> list[MethodRecord]:
    order, usual = list(GROUPS), Recipe().method.name
    return sorted(
        catalogue.methods,
        key=lambda each: (
            order.index(each.needs.group),
            each.name != usual,
            not each.formula,
            each.title,
        ),
    )


def _titled(method: MethodRecord) -> str:
    return f"{GROUPS[method.needs.group]}: {method.title}"


def _keep_fitting(
    catalogue: Catalogue, fitting: list[MethodRecord], refusals: dict[str, str | None]
) -> None:
    """Where the models have changed and a method cannot go on, say so and take another."""
    state, names = st.session_state, [each.name for each in fitting]
    lost = [name for name in (state["form.method"], *state["form.extra"]) if name not in names]
    state["form.extra"] = [name for name in state["form.extra"] if name in names]
    if state["form.method"] not in names:
        state["form.method"] = names[0]
        take_defaults(catalogue)
    for name in lost:
        st.warning(f"{refusals[name]}. It was taken out.", icon=":material/warning:")


def _weights(method: MethodRecord) -> None:
    if not method.formula:
        if st.session_state["form.extra"]:
            number("Weight on the labels", "hard_weight")
        return
    soft = st.session_state["form.soft_weight"]
    if method.shares and soft <= 1:
        slider(_soft_label(method), "soft_weight", bounds(Recipe, "soft_weight"))
        st.toggle(
            "Weigh the labels apart from α",
            key="form.own_hard_weight",
            help="Otherwise the labels get 1 − α.",
            persist_state="session",
        )
        if st.session_state["form.own_hard_weight"]:
            number("Weight on the labels", "hard_weight")
        return
    left, right = st.columns(2)
    with left:
        number(
            "Weight on its term",
            "soft_weight",
            help=f"Its paper, or the code that reproduces it, uses {method.soft_weight:g}. What it "
            "amounts to is its share of the gradient, shown while the student learns.",
        )
    with right:
        number("Weight on the labels", "hard_weight")


def _soft_label(method: MethodRecord) -> str:
    return f"α, weight on {'its term' if method.needs.group == 'labels' else 'the teacher'}"


def _more_terms(catalogue: Catalogue, others: list[MethodRecord]) -> None:
    with st.expander("More terms", icon=":material/add:"):
        st.multiselect(
            "Methods beside it, in the same loss",
            [each.name for each in others],
            key="form.extra",
            format_func=lambda name: _titled(catalogue.method(name)),
            placeholder="none",
            max_selections=8,
            persist_state="session",
        )
        for name in st.session_state["form.extra"]:
            method = catalogue.method(name)
            st.markdown(f"**{method.title}**", help=explained(method))
            state = st.session_state
            state.setdefault(f"form.extra.{name}.weight", method.soft_weight)
            number("Its weight", f"extra.{name}.weight")
            for each in method.own_knobs:
                knob(f"{method.title}: {words(each.name)}", f"extra.{name}.option", each)


def _schedules(catalogue: Catalogue) -> None:
    state = st.session_state
    method = catalogue.method(state["form.method"])
    moving = [
        Moving("temperature_schedule", "T", state["form.temperature"], 0.01),
        Moving("soft_schedule", _soft_label(method), state["form.soft_weight"], 0.0),
        Moving("hard_schedule", "Weight on the labels", hard_weight(state, method), 0.0),
    ]
    if not any(each.takes_temperature for each in _chosen(catalogue)):
        moving = moving[1:]
    if not method.formula:
        moving = []
    if not moving:
        return
    with st.expander("Move them over the steps", icon=":material/timeline:"):
        for each in moving:
            _schedule(each)


def _schedule(moving: Moving) -> None:
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    how = f"form.{moving.field}.how"
    with left:
        select(moving.label, list(HOW), f"{moving.field}.how", HOW.__getitem__)
    if st.session_state[how] == "constant":
        return
    with middle:
        number("to", f"{moving.field}.to", low=moving.low)
    with right:
        to = st.session_state[f"form.{moving.field}.to"]
        st.html(curve(moving.label, moving.start, Schedule(how=st.session_state[how], to=to)))


def curve(label: str, start: float, moves: Schedule) -> str:
    """How a number moves over the steps, as a small drawing."""
    values = [schedule.at(start, moves, i / CURVE_STEPS) for i in range(CURVE_STEPS + 1)]
    low, high = min(values), max(values)
    points = " ".join(
        f"{2 * i},{28 - 24 * ((value - low) / (high - low) if high > low else 0.5):.1f}"
        for i, value in enumerate(values)
    )
    words = f"{label} from {start:g} to {values[-1]:g} over the steps"
    return (
        f'<svg viewBox="0 0 80 32" width="100%" height="40" role="img" aria-label="{escape(words)}"'
        f' preserveAspectRatio="none"><title>{escape(words)}</title><polyline points="{points}" '
        'fill="none" stroke="#009E73" stroke-width="2" vector-effect="non-scaling-stroke"/></svg>'
    )


# what was chosen


def _chosen(catalogue: Catalogue) -> list[MethodRecord]:
    state = st.session_state
    return [catalogue.method(name) for name in (state["form.method"], *state["form.extra"])]


def hard_weight(state: Any, method: MethodRecord) -> float:
    """The labels' weight as the form stands."""
    soft = state["form.soft_weight"]
    if not method.formula and not state["form.extra"]:
        return 1.0
    if method.shares and soft <= 1 and not state["form.own_hard_weight"]:
        return float(round(1 - soft, 9))
    return float(state["form.hard_weight"])


def loss_fields(value: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """What the form's values say of a recipe's loss. Raises RecipeError on a bad option."""
    method = catalogue.method(value["method"])
    state = {f"form.{name}": each for name, each in value.items()}
    return {
        "method": MethodChoice(
            name=method.name,
            options=options(value, f"method.{method.name}", method, method.own_knobs),
            layers=value["method.layers"] if _same_models(value, catalogue) else (),
        ),
        "temperature": value["temperature"],
        "soft_weight": value["soft_weight"] if method.formula else 0.0,
        "hard_weight": hard_weight(state, method),
        "extra": [_extra(value, catalogue, name) for name in value["extra"]],
        **{
            field: {part: value[f"{field}.{part}"] for part in ("how", "to")}
            for field in SCHEDULES
            if value[f"{field}.how"] != "constant" and method.formula
        },
    }


def _same_models(value: dict[str, Any], catalogue: Catalogue) -> bool:
    """Whether the layers that a recipe named are still of the models that it named them for."""
    return bool(value.get("layers_for") == models_chosen(value, catalogue))


def models_chosen(value: dict[str, Any], catalogue: Catalogue) -> list[ModelChoice]:
    """Teacher and student as the form's values have them."""
    return [ModelChoice(**choice(value, role, catalogue)) for role in ("teacher", "student")]


def _extra(value: dict[str, Any], catalogue: Catalogue, name: str) -> ExtraTerm:
    method, group = catalogue.method(name), f"extra.{name}"
    return ExtraTerm(
        name=method.name,
        options=options(value, f"{group}.option", method, method.own_knobs),
        layers=value.get(f"{group}.layers", ()) if _same_models(value, catalogue) else (),
        weight=value.get(f"{group}.weight", method.soft_weight),
    )


def loss_values(recipe: Recipe, catalogue: Catalogue) -> dict[str, Any]:
    """The form's values for a recipe's loss; options that it gives are under their knobs' names."""
    method = catalogue.method(recipe.method.name)
    soft = method.soft_weight if recipe.soft_weight is None else recipe.soft_weight
    hard = method.hard_weight if recipe.hard_weight is None else recipe.hard_weight
    values: dict[str, Any] = {
        "method": method.name,
        "method.layers": recipe.method.layers,
        "temperature": recipe.temperature,
        "soft_weight": soft,
        "hard_weight": hard,
        "own_hard_weight": abs(soft + hard - 1) > 1e-9,
        "extra": [each.name for each in recipe.extra],
    }
    for each in recipe.extra:
        usual = catalogue.method(each.name).soft_weight
        values[f"extra.{each.name}.weight"] = usual if each.weight is None else each.weight
        values[f"extra.{each.name}.layers"] = each.layers
    for field in SCHEDULES:
        moves: Schedule = getattr(recipe, field)
        values |= {f"{field}.how": moves.how, f"{field}.to": moves.to}
    return values


def given_options(recipe: Recipe) -> dict[str, Any]:
    """The options that a recipe gives its methods, as the form keeps them."""
    groups = {f"method.{recipe.method.name}": recipe.method}
    groups |= {f"extra.{each.name}.option": each for each in recipe.extra}
    return {
        f"{group}.{name}": value
        for group, choice in groups.items()
        for name, value in choice.options.items()
    }


# the formula


def show_formula(recipe: Recipe, catalogue: Catalogue) -> None:
    """The whole loss with the recipe's numbers, and what its weights amount to."""
    method = catalogue.method(recipe.method.name)
    terms, effective = [], []
    choices: list[tuple[MethodChoice, float, Schedule]] = [
        (recipe.method, recipe.soft_weight or 0.0, recipe.soft_schedule),
        *((each, each.weight or 0.0, Schedule()) for each in recipe.extra),
    ]
    for each, weight, moves in choices:
        of = catalogue.method(each.name)
        if not of.formula:
            continue
        heat = _moved(recipe.temperature, recipe.temperature_schedule)
        terms.append(f"{_moved(weight, moves)} · {of.formula_with(each.options, heat)}")
        if of.takes_temperature:
            effective.append(f"{of.title}: {_effective(weight, moves, recipe)}")
    hard = 1.0 if not terms else (recipe.hard_weight or 0.0)
    shown = [f"{_moved(hard, recipe.hard_schedule)} · CE(labels)", *terms]
    st.markdown(f"**loss** = {' + '.join(shown)}", help=f"{method.about} {method.why}")
    if any(getattr(recipe, each).how != "constant" for each in SCHEDULES):
        st.caption("An arrow leads from a number's value at the first step to that at the last.")
    if effective:
        effective.append(f"labels: {_moved(hard, recipe.hard_schedule)}")
        st.caption(f"Effective weights, T² included. {'; '.join(effective)}.")


def _effective(weight: float, moves: Schedule, recipe: Recipe) -> str:
    """A weight times T², at the first step and, where either moves, at the last."""
    heats = recipe.temperature_schedule
    ends = [
        (schedule.at(weight, moves, done), schedule.at(recipe.temperature, heats, done))
        for done in (0.0, 1.0)
    ]
    told = [f"{each:g} · {heat:g}² = {each * heat**2:.3g}" for each, heat in ends]
    return " → ".join(dict.fromkeys(told))


def _moved(weight: float, moves: Schedule) -> str:
    return f"{weight:g}" if moves.how == "constant" else f"({weight:g} → {moves.to:g})"
