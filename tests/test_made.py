"""Files that are made once: who waits for whom, and what is let go."""

import threading

import pytest

from kdcore.handover import made as module
from kdcore.handover.made import BRIEFLY, Made, Passing


def in_threads(*calls):
    threads = [threading.Thread(target=call) for call in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join(5)
    assert not any(each.is_alive() for each in threads)


def test_a_file_is_made_once():
    made, calls = Made(100), []
    for _ in range(2):
        assert made.get("a", lambda: calls.append(1) or b"file") == b"file"
    assert len(calls) == 1


def test_who_asks_for_one_that_is_being_made_gets_that_one():
    made, begun, asked = Made(100), threading.Event(), threading.Event()
    calls, got = [], []

    def slowly():
        calls.append(1)
        begun.set()
        assert asked.wait(60)
        return b"file"

    def second():
        assert begun.wait(60)
        threading.Timer(0.05, asked.set).start()
        got.append(made.get("a", slowly))

    in_threads(lambda: got.append(made.get("a", slowly)), second)
    assert got == [b"file", b"file"]
    assert len(calls) == 1


def test_another_one_is_made_meanwhile():
    made, other_is_there, got = Made(100), threading.Event(), []

    def waits():
        return b"waited" if other_is_there.wait(60) else b"in vain"

    def other():
        made.get("b", lambda: b"other")
        other_is_there.set()

    in_threads(lambda: got.append(made.get("a", waits)), other)
    assert got == [b"waited"]


def test_beyond_its_bytes_what_was_asked_for_longest_ago_is_let_go():
    made, calls = Made(10), []

    def ask(key):
        return made.get(key, lambda: calls.append(key) or b"four")

    for key in ("a", "b", "a", "c", "a", "b"):
        ask(key)
    assert calls == ["a", "b", "c", "b"]


def test_one_that_is_larger_than_all_room_is_handed_out_and_not_kept():
    made, calls = Made(3), []
    for _ in range(2):
        assert made.get("a", lambda: calls.append(1) or b"four") == b"four"
    assert len(calls) == 2


def test_what_could_not_be_made_says_why_and_is_tried_again():
    made = Made(100)
    with pytest.raises(ValueError, match="no luck"):
        made.get("a", lambda: (_ for _ in ()).throw(ValueError("no luck")))
    assert made.get("a", lambda: b"file") == b"file"


def test_a_passing_file_is_made_anew_for_who_asks_later_and_then_kept(monkeypatch):
    clock, made, calls = [0.0], Made(100), []
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])

    def make():
        calls.append(clock[0])
        return Passing(b"disturbed") if len(calls) == 1 else b"clean"

    found = []
    for clock[0] in (0, 0.9 * BRIEFLY, 1.1 * BRIEFLY, 100 * BRIEFLY):
        found.append(made.get("a", make))
    assert found == [b"disturbed", b"disturbed", b"clean", b"clean"]
