import json
from pathlib import Path

import pytest
import torch

from kdcore import Recipe, RecipeError, tasks
from kdcore.recipe import (
    MethodChoice,
    ModelChoice,
    Training,
    Transfer,
    bounds,
    content_hash,
)
from kdcore.setting import Setting
from kdcore.settings import Settings
from kdcore.tasks.download import missing

PRESETS = sorted((Path(__file__).parents[1] / "assets" / "recipes").glob("*.json"))

OTHER_VALUES = {
    "task": "other",
    "transfer": Transfer(labelled=7),
    "teacher": ModelChoice(options={"widths": [9]}),
    "student": ModelChoice(options={"widths": [9]}),
    "teacher_training": Training(steps=9),
    "training": Training(steps=9),
    "method": MethodChoice(name="hard"),
    "temperature": 9,
    "soft_weight": 9,
    "hard_weight": 9,
    "extra": [{"name": "dkd"}],
    "temperature_schedule": {"how": "linear", "to": 1},
    "soft_schedule": {"how": "step", "to": 0},
    "hard_schedule": {"how": "cosine", "to": 9},
    "scheme": {"peers": 1},
    "teachers": "per seed",
    "teacher_labelled": 9,
    "teacher_seed": 9,
    "seeds": (9,),
}

FAULTY = {
    "an unknown field": ('{"tempratur": 3}', "'tempratur'; did you mean 'temperature'?"),
    "an unknown field of a part": ('{"training": {"step": 3}}', "did you mean 'steps'?"),
    "an unknown field like no other": ('{"xyzzy": 3}', "no field 'xyzzy'. Known: title, about"),
    "a temperature of zero": ('{"temperature": 0}', "temperature is 0; it must be greater"),
    "a negative temperature": ('{"temperature": -1}', "temperature is -1; it must be greater"),
    "an infinite temperature": ('{"temperature": Infinity}', "temperature is inf; it should be"),
    "a temperature that is no number": ('{"temperature": NaN}', "temperature is nan; it should be"),
    "a temperature of null": ('{"temperature": null}', "temperature is None; it should be"),
    "a negative soft weight": ('{"soft_weight": -0.1}', "soft_weight is -0.1; it must be"),
    "a negative hard weight": ('{"hard_weight": -0.1}', "hard_weight is -0.1; it must be"),
    "both weights zero": ('{"soft_weight": 0, "hard_weight": 0}', "are both 0; raise one"),
    "an unknown field of a term": (
        '{"extra": [{"name": "dkd", "wieght": 1}]}',
        "no field 'extra.0.wieght'; did you mean 'weight'?",
    ),
    "an unknown field of an assistant": (
        '{"scheme": {"assistants": [{"optoins": {}}]}}',
        "no field 'scheme.assistants.0.optoins'; did you mean 'options'?",
    ),
    "half a pair of layers": (
        '{"method": {"name": "fitnet", "layers": [["2"]]}}',
        "method.layers.0.1 is ['2']; one more value is needed here",
    ),
    "a method twice": ('{"extra": [{"name": "kd"}]}', "'kd' is in the loss twice; name each once"),
    "peers and assistants": (
        '{"scheme": {"peers": 1, "assistants": [{}]}}',
        "set peers to 0, or leave the others out",
    ),
    "a say too few": (
        '{"scheme": {"co_teachers": [{}, {}], "co_weights": [1]}}',
        "1 weights for 2 co_teachers; give one for each",
    ),
    "a temperature that goes to zero": (
        '{"temperature_schedule": {"how": "linear", "to": 0}}',
        "temperature_schedule.to is 0.0; it must be 0.01 or more",
    ),
    "no steps": ('{"training": {"steps": 0}}', "training.steps is 0; it must be"),
    "half a step": ('{"training": {"steps": 1.5}}', "training.steps is 1.5; it should be"),
    "no batch": ('{"training": {"batch_size": 0}}', "training.batch_size is 0; it must be"),
    "no learning rate": ('{"training": {"learning_rate": 0}}', "training.learning_rate is 0; it"),
    "no labels": ('{"transfer": {"labelled": 0}}', "transfer.labelled is 0; it must be"),
    "an unclear number of labels": ('{"transfer": {"labelled": "x"}}', "transfer.labelled is 'x'"),
    "negative unlabelled": ('{"transfer": {"unlabelled": -1}}', "transfer.unlabelled is -1; it"),
    "no seeds": ('{"seeds": []}', "seeds is []"),
    "a seed twice": ('{"seeds": [3, 1, 3]}', "seeds [3, 1, 3] holds one twice"),
    "a negative seed": ('{"seeds": [-1]}', "seeds.0 is -1; it must be"),
    "an unknown number of teachers": ('{"teachers": "two"}', "it should be 'one' or 'per seed'"),
    "a part that is no object": ('{"student": "mlp"}', "student is 'mlp'"),
    "a title as long as a text": (f'{{"title": "{"x" * 121}"}}', "at most 120 characters"),
    "a line break in a field's name": ('{"a\\nb": 1}', r"no field 'a\nb'"),
    "broken JSON": ('{"task": ', "the recipe is not valid JSON"),
    "nothing at all": ("", "the recipe is not valid JSON"),
    "a list": ("[1]", "the recipe must be a JSON object"),
    "a number": ("3", "the recipe must be a JSON object"),
}


def test_a_recipe_reads_back_from_its_own_json_as_an_equal_one():
    recipe = Recipe(
        title="α",
        transfer=Transfer(labelled=100, unlabelled="rest"),
        student=ModelChoice(options={"widths": [3, 4]}),
        seeds=(5, 1),
    )
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_recipes_of_equal_values_are_equal():
    assert Recipe(temperature=2, seeds=(1, 2)) == Recipe(temperature=2.0, seeds=[1, 2])


def test_recipes_of_other_values_are_not_equal():
    assert Recipe(temperature=2) != Recipe(temperature=3)


def test_an_empty_object_is_the_default_recipe():
    assert Recipe.from_json("{}") == Recipe()


def test_bytes_are_read_as_text_is():
    assert Recipe.from_json('{"title": "α"}'.encode()) == Recipe(title="α")


def test_a_field_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().temperature = 2.0


def test_a_field_of_a_part_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().training.steps = 2


def test_changing_the_options_of_one_recipe_leaves_the_defaults_alone():
    Recipe().student.options["widths"] = [1]
    assert Recipe().student.options == {"widths": [16]}


@pytest.mark.parametrize("words", [{"title": "new"}, {"about": "new"}])
def test_the_id_does_not_depend_on_words(words):
    assert Recipe(**words).id == Recipe().id


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_the_id_depends_on(field):
    assert Recipe(**{field: OTHER_VALUES[field]}).id != Recipe().id


def test_every_field_is_held_to_the_rule_of_ids():
    assert {*OTHER_VALUES, "title", "about"} == set(Recipe.model_fields)


def test_a_whole_number_and_its_decimal_spelling_give_one_id():
    assert Recipe.from_json('{"temperature": 4}').id == Recipe.from_json('{"temperature": 4.0}').id


def test_a_content_hash_does_not_depend_on_the_order_of_keys():
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})


def test_a_content_hash_is_sixteen_hex_digits():
    assert len(content_hash([])) == 16
    assert int(content_hash([]), 16) >= 0


@pytest.mark.parametrize("fault", FAULTY)
def test_an_error_names_what_is_wrong_about(fault):
    text, expected = FAULTY[fault]
    with pytest.raises(RecipeError) as caught:
        Recipe.from_json(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize("fault", FAULTY)
def test_an_error_is_one_line_in_the_users_words_about(fault):
    with pytest.raises(RecipeError) as caught:
        Recipe.from_json(FAULTY[fault][0])
    message = str(caught.value)
    assert "\n" not in message
    assert not [word for word in ("pydantic", "http", "input_value") if word in message.lower()]


def test_a_value_given_in_python_is_checked_like_one_in_json():
    with pytest.raises(RecipeError, match="temperature is 0; it must be greater"):
        Recipe(temperature=0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": True}, "temperature is True; it should be a number"),
        ({"temperature": "4"}, "temperature is '4'; it should be a number"),
        ({"soft_weight": False}, "soft_weight is False; it should be a number"),
        ({"transfer": {"labelled": True}}, "transfer.labelled is True; give a whole number"),
        ({"transfer": {"labelled": "100"}}, "transfer.labelled is '100'; give a whole number"),
        ({"transfer": {"left_out": [True]}}, "transfer.left_out.0 is True; it should be a whole"),
        ({"training": {"steps": True}}, "training.steps is True; it should be a whole number"),
        ({"training": {"steps": "400"}}, "training.steps is '400'; it should be a whole number"),
        ({"seeds": [True, 0, 2]}, "seeds.0 is True; it should be a whole number"),
        (
            {"training": {"augmentation": {"flip": "yes"}}},
            "training.augmentation.flip is 'yes'; it should be true or false",
        ),
    ],
)
def test_neither_a_truth_nor_a_text_is_a_number(values, said):
    with pytest.raises(RecipeError) as raised:
        Recipe.from_json(json.dumps(values))
    assert said in str(raised.value)


def test_a_whole_number_is_a_number():
    assert Recipe(temperature=3, soft_weight=1, hard_weight=0).temperature == 3.0


def test_a_number_of_too_many_digits_is_said():
    with pytest.raises(RecipeError, match="the recipe is not valid JSON"):
        Recipe.from_json('{"training": {"steps": ' + "9" * 5000 + "}}")


def test_bytes_that_are_no_text_are_no_recipe():
    with pytest.raises(RecipeError, match="the recipe is not valid JSON"):
        Recipe.from_json(b"\x80")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*gone.json: No such file"):
        Recipe.load(tmp_path / "gone.json")


def test_a_folder_is_no_recipe(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*: Is a directory"):
        Recipe.load(tmp_path)


def test_a_file_is_read(tmp_path):
    (tmp_path / "recipe.json").write_text(Recipe(temperature=7).to_json())
    assert Recipe.load(tmp_path / "recipe.json") == Recipe(temperature=7)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_can_be_run(preset):
    recipe = Recipe.load(preset)
    if missing(tasks.get(recipe.task).files, Settings.from_environment().data):
        pytest.skip(f"{recipe.task} is not in KDCORE_DATA")
    setting = Setting(recipe)  # refuses what cannot be run
    student = setting.build(recipe.student, seed=0).eval()
    answers = student(torch.zeros(1, *setting.data.input_shape))
    assert answers.shape == (1, len(setting.data.class_names))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_says_what_it_is_about(preset):
    recipe = Recipe.load(preset)
    assert recipe.title
    assert recipe.about.endswith(".")


def test_presets_differ_in_more_than_words():
    assert len({Recipe.load(preset).id for preset in PRESETS}) == len(PRESETS) >= 3


def test_the_summary_tells_recipes_apart_in_a_line():
    recipe = Recipe(transfer=Transfer(labelled=1000, unlabelled="rest"), training=Training(steps=9))
    assert recipe.summary == (
        "digits, 1,000 labels + unlabelled, mlp-256-256 → mlp-16, kd T 4, 9 steps at 0.01"
    )
    weighed = Recipe(soft_weight=0.5, extra=[{"name": "fitnet"}])
    assert "kd + fitnet T 4 α 0.5" in weighed.summary


@pytest.mark.parametrize(
    ("scheme", "models"),
    [
        ({"assistants": [{"options": {"widths": [64]}}]}, "mlp-256-256 → mlp-64 → mlp-16"),
        ({"co_teachers": [{"options": {"widths": [9]}}]}, "mlp-9 & mlp-256-256 → mlp-16"),
        ({"peers": 2}, "mlp-256-256 ⇄ mlp-16"),
    ],
)
def test_the_summary_tells_who_teaches(scheme, models):
    assert models in Recipe(scheme=scheme).summary


def test_what_stands_at_its_default_changes_no_id():
    spelt_out = Recipe(extra=[], scheme={"peers": 0}, temperature=4.0, hard_weight=None)
    assert spelt_out.id == Recipe().id


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (Recipe, "temperature"),
        (Training, "steps"),
        (Training, "batch_size"),
        (Training, "learning_rate"),
    ],
)
def test_a_sliders_bounds_hold_the_default_of(part, field):
    limits = bounds(part, field)
    assert limits.low <= part.model_fields[field].default <= limits.high
    assert limits.help.endswith(".")


def test_the_default_number_of_seeds_is_within_its_sliders_bounds():
    limits = bounds(Recipe, "seeds")
    assert limits.low <= len(Recipe().seeds) <= limits.high


def test_a_teacher_is_named_by_its_precision_only_where_a_recipe_names_one():
    def part(**training):
        return Recipe(teacher_training=training).teacher_part(0)["teacher_training"]

    assert "precision" not in part()
    assert part(precision="bfloat16")["precision"] == "bfloat16"
