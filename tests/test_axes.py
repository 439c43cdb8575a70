"""What of a recipe may vary: only what plays a part in it, each with values that it takes."""

from pathlib import Path

import pytest

from kdcore import methods, models
from kdcore.axes import Dimension, dimensions, learns_together, spelled
from kdcore.catalogue import Catalogue, read_catalogue
from kdcore.classroom import Classroom
from kdcore.errors import RecipeError
from kdcore.recipe import Recipe
from kdcore.shelf import Shelf
from kdcore.sweep import changed
from kdcore.train.together import kind_of

PRESETS = sorted((Path(__file__).parents[1] / "assets" / "recipes").glob("*.json"))
CNN = {"architecture": "cnn"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue()


def fields(recipe: Recipe, catalogue: Catalogue) -> dict[str, Dimension]:
    return {each.field: each for each in dimensions(recipe, catalogue)}


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_rung_of_every_dimension_makes_another_recipe(path, catalogue):
    recipe = Recipe.load(path)
    for each in dimensions(recipe, catalogue):
        found = {changed(recipe, {each.field: rung}).id for rung in each.rungs}
        assert len(found) == len(each.rungs), each.field
        assert set(each.usual) <= set(each.rungs)
        assert len(each.usual) > 1


def test_what_plays_no_part_is_not_offered(catalogue):
    kd = fields(Recipe(), catalogue)
    assert {"temperature", "soft_share", "student.width"} <= set(kd)
    hints = fields(Recipe(teacher=CNN, student=CNN, method={"name": "fitnet"}), catalogue)
    assert "temperature" not in hints
    assert "soft_share" not in hints
    assert "soft_weight" in hints
    assert "student.width" not in hints  # its options name no widths


def test_a_method_that_the_models_cannot_have_is_not_offered(catalogue):
    between_mlps = fields(Recipe(), catalogue)["method.name"].rungs
    between_cnns = fields(Recipe(teacher=CNN, student=CNN), catalogue)["method.name"].rungs
    assert "attention" in set(between_cnns) - set(between_mlps)


def test_each_further_term_has_its_weight(catalogue):
    recipe = Recipe(teacher=CNN, student=CNN, extra=[{"name": "attention"}, {"name": "pkt"}])
    found = fields(recipe, catalogue)
    assert found["extra.0.weight"].title == "Weight of Attention transfer (AT)"
    assert methods.get("attention").soft_weight in found["extra.0.weight"].usual
    assert not {"attention", "pkt"} & set(found["method.name"].rungs)


def test_labels_are_counted_up_to_what_the_task_has(catalogue):
    found = fields(Recipe(), catalogue)["transfer.labelled"]
    assert found.rungs[-2:] == (1000, "all")
    assert found.words(1000) == "1,000"


def test_typed_values_are_numbers_of_the_dimensions_kind(catalogue):
    found = fields(Recipe(), catalogue)
    assert found["temperature"].read(["1", " 2.5", "4"]) == (1, 2.5, 4)
    assert found["transfer.labelled"].read(["30", "all"]) == (30, "all")
    assert found["method.name"].read(["kd", "dkd"]) == ("kd", "dkd")


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("temperature", " ; ", "Temperature T: no values; type some, such as 1, 2, 4"),
        ("temperature", "2; warm", "Temperature T: 'warm' is no number; type some"),
        ("temperature", "0; 2", "Temperature T: 0 is out of range; give numbers from 0.01 to 1000"),
        ("temperature", "2; nan", "nan is out of range"),
        ("temperature", "2; 2.0", "Temperature T: 2 is there twice; give each once"),
        ("temperature", "1,5", "Temperature T: '1,5' is no number"),
        ("training.steps", "1.5", "Steps: '1.5' is no whole number"),
        ("method.name", "kd; fitnets", "Method: 'fitnets' is none of kd, "),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(field, text, sentence, catalogue):
    with pytest.raises(RecipeError) as refused:
        fields(Recipe(), catalogue)[field].read(text.split("; "))
    assert sentence in str(refused.value)


def test_a_value_is_spelled_as_it_is_typed():
    assert [spelled(value) for value in (4.0, 0.5, 3, "all")] == ["4", "0.5", "3", "all"]


RECIPES = [
    {},
    {"student": {"options": {"dropout": 0.5}}},
    {"student": CNN},
    {"student": {"architecture": "vit"}},
    {"training": {"augmentation": {"shift": 1}}},
    {"training": {"precision": "bfloat16"}},
    {"extra": [{"name": "dist"}]},
    {"scheme": {"peers": 1}},
    *({"method": {"name": name}} for name in ("label", "dkd", "hard", "smoothing")),
]


@pytest.mark.parametrize("values", RECIPES, ids=str)
def test_it_says_who_learns_side_by_side_as_the_engine_does(values, catalogue, tmp_path):
    quick = {"steps": 2, **values.get("training", {})}
    recipe = Recipe(**{**values, "teacher_training": {"steps": 1}, "training": quick, "seeds": [0]})
    room = Classroom(recipe, Shelf(tmp_path))
    for _ in (*room.train_teachers(), *room.seat_students()):
        pass
    (student,) = room.members["distilled"]
    assert learns_together(recipe, catalogue) == (kind_of(student) is not None)


def test_the_architectures_that_learn_side_by_side_are_dense(catalogue):
    dense = {each.name for each in catalogue.architectures if each.dense}
    assert dense == {"mlp"}
    assert dense < set(models.names())
