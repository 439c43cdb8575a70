"""What of a pipeline may vary: only what plays a part in it, each with values that it takes."""

import pytest

from kdcore.catalogue import Catalogue, read_catalogue
from kdcore.errors import RecipeError
from kdcore.pipeline import Pipeline
from kdcore.pipeline_axes import pipeline_dimensions
from tests.piped import RECIPE

STAGES = {
    "channels": {"kind": "prune"},
    "rounds": {"kind": "prune", "what": "weights", "rounds": 3, "between": {"steps": 9}},
    "tune": {"kind": "fine-tune"},
    "static": {"kind": "quantize", "keep": "sensitive"},
    "dynamic": {"kind": "quantize", "how": "dynamic"},
    "aware": {"kind": "quantize", "how": "aware", "tune": {"steps": 9}},
    "float16": {"kind": "quantize", "how": "float16"},
    "share": {"kind": "share"},
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue()


def offered(stages, catalogue):
    pipeline = Pipeline(recipe=RECIPE, stages=stages)
    found = pipeline_dimensions(pipeline.stages, pipeline.recipe, catalogue)
    return {each.field: each for each in found}


@pytest.mark.parametrize("name", STAGES)
def test_every_rung_of_every_dimension_makes_another_pipeline(name, catalogue):
    stages = [STAGES[name]]
    for field, each in offered(stages, catalogue).items():
        axis = {"field": field, "values": list(each.rungs)}
        members = Pipeline(recipe=RECIPE, stages=stages, axes=[axis]).members()
        assert len({member.id for member in members}) == len(each.rungs), field
        assert set(each.usual) <= set(each.rungs)
        assert len(each.usual) > 1


def test_what_plays_no_part_is_not_offered(catalogue):
    found = set(offered([STAGES["channels"], STAGES["dynamic"]], catalogue))
    assert {"stages.0.share", "stages.1.how", "stages.1.bits"} <= found
    assert {"recipe.temperature", "recipe.soft_share", "recipe.student.width"} <= found
    assert not {"stages.0.rounds", "stages.0.between.steps"} & found  # it has one round
    assert not {"stages.1.calibration", "stages.1.samples"} & found  # of static int8 alone
    assert "stages.0.kept" in offered([STAGES["static"]], catalogue)
    assert "stages.0.bits" not in offered([STAGES["float16"]], catalogue)


def test_the_teachers_share_moves_both_weights_of_the_recipe():
    axis = {"field": "recipe.soft_share", "values": [0.25, 1]}
    found = Pipeline(recipe=RECIPE, stages=[STAGES["tune"]], axes=[axis]).members()
    weights = [(each.recipe.soft_weight, each.recipe.hard_weight) for each in found]
    assert weights == [(0.25, 0.75), (1.0, 0.0)]


def test_a_weight_that_two_axes_set_is_refused_in_a_sentence():
    fields = ("recipe.soft_share", "recipe.hard_weight")
    axes = [{"field": field, "values": [0.5, 1]} for field in fields]
    with pytest.raises(RecipeError, match="'soft_share' sets 'hard_weight' as well"):
        Pipeline(recipe=RECIPE, stages=[STAGES["tune"]], axes=axes)
