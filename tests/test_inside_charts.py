"""Figures of what is inside the models."""

from dataclasses import replace

import numpy as np
import pytest
from plotly.colors import sample_colorscale

from kdcore import inside_charts, layer_charts
from kdcore.charts import LOOKS
from kdcore.insides import Insides, Layer
from kdcore.result import ARMS

TEACHER = (
    Layer(1, "0", "Flatten", (4,), 0, 0),
    Layer(2, "1", "Linear, ReLU", (30,), 150, 120),
    Layer(3, "3", "Attention's products", (), 0, 1_500_000),
    Layer(4, "4", "Linear", (2,), 62, 60),
)
STUDENT = (TEACHER[0], Layer(2, "1", "Linear", (2,), 10, 8))


@pytest.fixture
def found():
    return Insides(
        input_shape=(1, 2, 2),
        layers={"teacher": TEACHER, "control": STUDENT, "distilled": STUDENT},
        compared={"teacher": (2, 4), "control": (2,), "distilled": (2,)},
        alike={("teacher", "distilled"): np.array([[0.25], [np.nan]], np.float32)},
        probe=60,
    )


def all_figures(found):
    pictures = np.arange(10 * 4, dtype=np.float32).reshape(10, 1, 2, 2)
    return [
        layer_charts.layer_map(found, ("teacher", "distilled")),
        layer_charts.architecture(found, "teacher", "Teacher"),
        inside_charts.first_weights({"control": pictures}, "control"),
        inside_charts.first_weights({"distilled": np.ones((3, 2), np.float32)}, "distilled"),
        inside_charts.first_weights({"teacher": np.ones((3, 3, 2, 2), np.float32)}, "teacher"),
        inside_charts.saliency(np.eye(3, dtype=np.float32), "data:,", "teacher", "a, 60 %", "a"),
    ]


def test_every_figure_asks_a_question_of_a_model_and_says_what_its_axis_is(found):
    for figure in all_figures(found):
        assert "?" in figure.layout.title.text
        assert figure.layout.xaxis.title.text
        assert len(figure.data) > 0
        assert figure.layout.height <= 500


def test_a_cell_of_the_map_says_which_layers_it_is_of_and_how_alike_they_are(found):
    figure = layer_charts.layer_map(found, ("teacher", "distilled"))
    ((alike,), (unknown,)) = figure.data[0].customdata
    assert alike == (
        "Teacher: layer 2, Linear, gives 30<br>Student, distilled: layer 2, Linear, gives 2<br>"
        "They are alike to 0.25"
    )
    assert unknown == "One of the two gives the same for all samples"
    numbers = figure.data[1]
    assert (list(numbers.x), list(numbers.y), list(numbers.text)) == ([0], [0], ["0.25"])


def luminance(colour):
    """Relative luminance of a colour in 0 to 255, as WCAG 2.2 defines it."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_cells_number_is_readable_on_every_colour_of_the_map(found):
    """Contrast of 4.5 to 1, as text needs it (WCAG 2.2, success criterion 1.4.3)."""
    for value in np.linspace(0, 1, 21):
        alike = {("teacher", "distilled"): np.full((2, 1), value, np.float32)}
        cells, numbers = layer_charts.layer_map(
            replace(found, alike=alike), ("teacher", "distilled")
        ).data
        scale = [list(each) for each in cells.colorscale]
        (ground,) = sample_colorscale(scale, [float(value)], colortype="tuple")
        ink = tuple(int(numbers.textfont.color[0][i : i + 2], 16) for i in (1, 3, 5))
        light, dark = sorted(
            (luminance(ink), luminance([255 * part for part in ground])), reverse=True
        )
        assert (light + 0.05) / (dark + 0.05) >= 4.5, value


def test_the_drawing_has_a_bar_for_the_input_and_each_layer_with_its_costs(found):
    bars, words = layer_charts.architecture(found, "teacher", "Teacher").data
    assert list(bars.text) == ["1×2×2", "4", "30", "–", "2"]
    assert bars.x[2] > bars.x[1] > bars.x[4] > bars.x[3]
    assert list(words.text) == ["params · MACs", "", "150 · 120", "– · 1.5 M", "62 · 60"]
    blue = LOOKS["teacher"].colour
    assert [colour == blue for colour in bars.marker.color] == [False, False, True, False, True]


def test_the_tables_hold_every_layer_and_every_pair(found):
    rows = layer_charts.architecture_rows(found)
    assert len(rows) == 4 + 2 + 2
    assert rows[rows["model"] == "teacher"]["parameters"].sum() == 212
    pairs = layer_charts.layer_map_rows(found)
    assert list(pairs["layer"] + "-" + pairs["other layer"]) == ["1-1", "4-1"]


def test_first_weights_lie_eight_a_row_with_a_gap_between():
    units = np.arange(10, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 2, 2))
    sheet = np.array(inside_charts.first_weights({"teacher": units}, "teacher").data[0].z)
    assert sheet.shape == (2 * 3 - 1, 8 * 3 - 1)
    assert sheet[0, 3:5].tolist() == [1, 1]
    assert sheet[3, 3:5].tolist() == [9, 9]
    assert np.isnan(sheet[:, 2]).all()
    assert np.isnan(sheet[3, 6:]).all()


def test_the_table_of_first_weights_has_a_row_for_each_unit_of_each_model():
    first = {arm: np.full((2, 1, 1, 3), number, np.float32) for number, arm in enumerate(ARMS)}
    rows = inside_charts.first_weight_rows(first)
    assert list(rows["unit"]) == [1, 2] * 3
    weights = ["weight 1", "weight 2", "weight 3"]
    assert list(rows) == ["model", "unit", *weights]
    assert rows[rows["model"] == "distilled"][weights].to_numpy().tolist() == [[2] * 3] * 2


def test_units_and_numbers_are_counted_from_one_in_the_figure_too():
    (cells,) = inside_charts.first_weights(
        {"control": np.eye(3, 2, dtype=np.float32)}, "control"
    ).data
    assert (cells.x0, cells.dx, cells.y0, cells.dy) == (1, 1, 1, 1)


def test_both_students_have_one_scale_of_colours_and_the_teacher_its_own():
    first = {
        arm: np.full((2, 2), number, np.float32)
        for arm, number in zip(ARMS, (9, 2, 3), strict=True)
    }
    scales = {arm: inside_charts.first_weights(first, arm).data[0] for arm in ARMS}
    assert {arm: each.zmax for arm, each in scales.items()} == {
        "teacher": 9,
        "control": 3,
        "distilled": 3,
    }
    assert all(each.zmin == -each.zmax for each in scales.values())


@pytest.mark.parametrize("count", [2, 10, 11, 100])
def test_each_class_has_a_colour_of_its_own(count):
    assert len(set(inside_charts.class_colours(count))) == count
