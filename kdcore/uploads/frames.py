"""Messages between us and a model's process: a length, then that many bytes."""

from __future__ import annotations

from typing import IO

LENGTH_BYTES = 8

DONE, REFUSED = b"+", b"-"
"""The first byte of every reply; after a minus comes a sentence."""


def send(file: IO[bytes], *parts: bytes) -> None:
    """Write one message, made of the parts."""
    file.write(sum(map(len, parts)).to_bytes(LENGTH_BYTES, "little"))
    for part in parts:
        file.write(part)
    file.flush()


def receive(file: IO[bytes], most: int) -> bytes | None:
    """The next message; None where the other side has ended, or sends more than is taken."""
    length = int.from_bytes(head := file.read(LENGTH_BYTES), "little")
    if len(head) < LENGTH_BYTES or length > most:
        return None
    message = file.read(length)
    return message if len(message) == length else None
