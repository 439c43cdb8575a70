"""An own teacher tried on a task before a run is spent on it, with its pixels on each scale."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kdcore.recipe import ModelChoice, Recipe
from kdcore.uploads import SCALES, OwnTeacher, Scale

if TYPE_CHECKING:
    from kdcore.setting import Setting
    from kdcore.tasks import Split

PICTURES = 500
"""Of the validation split, at most."""


@dataclass(frozen=True)
class Trial:
    """Share of validation pictures that a teacher reads rightly, by the scale of its pixels."""

    pictures: int
    accuracy: Mapping[Scale, float]

    @property
    def best(self) -> Scale:
        """The scale on which it reads most."""
        return max(self.accuracy, key=self.accuracy.__getitem__)


def try_out(own: OwnTeacher, task: str) -> Trial:
    """Try a teacher that is kept on a task whose data is there; imports torch.

    Raises RecipeError or UploadError, a sentence, where it does not fit the task or fails.
    """
    from kdcore.setting import Setting
    from kdcore.tasks import Split

    setting = Setting(Recipe(task=task, teacher=ModelChoice(**own.choice)))
    held = setting.data.validation
    some = Split(setting.data.normalise(held.inputs[:PICTURES]), held.labels[:PICTURES])
    found = {scale: _accuracy(setting, own, scale, some) for scale in SCALES}
    return Trial(len(some), found)


def _accuracy(setting: Setting, own: OwnTeacher, scale: Scale, some: Split) -> float:
    from kdcore.train.loop import accuracy
    from kdcore.uploads.network import OnnxTeacher

    network = setting.own_network(own, scale)
    if not isinstance(network, OnnxTeacher):
        return accuracy(network, some)
    with closing(network):
        return accuracy(network, some)
