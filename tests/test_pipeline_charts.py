"""What a pipeline gave, drawn and said: each number where it belongs, and no other."""

from dataclasses import replace

import pytest

from kdcore import pipeline_charts
from kdcore.charts import LOOKS
from kdcore.pipeline_tables import foreseen_table, headline, latency_sentence, shown
from kdcore.shelf import Shelf
from kdcore.statistics import paired_difference
from kdcore.waterfall import CONTROL, TEACHER, Foreseen, rows_table
from tests.piped import MACHINE, finished


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return finished(Shelf(tmp_path_factory.mktemp("shelf")))


def marks(figure):
    """The mark of each model, from the top down."""
    return [t for t in figure.data if t.mode == "markers" and len(t.x) == 1]


def notes(figure):
    return [note.text for note in figure.layout.annotations]


def test_the_ends_keep_their_looks_and_all_that_is_distilled_has_its_own(result):
    for figure in (
        pipeline_charts.sizes(result.rows),
        pipeline_charts.accuracies(result.rows),
        pipeline_charts.latencies(result.rows, 1),
    ):
        teacher, control, *others = marks(figure)
        for mark, arm in ((teacher, "teacher"), (control, "control")):
            assert (mark.marker.color, mark.marker.symbol) == (LOOKS[arm].colour, LOOKS[arm].marker)
        assert {mark.marker.color for mark in others} == {LOOKS["distilled"].colour}
        symbols = [mark.marker.symbol for mark in others]
        assert symbols == ["circle", "circle-open", "circle", "circle", "circle"]
        assert [mark.y[0] for mark in marks(figure)] == [6, 5, 4, 3, 2, 1, 0]
        assert figure.layout.title.text.endswith("?")


def test_the_stair_leads_from_the_distilled_student_through_its_stages_alone(result):
    stair = next(t for t in pipeline_charts.sizes(result.rows).data if t.mode == "lines")
    # 5 kB; down to the first stage, over to its 2.5 kB; nothing changes; over to 1 kB
    corners = [(x, y) for x, y in zip(stair.x, stair.y, strict=True) if y in range(7)]
    assert corners == [
        *((5.0, 4), (5.0, 2), (2.5, 2)),
        *((2.5, 1), (2.5, 1)),
        *((2.5, 0), (1.0, 0)),
    ]
    # words stand above each mark: no line runs through those of the four lines that it passes
    for height in range(4):
        above = list(stair.y).index(height + pipeline_charts.ABOVE_WORDS)
        assert stair.y[above + 1] is None
        assert stair.y[above + 2] == height + pipeline_charts.BELOW_WORDS


def test_each_name_stands_with_its_number(result):
    assert notes(pipeline_charts.sizes(result.rows))[:4] == [
        *("Teacher", "<b>10.0\u00a0kB</b>", "Student on labels alone", "<b>5.0\u00a0kB</b>"),
    ]
    accuracy = notes(pipeline_charts.accuracies(result.rows))
    assert accuracy[2:4] == ["Student on labels alone", "<b>91.0\u00a0±\u00a01.0\u00a0%</b>"]
    assert notes(pipeline_charts.latencies(result.rows, 32))[1] == "<b>320 µs</b>"


def test_zeros_are_told_of_beside_the_file_and_what_gzip_makes_of_it(result):
    figure = pipeline_charts.sizes(result.rows)
    gzipped = next(t for t in figure.data if t.name == "the same file, gzipped")
    assert list(gzipped.x) == [5.0, 2.5, 2.5, 2.5, 1.25, 1.25, 0.5]
    # of 2,500 parameters, 2,000 are not zero
    assert "500 of its 2,500 parameters are zero" in marks(figure)[0].hovertemplate


def test_the_hover_text_of_a_stage_says_its_verdict(result):
    said = [mark.hovertemplate for mark in marks(pipeline_charts.accuracies(result.rows))]
    assert "points against the uncompressed student: worse" in said[-1]
    assert all("against" not in each for each in said[:4])


def test_a_batch_that_was_not_measured_is_refused(result):
    with pytest.raises(ValueError, match="no latency of 'teacher' was measured for a batch of 8"):
        pipeline_charts.latencies(result.rows, 8)


def test_values_far_apart_have_a_logarithmic_axis_and_others_begin_at_zero(result):
    near = [replace(row, bytes=5_000, gzip_bytes=4_000) for row in result.rows]
    assert pipeline_charts.sizes(result.rows).layout.xaxis.type == "log"
    assert pipeline_charts.sizes(near).layout.xaxis.range[0] == 0


def test_every_layers_sensitivity_is_a_bar_of_percent(result):
    (bars,) = pipeline_charts.sensitivity(result.sensitivity).data
    assert list(bars.y) == ["first", "second"]
    assert list(bars.x) == pytest.approx([5.0, 40.0])
    assert list(bars.customdata) == pytest.approx([1.0, 10.0])


def test_the_table_tells_what_is_unknown_by_a_dash(result):
    own = replace(result.rows[0], nonzeros=None, macs=None)
    first, last = shown([own, result.rows[-1]]).to_dict("records")
    assert (first["Model"], first["of them zero"], first["MACs"]) == ("Teacher", "–", "–")
    assert (first["Difference, points"], first["Verdict"]) == ("–", "–")
    # three seeds that all differ by 3 points, of 500 samples: ± 4.303 · 0.2 / √3
    assert last["Difference, points"] == "−3.0 (−3.5 … −2.5)"
    assert (last["On disk, kB"], last["Latency, batch 1"]) == ("1.0", "1 µs")


def test_the_numbers_to_take_away_are_those_of_the_rows(result):
    found = rows_table(result.rows)
    assert list(found["model"][:2]) == [TEACHER, CONTROL]
    assert list(found["bytes"]) == [row.bytes for row in result.rows]


def test_the_headline_says_smaller_faster_and_worse_with_its_interval(result):
    assert headline(result) == (
        "After all stages, the student has gone from 5.0\u00a0kB to 1.0\u00a0kB on disk: 5.0 times "
        "smaller. An answer takes 1 µs: 5.0 times faster. It is worse by 3.0 points than the "
        "student that was trained on as long (95 % interval −3.5 to −2.5)."
    )


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ((0.99, 1.0, 1.0), "It is better by 3.7 points than"),
        ((0.95, 0.96, 0.97), "There is no clear difference in accuracy, 0.0 points, to"),
        ((0.90,), "too few seeds to tell luck from loss"),
    ],
)
def test_the_headline_claims_no_more_than_the_seeds_allow(result, accuracy, said):
    beside = (0.95, 0.96, 0.97)[: len(accuracy)]
    gap = paired_difference(beside, accuracy, 500)
    last = replace(result.rows[-1], difference=gap, bytes=9_000)
    found = headline(replace(result, rows=(*result.rows[:-1], last)))
    assert said in found
    assert "1.8 times larger" in found


def test_a_latency_that_overlaps_with_the_one_before_is_no_gain(result):
    # 5 µs before, between 2.5 and 10; 4 µs after, between 2 and 8
    first, last = (result.rows[place].latency for place in (2, -1))
    near = {"median_ms": 0.004, "low_ms": 0.002, "high_ms": 0.008, "cpu_ms": 0.004}
    near = tuple(replace(each, **near) for each in last)
    assert first[0].median_ms == 0.005
    rows = (*result.rows[:-1], replace(result.rows[-1], latency=near))
    said = headline(replace(result, rows=rows))
    assert "An answer takes 4 µs, which is not clearly different from 5 µs before." in said


def test_no_speed_is_told_from_a_busy_machine(result):
    last = result.rows[-1]
    busy = tuple(replace(each, cpu_ms=each.median_ms / 2) for each in last.latency)
    said = headline(replace(result, rows=(*result.rows[:-1], replace(last, latency=busy))))
    assert "taken while the machine was busy: no speed can be told from it" in said
    assert "faster" not in said


def test_a_latency_says_how_and_where_it_was_taken():
    said = latency_sentence(MACHINE, 60, 10)
    for part in ("Linux, 4 cores", "onnxruntime 1.31", "one thread", "10 calls", "60 samples"):
        assert part in said


def test_what_cannot_be_foreseen_is_a_dash():
    found = foreseen_table([Foreseen("share weights", 1482, 1440, None, None)])
    assert list(found.iloc[0]) == ["Share weights", "–", "1,482", "–", "1,440"]
