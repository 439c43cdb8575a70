"""A run's trace: what torch did, for whoever asks where the time went."""

import gzip
import json

import pytest

from kdcore.experiment import steps
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
    found = next(each for each in steps(quick, shelf) if isinstance(each, Result))
    assert found.difference == plain.difference
    names = {event.get("name") for event in written(home / "traces")["traceEvents"]}
    assert "aten::baddbmm" in names


@pytest.mark.parametrize("value", ["", "0"])
def test_without_the_variable_nothing_is_written(quick, shelf, home, monkeypatch, value):
    monkeypatch.setenv("KDCORE_TRACE", value)
    next(steps(quick, shelf))
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
