"""What pages keep for all visitors is bounded by its bytes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import pytest

from pages.parts.kept import Kept


@pytest.fixture
def made():
    """What was made, in order."""
    return []


@pytest.fixture
def get(made):
    """Ask a room of ten bytes for a key whose value is so large."""
    kept = Kept(10)

    def ask(key, size):
        def make():
            made.append(key)
            return key.upper()

        assert kept.get(key, make, lambda _: size) == key.upper()
        return kept.bytes

    return ask


def test_what_is_kept_is_made_once(get, made):
    get("a", 4)
    get("a", 4)
    assert made == ["a"]


def test_what_was_asked_for_longest_ago_goes_first(get, made):
    get("a", 4)
    get("b", 4)
    get("a", 4)
    assert get("c", 4) == 8  # a and c
    get("a", 4)
    assert made == ["a", "b", "c"]
    get("b", 4)
    assert made == ["a", "b", "c", "b"]


def test_the_newest_stays_even_where_it_is_larger_alone(get, made):
    get("a", 4)
    assert get("large", 99) == 99
    get("large", 99)
    assert made == ["a", "large"]
    assert get("b", 1) == 1


def test_what_many_ask_for_at_once_is_made_once():
    kept, made, all_here = Kept(1_000), [], Barrier(8)

    def make() -> str:
        made.append(1)
        sleep(0.05)
        return "value"

    def ask() -> str:
        all_here.wait()
        return kept.get("key", make, len)

    with ThreadPoolExecutor(8) as threads:
        found = [each.result() for each in [threads.submit(ask) for _ in range(8)]]
    assert found == ["value"] * 8
    assert made == [1]


def test_what_fails_to_be_made_is_made_by_the_next_who_asks():
    kept = Kept(1_000)
    with pytest.raises(ZeroDivisionError):
        kept.get("key", lambda: str(1 / 0), len)
    assert kept.get("key", lambda: "value", len) == "value"
