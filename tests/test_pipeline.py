"""A pipeline: what may be said of it, and what is refused in a sentence."""

import json
from pathlib import Path

import pytest

from kdcore.errors import RecipeError
from kdcore.pipeline import FineTune, Pipeline, Prune, Quantize, Share, told
from kdcore.recipe import Recipe
from kdcore.statistics import Difference
from kdcore.waterfall import ModelFile, PipelineResult, Row, Sensitivity, table

STAGES = [{"kind": "prune", "share": 0.3}, {"kind": "fine-tune"}, {"kind": "quantize"}]
EXAMPLES = sorted((Path(__file__).parents[1] / "assets" / "pipelines").glob("*.json"))


def test_json_gives_the_same_pipeline_back():
    one = Pipeline(stages=STAGES, axes=[{"field": "stages.0.share", "values": [0.3, 0.5]}])
    assert Pipeline.from_json(one.to_json()) == one
    assert Pipeline.from_json(one.to_json()).id == one.id


def test_the_title_is_no_part_of_the_identity_and_the_stages_are():
    one = Pipeline(stages=STAGES)
    assert Pipeline(title="named", stages=STAGES).id == one.id
    assert Pipeline(stages=STAGES[:2]).id != one.id


def test_each_kind_of_stage_is_read_by_its_kind():
    kinds = ("prune", "fine-tune", "prune", "share")
    found = Pipeline(stages=[{"kind": kind} for kind in kinds]).stages
    assert [type(stage) for stage in found] == [Prune, FineTune, Prune, Share]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_pipelines(path):
    assert len(Pipeline.load(path).members()) >= 1


def test_there_are_examples():
    assert EXAMPLES


def test_all_trainings_on_are_told_in_their_order():
    between = {"steps": 5}
    found = Pipeline(
        stages=[
            {"kind": "prune", "rounds": 3, "between": between},
            {"kind": "fine-tune", "steps": 9},
            {"kind": "quantize", "how": "aware", "tune": {"steps": 7}},
        ]
    )
    assert [stage.steps for stage in found.tunes()] == [5, 5, 9, 7]


def test_members_are_all_combinations_and_the_last_axis_moves_fastest():
    axes = [
        {"field": "stages.0.share", "values": [0.3, 0.5]},
        {"field": "recipe.temperature", "values": [1, 4]},
    ]
    found = Pipeline(stages=STAGES, axes=axes).members()
    assert [(each.stages[0].share, each.recipe.temperature) for each in found] == [
        *[(0.3, 1.0), (0.3, 4.0)],
        *[(0.5, 1.0), (0.5, 4.0)],
    ]
    assert all(each.axes == () for each in found)


def test_without_axes_a_pipeline_is_its_own_only_member():
    one = Pipeline(stages=STAGES)
    assert one.members() == [one]


VARIED = [
    {"field": "stages.0.share", "values": [0.3, 0.5]},
    {"field": "recipe.temperature", "values": [1, 4, 4.0]},
]


def test_a_member_made_alone_is_the_one_of_that_place():
    one = Pipeline(stages=STAGES, axes=VARIED)
    assert [one.member(place) for place in range(len(one))] == one.members()
    assert Pipeline(stages=STAGES).member(0) == Pipeline(stages=STAGES)


def test_members_of_equal_recipes_share_one_and_it_counts_once():
    one = Pipeline(stages=STAGES, axes=VARIED)
    cold, hot = one.recipes()
    assert (cold.temperature, hot.temperature) == (1.0, 4.0)
    shared = [member.recipe for member in one.members()]
    assert all(a is b for a, b in zip(shared, [cold, hot, hot] * 2, strict=True))


def test_members_are_made_once_for_all_pipelines_that_are_equal():
    one, other = (Pipeline(stages=STAGES, axes=VARIED) for _ in range(2))
    one.members().clear()
    assert other.members()[5] is one.members()[5]
    named = other.model_copy(update={"title": "named"})
    assert {member.title for member in named.members()} == {"named"}


def test_pipelines_that_train_alike_have_one_training_id_whatever_else_they_do():
    def of(share, steps, title=""):
        stages = [{"kind": "prune", "share": share}, {"kind": "fine-tune"}]
        axes = [{"field": "stages.1.steps", "values": steps}]
        return Pipeline(title=title, stages=stages, axes=axes).training_id

    assert of(0.3, [10, 20]) == of(0.5, [10, 20], "named")
    assert of(0.3, [10, 20]) != of(0.3, [10, 30])
    tune = {"kind": "fine-tune", "steps": 10}
    plain = [{"kind": "prune", "rounds": 2, "between": tune}, {"kind": "quantize"}]
    rounding = [{"kind": "prune"}, {"kind": "quantize", "how": "aware", "tune": tune}]
    assert Pipeline(stages=plain).training_id != Pipeline(stages=rounding).training_id


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([], "stages is []; give at least one"),
        ([{"kind": "prun"}], "stages.0.kind is 'prun'; did you mean 'prune'?"),
        ([{}], "stages.0.kind is None. Known: fine-tune, prune, quantize, share"),
        ([{"kind": "prune", "share": 2}], "stages.0.share is 2; it must be less than 1"),
        ([{"kind": "prune", "shar": 0.2}], "no field 'stages.0.shar'; did you mean 'share'?"),
        ([{"kind": "prune", "rounds": 2}], "nothing happens between them"),
        ([{"kind": "prune", "between": {}}], "but has only one; raise rounds"),
        ([{"kind": "prune", "rewind": True}], "are for single weights"),
        ([{"kind": "prune", "scope": "layer"}], "are for single weights"),
        ([{"kind": "quantize", "how": "dynamic", "keep": "sensitive"}], 'set how to "static"'),
        ([{"kind": "quantize", "how": "aware"}], "give it, such as"),
        ([{"kind": "quantize", "tune": {}}], "or leave it out"),
        (
            [{"kind": "quantize", "how": "aware", "tune": {}, "keep": "ends"}],
            "keeps no layer in float32",
        ),
        ([{"kind": "quantize"}, {"kind": "fine-tune"}], "stage 1, quantize, makes a file"),
        ([{"kind": "share"}, {"kind": "quantize"}], "put share last"),
        ([3], "stages.0 is 3; it should be an object with named fields"),
    ],
)
def test_stages_that_cannot_be_meant_are_refused_in_a_sentence(stages, said):
    with pytest.raises(RecipeError) as caught:
        Pipeline(stages=stages)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ([("stages.3.share", [0.1])], "there is no '3'"),
        ([("stages.0.share", [0.1]), ("stages.0.share", [0.2])], "is on two axes"),
        ([("stages.0.share", [1.5])], "stages.0.share is 1.5"),
        (
            [("recipe.seeds", [[n] for n in range(40)]), ("stages.1.steps", [*range(1, 41)])],
            "1,600",
        ),
    ],
)
def test_axes_that_cannot_be_meant_are_refused_in_a_sentence(axes, said):
    with pytest.raises(RecipeError) as caught:
        Pipeline(
            stages=STAGES, axes=[{"field": name, "values": values} for name, values in axes]
        ).members()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"stages": 3}', "{}"])
def test_what_is_no_pipeline_is_said_in_a_sentence(text):
    with pytest.raises(RecipeError) as caught:
        Pipeline.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the pipeline .*none\.json"):
        Pipeline.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (FineTune(steps=1200), "train on with the teacher, 1,200 steps"),
        (FineTune(by="labels"), "train on with labels alone, 100 steps"),
        (Prune(), "prune 50 % of the channels"),
        (
            Prune(what="weights", share=0.8, rounds=3, between=FineTune(), rewind=True),
            "prune 80 % of the weights in 3 rounds, rewound",
        ),
        (Quantize(keep="ends"), "static int8, first and last layer in float32"),
        (Quantize(how="dynamic"), "dynamic int8"),
        (Share(bits=4), "share weights by 4 bits"),
    ],
)
def test_a_stage_is_told_in_a_few_words(stage, words):
    assert told(stage) == words


# what it gave


@pytest.fixture
def result():
    row = Row(
        *("static int8", (0.9, 0.8, 1.0), (1.0, 1.0, 0.7), (0.5, 0.5, 0.5)),
        *(100, 80, 50, 40, 1000, ModelFile("static int8", "a.onnx")),
        difference=Difference(-3.0, -4.0, -2.0, (-3.0, -2.0, -4.0)),
    )
    sensitivity = (Sensitivity("conv", 0.9, 0.2),)
    return PipelineResult(Pipeline(stages=STAGES), (row,), {"cores": 2}, 1.5, sensitivity)


def test_json_gives_the_same_result_back(result):
    assert PipelineResult.from_json(result.to_json()) == result
    assert json.loads(result.to_json())["rows"][0]["bytes"] == 100


def test_the_table_has_means_over_the_seeds_and_the_verdict(result):
    (row,) = table(result).to_dict("records")
    assert row["accuracy"] == pytest.approx(0.9)
    assert row["sd"] == pytest.approx(0.1)
    assert row["like_teacher"] == pytest.approx(0.9)
    assert (row["verdict"], row["bytes"], row["nonzeros"]) == ("worse", 100, 40)


def test_channels_are_not_taken_out_after_single_weights_were_set_to_zero():
    stages = [{"kind": "prune", "what": "weights"}, {"kind": "prune", "what": "channels"}]
    with pytest.raises(RecipeError, match="prune the channels first"):
        Pipeline(recipe=Recipe(), stages=stages)
    assert len(Pipeline(recipe=Recipe(), stages=stages[::-1]).stages) == 2


@pytest.mark.parametrize(
    ("quantize", "axes", "says"),
    [
        (
            {},
            {"how": ["static", "dynamic"], "calibration": ["min-max", "percentile"]},
            "'stages.2.calibration' changes nothing where 'stages.2.how' is \"dynamic\"",
        ),
        ({"how": "float16"}, {"bits": [7, 8]}, "'stages.2.bits' changes nothing; leave one"),
        ({"how": "weights"}, {"bits": [7, 8]}, "'stages.2.bits' changes nothing; leave one"),
        ({}, {"kept": [1, 2]}, "'stages.2.kept' changes nothing; leave one"),
        ({}, {"kept": [1], "bits": [7, 7.0]}, "'stages.2.bits' changes nothing where"),
    ],
)
def test_two_settings_that_come_to_the_same_are_refused(quantize, axes, says):
    stages = [*STAGES[:2], {"kind": "quantize", **quantize}]
    told = [{"field": f"stages.2.{name}", "values": values} for name, values in axes.items()]
    with pytest.raises(RecipeError, match=says):
        Pipeline(stages=stages, axes=told).check_apart()


def test_a_setting_that_plays_its_part_may_vary():
    stages = [*STAGES[:2], {"kind": "quantize", "keep": "sensitive"}]
    axes = [
        {"field": f"stages.2.{name}", "values": values}
        for name, values in {
            "kept": [1, 2],
            "calibration": ["min-max", "entropy"],
            "samples": [32, 64],
        }.items()
    ]
    found = Pipeline(stages=stages, axes=axes)
    found.check_apart()
    assert len(found.members()) == 8
