"""A model's own process: what it says comes back, and no model can take us along."""

import sys
import time

import numpy as np
import psutil
import pytest

from kdcore.errors import UploadError
from kdcore.uploads import limits
from kdcore.uploads.apart import Apart
from kdcore.uploads.onnx_file import inspect_onnx, load
from kdcore.uploads.onnx_host import pack
from tests.uploads.onnx_models import endless, large, linear, weights

MEMORY = 1_000_000_000
PICTURES = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
ROWS = 10 * 4 * len(PICTURES)


@pytest.fixture
def opened():
    """Processes of models, ended after the test."""
    processes = []

    def open_one(proto, seconds=60.0, memory=MEMORY):
        processes.append(Apart("run", memory, seconds))
        load(processes[-1], proto.SerializeToString())
        return processes[-1]

    yield open_one
    for each in processes:
        each.close()


def answer(apart: Apart) -> np.ndarray:
    reply = apart.ask(*pack(PICTURES), doing="Answering", most=ROWS)
    return np.frombuffer(reply, np.float32).reshape(len(PICTURES), -1)


def alive(apart: Apart) -> bool:
    return apart._process.poll() is None


def test_it_answers_as_the_arithmetic_does(opened):
    rows = answer(opened(linear()))
    assert np.allclose(rows, PICTURES.reshape(5, 64) @ weights(64), atol=1e-5)


def test_a_file_is_looked_at_without_being_run():
    assert inspect_onnx(linear().SerializeToString()).classes == 10
    with pytest.raises(UploadError, match="no ONNX model"):
        inspect_onnx(b"hello")
    with pytest.raises(UploadError, match="a PyTorch file"):
        inspect_onnx(b"PK\x03\x04 and more")


def test_a_model_that_takes_too_long_is_stopped(opened):
    apart = opened(endless(10**12), seconds=1.0)
    began = time.monotonic()
    with pytest.raises(UploadError, match="Answering took the model more than 1 seconds"):
        answer(apart)
    assert time.monotonic() - began < 60
    assert not alive(apart)
    with pytest.raises(UploadError, match="ended already"):
        answer(apart)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_a_model_that_takes_too_much_memory_is_refused_and_we_go_on(opened):
    apart = opened(large(megabytes=3000))
    with pytest.raises(UploadError) as raised:
        answer(apart)
    assert "memory" in str(raised.value) or "alloc" in str(raised.value).lower()


def test_a_process_that_is_gone_is_said(opened):
    apart = opened(linear())
    apart._process.kill()
    with pytest.raises(UploadError, match="ended its process"):
        answer(apart)


def test_a_graph_that_onnxruntime_does_not_take_is_said(opened):
    broken = linear()
    broken.graph.node[1].input[1] = "nowhere"
    with pytest.raises(UploadError, match=r"onnxruntime .* cannot load the model"):
        opened(broken)


def test_an_answer_that_is_longer_than_asked_for_is_not_read(opened):
    apart = opened(linear(classes=600))
    with pytest.raises(UploadError, match="ended its process"):
        answer(apart)


def test_nothing_of_our_environment_is_passed_on(monkeypatch):
    monkeypatch.setenv("KDCORE_DATABASE_URL", "postgresql://me:secret@host/db")
    apart = Apart("look", limits.MEMORY_BYTES, 5.0)
    try:
        assert not [
            name for name in psutil.Process(apart._process.pid).environ() if "KDCORE" in name
        ]
    finally:
        apart.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process writes")
def test_the_process_may_not_write_a_file():
    apart = Apart("look", limits.MEMORY_BYTES, 5.0)
    try:
        limit = psutil.Process(apart._process.pid).rlimit(psutil.RLIMIT_FSIZE)
        assert limit == (0, 0)
    finally:
        apart.close()
