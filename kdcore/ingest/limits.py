"""What own data may be at most, and the words in which more than that is refused."""

from __future__ import annotations

from collections.abc import Sequence

MB = 1_000_000
UPLOAD_BYTES = 200 * MB
"""Of one file that is read: a zip, an npz, a table, or one picture."""
FILES = 200_000
UNPACKED_BYTES = 2_000 * MB
RATIO = 200
"""How often its own packed size a file in a zip may be; honest pictures hardly shrink."""
RATIO_FROM_BYTES = 1 * MB
PICTURE_PIXELS = 50_000_000
RESULT_BYTES = 1_500 * MB
CLASSES = 1000
CLASS_NAME = 60
CORRUPT_SHARE = 0.10
SIDES = (8, 16, 28, 32, 48, 64)
"""From these a side is chosen where none is asked for."""
LARGEST_SIDE = 256
SHOWN = 100
"""Characters of a name in a sentence."""
UNEVEN = 10
"""How many times a class may outnumber another before the preview warns."""


def few(names: Sequence[str], limit: int = 5) -> str:
    """'a, b and c', or 'a, b, c, d, e and 4 more'."""
    shown = [repr(name[:SHOWN]) for name in names[:limit]]
    if len(names) > limit:
        shown.append(f"{len(names) - limit:,} more")
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def megabytes(size: int) -> str:
    """'2,000 MB'."""
    return f"{size / MB:,.0f} MB"


def plural(count: int, one: str, many: str = "") -> str:
    """'1 file', '2 files'."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
