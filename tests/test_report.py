"""A finished run as one HTML file: what it says, and that it holds all that it needs."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kdcore.compress.quantize import static_int8
from kdcore.errors import HomeError, UploadError
from kdcore.handover import examples, facts, figures, measured, timing
from kdcore.handover.report import MOST_DETAILED, report
from kdcore.handover.speed import bound_table
from kdcore.handover.words import size, time
from kdcore.measure import here
from kdcore.statistics import Difference, verdict_sentence
from tests.handed import handed

MISCHIEF = "<script>alert('x')</script><b>bold</b>"


@pytest.fixture(scope="module")
def of(tmp_path_factory):
    """A finished run; the control stands for a model that was made since."""
    found = handed(tmp_path_factory.mktemp("shelf"))
    names = (MISCHIEF, *found.answers.class_names[1:])
    return replace(
        found,
        name=MISCHIEF,
        answers=replace(found.answers, class_names=names),
        files={**found.files, "int8": found.files["control"]},
    )


@pytest.fixture(scope="module")
def device(of):
    cells = here.grid({"model": of.files["distilled"]}, batches=(1,), threads=(1,), rounds=9)
    told = here.report({"model": of.files["distilled"]}, cells, name="my board")
    return measured.read(json.dumps(told))


@pytest.fixture(scope="module")
def page(of, device):
    return report([of], [device]).decode()


@pytest.fixture(scope="module")
def body(page):
    """What stands there, without plotly.js."""
    return page[page.index("<body>") :]


def test_it_asks_the_network_for_nothing(page):
    asked = re.findall(r"<(?:script|link|img|iframe)[^>]*\b(?:src|href)=[\"'](?!data:)[^>]*>", page)
    assert asked == []
    assert page.count("plotly.js v") == 1
    assert "default-src 'none'" in page
    told = float(re.search(r"has about ([\d.]+) MB", page).group(1))
    assert told == pytest.approx(len(page.encode()) / 1e6, abs=0.06)


def test_it_says_the_verdict_the_sizes_and_what_was_not_tested(body, of):
    assert verdict_sentence(of.result.difference) in body
    for arm in of.result.arms.values():
        assert size(arm.onnx_bytes) in body
    assert "What was not tested" in body
    assert "Speed and memory on other devices than my board" in body
    assert "Bounds, not measurements" in body


def test_what_people_typed_is_text_and_never_markup(page, body):
    assert page.count("<script>alert") == 0
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in body
    drawn = "".join(re.findall(r"Plotly\.newPlot\(.*?\);?\n", body, re.DOTALL))
    assert "\\u003cscript" not in drawn  # plotly would read it as HTML of its own
    assert "\\u003cb\\u003e" not in drawn


def test_every_figure_hands_out_its_numbers(body):
    files = dict(re.findall(r'download="([\w-]+)\.csv" href="data:text/csv;base64,([^"]*)"', body))
    assert set(files) == {
        *("pareto", "sizes", "steps", "classes", "confidence", "noise", "blur", "shift"),
    }
    classes = pd.read_csv(io.BytesIO(base64.b64decode(files["classes"])))
    assert classes["class"][0] == MISCHIEF
    assert {"teacher", "control", "distilled", "int8"} <= set(classes.columns)


def test_what_was_made_of_the_first_seeds_student_is_held_against_that_one(body, of):
    files = dict(re.findall(r'download="([\w-]+)\.csv" href="data:text/csv;base64,([^"]*)"', body))
    rows = pd.read_csv(io.BytesIO(base64.b64decode(files["steps"]))).set_index("model")
    accuracy = {name: each.accuracy for name, each in of.result.arms.items()}
    assert rows.loc["distilled", "step"] == pytest.approx(of.result.difference.mean)
    expected = 100 * (accuracy["control"][0] - accuracy["distilled"][0])
    assert rows.loc["int8", "step"] == pytest.approx(expected)


def drawn_rows(page, name):
    """A figure's numbers, by model."""
    files = dict(re.findall(r'download="([\w-]+)\.csv" href="data:text/csv;base64,([^"]*)"', page))
    return pd.read_csv(io.BytesIO(base64.b64decode(files[name]))).set_index("model")


def test_the_bars_of_a_chart_are_of_one_kind_over_seeds_where_there_are_several(body, of):
    rows = drawn_rows(body, "pareto")
    students = of.result.arms["distilled"].accuracy
    half = stats.sem(students) * stats.t.ppf(0.975, len(students) - 1)
    assert rows.loc["distilled", "high"] == pytest.approx(np.mean(students) + half)
    assert rows.loc[["teacher", "int8"], ["low", "high"]].isna().all().all()  # there is one of each
    assert rows.loc["teacher", "accuracy"] == of.result.arms["teacher"].accuracy[0]
    assert body.count("Bars: 95 % intervals over the seeds") == 2


def test_one_seed_has_no_verdict_and_bars_over_all_test_samples_though_a_part_is_kept(of):
    gap = Difference(1.0, None, None, (1.0,))
    arms = {
        name: replace(arm, accuracy=arm.accuracy[:1], best_on_validation=arm.accuracy[:1])
        for name, arm in of.result.arms.items()
    }
    result = replace(of.result, difference=gap, verdict="too few seeds", arms=arms)
    kept = of.answers
    part = replace(
        kept,
        labels=kept.labels[:60],
        inputs=kept.inputs[:60],
        logits={arm: each[:, :60] for arm, each in kept.logits.items()},
    )
    page = report([replace(of, result=result, answers=part)], most_macs=1.0).decode()
    assert "1 seed is too few" in page
    assert page.count("Bars: 95 % intervals over the test samples") == 2
    rows, samples = drawn_rows(page, "pareto"), kept.tested
    for arm, each in arms.items():
        right = round(each.accuracy[0] * samples)
        wilson = stats.binomtest(right, samples).proportion_ci(method="wilson")
        assert rows.loc[arm, "accuracy"] == pytest.approx(each.accuracy[0])
        assert rows.loc[arm, ["low", "high"]].tolist() == pytest.approx([wilson.low, wilson.high])
    assert f"on 60 of the {samples:,} test samples" in page  # where int8 was asked


def test_three_examples_show_the_picture_and_what_each_model_says(body, of):
    assert body.count('<img src="data:image/png;base64,') == 3
    assert body.count("Distillation fixed this one") == 1
    answered = facts.all_answers(of)
    for each in examples.examples(of.answers, answered):
        assert f"Test sample {each.place + 1}." in body


def test_a_model_that_was_made_since_stands_beside_the_runs_own(of):
    found = {each.model: each for each in facts.facts(of, facts.all_answers(of))}
    assert list(found) == ["teacher", "control", "distilled", "int8"]
    assert found["int8"].quality.accuracy == found["control"].quality.accuracy
    assert found["int8"].macs == found["distilled"].macs == 64 * 4 + 4 * 10
    assert found["int8"].over_seeds is None
    same = np.mean(
        of.answers.logits["control"][0].argmax(1) == of.answers.logits["distilled"][0].argmax(1)
    )
    assert found["int8"].with_whole.value == pytest.approx(same)


def test_on_samples_as_they_are_models_are_as_accurate_as_the_run_says(of):
    rows = facts.harder(of)
    plain = rows[(rows["strength"] == 0) & (rows["kind"] == "noise")].set_index("model")
    for arm, each in of.result.arms.items():
        assert plain.loc[arm, "accuracy"] == pytest.approx(each.accuracy[0])
    assert set(rows["samples"]) == {facts.MOST_HARDER}
    assert rows.groupby("model")["accuracy"].nunique().min() > 1


def test_where_harder_samples_are_too_much_work_it_says_so(of):
    short = report([of], most_macs=1000.0).decode()
    assert "Noise, blur and shift: too much work for one click" in short
    assert 'download="noise.csv"' not in short


def test_several_runs_stand_side_by_side_and_few_are_told_in_full(of):
    other = replace(of, name="another")
    page = report([of, other]).decode()
    assert "Which model is worth its size on digits?" in page
    assert page.count("Three examples") == 2
    many = report([replace(of, name=f"run {i}") for i in range(MOST_DETAILED + 1)]).decode()
    assert "Three examples" not in many
    assert all(f"run {i}" in many for i in range(MOST_DETAILED + 1))


def test_a_run_that_kept_neither_answers_nor_models_still_has_a_verdict(of):
    bare = replace(of, answers=None, scale=None, files={}, weights={})
    page = report([bare]).decode()
    assert verdict_sentence(of.result.difference) in page
    assert "Three examples" not in page


def test_a_student_in_int8_has_bounds_where_a_device_computes_so(of):
    inputs = np.random.default_rng(0).normal(size=(32, *of.answers.inputs.shape[1:]))
    quantized = static_int8(of.files["distilled"], inputs.astype(np.float32))
    made = replace(
        of, files={**of.files, "int8": quantized}, made={"int8": "prune first; static int8"}
    )
    table = bound_table(made, facts.facts(made, facts.all_answers(made)))
    assert table["head"][-2:] == ["Student, distilled", "int8"]
    rows = {row[0]: row[1:] for row in table["rows"]}
    assert rows["Raspberry Pi 5, four cores"][-1] == "–"  # no figure of its int8 is known
    assert rows["Coral USB accelerator"][:-1] == ["–"] * 3
    ms = 1000 * (64 * 4 + 4 * 10) / 2e12  # of four tera-operations half are multiplications
    assert rows["Coral USB accelerator"][-1] == time(ms)
    page = report([made], most_macs=1.0).decode()
    assert "Made of the distilled student since. int8: prune first; static int8." in page


def test_a_measurement_of_another_model_and_no_run_at_all_are_refused(of, device):
    models = tuple(each.model_copy(update={"sha256": "0" * 64}) for each in device.models)
    with pytest.raises(UploadError, match="is of other files"):
        report([of], [device.model_copy(update={"models": models})])
    with pytest.raises(HomeError, match="1 to 50 runs, not 0"):
        report([])


def test_where_models_cannot_be_timed_or_are_too_large_that_is_said(of, monkeypatch, tmp_path):
    monkeypatch.setattr(here, "__file__", str(tmp_path / "gone.py"))
    assert timing.timed_here(of) == timing.FAILED
    assert timing.timed_here(replace(of, files={"distilled": b"no model"})) == timing.UNCOUNTED
    assert timing.timed_here(replace(of, answers=None)) == timing.UNKEPT
    monkeypatch.undo()
    monkeypatch.setattr(timing, "MOST_MACS", 3 * (64 * 4 + 4 * 10))  # the teacher alone has more
    assert timing.timed_here(of) == timing.TOO_LARGE


def test_who_would_wait_long_for_others_timings_is_told_to_ask_again(of, monkeypatch):
    monkeypatch.setattr(timing, "_timed", lambda of: "timed")
    with timing._alone:
        assert timing.timed_here(of, wait=0.01) == timing.BUSY
        assert timing.timed_here(of, wait=-5) == timing.BUSY  # has waited elsewhere already
    assert timing.timed_here(of, wait=-5) == "timed"
    assert timing.timed_here(of) == "timed"


def test_a_report_without_times_says_why(of):
    page = report([of], untimed=timing.BUSY).decode()
    assert f"measure_here.py measures both. {timing.BUSY}" in page


# figures


def test_the_front_holds_what_nothing_else_beats():
    rows = pd.DataFrame(
        {
            "bytes": [10, 10, 20, 30, 30],
            "accuracy": [0.8, 0.7, 0.9, 0.9, 0.95],
        }
    )
    assert figures.on_front(rows).tolist() == [True, False, True, False, True]


def test_equals_share_the_front():
    rows = pd.DataFrame({"bytes": [10, 10], "accuracy": [0.8, 0.8]})
    assert figures.on_front(rows).tolist() == [True, True]


def test_the_three_models_keep_their_looks_and_others_get_what_is_left():
    looks = figures.marks(["teacher", "control", "distilled", "int8", "pruned"])
    assert looks["distilled"].colour == "#009E73"
    assert len({look.colour for look in looks.values()}) == 5
    assert len({look.marker for look in looks.values()}) == 5


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(1.25, "1.25 ms"), (0.0417, "41.7 µs"), (6e-4, "600 ns"), (1e-9, "under 1 ns"), (None, "–")],
)
def test_a_time_is_said_in_the_unit_that_suits_it(milliseconds, said):
    assert time(milliseconds).replace("\u00a0", " ") == said
