"""What can go wrong in words a user can act on: one sentence, with the way out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class KdError(Exception):
    """Base of every error whose message may be shown to a user as it stands."""


class RecipeError(KdError, ValueError):
    """A recipe that cannot be run: a bad value, or parts that do not fit together."""


class UnknownNameError(RecipeError):
    """A name that no task, architecture or method carries."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        self._said = (kind, name, known)
        super().__init__(f"no {kind} {name!r}{did_you_mean(name, known)} Known: {', '.join(known)}")

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        """Travels between processes by what it was made of, not by its sentence."""
        return type(self), self._said


class HomeError(KdError, OSError):
    """The folder in which runs and artifacts are kept cannot be used."""


class StoreError(KdError):
    """The database cannot be reached, read or written."""


class DataError(KdError, OSError):
    """Data that cannot be had, or that is not what it should be."""


class UploadError(KdError, ValueError):
    """A user's own model that cannot be taken, or does not answer as a teacher must."""


class DivergedError(KdError):
    """A training whose numbers are no longer finite."""


class RunError(KdError):
    """A run that cannot be submitted, stopped, restarted or deleted as asked."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean 'kd'?' when something close is known, else '.'."""
    close = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
