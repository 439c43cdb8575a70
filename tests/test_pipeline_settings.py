"""The settings of a pipeline that varies, side by side."""

import pytest

from kdcore.charts import LOOKS
from kdcore.pipeline_settings import setting_words, settings_chart, settings_rows, settings_shown
from kdcore.shelf import Shelf
from kdcore.sweep import Axis
from kdcore.sweep_charts import CHOSEN, Side, side
from tests.piped import row

SETTINGS = [{"stages.0.share": share} for share in (0.25, 0.5, 0.75, 0.9)]
SIDES = [Side("stages.0.share", "Stage 1: share", (0.25, 0.5, 0.75, 0.9), ("¼", "½", "¾", "0.9"))]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Three settings that got as far as one stage, and one that is not there yet."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    ends = [row(shelf, "teacher", (0.97,), 10_000), row(shelf, "distilled student", (0.95,), 5_000)]
    made = [((0.94, 0.96, 0.95), 4_000), ((0.93, 0.95, 0.94), 2_000), ((0.80, 0.81, 0.82), 3_000)]
    return [*((*ends, row(shelf, "prune", *worth)) for worth in made), (*ends,)]


def test_a_setting_is_drawn_once_it_is_past_the_stage_with_its_mean_spread_and_size(found):
    rows = settings_rows(SETTINGS, found, SIDES, 0)
    assert list(rows["place"]) == [0, 1, 2]
    assert list(rows["kB"]) == [4.0, 2.0, 3.0]
    assert list(rows["accuracy"]) == pytest.approx([95, 94, 81])
    assert list(rows["sd"]) == pytest.approx([1, 1, 1])
    assert len(settings_rows(SETTINGS, found, SIDES, 1)) == 0


def test_whether_another_setting_is_better_in_both_is_seen_and_said(found):
    rows = settings_rows(SETTINGS, found, SIDES, 0)
    assert list(rows["unbeaten"]) == [True, True, False]  # 81 % with 3 kB, against 94 % with 2
    assert "Stage 1: share ¾" in rows["words"][2]
    assert "another is better in both" in rows["words"][2]
    assert "points against the student<br>that is not compressed: worse" in rows["words"][2]


def test_marks_keep_their_looks_and_open_their_setting(found):
    rows = settings_rows(SETTINGS, found, SIDES, 0)
    beside = [each for of in found for each in of]
    figure = settings_chart(rows, beside, chosen=1)
    marks = {trace.name: trace for trace in figure.data if trace.name}
    assert marks["Teacher"].marker.color == LOOKS["teacher"].colour
    assert list(marks["Teacher"].x) == [10.0]  # once, though four settings have it
    assert marks["Not compressed"].marker.symbol == "circle-open"
    assert list(marks["Compressed"].customdata) == [0, 1, 2]
    assert list(marks["Compressed"].text) == ["¼", "½", "¾"]
    assert marks["shown below"].marker.color == CHOSEN
    assert list(marks["shown below"].x) == [2.0]
    assert figure.layout.title.text == "Which setting is worth its bytes?"
    assert figure.layout.xaxis.type == "log"  # from 2 to 10 kB


def test_the_table_has_all_settings_also_those_that_failed_or_are_to_come(found):
    shown = settings_shown(SETTINGS, [*found[:2], "less than one channel", found[3]], SIDES, 0)
    assert list(shown["Stage 1: share"]) == ["¼", "½", "¾", "0.9"]
    assert list(shown["On disk, kB"]) == ["4.0", "2.0", "–", "–"]
    assert list(shown["State"]) == ["", "", "less than one channel", "to come"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([[8], [16]], ["[8]", "[16]"]),
        ([{"widths": [8]}, {"widths": [16]}], ["{'widths': [8]}", "{'widths': [16]}"]),
        ([None, 0.5], ["as usual", "0.5"]),
        ([4, 0.5], ["4", "0.5"]),
        ([False, True], ["False", "True"]),
    ],
)
def test_whatever_an_axis_may_take_has_its_words(values, names):
    axis = Axis(field="recipe.of", values=values)
    told = [setting_words({axis.field: value}, [side(axis, ())]) for value in axis.values]
    assert told == [f"recipe.of {name}" for name in names]
