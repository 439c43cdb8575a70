"""The recipe that a sweep or a search starts from: a preset, or the settings on Distill."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from kdcore.recipe import Recipe
from pages.parts.recipe_form import FIRST_PRESET, current_recipe, is_filled, presets
from pages.parts.services import catalogue, verbatim

FORM = "form"
"""Stands for the settings on Distill."""

LINK = "link"
"""Stands for a recipe that came with the address, or from another page."""


def base_recipe(page: str) -> Recipe:
    """Draw the picker of a page, which keeps its choice under `<page>.from`; returns the recipe.

    Raises RecipeError where the settings on Distill are no recipe.
    """
    key, given = f"{page}.from", f"{page}.given"
    options = [*presets()]
    if is_filled():
        options.insert(0, FORM)
    if given in st.session_state:
        options.insert(0, LINK)
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0] if options[0] == LINK else FIRST_PRESET
    chosen = st.selectbox(
        "Everything else as in",
        options,
        key=key,
        format_func=_title,
        help="All that no axis varies: data, models, method, training.",
        persist_state="session",
    )
    recipe: Recipe = (
        current_recipe(catalogue())
        if chosen == FORM
        else st.session_state[given]
        if chosen == LINK
        else presets()[chosen]
    )
    st.caption(verbatim(recipe.summary))
    return recipe


def base_title(page: str, recipe: Recipe) -> str:
    """The chosen recipe in a few words, for a name."""
    chosen = st.session_state[f"{page}.from"]
    return presets()[chosen].title if chosen in presets() else catalogue().task(recipe.task).title


def give(page: str, recipe: Recipe) -> None:
    """Hand a page the recipe it is to start from, its seeds aside; call it before its picker is
    drawn.
    """
    wanted = _unseeded(recipe)
    same = next((name for name, preset in presets().items() if _unseeded(preset) == wanted), None)
    if same is None:
        st.session_state[f"{page}.given"] = recipe
    st.session_state[f"{page}.from"] = same or LINK


def told(page: str, recipe: Recipe) -> str:
    """The recipe as an address carries it, for `give_told`: a preset's name or its JSON."""
    chosen = st.session_state[f"{page}.from"]
    if chosen in presets():
        return str(chosen)
    values = recipe.model_dump(mode="json", exclude={"title", "about"}, exclude_defaults=True)
    return json.dumps(values, separators=(",", ":"))


def give_told(page: str, text: str) -> None:
    """Hand a page the recipe that an address carries. Raises KdError where it carries none."""
    give(page, presets()[text] if text in presets() else Recipe.from_json(text))


def _unseeded(recipe: Recipe) -> dict[str, Any]:
    return recipe.model_dump(exclude={"title", "about", "seeds"})


def _title(option: str) -> str:
    named = {FORM: "the settings on Distill", LINK: "the recipe that was opened here"}
    return named[option] if option in named else presets()[option].title
