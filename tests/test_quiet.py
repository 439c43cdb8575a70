"""Quiet while a library is at work, in one thread and in several."""

import logging
import threading
import warnings

import pytest

from kdcore.quiet import unlogged, unwarned


def test_no_warning_is_shown_within_and_every_one_after():
    with unwarned():
        warnings.warn("of what is to come", FutureWarning, stacklevel=1)
    with pytest.warns(FutureWarning, match="of what is to come"):
        warnings.warn("of what is to come", FutureWarning, stacklevel=1)


def test_a_logger_tells_of_errors_alone_within():
    chatter = logging.getLogger("quiet.test")
    with unlogged("quiet.test"):
        assert not chatter.isEnabledFor(logging.WARNING)
        assert chatter.isEnabledFor(logging.ERROR)
    assert chatter.level == logging.NOTSET


def test_threads_that_overlap_leave_everything_as_it_was():
    """A enters, B enters, A leaves, B leaves: B would put back what A had set."""
    chatter, filters = logging.getLogger("quiet.test"), list(warnings.filters)
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def first():
        with unlogged("quiet.test"), unwarned():
            first_is_in.set()
            second_is_in.wait(0.2)  # in vain, unless both can be in at once

    def second():
        assert first_is_in.wait(60)
        with unlogged("quiet.test"), unwarned():
            second_is_in.set()
            one.join(60)

    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start(), other.start()
    one.join(60), other.join(60)
    assert chatter.level == logging.NOTSET
    assert list(warnings.filters) == filters
