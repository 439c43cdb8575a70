"""A finished run to hand over: of a moment, on the digits, under a name that means mischief."""

from pathlib import Path

from kdcore.experiment import run
from kdcore.handover import finished
from kdcore.handover.finished import Finished
from kdcore.recipe import Recipe
from kdcore.shelf import Shelf

RECIPE = Recipe(
    title="a *bold* name | with a bar",
    teacher={"options": {"widths": [16]}},
    student={"options": {"widths": [4]}},
    teacher_training={"steps": 40},
    training={"steps": 40},
    seeds=(0, 1, 2),
)


def handed(folder: Path) -> Finished:
    """That run, on a shelf in a folder."""
    shelf = Shelf(folder)
    return finished.from_shelf(RECIPE.title, run(RECIPE, shelf=shelf), shelf)
