import math
from typing import Annotated

import pytest

from kdcore import RecipeError
from kdcore.knobs import Choice, Knob, Range, Widths, knobs, settle


def definition(
    student: float,
    note: Annotated[float, Range(0, 1)] = 0.5,
    *,
    sharpness: Annotated[float, Range(0.5, 20)] = 4.0,
    layers: Annotated[int, Range(1, 9)] = 2,
    widths: Annotated[tuple[int, ...], Widths(high=64, layers=3)] = (16,),
    unbounded: float = 1.0,
) -> None:
    """Something with knobs, and parameters that are none."""


known = knobs(definition)


def settled(**options):
    return settle("method 'it'", known, options)


def test_knobs_are_the_bounded_keyword_only_parameters_in_their_order():
    assert known == (
        Knob("sharpness", 4.0, Range(0.5, 20)),
        Knob("layers", 2, Range(1, 9)),
        Knob("widths", (16,), Widths(high=64, layers=3)),
    )


def test_a_definition_without_bounds_has_no_knobs():
    assert knobs(lambda student, *, free=1: None) == ()


def test_options_left_out_take_their_defaults():
    assert settled() == {"sharpness": 4.0, "layers": 2, "widths": (16,)}


def test_an_option_given_replaces_its_default():
    assert settled(sharpness=2.5)["sharpness"] == 2.5


@pytest.mark.parametrize("bound", [0.5, 20])
def test_a_bound_belongs_to_its_range(bound):
    assert settled(sharpness=bound)["sharpness"] == bound


@pytest.mark.parametrize("value", [0.49, 20.01, math.nan, math.inf, "4", True, None, [4]])
def test_a_value_out_of_range_or_of_another_type_is_named_with_the_rule(value):
    with pytest.raises(RecipeError) as caught:
        settled(sharpness=value)
    assert str(caught.value) == (
        f"method 'it': sharpness is {value!r}; give a number from 0.5 to 20"
    )


def test_a_whole_number_for_a_decimal_knob_becomes_a_decimal():
    assert isinstance(settled(sharpness=2)["sharpness"], float)


def test_a_decimal_spelling_of_a_whole_number_becomes_whole():
    assert isinstance(settled(layers=3.0)["layers"], int)


def test_a_fraction_for_a_whole_knob_is_refused():
    with pytest.raises(RecipeError, match=r"layers is 2\.5; give a whole number"):
        settled(layers=2.5)


def test_an_unknown_option_is_answered_with_a_close_match_and_the_list():
    with pytest.raises(RecipeError) as caught:
        settled(sharpnes=2)
    assert str(caught.value) == (
        "method 'it' has no option 'sharpnes'; did you mean 'sharpness'? "
        "It takes: sharpness, layers, widths."
    )


def test_a_definition_without_knobs_says_that_it_takes_no_options():
    with pytest.raises(RecipeError, match=r"has no option 'x'\. It takes no options\.$"):
        settle("method 'it'", (), {"x": 1})


@pytest.mark.parametrize("widths", [[], [1], [64, 1, 64], (8, 8)])
def test_widths_become_a_tuple(widths):
    assert settled(widths=widths)["widths"] == tuple(widths)


@pytest.mark.parametrize("widths", [8, "8", None, [8, 8, 8, 8]])
def test_widths_that_are_no_short_list_are_refused(widths):
    with pytest.raises(RecipeError) as caught:
        settled(widths=widths)
    assert str(caught.value) == (
        f"method 'it': widths is {widths!r}; "
        "give up to 3 whole numbers from 1 to 64, such as [256, 256]"
    )


@pytest.mark.parametrize("width", [0, -1, 65, 1.5, "8", True, None, math.nan])
def test_a_width_that_is_no_whole_number_in_bounds_is_named(width):
    with pytest.raises(RecipeError) as caught:
        settled(widths=[8, width])
    assert f"widths holds {width!r}; give up to 3 whole numbers" in str(caught.value)


def chosen(value, *options):
    return settle("it", (Knob("pick", options[0], Choice(options)),), {"pick": value})["pick"]


@pytest.mark.parametrize("value", ["auto", 1, True])
def test_an_option_of_a_choice_is_kept_as_it_is(value):
    assert chosen(value, "auto", True, 1) is value


@pytest.mark.parametrize("value", ["Auto", 2, None, [1], True, 0.5])
def test_what_is_no_option_of_a_choice_is_refused_with_the_options(value):
    with pytest.raises(RecipeError) as caught:
        chosen(value, "auto", 1)
    assert str(caught.value) == f"it: pick is {value!r}; choose one of auto, 1"
