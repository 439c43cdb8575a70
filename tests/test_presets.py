"""The presets: what the project claims about itself."""

from pathlib import Path

import pytest

from kdcore.recipe import Recipe
from kdcore.shelf import Shelf
from tests.verdicts import changed, verdict_of

PRESETS = Path(__file__).parents[1] / "assets" / "recipes"


@pytest.fixture(scope="module")
def preset_shelf(tmp_path_factory):
    """The presets share one teacher."""
    return Shelf(tmp_path_factory.mktemp("presets"))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("digits-few-labels", "better"),
        ("digits-all-labels", "no clear difference"),
        ("digits-too-cold", "worse"),
        ("digits-missing-class", "better"),
        ("digits-noisy-labels", "better"),
    ],
)
def test_a_preset_gives_the_verdict_it_is_named_for(preset, expected, preset_shelf):
    result = verdict_of(Recipe.load(PRESETS / f"{preset}.json"), preset_shelf)
    assert result.verdict == expected


def test_a_student_reads_a_class_it_never_saw_only_through_a_warm_teacher(preset_shelf):
    warm = Recipe.load(PRESETS / "digits-missing-class.json")
    result = verdict_of(changed(warm, seeds=(0,)), preset_shelf)
    cold = verdict_of(changed(warm, seeds=(0,), temperature=1.0), preset_shelf)
    assert result.arms["control"].left_out == (0.0,)
    assert result.arms["distilled"].left_out[0] > 0.8
    assert cold.arms["distilled"].left_out[0] < 0.4
    assert result.arms["teacher"].left_out[0] > 0.9
