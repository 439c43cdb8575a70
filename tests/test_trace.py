"""A run's trace: what torch did, for whoever asks where the time went."""

import gzip
import json

import pytest

from kdcore.experiment import steps, traced_steps
from kdcore.result import Result
from kdcore.train import trace
from kdcore.train.trace import traced


def written(folder):
    (path,) = folder.iterdir()
    return json.loads(gzip.decompress(path.read_bytes()))


def test_a_traced_run_gives_its_numbers_and_leaves_a_trace_that_names_torchs_work(
    quick, shelf, home, monkeypatch
):
    plain = next(each for each in steps(quick, shelf) if isinstance(each, Result))
    monkeypatch.setenv("KDCORE_TRACE", "1")
    found = next(each for each in traced_steps(quick, shelf) if isinstance(each, Result))
    assert found.difference == plain.difference
    names = {event.get("name") for event in written(home / "traces")["traceEvents"]}
    assert "aten::baddbmm" in names


@pytest.mark.parametrize("value", ["", "0"])
def test_without_the_variable_nothing_is_written(quick, shelf, home, monkeypatch, value):
    monkeypatch.setenv("KDCORE_TRACE", value)
    next(traced_steps(quick, shelf))
    assert not (home / "traces").exists()


def test_a_run_that_is_stopped_leaves_its_trace(tmp_path):
    told = traced(iter(range(3)), tmp_path / "traces" / "one.json.gz")
    assert next(told) == 0
    told.close()
    assert "traceEvents" in written(tmp_path / "traces")


def test_a_long_run_is_traced_at_its_beginning_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(trace, "SECONDS", 0.0)
    told = traced(iter(range(3)), tmp_path / "traces" / "one.json.gz")
    assert (next(told), next(told)) == (0, 1)
    assert "traceEvents" in written(tmp_path / "traces")
    assert list(told) == [2]


def test_of_two_runs_at_once_one_is_traced(tmp_path):
    first, second = (traced(iter("abc"), tmp_path / name / "one.json.gz") for name in ("a", "b"))
    assert (next(first), next(second)) == ("a", "a")
    assert list(second) == ["b", "c"]
    assert list(first) == ["b", "c"]
    assert not (tmp_path / "b").exists()
    assert "traceEvents" in written(tmp_path / "a")
    assert list(traced(iter("d"), tmp_path / "c" / "one.json.gz")) == ["d"]
    assert "traceEvents" in written(tmp_path / "c")


def test_a_trace_that_cannot_be_written_ends_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    assert list(traced(iter("ab"), tmp_path / "file" / "one.json.gz")) == ["a", "b"]


def test_warming_up_leaves_no_trace(home, monkeypatch):
    from kdcore.runs.preload import warm_up

    monkeypatch.setenv("KDCORE_TRACE", "1")
    warm_up()
    assert not (home / "traces").exists()
