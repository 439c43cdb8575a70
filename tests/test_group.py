"""Recipes that are run side by side give what each gives by itself, and share what they can."""

import pytest

from kdcore import group
from kdcore.classroom import room
from kdcore.errors import DivergedError, RecipeError
from kdcore.experiment import steps
from kdcore.group import parts, run_sweep, run_together
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Event, Result
from kdcore.shelf import Shelf
from kdcore.sweep import Sweep


def changed(recipe: Recipe, **values) -> Recipe:
    return Recipe(**{**recipe.model_dump(), **values})


def alone(recipe, shelf):
    """All that a run tells up to its verdict."""
    told = []
    for each in steps(recipe, shelf):
        told.append(each)
        if isinstance(each, Result):
            return told


def side_by_side(recipes, shelf):
    """What each is told, by place."""
    told = {place: [] for place in range(len(recipes))}
    for place, each in run_together(recipes, shelf):
        told[place].append(each)
    return told


def accuracies(result: Result):
    return {arm: result.arms[arm].accuracy for arm in ARMS}


def curves(told):
    return {(e.arm, e.seed, e.step): dict(e.metrics) for e in told if isinstance(e, Event)}


def test_each_recipe_gives_what_it_gives_by_itself(quick, shelf, tmp_path):
    recipes = [
        quick,
        changed(quick, temperature=1.0),
        changed(quick, transfer={"labelled": 40, "unlabelled": 60}),
        changed(quick, method={"name": "dkd"}),
        changed(quick, student={"architecture": "cnn", "options": {"channels": [2], "hidden": []}}),
        changed(quick, training={"steps": 12}),
        changed(quick, teachers="per seed"),
        changed(quick, scheme={"assistants": [{"options": {"widths": [6]}}]}),
        changed(quick, scheme={"peers": 1}),
    ]
    for place, told in side_by_side(recipes, shelf).items():
        expected = alone(recipes[place], Shelf(tmp_path / str(place)))
        assert accuracies(told[-1]) == accuracies(expected[-1]), place
        assert told[-1].verdict == expected[-1].verdict
        assert told[-1].recipe == recipes[place]
        students = {k: v for k, v in curves(told).items() if k[0] != "teacher"}
        for key, metrics in curves(expected).items():
            if key[0] != "teacher":
                assert students[key] == pytest.approx(metrics, abs=1e-4), (place, key)


def test_the_teacher_and_the_control_are_trained_once_and_told_of_to_everybody(
    quick, shelf, monkeypatch
):
    trained = []

    def spy(pupils):
        trained.extend(member.arm for member in pupils)
        return group_rounds(pupils)

    group_rounds = group.rounds
    for module in (group, room):
        monkeypatch.setattr(module, "rounds", spy)
    warm = [changed(quick, temperature=heat) for heat in (1.0, 4.0, 9.0)]
    told = side_by_side(warm, shelf)
    assert trained.count("teacher") == 1
    assert trained.count("control") == 3
    assert trained.count("distilled") == 9
    for each in told.values():
        assert {key[0] for key in curves(each)} == set(ARMS)


def test_a_control_that_learns_otherwise_is_trained_for_itself(quick, shelf):
    few = changed(quick, transfer={"labelled": 20})
    told = side_by_side([quick, few], shelf)
    assert accuracies(told[0][-1])["control"] != accuracies(told[1][-1])["control"]


def test_a_recipe_that_cannot_be_run_ends_no_other(quick, shelf):
    wrong = changed(quick, method={"name": "attention"})
    told = side_by_side([wrong, quick], shelf)
    (error,) = told[0]
    assert isinstance(error, RecipeError)
    assert isinstance(told[1][-1], Result)


def test_a_run_that_diverges_ends_no_other(quick, shelf):
    wild = changed(
        quick,
        training={"steps": 40, "learning_rate": 10.0, "optimizer": "sgd"},
        soft_weight=1e6,
    )
    told = side_by_side([quick, wild, changed(quick, temperature=2.0)], shelf)
    assert isinstance(told[1][-1], DivergedError)
    assert sum(isinstance(each, DivergedError) for each in told[1]) == 1
    assert isinstance(told[0][-1], Result)
    assert isinstance(told[2][-1], Result)


def test_stopping_in_between_leaves_the_threads_as_they_were(quick, shelf):
    import torch

    before = torch.get_num_threads()
    going = run_together([quick], shelf)
    next(going)
    going.close()
    assert torch.get_num_threads() == before


def test_a_grid_of_settings_is_a_result_for_each(quick, shelf):
    sweep = Sweep(
        recipe=quick,
        axes=[
            {"field": "temperature", "values": [1, 4]},
            {"field": "soft_share", "values": [0.1, 0.5, 0.9]},
        ],
    )
    told = side_by_side(sweep.members(), shelf)
    results = [each[-1] for each in told.values()]
    assert [result.recipe for result in results] == sweep.members()
    assert len({result.arms["control"].accuracy for result in results}) == 1


# many of them


def test_many_recipes_are_run_a_few_at_a_time_in_their_order(quick, shelf, monkeypatch):
    recipes = [changed(quick, temperature=float(heat)) for heat in range(1, 6)]
    monkeypatch.setattr(group, "SIDE_BY_SIDE", 2)
    assert [list(part) for part in parts(recipes)] == [[0, 1], [2, 3], [4]]
    results = [(p, each) for p, each in run_sweep(recipes, shelf) if isinstance(each, Result)]
    assert [place for place, _ in results] == [0, 1, 2, 3, 4]
    assert [each.recipe for _, each in results] == recipes


def test_large_students_are_trained_side_by_side_only_as_far_as_they_fit(quick):
    wide = changed(quick, student={"options": {"widths": [2000, 2000]}})
    assert [len(part) for part in parts([quick] * 3 + [wide] * 4)] == [5, 2]
    assert list(parts([])) == []
    unknown = changed(quick, task="none such")
    assert [len(part) for part in parts([unknown] * 40)] == [32, 8]
