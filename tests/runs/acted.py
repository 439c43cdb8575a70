"""What a worker is told by work that is not really done."""

from kdcore.runs import worker


def acted(where, monkeypatch, *happenings, flush=0.0):
    """Let all work of a kind tell these, where an exception is raised, and a function called.

    where: the generator that the worker asks, by its full name.
    """

    def told(*_):
        for each in happenings:
            if isinstance(each, BaseException):
                raise each
            if callable(each):
                each()
            else:
                yield each

    monkeypatch.setattr(where, told)
    monkeypatch.setattr(worker, "FLUSH_SECONDS", flush)
