"""The form that makes a sweep: a recipe to start from, one or two axes, seeds.

Each widget keeps its value in the session under `sweep.<name>`; the address carries them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from kdcore.axes import dimensions, learns_together, spelled
from kdcore.errors import KdError, RecipeError
from kdcore.recipe import FEWEST_SEEDS_FOR_A_VERDICT, Recipe
from kdcore.sweep import Axis, Sweep
from pages.parts.axis_form import NONE, axes_picker, give_axes, set_axis
from pages.parts.base_recipe import base_recipe, base_title, give, give_told, told
from pages.parts.services import catalogue, harmless, runner
from pages.parts.widgets import duration, whole

EXAMPLES = Path(__file__).parents[2] / "assets" / "sweeps"

MOST_SEEDS = 20
FIRST = {"x": "temperature", "y": "soft_share"}
"""The axes of a form that nobody has touched."""

ASK_AGAIN_SECONDS = 1.0


@st.cache_data
def examples() -> dict[str, Sweep]:
    """The sweeps that come with the project, by file name."""
    return {path.stem: Sweep.load(path) for path in sorted(EXAMPLES.glob("*.json"))}


def example_picker() -> None:
    """Draw the sweeps that come with the project; each fills the form."""
    with st.container(horizontal=True, gap="xsmall"):
        for name, sweep in examples().items():
            st.button(sweep.title, key=f"example.{name}", on_click=fill, args=(sweep,))


def sweep_form() -> Sweep | None:
    """Draw the form; returns its sweep, or None after saying what is wrong with it."""
    try:
        recipe = base_recipe("sweep")
        known = dimensions(recipe, catalogue())
        axes = axes_picker("sweep", known, first=FIRST, optional=False)
        seeds = _seeds(recipe)
        sweep = Sweep(recipe=Recipe(**{**recipe.model_dump(), "seeds": seeds}), axes=axes)
        _write_address(recipe, axes, len(seeds))
        wrong = _planned(sweep.to_json()).wrong
        if wrong is not None:
            raise RecipeError(wrong)
    except KdError as error:
        st.error(harmless(str(error)), icon=":material/error:")
        return None
    return sweep


@dataclass(frozen=True)
class Plan:
    """What a sweep would train: members, and how many of them side by side; or what is wrong."""

    members: int = 0
    together: int = 0
    wrong: str | None = None


@st.cache_data(max_entries=256, show_spinner=False)
def _planned(sweep_json: str) -> Plan:
    try:
        recipes = Sweep.from_json(sweep_json).members()
    except KdError as error:
        return Plan(wrong=str(error))
    known = catalogue()
    together = sum(learns_together(recipe, known) for recipe in recipes)
    return Plan(len(recipes), together)


def show_plan(sweep: Sweep, ahead: int) -> None:
    """How many networks are trained, how many of them side by side, and how long that takes.

    ahead: how many tasks wait before it; while there are any, nobody has time for a trial.
    """
    plan, seeds = _planned(sweep.to_json()), len(sweep.recipe.seeds)
    beside = {0: "each alone", plan.members: "all side by side"}.get(
        plan.together, f"{plan.together:,} of them side by side"
    )
    words = (
        f"{_count(plan.members, 'setting')} × {_count(seeds, 'seed')}, with and without the "
        f"teacher, {beside}."
    )
    forecast = runner().forecast(sweep)
    if forecast is None:
        st.caption(words)
        if not ahead:
            st.fragment(_foreseen, run_every=ASK_AGAIN_SECONDS)(sweep)
        return
    if not forecast.told:
        st.caption(words)
        return
    seconds = forecast.seconds(min(runner().workers, plan.members))
    where = "here" if runner().settings.scheduler is None else "on the cluster"
    st.caption(f"{words} About {duration(seconds)} {where}, by a short trial.")


def _foreseen(sweep: Sweep) -> None:
    if runner().forecast(sweep) is not None:
        st.rerun()


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def read_address() -> None:
    """Fill a new visitor's form with what the address says. Raises KdError where it cannot."""
    query = st.query_params
    if "from" in query:
        give_told("sweep", query["from"])
    for name in ("x", "y"):
        if name in query:
            field, _, values = query[name].partition(":")
            set_axis("sweep", name, field, values.split(","))
    seeds = whole(query.get("seeds", ""))
    if seeds is not None:
        st.session_state["sweep.seeds"] = min(max(seeds, 1), MOST_SEEDS)


def is_filled() -> bool:
    """Whether this session's form holds a sweep already."""
    return "sweep.seeds" in st.session_state


def name_for(sweep: Sweep) -> str:
    """What to call a sweep: an example's title, or what varies, and over what."""
    for example in examples().values():
        if example.id == sweep.id:
            return example.title
    known = {each.field: each.title for each in dimensions(sweep.recipe, catalogue())}
    varied = " × ".join(known.get(axis.field, axis.field) for axis in sweep.axes)
    return f"{varied}: {base_title('sweep', sweep.recipe)}"


def fill(sweep: Sweep) -> None:
    """Write a sweep into the form, as far as the form can say it."""
    give("sweep", sweep.recipe)
    give_axes("sweep", sweep.axes)
    st.session_state["sweep.seeds"] = min(len(sweep.recipe.seeds), MOST_SEEDS)


def _seeds(recipe: Recipe) -> tuple[int, ...]:
    st.session_state.setdefault("sweep.seeds", FEWEST_SEEDS_FOR_A_VERDICT)
    count = st.slider(
        "Seeds of each member",
        1,
        MOST_SEEDS,
        key="sweep.seeds",
        help="Each seed trains both students anew; under 3 there is no verdict.",
        persist_state="session",
    )
    return recipe.seeds if len(recipe.seeds) == count else tuple(range(count))


def _write_address(recipe: Recipe, axes: Sequence[Axis], seeds: int) -> None:
    """Keep the address at what the form says, so that a copied link opens the same form."""
    if "sweep" in st.query_params:
        return  # it names a map that says all of it
    found = {"from": told("sweep", recipe), "seeds": str(seeds), "y": NONE}
    for name, axis in zip(("x", "y"), axes, strict=False):
        found[name] = f"{axis.field}:{','.join(map(spelled, axis.values))}"
    if st.query_params.to_dict() != found:
        st.query_params.from_dict(found)
