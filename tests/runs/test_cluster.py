"""The cluster's life, with real processes."""

import os
import signal

import pytest

from kdcore.runs import cluster
from tests.processes import cluster_pid, eventually


def ended(process) -> bool:
    return process.poll() is not None


def test_a_cluster_answers_at_the_address_it_wrote_until_it_is_told_to_stop(home, python):
    process = python("-m", "kdcore", "cluster", KDCORE_HOME=str(home))
    assert eventually(lambda: cluster.address(home))
    assert cluster.address(home).startswith("tcp://127.0.0.1:")
    process.terminate()
    assert eventually(lambda: ended(process))
    assert process.returncode == 0
    assert cluster.address(home) is None
    assert list(home.glob("cluster-*.json")) == []


def test_of_two_started_at_once_one_gives_way(home, python):
    pair = [python("-m", "kdcore", "cluster", KDCORE_HOME=str(home)) for _ in range(2)]
    assert eventually(lambda: sum(map(ended, pair)) == 1)
    (gone,) = filter(ended, pair)
    (stays,) = (process for process in pair if process is not gone)
    assert gone.returncode == 0
    assert eventually(lambda: cluster.address(home))
    assert cluster_pid(home) == stays.pid


def test_a_cluster_that_nobody_needs_ends_itself(home, python):
    process = python("-m", "kdcore", "cluster", "--idle", "1", KDCORE_HOME=str(home))
    assert eventually(lambda: ended(process))
    assert process.returncode == 0


def test_the_address_of_a_dead_cluster_is_not_believed(home, python):
    process = python("-m", "kdcore", "cluster", KDCORE_HOME=str(home))
    assert eventually(lambda: cluster.address(home))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(home.glob("cluster-*.json"))
    assert eventually(lambda: cluster.address(home) is None)


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json", '{"address": "tcp://"}'])
def test_an_address_file_that_was_spoilt_is_no_cluster(home, text):
    home.mkdir()
    cluster._address_file(home).write_text(text)
    assert cluster.address(home) is None
