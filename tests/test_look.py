"""Tables and figures of the pages that look at a run's answers."""

import numpy as np
import pandas as pd
import pytest

from kdcore import look_charts, look_tables
from kdcore.answers import Pool
from kdcore.charts import LOOKS
from kdcore.measure.classes import similarity_tree
from kdcore.result import ARMS, STUDENTS

NAMES = ("a", "b", "c")


def one_hot(*chosen, sure=4.0):
    return (sure * np.eye(3)[list(chosen)]).astype(np.float32)


@pytest.fixture
def pool():
    """Six samples of two seeds: one is fixed in the first seed, and one broken in the second."""
    return Pool(
        labels=np.array([0, 1, 2, 0, 1, 2]),
        logits={
            "teacher": one_hot(0, 1, 2, 0, 1, 2),
            "control": one_hot(1, 1, 2, 0, 1, 2),
            "distilled": one_hot(0, 1, 2, 0, 2, 2, sure=2.0),
        },
        sample=np.array([0, 1, 2, 0, 1, 2]),
        seed=np.array([0, 0, 0, 1, 1, 1]),
    )


def test_outcomes_are_places_in_the_pool_and_weighed_seed_by_seed(pool):
    found = look_tables.contrast(pool)
    assert found.outcomes["fixed"].tolist() == [0]
    assert found.outcomes["broke"].tolist() == [4]
    told = look_tables.discordant(pool, found)
    assert [(each.seed, each.fixed, each.broke, each.p) for each in told] == [
        (0, 1, 0, 1.0),
        (1, 0, 1, 1.0),
    ]


def test_the_sample_furthest_from_the_teacher_comes_first(pool):
    found = look_tables.contrast(pool)
    assert found.furthest[0] == 4  # the only one on which they disagree
    assert sorted(found.unsure) == list(range(6))


def test_a_row_of_the_gallery_says_sample_seed_truth_and_answers(pool):
    found = look_tables.contrast(pool)
    (row,) = look_tables.gallery(pool, found, np.array([4]), NAMES).to_dict("records")
    assert (row["sample"], row["seed place"], row["true"]) == (2, 1, "b")
    assert (row["teacher"], row["control"], row["distilled"]) == ("b", "b", "c")
    e = np.exp(4.0)
    assert row["teacher confidence"] == pytest.approx(e / (e + 2), rel=1e-5)


def test_class_accuracy_is_in_order_of_what_distillation_changed(pool):
    rows = look_tables.class_accuracy(look_tables.confusion(pool, NAMES), NAMES)
    assert list(rows["class"]) == ["b", "c", "a"]
    assert list(rows["change"]) == [-50, 0, 50]
    assert list(rows["samples"]) == [2, 2, 2]


def test_the_temperature_is_fitted_on_every_second_sample_and_judged_on_the_others(pool):
    found = look_tables.confidences(pool)
    assert found["teacher"].plain.counts.sum() == 2  # sample 1 of both seeds
    assert found["distilled"].plain.accuracy[-3] == pytest.approx(0.5)  # at σ ≈ 0.79


def test_the_rows_of_a_confusion_are_the_cells_that_any_model_fills(pool):
    rows = look_tables.confusion_rows(look_tables.confusion(pool, NAMES), NAMES)
    assert rows.to_dict("records")[1] == {
        "true": "a",
        "answer": "b",
        "teacher": 0,
        "control": 1,
        "distilled": 0,
    }
    assert rows[list(ARMS)].to_numpy().sum() == 18


def test_each_join_of_a_tree_names_its_groups():
    tree = similarity_tree(np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    joins = look_tables.joins(tree, NAMES)
    assert list(joins["group"] + "+" + joins["joins"]) in (["a+b", "c+a b"], ["a+b", "a b+c"])


# figures


def all_figures(pool):
    counts = look_tables.confusion(pool, NAMES)
    found = look_tables.confidences(pool)
    rows = look_tables.reliability_rows(found, False)
    tree = similarity_tree(look_tables.soft_targets(pool, 2.0)["teacher"])
    plane = np.zeros((3, 2), dtype=np.float32)
    return [
        look_charts.confusion_map(counts["control"], NAMES, "control", 50.0),
        look_charts.difference_map(counts, NAMES),
        look_charts.class_dumbbells(look_tables.class_accuracy(counts, NAMES)),
        look_charts.reliability(rows, found, False),
        look_charts.reliability(rows, found, True),
        look_charts.coverage(look_tables.coverage_rows(pool)),
        look_charts.order_histogram(look_tables.orders(pool)),
        look_charts.class_tree(tree, NAMES, "teacher"),
        look_charts.where_they_lie(plane, np.arange(3), [1], NAMES, "Where are they?"),
    ]


def test_every_figure_asks_a_question_and_says_what_its_axes_are(pool):
    for figure in all_figures(pool):
        assert "?" in figure.layout.title.text
        assert figure.layout.xaxis.title.text
        assert len(figure.data) > 0


def test_hover_is_a_sentence_wherever_there_is_any(pool):
    for figure in all_figures(pool):
        for trace in figure.data:
            if trace.hoverinfo != "skip":
                assert len(trace.hovertemplate) > 20 or "customdata" in trace.hovertemplate


def test_a_confusion_map_leaves_right_answers_blank_and_shares_out_the_rest(pool):
    counts = look_tables.confusion(pool, NAMES)
    (cells,) = look_charts.confusion_map(counts["control"], NAMES, "control", 50.0).data
    assert np.isnan(np.diagonal(cells.z)).all()
    assert cells.z[0][1] == 50  # one of two
    assert cells.customdata[0][1] == "Student, labels alone calls 1 of 2 samples of a<br>b"


def test_a_difference_is_that_of_the_two_students(pool):
    (cells,) = look_charts.difference_map(look_tables.confusion(pool, NAMES), NAMES).data
    assert (cells.z[0][1], cells.z[1][2]) == (-50, 50)
    assert "50.0 points less often" in cells.customdata[0][1]


def test_of_a_hundred_classes_the_map_has_no_sentence_a_cell(pool):
    names = tuple(f"class {i}" for i in range(100))
    counts = np.eye(100, dtype=np.int64)
    (cells,) = look_charts.confusion_map(counts, names, "teacher", 1.0).data
    assert cells.customdata is None
    assert "%{y}, called<br>%{x}" in cells.hovertemplate


def test_the_dumbbells_of_very_many_classes_are_those_that_changed_most():
    counts = {arm: np.eye(100, dtype=np.int64) for arm in ARMS}
    names = tuple(f"class {i}" for i in range(100))
    counts["control"] = np.roll(np.eye(100, dtype=np.int64), 1, axis=1)
    counts["control"][:50] = np.eye(100, dtype=np.int64)[:50]
    figure = look_charts.class_dumbbells(look_tables.class_accuracy(counts, names))
    assert len(figure.data[1].x) == 20
    assert "(20 of 100, most changed)" in figure.layout.title.text


def test_models_keep_their_colours_and_markers(pool):
    rows = look_tables.class_accuracy(look_tables.confusion(pool, NAMES), NAMES)
    for trace, arm in zip(look_charts.class_dumbbells(rows).data[1:], ARMS, strict=True):
        assert (trace.marker.color, trace.marker.symbol) == (LOOKS[arm].colour, LOOKS[arm].marker)


def test_the_order_of_wrong_classes_is_counted_in_tenths():
    rows = pd.DataFrame({"control": [0.5, 0.52, 0.9], "distilled": [1.0, 1.0, 0.95]})
    figure = look_charts.order_histogram(rows)
    for trace, arm in zip(figure.data, STUDENTS, strict=True):
        assert sum(trace.y) == pytest.approx(100)
        assert trace.name.startswith(LOOKS[arm].short)
    assert figure.data[0].x[0] == pytest.approx(0.55)
    assert figure.data[0].y[0] == pytest.approx(200 / 3)
