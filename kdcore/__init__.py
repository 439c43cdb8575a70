"""kdcore: knowledge distillation that trains real models and tells the truth about them.

>>> import kdcore
>>> result = kdcore.run(kdcore.Recipe(), on_event=print)

Importing the package does not import torch; `run` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdcore.errors import KdError, RecipeError
from kdcore.recipe import Recipe

if TYPE_CHECKING:
    from kdcore.experiment import run

__all__ = ["KdError", "Recipe", "RecipeError", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":
        from kdcore.experiment import run

        return run
    raise AttributeError(f"module 'kdcore' has no attribute {name!r}")
