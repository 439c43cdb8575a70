"""What each step of a report's models brought and took away, and what it is held against."""

import pandas as pd
import pytest

from kdcore.handover import figures, steps

MODELS = ["teacher", "control", "distilled", "static int8", "dynamic int8"]


@pytest.fixture
def rows():
    """Over the seeds the student is at 95 %, the first seed's at 94; two were made of that one."""
    return pd.DataFrame(
        {
            "model": MODELS,
            "accuracy": [0.97, 0.90, 0.95, 0.93, 0.94],
            "first": [0.97, 0.91, 0.94, 0.93, 0.94],
            "once": [False, False, False, True, True],
            "low": None,
            "high": None,
            "bytes": [80_000.0, 20_000.0, 20_000.0, 10_000.0, 8_000.0],
        }
    ).astype({"low": float, "high": float})


def test_each_model_made_since_is_held_against_the_first_seeds_student_and_none_against_another(
    rows,
):
    found = steps.brought(rows).set_index("model")
    assert found["against"].tolist() == ["", "control", "distilled", "distilled"]
    assert found["step"].tolist()[1:] == pytest.approx([5, -1, 0], abs=1e-9)


def test_a_model_of_all_seeds_is_held_against_the_mean_of_the_students_it_was_made_of(rows):
    found = steps.brought(rows[:4].assign(once=False))
    assert found["step"].tolist()[1:] == pytest.approx([5, -2], abs=1e-9)
    drawn = steps.accuracy_steps(found, figures.marks(MODELS), 0.97)
    level = drawn.data[1]
    assert [y for y in level.y if y is not None] == pytest.approx([95, 95, 95, 93])


def test_the_figure_of_steps_says_so_and_rises_or_falls_from_that_students_level(rows):
    drawn = steps.accuracy_steps(steps.brought(rows), figures.marks(MODELS), 0.97)
    assert list(drawn.layout.xaxis.ticktext) == [
        *("Labels alone", "Distilled<br>+5.0 points", "static int8<br>−1.0 points"),
        "dynamic int8<br>0.0 points",
    ]
    climbs, level = drawn.data[:2]
    assert list(climbs.y) == pytest.approx([90, 95])
    assert [y for y in level.y if y is not None] == pytest.approx([94] * 3 + [94, 93, 94, 94])


def test_without_further_models_no_level_is_drawn(rows):
    own = steps.brought(rows[:3])
    drawn = steps.accuracy_steps(own, figures.marks(MODELS[:3]), 0.97)
    assert sum(trace.mode == "lines" for trace in drawn.data) == 1


def test_a_further_models_file_is_so_many_times_smaller_than_the_students(rows):
    files = rows[rows["model"] != "control"]
    files = files.assign(against=steps.held_against([*files["model"]]))
    drawn = steps.size_steps(files, figures.marks(MODELS))
    shares = [trace.text[0] for trace in drawn.data if trace.text[0][0] in "÷×"]
    assert shares == ["÷ 4", "÷ 2", "÷ 2.5"]
    assert "from Distilled to dynamic int8" in drawn.data[-1].hovertemplate


def test_where_the_students_file_is_not_known_nothing_is_held_against_it():
    assert steps.held_against(["teacher", "int8"]) == ["", ""]


def test_few_names_of_short_words_stand_upright_and_long_ones_turn_where_they_must(rows):
    def axis(last):
        models = [*MODELS[:-1], last]
        drawn = steps.brought(rows.assign(model=models))
        return steps.accuracy_steps(drawn, figures.marks(models), 0.97).layout.xaxis

    after = axis("dynamic int8 after 2 stages")
    assert after.ticktext[-1] == "dynamic int8<br>after 2<br>stages<br>0.0 points"
    assert after.tickangle == 0
    assert axis("a-name-without-any-room").tickangle is None
