"""Figures: each answers the question in its title, and a model looks the same everywhere."""

import math

import pytest

from kdcore import charts
from kdcore.charts import LOOKS
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Arm, Event, Result
from kdcore.statistics import Difference


def event(arm, seed, step, **metrics):
    return Event(arm, seed, step, metrics, 0.1)


TEACHER = [event("teacher", 0, 10, hard=1.0, accuracy=0.7), event("teacher", 0, 20, accuracy=0.9)]
STUDENTS = [
    event("control", 0, 10, hard=2.0, accuracy=0.4),
    event("control", 1, 10, hard=4.0, accuracy=0.6),
    event("distilled", 0, 10, hard=1.0, soft=8.0, accuracy=0.8),
]


def result(difference=(1.0, 0.5, 1.5), latency=0.004) -> Result:
    arms = {
        name: Arm((0.9, 0.8), (0.9, 0.8), 10, 20, onnx_bytes=1000 * size, latency_ms=latency)
        for name, size in zip(ARMS, (100, 10, 10), strict=True)
    }
    gap = Difference(*difference, per_seed=(1.0,))
    return Result(Recipe(), "better", gap, 1.0, arms, False, {})


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def test_events_become_one_row_a_metric():
    points = charts.frame(STUDENTS)
    assert list(points.columns) == ["arm", "seed", "step", "metric", "value"]
    assert len(points) == 2 + 2 + 3


def test_a_curve_is_the_mean_and_deviation_over_seeds():
    line = charts.over_seeds(charts.frame(STUDENTS), "control", "accuracy")
    assert list(line["mean"]) == [0.5]
    assert line["sd"].item() == pytest.approx(0.2 / math.sqrt(2))


def test_a_single_seed_has_a_band_of_no_width():
    line = charts.over_seeds(charts.frame(STUDENTS), "distilled", "accuracy")
    assert list(line["sd"]) == [0.0]


def test_the_teacher_is_a_curve_until_the_students_begin_and_then_a_level():
    alone = charts.accuracy_curves(charts.frame(TEACHER), 20)
    assert list(named(alone, "Teacher").y) == pytest.approx([70, 90])
    assert alone.layout.title.text == "How good is the teacher?"
    later = charts.accuracy_curves(charts.frame(TEACHER + STUDENTS), 50)
    assert list(named(later, "Teacher").x) == [0, 50]
    assert list(named(later, "Teacher").y) == pytest.approx([90, 90])
    assert later.layout.title.text == "Which student is ahead?"


def test_each_student_is_drawn_in_its_own_colour_and_dash():
    figure = charts.accuracy_curves(charts.frame(STUDENTS), 50)
    for arm in ("control", "distilled"):
        line = named(figure, LOOKS[arm].short).line
        assert (line.color, line.dash) == (LOOKS[arm].colour, LOOKS[arm].dash)


def test_the_three_models_differ_in_colour_dash_and_marker():
    for feature in ("colour", "dash", "marker", "short"):
        assert len({getattr(look, feature) for look in LOOKS.values()}) == 3


def test_every_loss_term_of_every_student_is_a_line():
    figure = charts.loss_curves(charts.frame(TEACHER + STUDENTS), 50)
    lines = {trace.name: list(trace.y) for trace in figure.data}
    assert lines == {
        "hard, labels alone": [3.0],
        "hard, distilled": [1.0],
        "soft, distilled": [8.0],
    }


def test_a_scatter_places_each_model_by_its_cost_and_accuracy():
    size = charts.cost_scatter(result().arms, "size")
    assert list(named(size, "Teacher").x) == [100]
    assert list(named(size, "Teacher").y) == pytest.approx([85])
    assert named(size, "Teacher").error_y.array[0] == pytest.approx(10 / math.sqrt(2))
    assert named(size, "Distilled").marker.symbol == LOOKS["distilled"].marker
    latency = charts.cost_scatter(result().arms, "latency")
    assert list(named(latency, "Teacher").x) == [4]


def test_what_is_not_measured_yet_is_not_drawn():
    assert charts.cost_scatter(result(latency=None).arms, "latency").data == ()


def test_a_difference_is_drawn_with_its_interval():
    figure = charts.compared_differences([("A", result()), ("B", result((-2.0, -3.0, -1.0)))])
    first, second = figure.data
    assert (first.x[0], first.error_x.array[0], first.error_x.arrayminus[0]) == (1.0, 0.5, 0.5)
    assert (second.x[0], second.y[0]) == (-2.0, "B")


def test_a_difference_without_an_interval_is_a_point():
    (point,) = charts.compared_differences([("A", result((1.0, None, None)))]).data
    assert (point.error_x.array[0], point.error_x.arrayminus[0]) == (0, 0)


def test_compared_runs_differ_in_dash_and_models_in_colour():
    curves = [(name, charts.frame(STUDENTS)) for name in "ABCD"]
    figure = charts.compared_curves(curves, 50)
    control = [trace for trace in figure.data if trace.name.endswith("labels alone")]
    assert len({trace.line.dash for trace in control}) == 4
    assert {trace.line.color for trace in control} == {LOOKS["control"].colour}


@pytest.mark.parametrize(
    "figure",
    [
        charts.accuracy_curves(charts.frame([]), 50),
        charts.loss_curves(charts.frame([]), 50),
        charts.awaited("Which?", "soon"),
        charts.compared_differences([]),
        charts.compared_curves([], 50),
    ],
)
def test_without_data_there_is_an_empty_chart_and_its_question(figure):
    assert figure.layout.title.text.endswith("?")
    assert figure.data == ()
