"""The form that makes a search: a recipe to start from, what may vary, what to judge by, a budget.

Each widget keeps its value in the session under `search.<name>`.
"""

from __future__ import annotations

from math import floor, log10
from typing import Any

import streamlit as st

from kdcore.axes import Dimension, dimensions
from kdcore.errors import KdError, RecipeError
from kdcore.recipe import Recipe
from kdcore.search import MOST_MINUTES, MOST_TRIALS, Goal, Search
from pages.parts.base_recipe import base_recipe, base_title, give
from pages.parts.services import catalogue, harmless

FIRST = ("temperature", "soft_share", "training.learning_rate")
"""Ticked in a form that nobody has touched."""

SEEDS, MOST_SEEDS = 2, 10
TRIALS, MINUTES = 40, 5.0

COSTS: dict[Goal, str] = {"size": "file size", "latency": "latency"}


def search_form() -> Search | None:
    """Draw the form; returns its search, or None after saying what is wrong with it."""
    try:
        recipe = base_recipe("search")
        space = _space(recipe)
        goals = _goals()
        seeds = _seeds(recipe)
        budget = _budget()
        if not space:
            raise RecipeError("Nothing may vary; tick what the search may change.")
        return Search(
            recipe=Recipe(**{**recipe.model_dump(), "seeds": seeds}),
            space=space,
            goals=goals,
            **budget,
        )
    except KdError as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return None


def name_for(search: Search) -> str:
    """What to call a search: what varies, over which data."""
    known = {each.field: each.title for each in dimensions(search.recipe, catalogue())}
    varied = ", ".join(known.get(span.field, span.field) for span in search.space)
    return f"{varied}: {base_title('search', search.recipe)}"


def is_filled() -> bool:
    """Whether this session's form holds a search already."""
    return "search.trials" in st.session_state


def fill(search: Search) -> None:
    """Write a search into the form, as far as the form can say it."""
    give("search", search.recipe)
    state = st.session_state
    spans = {span.field: span for span in search.space}
    for each in dimensions(search.recipe, catalogue()):
        span = spans.get(each.field)
        state[f"search.on.{each.field}"] = span is not None
        if span is not None and span.choices:
            state[f"search.choices.{each.field}"] = list(span.choices)
        elif span is not None:
            state[f"search.low.{each.field}"], state[f"search.high.{each.field}"] = span.ends()
    state["search.costs"] = [goal for goal in search.goals if goal != "accuracy"]
    state["search.many"] = len(search.goals) > 1
    state["search.seeds"] = min(len(search.recipe.seeds), MOST_SEEDS)
    state["search.trials"], state["search.minutes"] = search.trials, search.minutes


def _space(recipe: Recipe) -> list[dict[str, Any]]:
    """What is ticked, and how far each may vary."""
    st.markdown("**What may vary**")
    found = []
    for each in dimensions(recipe, catalogue()):
        key = f"search.on.{each.field}"
        st.session_state.setdefault(key, each.field in FIRST)
        if not st.checkbox(each.title, key=key, persist_state="session"):
            continue
        if each.numeric:
            found.append(_range(each))
        elif choices := _choices(each):
            found.append({"field": each.field, "choices": choices})
    return found


def _range(of: Dimension) -> dict[str, Any]:
    assert of.low is not None
    assert of.high is not None
    number = int if of.whole else float
    rungs = [each for each in of.usual if isinstance(each, int | float)]
    values = []
    with st.container(horizontal=True):
        for name, usual in (("low", min(rungs)), ("high", max(rungs))):
            key = f"search.{name}.{of.field}"
            kept = st.session_state.get(key)
            value = number(usual if kept is None else kept)
            st.session_state[key] = min(max(value, number(of.low)), number(of.high))
            values.append(
                st.number_input(
                    {"low": "from", "high": "to"}[name],
                    min_value=number(of.low),
                    max_value=number(of.high),
                    step=1 if of.whole else _step(st.session_state[key]),
                    format=None if of.whole else "%g",
                    key=key,
                    width=130,
                    persist_state="session",
                )
            )
    low, high = values
    log = of.log and low > 0
    return {"field": of.field, "low": low, "high": high, "whole": of.whole, "log": log}


def _step(value: float) -> float:
    """One in the first digit that counts: 0.0001 for 0.0003."""
    return 10.0 ** floor(log10(value)) if value > 0 else 0.1


def _choices(of: Dimension) -> list[Any]:
    key = f"search.choices.{of.field}"
    kept = [each for each in st.session_state.get(key, of.usual) if each in of.rungs]
    st.session_state[key] = kept
    return st.multiselect(
        of.title,
        of.rungs,
        key=key,
        format_func=of.words,
        label_visibility="collapsed",
        placeholder="choose two at least",
        persist_state="session",
    )


def _goals() -> tuple[Goal, ...]:
    st.session_state.setdefault("search.many", False)
    many = st.segmented_control(
        "Find",
        [False, True],
        key="search.many",
        required=True,
        format_func=lambda many: "the best trade-offs" if many else "the most accurate",
        help="The most accurate: TPE proposes, and settings that lag behind the median are given "
        "up early. The best trade-offs between accuracy and cost: NSGA-II, nothing is given up.",
        persist_state="session",
    )
    if not many:
        return ("accuracy",)
    st.session_state.setdefault("search.costs", list(COSTS))
    costs = st.multiselect(
        "Accuracy against",
        list(COSTS),
        key="search.costs",
        format_func=COSTS.get,
        persist_state="session",
    )
    if not costs:
        raise RecipeError("A trade-off needs a cost; choose file size, latency or both.")
    return ("accuracy", *(goal for goal in COSTS if goal in costs))


def _seeds(recipe: Recipe) -> tuple[int, ...]:
    st.session_state.setdefault("search.seeds", SEEDS)
    count = st.slider(
        "Seeds of each setting",
        1,
        MOST_SEEDS,
        key="search.seeds",
        help="A setting is judged by its mean over them: more take longer, and are less luck.",
        persist_state="session",
    )
    return recipe.seeds[:count] if len(recipe.seeds) >= count else tuple(range(count))


def _budget() -> dict[str, Any]:
    """Trials and minutes, each None for no limit."""
    st.markdown("**Stop after**")
    state = st.session_state
    state.setdefault("search.trials", TRIALS)
    state.setdefault("search.minutes", MINUTES)
    with st.container(horizontal=True):
        trials = st.number_input(
            "settings",
            value=None,  # so that it can be left empty
            min_value=1,
            max_value=MOST_TRIALS,
            step=10,
            key="search.trials",
            placeholder="no limit",
            help="Whichever comes first; empty for no limit.",
            width=130,
            persist_state="session",
        )
        minutes = st.number_input(
            "minutes",
            value=None,
            min_value=0.1,
            max_value=MOST_MINUTES,
            step=1.0,
            format="%g",
            key="search.minutes",
            placeholder="no limit",
            help="Of work; what waits for others does not count, and the last setting is finished.",
            width=130,
            persist_state="session",
        )
    return {"trials": trials, "minutes": minutes}
