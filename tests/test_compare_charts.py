"""Figures of runs side by side, and the tables that they draw."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from kdcore import charts, compare_charts, compare_rows
from kdcore.charts import LOOKS
from kdcore.compare_charts import RUN_LOOKS, spread_out
from kdcore.compare_tables import alike
from kdcore.result import Event
from tests.compared import finished, side_by_side


@pytest.fixture(scope="module")
def runs():
    return side_by_side(
        finished((0.90, 0.91, 0.92), bytes=10_000),
        finished((0.94, 0.94, 0.94), temperature=9.0, bytes=20_000),
        finished((0.80, 0.81, 0.82), temperature=1.0, bytes=20_000),
    )


def points(*values):
    return charts.frame(Event("distilled", 0, step, {"accuracy": v}, 0.1) for step, v in values)


@pytest.fixture(scope="module")
def curve_rows(runs):
    told = {"A": points((10, 0.5), (20, 0.9)), "B": points((10, 0.4), (20, 0.91))}
    return compare_rows.curve_rows(runs, told, "distilled")


def own(runs):
    told = {run.letter: (run.result.difference, run.result.verdict) for run in runs}
    return compare_rows.difference_rows(runs, told)


@pytest.fixture(scope="module")
def figures(runs, curve_rows):
    return [
        compare_charts.gains(own(runs)),
        compare_charts.rivals(own(runs[1:]), "A", "ABC"),
        compare_charts.curves(curve_rows, "distilled"),
        compare_charts.trade_off(compare_rows.cost_rows(runs, "size"), "size"),
        compare_charts.profiles(compare_rows.measure_rows(runs)),
    ]


def test_every_chart_asks_a_question_and_says_what_is_along_its_axes(figures):
    for figure in figures:
        assert "?" in figure.layout.title.text
        assert figure.layout.yaxis.title.text
    for figure in figures[:-1]:  # the last one's measures are named one by one
        assert figure.layout.xaxis.title.text


def test_every_mark_of_a_run_has_its_colour_and_says_a_sentence(figures):
    for figure in figures:
        marks = [trace for trace in figure.data if trace.hoverinfo != "skip"]
        assert marks
        for trace in marks:
            letter = trace.hovertemplate[0]
            colour = trace.marker.color or trace.line.color
            assert colour == RUN_LOOKS[letter][0]
            assert trace.hovertemplate.endswith("<extra></extra>")


def test_runs_differ_in_colour_dash_and_marker_and_none_looks_like_a_role():
    for looks in zip(*RUN_LOOKS.values(), strict=True):
        assert len(set(looks)) == len(RUN_LOOKS)
    assert not {c for c, _, _ in RUN_LOOKS.values()} & {look.colour for look in LOOKS.values()}


@pytest.mark.parametrize("ground", ["#FFFFFF", "#101514"])
def test_a_runs_colour_is_told_from_the_page_in_both_themes(ground):
    """Contrast of 3 to 1, as graphics need it (WCAG 2.2, success criterion 1.4.11)."""

    def luminance(colour):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for colour, *_ in RUN_LOOKS.values():
        light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3


def test_a_difference_is_drawn_with_its_interval_the_first_run_on_top(runs):
    figure = compare_charts.gains(own(runs))
    first = figure.data[0]
    gap = runs[0].result.difference
    assert (first.x[0], first.y[0]) == (gap.mean, "A")
    assert first.error_x.array[0] == pytest.approx(gap.high - gap.mean)
    assert "A is +2.0 points against labels alone" in first.hovertemplate
    assert figure.layout.yaxis.categoryarray == ("C", "B", "A")  # from the bottom up
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0, 0)


def test_a_difference_without_an_interval_is_a_mark_without_a_bar():
    (mark,) = compare_charts.gains(own(side_by_side(finished((0.9, 0.9))))).data
    assert mark.error_x.array[0] == 0
    assert "too few seeds" in mark.hovertemplate
    assert "interval" not in mark.hovertemplate


def test_a_run_that_cannot_be_paired_is_no_mark(runs):
    rows = own(runs[1:2])
    assert list(rows["run"]) == ["B"]


def test_both_kinds_of_difference_have_their_rows_at_the_same_height(runs):
    gains = compare_charts.gains(own(runs))
    rivals = compare_charts.rivals(own(runs[1:2]), "A", "ABC")
    for of in ("height", "margin"):
        assert gains.layout[of] == rivals.layout[of]
    for of in ("categoryarray", "range"):
        assert gains.layout.yaxis[of] == rivals.layout.yaxis[of]
    notes = {note.y: note.text for note in rivals.layout.annotations}
    assert notes == {"A": "the reference", "C": "not paired"}


def test_a_difference_is_drawn_with_the_verdict_that_it_is_given(runs):
    told = {"B": (runs[1].result.difference, "no clear difference")}
    (mark,) = compare_charts.gains(compare_rows.difference_rows(runs, told)).data
    assert "no clear difference" in mark.hovertemplate


def test_curves_are_means_in_percent_within_a_band(curve_rows):
    figure = compare_charts.curves(curve_rows, "distilled")
    line = next(trace for trace in figure.data if trace.name == "A")
    assert list(line.x) == [10, 20]
    assert list(line.y) == pytest.approx([50, 90])
    assert line.line.dash == RUN_LOOKS["A"][1]
    assert sum(trace.fill == "toself" for trace in figure.data) == 2


def test_each_curve_has_its_letter_where_it_ends(curve_rows):
    notes = {
        note.text: note
        for note in compare_charts.curves(curve_rows, "distilled").layout.annotations
    }
    assert set(notes) == {"<b>A</b>", "<b>B</b>"}
    assert {note.x for note in notes.values()} == {20}
    assert notes["<b>B</b>"].y - notes["<b>A</b>"].y >= 0.06 * 51 - 1e-9  # of 40 to 91 %


def test_a_run_without_a_curve_is_left_out(runs):
    rows = compare_rows.curve_rows(runs, {"B": points((10, 0.5))}, "distilled")
    assert set(rows["run"]) == {"B"}
    assert len(compare_rows.curve_rows(runs, {}, "distilled")) == 0
    assert compare_charts.curves(rows[:0], "distilled").data == ()


def test_letters_that_would_lie_on_each_other_are_pushed_apart_in_their_order():
    assert spread_out({"A": 1.0, "B": 1.0, "C": 9.0}, 2.0) == {"A": 0.0, "B": 2.0, "C": 9.0}
    assert spread_out({"A": 5.0, "B": 1.0}, 2.0) == {"B": 1.0, "A": 5.0}


def test_a_letter_that_nothing_is_near_stays_where_it_is():
    apart = spread_out({"A": 10.0, "B": 90.0, "C": 90.1}, 5.0)
    assert apart["A"] == 10
    assert (apart["B"], apart["C"]) == pytest.approx((87.55, 92.55))  # about their middle, 90.05


def test_letters_are_moved_as_little_as_isotonic_regression_can():
    places = {name: float(at) for name, at in zip("ABCDEF", (3, 3.5, 3.6, 9, 9.1, 30), strict=True)}
    order = np.arange(6)
    fitted = isotonic_regression(np.array(list(places.values())) - 2 * order).x + 2 * order
    assert list(spread_out(places, 2.0).values()) == pytest.approx(fitted.tolist())


def test_the_front_leads_through_the_students_that_none_beats(runs):
    figure = compare_charts.trade_off(compare_rows.cost_rows(runs, "size"), "size")
    front, *marks = figure.data
    assert list(front.x) == [10, 20]  # A is smaller, B more accurate; C is neither
    assert list(front.y) == pytest.approx([91, 94])
    fates = ["no other here does better for as little" in mark.hovertemplate for mark in marks]
    assert fates == [True, True, False]
    assert figure.layout.xaxis.type == "log"


def test_costs_that_one_run_alone_has_are_not_offered():
    runs = side_by_side(finished((0.9,), latency=None), finished((0.9,)))
    assert compare_rows.known_costs(runs) == ["size", "parameters", "macs"]
    assert list(compare_rows.cost_rows(runs, "latency")["run"]) == ["B"]


def test_on_every_measure_the_best_is_above_and_the_worst_below(runs):
    rows = compare_rows.measure_rows(runs)
    place = {(row.run, row.measure): row.place for row in rows.itertuples()}
    assert [place[run, "Accuracy"] for run in "BC"] == [1, 0]  # 94 and 81 %
    assert place["A", "Accuracy"] == pytest.approx(10 / 13)  # 91 %
    assert [place[run, "Size"] for run in "ABC"] == [1, 0, 0]  # the smallest is best
    assert place["B", "Spread"] == 1
    assert place["A", "MACs"] == 0.5  # all alike


def test_networks_that_are_alike_share_one_latency_and_no_other_is_moved():
    runs = side_by_side(
        finished((0.90,), latency=0.010),
        finished((0.91,), latency=0.026, temperature=9.0),
        finished((0.92,), latency=0.030, student={"options": {"widths": [99]}}),
        finished((0.93,), latency=0.022, temperature=2.0),
    )
    assert alike(runs) == [["A", "B", "D"]]
    assert list(compare_rows.cost_rows(runs, "latency")["cost"]) == [22, 22, 30, 22]
    rows = compare_rows.measure_rows(runs).set_index(["measure", "run"]).loc["Latency"]
    assert list(rows["place"]) == [1, 1, 0, 1]
    assert list(rows["text"]) == ["22", "22", "30", "22"]


def test_the_same_network_on_another_machine_keeps_its_own_latency():
    here, there = finished((0.90,), latency=0.010), finished((0.91,), latency=0.026)
    name, title, result, settings = there
    elsewhere = (name, title, replace(result, machine={"cores": 64}), settings)
    shown = ("shown", name, result, settings)  # another machine of the same name
    runs = side_by_side(here, elsewhere, shown, gallery=["shown"])
    assert alike(runs) == []
    assert [run.latency_ms for run in runs] == [0.010, 0.026, 0.026]


def test_the_ends_of_each_measure_say_what_they_are(runs):
    figure = compare_charts.profiles(compare_rows.measure_rows(runs))
    ends = {(note.x, note.y > 0): note.text for note in figure.layout.annotations}
    assert (ends[0, True], ends[0, False]) == ("94.0", "81.0")
    assert ends[3, True] == "10"
    assert (5, False) not in ends  # MACs are alike: said once
    told = [words for trace in figure.data for words in trace.customdata]
    assert told[:4] == [
        *("accuracy is 91.0 %", "gain is +2.0 points", "spread is 1.0 points", "size is 10 kB")
    ]


def test_a_measure_of_one_run_alone_is_no_axis():
    runs = side_by_side(finished((0.9, 0.8), latency=None), finished((0.9,)))
    measures = set(compare_rows.measure_rows(runs)["measure"])
    assert measures == {"Accuracy", "Gain", "Size", "MACs"}


def test_what_is_taken_away_names_its_runs_and_its_units(runs):
    costs = compare_rows.to_take_away(compare_rows.cost_rows(runs, "size"), runs, "accuracy-size")
    assert list(costs.columns[:3]) == ["run", "run_id", "run_name"]
    assert list(costs.columns[4:]) == ["cost_kB", "accuracy_percent", "sd_points"]
    assert list(costs["run_name"]) == [run.name for run in runs]
    for name in compare_rows.COSTS:
        assert f"accuracy-{name}" in compare_rows.UNITS
