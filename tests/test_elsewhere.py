"""Latency on other devices, beside that of the machine that judged the models."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kdcore.charts import LOOKS
from kdcore.errors import UploadError
from kdcore.handover import measured
from kdcore.handover.elsewhere import (
    Timed,
    device_chart,
    elsewhere,
    in_words,
    missing,
    unmatched,
)
from kdcore.handover.kit import kit
from tests.devices import measurement

TEACHER, STUDENT = b"onnx of the teacher", b"onnx of the student"


def file_of(content: bytes) -> str:
    """Its name on the shelf."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}.onnx"


MODELS = [
    Timed("Teacher", "teacher", file_of(TEACHER), {1: 0.05, 32: 0.4}),
    Timed("Student", "distilled", file_of(STUDENT), {1: 0.02}),
]


@pytest.fixture
def found():
    """A device that measured the teacher, and something else, at two batches."""
    cells = [("big", 1, 1, 0.2), ("big", 1, 4, 0.1), ("big", 8, 1, 1.0), ("other", 1, 1, 3.0)]
    return measured.read(measurement({"big": TEACHER, "other": b"else"}, cells))


def test_models_are_known_by_their_files_whatever_the_device_calls_them(found):
    rows = elsewhere(MODELS, found)
    assert list(rows["model"]) == ["Teacher"] * 3
    assert list(rows["device_ms"]) == [0.2, 0.1, 1.0]
    assert unmatched(MODELS, found) == ("other",)
    assert missing(MODELS, found) == ("Student",)


def test_only_what_was_measured_alike_is_held_against_each_other(found):
    rows = elsewhere(MODELS, found)  # one thread, and a batch that was measured here too
    assert rows["times"].tolist()[0] == pytest.approx(4.0)
    assert rows["times"].isna().tolist() == [False, True, True]
    assert list(in_words(rows)["Times as long"]) == ["4", "–", "–"]
    assert list(in_words(rows)["There"]) == ["200 µs", "100 µs", "1 ms"]


def test_a_measurement_of_other_files_is_refused_in_a_sentence(found):
    with pytest.raises(UploadError, match=r"is of other files \(big, other\) than these"):
        elsewhere(MODELS[1:], found)


def test_here_is_filled_and_there_hollow_in_the_models_own_look(found):
    figure = device_chart(elsewhere(MODELS, found), 1, "a board", "here")
    here, there = [trace for trace in figure.data if trace.hovertext is not None]
    assert (list(here.x), list(there.x)) == ([50.0], [200.0])
    look = LOOKS["teacher"]
    assert list(here.marker.color) == list(there.marker.color) == [look.colour]
    assert list(here.marker.symbol) == [look.marker]
    assert list(there.marker.symbol) == [f"{look.marker}-open"]
    assert "200 µs on a board<br>4 times as long as here" in there.hovertext[0]
    assert figure.layout.title.text == "How fast is it there?"


def test_what_is_told_twice_is_drawn_once():
    told = measurement({"big": TEACHER}, [("big", 1, 1, 0.2)] * 500)
    rows = elsewhere(MODELS, measured.read(told))
    assert len(rows) == 1
    once = elsewhere(MODELS, measured.read(measurement({"big": TEACHER}, [("big", 1, 1, 0.2)])))
    heights = [device_chart(each, 1, "a board").layout.height for each in (rows, once)]
    assert heights[0] == heights[1]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([(1, 1, 0.2), (1, 1, 0.3)], "two latencies of 'big' for a batch of 1 and 1 thread; "),
        ([(n, 1, 0.2) for n in range(1, 102)], "101 latencies of 'big', more than 100; "),
        ([(n, 1, 0.2) for n in range(1, 2_002)], "latency: tuple should have at most 2000 items"),
        ([(10**30, 1, 0.2)], "latency.0.batch: .* less than or equal to 1000000"),
        ([(1, 10**30, 0.2)], "latency.0.threads: .* less than or equal to 1000000"),
        ([(1, 1, 1e300)], "latency.0.p50_ms: .* less than or equal to 10000000"),
        ([(1, 1, 1e-300)], "latency.0.p50_ms: .* greater than or equal to 0.000001"),
    ],
)
def test_more_than_a_page_can_show_is_refused_in_a_sentence(cells, says):
    told = measurement({"big": TEACHER}, [("big", *each) for each in cells])
    with pytest.raises(UploadError, match=says):
        measured.read(told)


def test_two_models_of_one_name_are_refused():
    told = json.loads(measurement({"big": TEACHER, "small": STUDENT}, []))
    told["models"][1]["name"] = "big"
    with pytest.raises(UploadError, match="two models called 'big'"):
        measured.read(json.dumps(told))


def test_the_slowest_and_the_fastest_that_is_taken_in_can_be_drawn_and_listed():
    ends = [("big", 1, 1, 1e-6), ("small", 1, 1, 8e6)]
    found = measured.read(measurement({"big": TEACHER, "small": STUDENT}, ends))
    rows = elsewhere(MODELS, found)
    assert np.isfinite(device_chart(rows, 1, "a board").layout.xaxis.range).all()
    assert pa.Table.from_pandas(in_words(rows)).num_rows == 2  # what a page's table is made of


def test_a_batch_that_was_not_measured_with_one_thread_is_refused(found):
    with pytest.raises(ValueError, match="batch of 32"):
        device_chart(elsewhere(MODELS, found), 32, "a board", "here")


def test_of_two_models_of_one_name_the_one_that_was_not_timed_is_told():
    twice = [replace(model, name="train on") for model in MODELS]
    found = measured.read(measurement({"a": TEACHER, "b": STUDENT}, [("a", 1, 1, 0.2)]))
    assert missing(twice, found) == ("train on",)
    assert list(elsewhere(twice, found)["device_ms"]) == [0.2]


def test_the_kit_holds_every_model_and_the_script_that_measures_them():
    names = ("Teacher", "prune 50 % of the channels", "prune 50 of the channels", "Teacher")
    contents = (TEACHER, STUDENT, b"another", b"one more")
    made = kit("measure-me", [*zip(names, contents, strict=True)])
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        files = {Path(name).name: archive.read(name) for name in archive.namelist()}
    models = (
        *("01-Teacher.onnx", "02-prune-50-of-the-channels.onnx"),
        *("03-prune-50-of-the-channels.onnx", "04-Teacher.onnx"),
    )
    assert set(files) == {*models, "measure_here.py", "requirements.txt", "README.txt"}
    assert tuple(files[name] for name in models) == contents
