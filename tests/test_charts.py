"""Figures: each answers the question in its title, and a model looks the same everywhere."""

import math
from dataclasses import replace

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
    points = charts.frame(STUDENTS[1:])
    assert list(points.columns) == ["arm", "seed", "step", "metric", "value"]
    assert points.to_numpy().tolist() == [
        ["control", 1, 10, "hard", 4.0],
        ["control", 1, 10, "accuracy", 0.6],
        ["distilled", 0, 10, "hard", 1.0],
        ["distilled", 0, 10, "soft", 8.0],
        ["distilled", 0, 10, "accuracy", 0.8],
    ]


def test_a_curve_is_the_mean_and_deviation_over_seeds():
    line = charts.over_seeds(charts.frame(STUDENTS), "control", "accuracy")
    assert list(line["mean"]) == [0.5]
    assert line["sd"].item() == pytest.approx(0.2 / math.sqrt(2))


def test_a_curve_has_one_point_a_step_in_their_order():
    later = [event("control", 0, 20, hard=-1.0), event("control", 1, 20, hard=-3.0)]
    line = charts.over_seeds(charts.frame(later + STUDENTS), "control", "hard")
    assert line["step"].tolist() == [10, 20]
    assert line["mean"].tolist() == [3.0, -2.0]
    assert line["sd"].tolist() == pytest.approx([math.sqrt(2), math.sqrt(2)])


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


def test_the_teachers_level_is_its_last_accuracy_and_not_its_highest():
    fallen = [*TEACHER, event("teacher", 0, 30, accuracy=0.6), *STUDENTS]
    level = named(charts.accuracy_curves(charts.frame(fallen), 50), "Teacher")
    assert list(level.y) == pytest.approx([60, 60])


def test_each_student_is_drawn_in_percent_in_its_own_colour_and_dash():
    figure = charts.accuracy_curves(charts.frame(TEACHER + STUDENTS), 50)
    for arm in ARMS:
        line = named(figure, LOOKS[arm].short).line
        assert (line.color, line.dash) == (LOOKS[arm].colour, LOOKS[arm].dash)
    for name, percent in (("Labels alone", 50), ("Distilled", 80)):
        assert list(named(figure, name).x) == [10]
        assert list(named(figure, name).y) == pytest.approx([percent])


def test_the_teacher_alone_is_drawn_in_its_own_colour_and_dash():
    for draw in (charts.accuracy_curves, charts.loss_curves):
        figure = draw(charts.frame(TEACHER), 20)
        assert figure.data[-1].line.color == LOOKS["teacher"].colour
    alone = charts.accuracy_curves(charts.frame(TEACHER), 20)
    assert named(alone, "Teacher").line.dash == LOOKS["teacher"].dash


def test_a_band_reaches_one_deviation_up_and_down_but_not_over_100_percent():
    # 0.4 and 0.6: 0.5 ± 0.2 / √2; 0.9 and 1: 0.95 ± 0.1 / √2, which is more than 1
    later = [event("control", 0, 20, accuracy=0.9), event("control", 1, 20, accuracy=1.0)]
    figure = charts.accuracy_curves(charts.frame(STUDENTS[:2] + later), 50)
    upper, lower, middle = figure.data
    assert list(middle.y) == pytest.approx([50, 95])
    assert list(upper.y) == pytest.approx([50 + 20 / math.sqrt(2), 100])
    assert list(lower.y) == pytest.approx([50 - 20 / math.sqrt(2), 95 - 10 / math.sqrt(2)])
    assert (upper.fill, lower.fill) == (None, "tonexty")
    assert [trace.showlegend for trace in figure.data] == [False, False, None]


@pytest.mark.parametrize(("accuracy", "bottom"), [(0.9, 50), (0.3, 25), (0.02, 0)])
def test_the_accuracy_axis_begins_below_the_lowest_curve_at_half_or_under(accuracy, bottom):
    points = charts.frame([event("control", 0, 10, accuracy=accuracy)])
    axis = charts.accuracy_curves(points, 50).layout.yaxis
    assert list(axis.range) == pytest.approx([bottom, 101])


def test_curves_run_over_all_the_steps_there_will_be():
    for draw in (charts.accuracy_curves, charts.loss_curves):
        axis = draw(charts.frame(STUDENTS), 50).layout.xaxis
        assert (list(axis.range), axis.title.text) == ([0, 50], "step")


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
    assert named(figure, "hard, labels alone").line.color == LOOKS["control"].colour
    assert named(figure, "hard, distilled").line.color == LOOKS["distilled"].colour
    assert named(figure, "hard, distilled").line.dash != named(figure, "soft, distilled").line.dash
    assert figure.layout.yaxis.type == "log"


def test_before_the_students_the_teachers_own_loss_is_drawn():
    (line,) = charts.loss_curves(charts.frame(TEACHER), 50).data
    assert (line.name, list(line.x), list(line.y)) == ("hard, teacher", [10], [1.0])


def test_a_scatter_places_each_model_by_its_cost_and_accuracy():
    size = charts.cost_scatter(result().arms, "size")
    assert list(named(size, "Teacher").x) == [100]
    assert list(named(size, "Teacher").y) == pytest.approx([85])
    assert named(size, "Teacher").error_y.array[0] == pytest.approx(10 / math.sqrt(2))
    for look in LOOKS.values():
        marker = named(size, look.short).marker
        assert (marker.color, marker.symbol) == (look.colour, look.marker)
    latency = charts.cost_scatter(result().arms, "latency")
    assert latency.layout.xaxis.title.text.endswith("on this machine")
    elsewhere = charts.cost_scatter(result().arms, "latency", "the gallery's")
    assert elsewhere.layout.xaxis.title.text.endswith("on the gallery's machine")
    assert list(named(latency, "Teacher").x) == [4]
    assert [figure.layout.xaxis.type for figure in (size, latency)] == ["log", "log"]


def test_every_model_of_a_scatter_has_room_around_it():
    low, high = charts.cost_scatter(result().arms, "size").layout.xaxis.range  # powers of ten
    assert low < math.log10(10) < math.log10(100) < high


def test_what_is_not_measured_yet_is_not_drawn():
    assert charts.cost_scatter(result(latency=None).arms, "latency").data == ()


@pytest.mark.parametrize(("cost", "field"), [("size", "onnx_bytes"), ("latency", "latency_ms")])
def test_a_model_whose_cost_is_not_measured_is_left_out_alone(cost, field):
    arms = result().arms
    arms["teacher"] = replace(arms["teacher"], **{field: None})
    figure = charts.cost_scatter(arms, cost)
    assert [trace.name for trace in figure.data] == ["Labels alone", "Distilled"]


def test_a_single_seed_has_a_bar_of_no_length():
    arms = {name: replace(arm, accuracy=(0.5,)) for name, arm in result().arms.items()}
    for trace in charts.cost_scatter(arms, "size").data:
        assert (trace.y[0], trace.error_y.array[0]) == (50, 0)


@pytest.mark.parametrize(
    "figure",
    [
        charts.accuracy_curves(charts.frame(TEACHER + STUDENTS), 50),
        charts.loss_curves(charts.frame(STUDENTS), 50),
        charts.cost_scatter(result().arms, "size"),
        charts.cost_scatter(result().arms, "latency"),
    ],
)
def test_a_chart_asks_the_question_it_answers(figure):
    assert figure.layout.title.text.endswith("?")
    assert len(figure.data) > 0


@pytest.mark.parametrize(
    "figure",
    [
        charts.accuracy_curves(charts.frame([]), 50),
        charts.loss_curves(charts.frame([]), 50),
        charts.awaited("Which?", "soon"),
    ],
)
def test_without_data_there_is_an_empty_chart_and_its_question(figure):
    assert figure.layout.title.text.endswith("?")
    assert figure.data == ()


def test_what_a_models_mark_says_is_a_sentence():
    curves = charts.accuracy_curves(charts.frame(TEACHER + STUDENTS), 50)
    said = {trace.name: trace.hovertemplate for trace in curves.data if trace.name}
    assert said["Distilled"] == "Student, distilled gets %{y:.1f} % right<extra></extra>"
    assert said["Teacher"] == "Teacher gets %{y:.1f} % right<extra></extra>"
    (_, _, mark) = charts.cost_scatter(result().arms, "size").data
    assert mark.hovertemplate.startswith("Student, distilled gets %{y:.1f} % right at %{x:.3g} kB")


def test_what_the_models_cost_is_taken_away_as_a_table():
    table = charts.cost_rows(result(latency=None).arms).set_index("model")
    assert list(table.index) == list(ARMS)
    assert table.loc["teacher", "size_kB"] == 100
    assert table.loc["control", "accuracy_percent"] == pytest.approx(85)
    assert table.loc["control", "sd_points"] == pytest.approx(10 / math.sqrt(2))
    assert table["latency_us"].isna().all()
