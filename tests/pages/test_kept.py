"""What pages keep for all visitors is bounded by its bytes."""

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
