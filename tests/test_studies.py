"""Optuna proposes, candidates are judged; candidates are played here, so that it takes no time."""

import math

import pytest

from kdcore import studies
from kdcore.candidate import Candidates, Cost, Judged
from kdcore.errors import DivergedError, RecipeError
from kdcore.result import Event, Progress
from kdcore.search import Search, Standing, Tried
from kdcore.studies import all_tried, explore, scratch_study

HEAT = {"field": "temperature", "low": 1, "high": 16, "log": True}


@pytest.fixture
def played(monkeypatch):
    """Let candidates be worth what a function of the recipe says; returns the recipes judged."""
    recipes = []

    def play(worth, cost=None):
        def judge(self, recipe, *, costs=False):
            recipes.append(recipe)
            yield Progress("students", 0.5, None)
            for step in range(2, recipe.training.steps + 1, 2):
                for seed in recipe.seeds:
                    yield Event("distilled", seed, step, {"accuracy": worth(recipe)}, 0.1)
            value = worth(recipe)
            return Judged((value,) * len(recipe.seeds), cost(recipe) if costs else None)

        monkeypatch.setattr(Candidates, "judge", judge)
        return recipes

    return play


def search(quick, *space, **rest) -> Search:
    return Search(**{"recipe": quick, "space": space or (HEAT,), "trials": 30, **rest})


def near_four(recipe) -> float:
    return 1 - abs(math.log(recipe.temperature / 4)) / 3


def tried(search, study, shelf) -> list[Tried]:
    return [each for each in explore(search, study, shelf) if isinstance(each, Tried)]


def test_the_best_setting_is_found(quick, shelf, played):
    played(near_four)
    one = search(quick)
    study = scratch_study(one)
    tried(one, study, shelf)
    (best,) = [each for each in all_tried(study) if each.best]
    assert best.setting["temperature"] == pytest.approx(4, rel=0.25)


def test_settings_that_lag_behind_the_median_are_given_up_early(quick, shelf, played):
    recipes = played(near_four)
    one = search(quick)
    found = tried(one, scratch_study(one), shelf)
    fates = {each.fate for each in found}
    assert fates == {"finished", "given up"}
    assert all(each.fate == "finished" for each in found[:5])  # too few to compare with
    assert len(recipes) == 30


def test_with_several_goals_nothing_is_given_up_and_what_nothing_beats_is_marked(
    quick, shelf, played
):
    def cost(recipe):
        return Cost(10, round(1000 * recipe.temperature), 0.1)

    played(lambda recipe: min(recipe.temperature, 8) / 10, cost)
    one = search(quick, goals=["accuracy", "size"])
    study = scratch_study(one)
    assert {each.fate for each in tried(one, study, shelf)} == {"finished"}
    best = [each.setting["temperature"] for each in all_tried(study) if each.best]
    over = sorted(each.setting["temperature"] for each in all_tried(study))
    assert (
        sorted(best)
        == [heat for heat in over if heat <= 8]
        + [heat for heat in over if heat > 8][: len(best) - sum(heat <= 8 for heat in over)]
    )


def test_settings_stay_within_their_ranges_and_choices(quick, shelf, played):
    recipes = played(lambda recipe: 0.5)
    space = (
        HEAT,
        {"field": "training.steps", "low": 20, "high": 40, "whole": True},
        {"field": "method.name", "choices": ["kd", "dkd"]},
    )
    one = search(quick, *space)
    tried(one, scratch_study(one), shelf)
    assert all(1 <= recipe.temperature <= 16 for recipe in recipes)
    assert {type(recipe.training.steps) for recipe in recipes} == {int}
    assert {recipe.method.name for recipe in recipes} == {"kd", "dkd"}


def test_a_setting_that_was_tried_is_not_tried_again(quick, shelf, played):
    recipes = played(lambda recipe: recipe.temperature / 20)
    one = search(quick, {"field": "temperature", "choices": [1, 4, 9]}, trials=200)
    found = tried(one, scratch_study(one), shelf)
    assert len(recipes) == 3
    again = [each for each in found if each.same_as is not None]
    assert {found[each.same_as].setting["temperature"] for each in again} <= {1, 4, 9}
    assert len(found) <= 3 + 3 * studies.REPEATS  # then there is nothing new


def test_a_stop_in_the_middle_of_a_trial_loses_nothing(quick, shelf, played):
    played(near_four)
    one = search(quick, trials=6)
    whole = [each.setting for each in tried(one, scratch_study(one), shelf)]
    study = scratch_study(one)
    for stopped_after in (1, 3, 4):
        exploring = explore(one, study, shelf)
        for happening in exploring:
            under_way = isinstance(happening, Standing) and happening.phase is not None
            if under_way and happening.tried == stopped_after:
                break
        exploring.close()
        assert len(all_tried(study)) == stopped_after
    tried(one, study, shelf)
    assert [each.setting for each in all_tried(study)] == whole


def test_what_fails_says_why_and_the_search_goes_on(quick, shelf, played):
    def worth(recipe):
        if recipe.temperature > 6:
            raise DivergedError("it diverged")
        return 0.5

    played(worth)
    one = search(quick)
    found = tried(one, scratch_study(one), shelf)
    failed = [each for each in found if each.fate == "failed"]
    assert failed
    assert len(found) == 30
    assert {each.error for each in failed} == {"it diverged"}


def test_a_search_of_which_everything_fails_gives_up(quick, shelf, played):
    def worth(recipe):
        raise DivergedError("it diverged")

    played(worth)
    one = search(quick)
    with pytest.raises(RecipeError, match=r"all of the first 10 settings failed; .* it diverged"):
        tried(one, scratch_study(one), shelf)


def test_too_little_memory_is_a_trial_that_failed(quick, shelf, played):
    def worth(recipe):
        if recipe.temperature > 6:
            raise MemoryError
        return 0.5

    played(worth)
    one = search(quick)
    found = tried(one, scratch_study(one), shelf)
    assert "there is not enough memory for it" in {each.error for each in found}


def test_how_far_it_is_and_how_long_still(quick, shelf, played):
    played(near_four)
    one = search(quick, trials=4)
    told = [each for each in explore(one, scratch_study(one), shelf) if isinstance(each, Standing)]
    shares = [each.done for each in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[0].phase == "students"
    assert told[0].seconds_left is None
    assert told[-1].seconds_left == 0.0


def test_minutes_that_are_used_up_already_leave_nothing_to_try(quick, shelf, played):
    recipes = played(near_four)
    timed = search(quick, trials=None, minutes=1.0)
    assert list(explore(timed, scratch_study(timed), shelf, spent=60.0)) == []
    assert recipes == []
