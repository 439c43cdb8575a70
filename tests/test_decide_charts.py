"""Figures that weigh models against each other."""

import numpy as np
import pytest

from kdcore.charts import LOOKS
from kdcore.decide import Budgets
from kdcore.decide_charts import COSTS, cost_of, to_take_away, weigh, weighed_rows
from kdcore.model_table import SHARE
from tests.weighed import ALL, MACHINE, MIDDLE, SMALL, TEACHER, TINY, model

FREE = Budgets(MACHINE)
TIGHT = Budgets(MACHINE, size=15_000, latency=0.022, accuracy=0.93)
BEATEN = model("beaten", 90, 90, size=30_000, us=40, role="control")


def drawn(cost, budgets=FREE, models=(*ALL, BEATEN), chosen=None):
    return weigh(weighed_rows(list(models), cost, budgets), cost, budgets, chosen)


def marks(figure):
    return [trace for trace in figure.data if trace.hovertemplate]


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("budgets", [FREE, TIGHT], ids=["free", "tight"])
def test_every_chart_asks_a_question_and_names_its_axes(cost, budgets):
    figure = drawn(cost, budgets)
    assert figure.layout.title.text.endswith("?")
    assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text.startswith("test accuracy")
    assert figure.layout.xaxis.type == "log"


def test_each_role_has_its_own_colour_and_mark():
    for trace, role in zip(marks(drawn("size")), ("teacher", "control", "distilled"), strict=True):
        assert trace.marker.line.color == LOOKS[role].colour
        assert {each.removesuffix("-open") for each in trace.marker.symbol} == {LOOKS[role].marker}


def test_costs_are_in_the_units_of_their_axes():
    assert cost_of(SMALL, "size", MACHINE) == 10
    assert cost_of(SMALL, "latency", MACHINE) == pytest.approx(25)
    assert cost_of(SMALL, "latency", SHARE) == pytest.approx(25)  # of 100 µs
    assert cost_of(TINY, "latency", SHARE) == pytest.approx(10)
    assert cost_of(SMALL, "macs", MACHINE) == 1000
    assert cost_of(model("a", 90, us=None, size=None), "size", MACHINE) is None


def test_the_front_leads_through_those_that_none_beats_and_the_rest_is_grey():
    figure = drawn("size")
    assert list(figure.data[0].x) == [5, 10, 20, 100]
    assert list(figure.data[0].y) == pytest.approx([82, 94, 96, 97])
    control = marks(figure)[1]
    assert control.marker.color[0] == "rgba(128,128,128,0.35)"
    assert "another here is better in both" in control.hovertext[0]


def test_error_bars_are_the_deviation_over_the_seeds():
    distilled = marks(drawn("size"))[2]
    assert list(distilled.error_y.array) == pytest.approx([1, 0, 2])
    assert list(marks(drawn("size"))[0].error_y.array) == [0]  # one seed has none


def test_what_breaks_a_budget_is_shaded_and_hollow():
    figure = drawn("size", TIGHT)
    corners = {(s.x0, s.x1, s.y0, s.y1) for s in figure.layout.shapes if s.type == "rect"}
    right, floor = sorted(corners, key=lambda each: -each[0])
    assert right[0] == floor[1] == 15  # kB
    assert floor[3] == 93
    assert right[3] == figure.layout.yaxis.range[1]
    # the small one is small and accurate enough, but its 25 µs are over the 22
    assert all(symbol.endswith("-open") for symbol in marks(figure)[2].marker.symbol)
    assert "misses the latency budget" in marks(figure)[2].hovertext[1]
    looser = drawn("size", Budgets(MACHINE, size=15_000, latency=0.025, accuracy=0.93))
    assert not marks(looser)[2].marker.symbol[1].endswith("-open")
    assert "keeps all budgets" in marks(looser)[2].hovertext[1]


def test_what_is_far_below_the_accuracy_asked_for_is_counted_not_drawn():
    figure = drawn("size", Budgets(MACHINE, accuracy=0.96))
    assert figure.layout.yaxis.range[0] == 84
    assert [note.text for note in figure.layout.annotations] == ["↓ 1 more below"]  # of 82 %
    assert not drawn("size").layout.annotations


def test_without_budgets_nothing_is_shaded():
    assert drawn("latency").layout.shapes == ()
    assert "budget" not in marks(drawn("latency"))[0].hovertext[0]


def test_the_chart_of_latency_says_how_it_was_measured():
    title = drawn("latency").layout.xaxis.title.text
    assert MACHINE in title
    for word in ("1 thread", "batch of 1", "warmed up by 10 calls", "median of 60 repeats"):
        assert word in title
    shares = Budgets(SHARE, latency=0.5)
    figure = drawn("latency", shares)
    assert "% of the teacher's in the same run" in figure.layout.xaxis.title.text
    assert 50 in [shape.x0 for shape in figure.layout.shapes]


def test_what_the_chart_says_of_measuring_is_what_is_done():
    from kdcore.decide_charts import TAKEN
    from kdcore.measure import latency
    from kdcore.model_table import PROTOCOL

    for words in (TAKEN, PROTOCOL):
        assert f"by {latency.WARM_UP} calls" in words
        assert f"of {latency.ROUNDS} repeats" in words.replace("<br>", " ")


def test_the_chosen_model_is_ringed():
    ring = drawn("size", chosen=SMALL.key).data[-1]
    assert (ring.name, list(ring.x), list(ring.y)) == ("to ship", [10], pytest.approx([94]))
    assert all(trace.name != "to ship" for trace in drawn("size").data)


def test_a_click_leads_to_the_model():
    assert list(marks(drawn("size"))[2].customdata) == [MIDDLE.key, SMALL.key, TINY.key]


def test_a_name_from_a_stranger_is_text():
    row = weighed_rows([model("<b>x</b>", 90)], "size", FREE).iloc[0]
    assert "<b>" not in row["words"]


def test_the_rows_are_what_the_chart_draws():
    rows = weighed_rows([TEACHER, MIDDLE], "size", TIGHT)
    assert list(rows["cost"]) == [100, 20]
    assert list(rows["accuracy"]) == pytest.approx([97, 96])
    assert np.isnan(rows["sd"][0])
    assert rows["sd"][1] == pytest.approx(1)
    assert list(rows["breaks"]) == ["size, latency", "size, latency"]


def test_of_no_models_there_is_an_empty_chart():
    assert drawn("size", TIGHT, models=()).data[0].x.size == 0


def test_what_is_taken_away_has_its_units_in_the_names():
    rows = weighed_rows([SMALL], "latency", Budgets(SHARE))
    taken = to_take_away(rows, "latency", SHARE)
    assert {"latency_percent_of_teacher", "accuracy_percent", "sd_points"} <= set(taken.columns)
    assert "latency_us" in to_take_away(rows, "latency", MACHINE).columns
    assert "size_kB" in to_take_away(rows, "size", MACHINE).columns
