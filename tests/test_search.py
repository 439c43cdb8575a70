"""A search is a recipe, what may vary over it, and a budget; each setting is a recipe."""

import json

import pytest

from kdcore.errors import RecipeError
from kdcore.recipe import Recipe
from kdcore.search import Search, Span, Tried, ranked, recipe_for_test, trial_table

HEAT = {"field": "temperature", "low": 1, "high": 16, "log": True}
SHARE = {"field": "soft_share", "low": 0, "high": 1}
METHODS = {"field": "method.name", "choices": ["kd", "dkd"]}


def search(*space, **rest) -> Search:
    return Search(**{"space": space or (HEAT,), "trials": 10, **rest})


def first(span: Span):
    return span.ends()[0]


def last(span: Span):
    return span.ends()[-1]


def test_json_gives_the_same_search_back():
    one = search(HEAT, METHODS, goals=["accuracy", "size"], minutes=2.5, title="mine")
    assert Search.from_json(one.to_json()) == one
    assert Search.from_json(one.to_json()).id == one.id


def test_the_budget_is_no_part_of_the_identity_and_the_space_is():
    assert search(trials=5).id == search(minutes=3.0, title="named").id
    assert search(SHARE).id != search(HEAT).id
    assert search(seed=1).id != search().id


def test_a_setting_makes_a_recipe_that_is_the_base_but_for_it():
    one = search(HEAT, SHARE, recipe=Recipe(seeds=(3, 4)))
    recipe = one.candidate({"temperature": 9.0, "soft_share": 0.25})
    assert (recipe.temperature, recipe.soft_weight, recipe.hard_weight) == (9.0, 0.25, 0.75)
    assert recipe.seeds == (3, 4)


def test_what_belongs_to_the_recipes_own_method_plays_no_part_for_another():
    one = search(HEAT, SHARE, METHODS)
    assert set(one.choose(first)) == {"method.name", "temperature", "soft_share"}
    assert set(one.choose(last)) == {"method.name", "temperature"}
    assert one.candidate(one.choose(last)).method.name == "dkd"


def test_widths_of_the_recipes_own_student_play_no_part_for_another():
    one = search(
        {"field": "student.width", "low": 0.5, "high": 2},
        {"field": "student.architecture", "choices": ["mlp", "cnn"]},
    )
    assert set(one.choose(first)) == {"student.architecture", "student.width"}
    assert set(one.choose(last)) == {"student.architecture"}


def test_one_goal_prunes_and_several_do_not():
    assert search().prunes
    assert not search(goals=["accuracy", "latency"]).prunes


def test_a_search_is_extended_in_what_it_is_counted_in():
    assert search(trials=10).extended(trials=5, minutes=3).trials == 15
    assert search(trials=10).extended(trials=5, minutes=3).minutes is None
    assert search(minutes=1.0).extended(minutes=0.5).minutes == 1.5
    with pytest.raises(RecipeError, match="nothing to extend the search by"):
        search().extended()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"space": []}, "space is []; give at least one"),
        ({"space": [{**HEAT, "low": 16}]}, "goes from 16 to 16, which is empty"),
        ({"space": [{**HEAT, "low": 20}]}, "goes from 20 to 16, which is empty"),
        ({"space": [{**SHARE, "log": True}]}, "a logarithmic range must start above 0"),
        ({"space": [HEAT, HEAT]}, "'temperature' is in the space twice"),
        ({"space": [{"field": "temperature"}]}, "has nothing to vary over"),
        ({"space": [{**HEAT, "choices": [1, 2]}]}, "has choices and a range"),
        ({"space": [{**METHODS, "choices": ["kd"]}]}, "has one choice, 'kd'"),
        ({"space": [{**METHODS, "choices": ["kd", "kd"]}]}, "has the choice 'kd' twice"),
        ({"space": [{**METHODS, "choices": [["kd"], "dkd"]}]}, "give texts or numbers"),
        ({"space": [{**HEAT, "field": "heat"}]}, "a recipe has no field 'heat'"),
        ({"space": [{**HEAT, "field": "trainig.steps"}]}, "did you mean 'training'?"),
        ({"space": [{**HEAT, "high": 1e9}]}, "temperature is 1000000000.0"),
        ({"space": [{**HEAT, "field": "training.steps"}]}, "set whole to true"),
        ({"space": [{**HEAT, "whole": True, "low": 1.5}]}, "takes whole numbers"),
        ({"trials": None}, "the search has no budget; give trials, minutes or both"),
        ({"trials": 0}, "trials is 0; it must be greater than or equal to 1"),
        ({"minutes": 0.0}, "minutes is 0.0; it must be greater than 0"),
        ({"goals": ["size"]}, "must hold accuracy"),
        ({"goals": ["accuracy", "speed"]}, "'accuracy', 'size' or 'latency'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(changes, said):
    with pytest.raises(RecipeError) as caught:
        Search(**{"space": [HEAT], "trials": 10, **changes})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"space": 3}', '{"spaces": []}'])
def test_what_is_no_search_is_said_in_a_sentence(text):
    with pytest.raises(RecipeError) as caught:
        Search.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the search .*none\.json"):
        Search.load(tmp_path / "none.json")
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"space": [HEAT], "trials": 3}))
    assert Search.load(path).trials == 3


# what came of it


def tried(number, *accuracy, **rest) -> Tried:
    fate = "finished" if accuracy else "given up"
    return Tried(number, {"temperature": 2.0}, **{"fate": fate, "accuracy": accuracy, **rest})


def test_the_most_accurate_come_first_and_each_setting_once():
    found = [tried(0, 0.5, 0.7), tried(1, 0.9), tried(2), tried(3, 0.9, same_as=1), tried(4, 0.9)]
    assert [each.number for each in ranked(found)] == [1, 4, 0]


def test_of_trade_offs_only_what_nothing_beats_is_kept():
    found = [tried(0, 0.9, best=True), tried(1, 0.8), tried(2, 0.7, best=True)]
    assert [each.number for each in ranked(found, only_best=True)] == [0, 2]


def test_all_that_was_tried_is_a_row_with_its_setting():
    table = trial_table(search(HEAT, SHARE), [tried(0, 0.5, 0.75), tried(1)])
    assert list(table["trial"]) == [0, 1]
    assert next(iter(table["accuracy"])) == 0.625
    assert table["soft_share"].isna().all()  # it played no part


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [((0, 1), (0, 1, 2, 3, 4)), ((7,), (7, 0, 1, 2, 3)), ((1, 3, 5), (1, 3, 5, 0, 2))],
)
def test_the_test_figure_is_taken_over_five_seeds(seeds, expected):
    one = search(recipe=Recipe(seeds=seeds))
    assert recipe_for_test(one, tried(0, 0.5)).seeds == expected


def test_seeds_that_are_five_already_stay():
    one = search(recipe=Recipe(seeds=tuple(range(10, 17))))
    assert recipe_for_test(one, tried(0, 0.5)).seeds == tuple(range(10, 17))
