"""A sweep's members in one table."""

import math

import pandas as pd
import pytest

from kdcore.experiment import steps
from kdcore.outcome import Outcome, row, table
from kdcore.result import Result
from kdcore.statistics import mean, spread


@pytest.fixture(scope="module")
def result(quick, tmp_path_factory) -> Result:
    from kdcore.shelf import Shelf

    shelf = Shelf(tmp_path_factory.mktemp("outcome"))
    return next(each for each in steps(quick, shelf) if isinstance(each, Result))


def test_a_row_is_the_setting_and_what_it_gave(result):
    found = row(Outcome({"temperature": 4.0}, result))
    accuracy = result.arms["distilled"].accuracy
    assert found["temperature"] == 4.0
    assert found["distilled.mean"] == mean(accuracy)
    assert found["distilled.sd"] == spread(accuracy)
    assert found["teacher.sd"] is None
    assert found["difference"] == result.difference.mean
    assert found["verdict"] == result.verdict
    assert found["student.parameters"] == result.arms["distilled"].parameters
    assert found["error"] == ""


def test_a_member_that_failed_has_its_sentence_and_no_number(result):
    frame = table([Outcome({"temperature": 1}, result), Outcome({"temperature": 2}, error="no")])
    assert list(frame["temperature"]) == [1, 2]
    assert list(frame["error"]) == ["", "no"]
    assert math.isnan(frame["difference"][1])


def test_a_setting_of_several_numbers_stands_in_one_cell(result, tmp_path):
    frame = table([Outcome({"student.options.widths": [16, 8]}, result)])
    assert list(frame["student.options.widths"]) == ["[16, 8]"]
    frame.to_parquet(tmp_path / "one.parquet")
    assert pd.read_parquet(tmp_path / "one.parquet").equals(frame)
