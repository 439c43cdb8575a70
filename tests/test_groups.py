"""Tests that share what is slow to make run in one process, the long ones first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.groups import LONG, TOGETHER, group, turn

ROOT = Path(__file__).parents[1]

CONFTEST = """
from tests.groups import scheduler

def pytest_xdist_make_scheduler(config, log):
    return scheduler(config, log)
"""
TESTS = "\n".join(f"def test_{number}(): pass" for number in range(6))


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/test_train.py::test_one[a]", "test_train"),
        ("tests/pages/test_runs.py::test_two", "pages"),
        ("tests/browser/test_answers.py::test_three", "browser"),
        ("tests/runs/clustered/test_runner.py::test_four", "clustered"),
        ("tests/runs/test_store.py::test_five", "test_store"),
    ],
)
def test_a_file_is_a_group_and_some_folders_are(nodeid, expected):
    assert group(nodeid) == expected


def test_long_groups_begin_first():
    assert turn("tests/browser/test_answers.py::test") == 0
    assert turn("tests/test_knobs.py::test") == len(LONG)
    names = {path.stem for path in ROOT.glob("tests/**/test_*.py")}
    assert set(LONG) - set(TOGETHER) <= names


def test_every_group_stays_in_one_process(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(TESTS)
    command = ["-m", "pytest", "-v", "-n", "2", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    ran = re.findall(r"\[(gw\d)\].*PASSED \S*(test_one|test_two)\.py", done.stdout)
    assert len(ran) == 12, done.stdout
    assert len(set(ran)) == 2
