"""A map shows what was measured and nothing else."""

import numpy as np
import pandas as pd
import pytest

from kdcore.axes import Dimension
from kdcore.outcome import NUMBERS
from kdcore.sweep import Axis
from kdcore.sweep_charts import (
    Side,
    lines,
    member_words,
    pareto,
    side,
    sweep_map,
    undominated,
    with_words,
)

X = Side("temperature", "Temperature T", (1, 4, 16), ("1", "4", "16"), log=True)
Y = Side("transfer.labelled", "Labelled", (100, "all"), ("100", "all"))


def member(place, x, y, gain=None, verdict="better", control=0.8, **more):
    row = {"temperature": x, "transfer.labelled": y, "place": place, "run_id": f"r{place}"}
    row |= dict.fromkeys(NUMBERS) | {"state": "queued", "error": ""}
    if gain is not None:
        row |= {"state": "done", "verdict": verdict, "difference": gain, "pairs": 3}
        row |= {"low": gain - 1, "high": gain + 1, "control.mean": control, "control.sd": 0.01}
        row |= {"distilled.mean": control + gain / 100, "distilled.sd": 0.02}
        row |= {"teacher.mean": 0.97, "teacher.sd": None}
    return row | more


def told(rows) -> pd.DataFrame:
    return with_words(pd.DataFrame(rows), [X, Y])


@pytest.fixture
def table() -> pd.DataFrame:
    return told(
        [
            member(0, 1, 100, 0.4, "no clear difference"),
            member(1, 4, 100, 5.0),
            member(2, 16, 100),
            member(3, 1, "all", -2.0, "worse", control=0.9),
            member(4, 4, "all", state="failed", error="the student diverged"),
            member(5, 16, "all"),
        ]
    )


def cells(figure) -> dict:
    """The text of each cell, by its middle."""
    return {
        (float(x), base + 0.5): text
        for trace in figure.data
        for x, base, text in zip(trace.x, trace.base, trace.text, strict=True)
    }


def test_each_measured_member_is_a_cell_with_its_number_and_no_other_has_one(table):
    found = cells(sweep_map(table, X, Y, "difference", ["temperature", "transfer.labelled"]))
    assert found == {
        (0, 0): "+0.4",
        (1, 0): "+5.0",
        (2, 0): "",
        (0, 1): "−2.0",
        (1, 1): "×",
        (2, 1): "",
    }


def test_what_is_not_clear_is_hatched_and_no_other(table):
    figure = sweep_map(table, X, Y, "difference", ["temperature", "transfer.labelled"])
    hatched = [trace for trace in figure.data if trace.marker.pattern.shape]
    assert [list(trace.text) for trace in hatched] == [["+0.4"]]


def test_the_colours_are_even_about_no_difference(table):
    axis = sweep_map(table, X, Y, "difference").layout.coloraxis
    assert (axis.cmin, axis.cmax) == (-5.0, 5.0)


def test_a_control_that_changes_along_no_side_is_one_cell_below_all(table):
    below = cells(sweep_map(table, X, Y, "difference"))
    assert below[(1.0, -1.25)] == "80.0 %"


def test_a_control_that_changes_along_x_is_a_row(table):
    found = cells(sweep_map(table, X, Y, "distilled", ["temperature"]))
    assert {at: text for at, text in found.items() if at[1] < 0} == {
        (0, -1.25): "80.0 %",
        (1, -1.25): "80.0 %",
    }


def test_a_control_that_changes_along_y_is_a_column_beside_the_map(table):
    figure = sweep_map(table, X, Y, "distilled", ["transfer.labelled"])
    found = cells(figure)
    assert {at: text for at, text in found.items() if at[0] > 2} == {
        (3.25, 0): "80.0 %",
        (3.25, 1): "90.0 %",
    }
    assert figure.layout.xaxis.ticktext[-1] == "labels alone"


def test_a_cell_names_its_member_so_that_a_click_finds_it(table):
    figure = sweep_map(table, X, Y, "difference")
    places = [place for trace in figure.data for place in trace.customdata]
    assert sorted(place for place in places if place is not None) == [*range(6)]


def test_the_chosen_cell_is_marked(table):
    (shape,) = sweep_map(table, X, Y, "difference", chosen=3).layout.shapes
    assert (shape.x0, shape.x1) == pytest.approx((-0.47, 0.47))
    assert (shape.y0, shape.y1) == pytest.approx((0.53, 1.47))
    assert not sweep_map(table, X, Y, "difference", chosen=99).layout.shapes


def test_one_axis_makes_a_map_of_one_row(table):
    found = cells(sweep_map(table[:3], X, None, "distilled"))
    assert found[(0, 0)] == "80.4"
    assert found[(1.0, -1.25)] == "80.0 %"


def test_a_map_of_which_nothing_is_measured_is_empty_and_drawn():
    empty = told([member(0, 1, 100), member(1, 4, 100)])
    assert set(cells(sweep_map(empty, X, None, "difference")).values()) == {""}


def test_hovering_says_all_of_a_member_in_words(table):
    assert member_words(table.to_dict("records")[1]) == (
        "distilled 85.0 ± 2.0 %; labels alone 80.0 ± 1.0 %; +5.0 points (+4.0 … +6.0), better"
    )
    assert member_words(table.to_dict("records")[4]) == "the student diverged"
    assert member_words(table.to_dict("records")[5]) == "queued"


def test_lines_go_through_the_measured_members_in_order(table):
    figure = lines(table[table["transfer.labelled"] == 100], X)
    distilled = next(trace for trace in figure.data if trace.name == "Distilled")
    assert list(distilled.x) == [1, 4]
    assert list(distilled.y) == pytest.approx([80.4, 85.0])
    assert figure.layout.xaxis.type == "log"


def test_names_stand_side_by_side_on_a_line(table):
    figure = lines(table[table["temperature"] == 1], Y)
    assert list(figure.data[0].x) == [0, 1]
    assert list(figure.layout.xaxis.ticktext) == ["100", "all"]


@pytest.mark.parametrize(
    ("costs", "values", "best"),
    [
        ([1, 2, 3], [5, 6, 7], [True, True, True]),
        ([1, 2, 3], [7, 6, 5], [True, False, False]),
        ([1, 1, 2], [5, 6, 6], [False, True, False]),
        ([2, 1, 3, 2], [4, 3, 4, 4], [True, True, False, True]),
        ([], [], []),
    ],
)
def test_a_point_stands_on_the_front_unless_another_is_as_good_and_cheaper(costs, values, best):
    found = undominated(np.array(costs, float), np.array(values, float))
    assert found.tolist() == best


def test_the_front_has_the_members_that_none_beats_and_greys_the_rest(table):
    table["onnx_bytes"] = [1000, 2000, None, 3000, None, None]
    beaten, front = pareto(table, "size").data
    assert (list(front.x), list(front.customdata)) == ([1, 2, 3], [0, 1, 3])
    assert len(beaten.x) == 0
    table["onnx_bytes"] = [1000, 1000, None, 3000, None, None]
    beaten, front = pareto(table, "size").data
    assert list(beaten.customdata) == [0]


def test_an_axis_is_named_as_the_page_names_it_or_as_the_recipe_spells_it():
    known = [Dimension("training.steps", "Steps", (1,), (1,), 1, 10, True, True)]
    told = side(Axis(field="training.steps", values=(1000, 2000)), known)
    assert (told.title, told.names, told.log) == ("Steps", ("1,000", "2,000"), True)
    other = side(Axis(field="student.options.widths", values=([16], [8, 8])), known)
    assert (other.title, other.names) == ("student.options.widths", ("[16]", "[8, 8]"))
