"""Recipes run as far as their verdict, before anything is exported or timed."""

from kdcore.experiment import steps
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Result
from kdcore.shelf import Shelf


def changed(recipe: Recipe, **values) -> Recipe:
    return Recipe(**{**recipe.model_dump(), **values})


def steps_to_the_verdict(recipe: Recipe, shelf: Shelf):
    """All that is told up to the first result, before anything is exported or timed."""
    for each in steps(recipe, shelf):
        yield each
        if isinstance(each, Result):
            return


def verdict_of(recipe: Recipe, shelf: Shelf) -> Result:
    return list(steps_to_the_verdict(recipe, shelf))[-1]


def accuracies(result: Result):
    return {arm: result.arms[arm].accuracy for arm in ARMS}
