"""What a run keeps of its models' answers, and how it is read back."""

import io

import numpy as np
import pytest

from kdcore import answers
from kdcore.answers import PROBE, Answers
from kdcore.errors import HomeError


def made(samples=600, seeds=2, classes=3, teachers=1):
    """Logits that say which model, seed and sample they are of."""
    place = np.arange(samples, dtype=np.float32)[None, :, None]
    own = np.arange(seeds, dtype=np.float32)[:, None, None] * 10_000
    logits = {
        arm: np.repeat(place + own[:count] + 100_000 * number, classes, axis=2)
        for number, (arm, count) in enumerate(
            {"teacher": teachers, "control": seeds, "distilled": seeds}.items()
        )
    }
    labels = np.arange(samples) % classes
    images = (np.arange(samples * 4) % 256).astype(np.uint8).reshape(samples, 1, 2, 2)
    return Answers(("a", "b", "c")[:classes], labels, images, logits, tested=samples)


def test_the_whole_reads_back_as_it_was():
    kept = made()
    read = answers.read(answers.pack_logits(kept), answers.pack_samples(kept))
    assert read.class_names == ("a", "b", "c")
    assert read.tested == 600
    assert np.array_equal(read.labels, kept.labels)
    assert np.array_equal(read.inputs, kept.inputs)
    for arm, logits in kept.logits.items():
        assert np.array_equal(read.logits[arm], logits)


def test_the_probe_is_the_first_samples_in_one_file():
    kept = made()
    read = answers.read(answers.pack_probe(kept))
    assert len(read) == PROBE
    assert read.tested == 600
    assert np.array_equal(read.logits["control"], kept.logits["control"][:, :PROBE])
    assert np.array_equal(read.inputs, kept.inputs[:PROBE])


def test_a_file_of_an_older_run_does_not_say_how_many_samples_were_tested():
    file, kept = io.BytesIO(), made(samples=5)
    np.savez(file, labels=kept.labels, images=kept.inputs, class_names=["a", "b"], **kept.logits)
    read = answers.read(file.getvalue())
    assert (len(read), read.tested) == (5, 0)


def test_the_samples_are_the_same_file_whatever_the_models_answer():
    one, other = made(seeds=1), made(seeds=3)
    assert answers.pack_samples(one) == answers.pack_samples(other)
    assert answers.pack_logits(one) != answers.pack_logits(other)


def test_one_seed_is_a_pool_of_its_samples():
    pool = made().pooled(1)
    assert len(pool) == 600
    assert pool.logits["distilled"][7, 0] == 200_000 + 10_000 + 7
    assert pool.logits["teacher"][7, 0] == 7  # one teacher for all seeds
    assert list(pool.seed[:2]) == [1, 1]


def test_the_logits_of_one_seed_are_not_copied():
    kept = made()
    for arm, logits in kept.pooled(1).logits.items():
        assert np.shares_memory(logits, kept.logits[arm])


def test_all_seeds_are_one_after_the_other_and_each_sample_there_once_a_seed():
    pool = made().pooled(None)
    assert len(pool) == 1200
    assert pool.logits["control"][607, 0] == 100_000 + 10_000 + 7
    assert pool.logits["teacher"][607, 0] == 7
    assert (pool.sample[607], pool.seed[607]) == (7, 1)
    assert np.array_equal(pool.labels[:600], pool.labels[600:])


def test_a_teacher_of_each_seed_answers_for_its_own():
    pool = made(teachers=2).pooled(None)
    assert pool.logits["teacher"][607, 0] == 10_007


@pytest.mark.parametrize(
    ("samples", "logits_each", "input_bytes", "kept"),
    [
        (300, 10, 64, 300),
        (10_000, 11 * 10, 784, 10_000),  # MNIST, five seeds
        (10_000, 11 * 100, 3072, 5454),  # a hundred classes: 24 MB / (4 · 1,100)
        (10_000, 30, 150_528, PROBE),  # 212 large pictures would fit, but a probe is kept anyway
    ],
)
def test_all_samples_are_kept_unless_they_are_very_many_or_large(
    samples, logits_each, input_bytes, kept
):
    assert answers.within_budget(samples, logits_each, input_bytes) == kept


def test_a_run_that_kept_both_is_read_whole_and_an_older_one_by_its_probe():
    whole = {"logits": "p.npz", "answers": "a.npz", "samples": "s.npz", "teacher.onnx": "t.onnx"}
    assert answers.names(whole) == ("a.npz", "s.npz")
    assert answers.names({"logits": "p.npz"}) == ("p.npz",)
    assert answers.names({"teacher.onnx": "t.onnx"}) == ()


def test_a_file_that_is_something_else_is_said_in_a_sentence():
    with pytest.raises(HomeError, match="cannot be read"):
        answers.read(b"no archive")
    file = io.BytesIO()
    np.savez(file, labels=np.zeros(3))
    with pytest.raises(HomeError, match="cannot be read"):
        answers.read(file.getvalue())
