"""The curves of a pipeline's trainings on."""

import pytest

from kdcore.charts import LOOKS
from kdcore.pipeline import Pipeline
from kdcore.tuning_charts import laps_table, tuning_curves
from kdcore.waterfall import Lap

PIPELINE = Pipeline(
    stages=[
        {"kind": "prune"},
        {"kind": "fine-tune", "steps": 20},
        {"kind": "quantize", "how": "aware", "tune": {"steps": 10}},
    ]
)
LAPS = [
    *(Lap(None, 0, 20, 0.90), Lap(None, 1, 20, 0.94)),
    *(Lap(1, 0, 20, 0.80), Lap(1, 1, 20, 0.90), Lap(2, 0, 30, 0.7), Lap(2, 1, 30, 0.7)),
]


def lines(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


def test_the_compressed_student_and_the_one_beside_are_drawn_as_means_over_the_seeds():
    drawn = lines(tuning_curves(LAPS, PIPELINE, teacher=0.97))
    compressed = drawn["Compressed"]
    assert list(compressed.x) == [20, 30]
    assert list(compressed.y) == pytest.approx([85, 70])
    beside = drawn["Not compressed"]
    assert list(beside.y) == pytest.approx([92])
    assert {compressed.line.color, beside.line.color} == {LOOKS["distilled"].colour}
    assert compressed.line.dash != beside.line.dash
    assert beside.marker.symbol == "circle-open"


def test_the_teachers_level_goes_over_all_steps_where_it_is_known():
    level = lines(tuning_curves(LAPS, PIPELINE, teacher=0.97))["Teacher"]
    assert (list(level.x), list(level.y)) == ([0, 30], [97, 97])
    assert "Teacher" not in lines(tuning_curves(LAPS, PIPELINE, teacher=None))


def test_where_the_next_stage_begins_to_train_is_marked():
    figure = tuning_curves(LAPS, PIPELINE, None)
    assert [(note.x, note.text) for note in figure.layout.annotations] == [
        *((0, "stage 2"), (20, "stage 3"))
    ]
    assert [shape.x0 for shape in figure.layout.shapes] == [20]


def test_the_table_names_stages_from_one_and_none_of_the_student_beside():
    table = laps_table(LAPS)
    assert list(table["stage"].fillna(0)) == [0, 0, 2, 2, 3, 3]
    assert list(table["line"].unique()) == ["trained on as long, not compressed", "compressed"]
