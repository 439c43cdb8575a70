"""Huffman's code: frequent numbers in few bits. Source: Huffman, 1952, "A Method for the
Construction of Minimum-Redundancy Codes".
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1_000_000
"""Symbols whose bits are laid out at once."""


def lengths(counts: Sequence[int]) -> list[int]:
    """How many bits each symbol takes, so that all together take the fewest; 0 where it is never.

    A symbol that is the only one takes one bit.
    """
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (count, place, (place,)) for place, count in enumerate(counts) if count
    ]
    found = [0] * len(counts)
    if len(heap) == 1:
        found[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        one, other = heapq.heappop(heap), heapq.heappop(heap)
        members = one[2] + other[2]
        for place in members:
            found[place] += 1
        heapq.heappush(heap, (one[0] + other[0], min(one[1], other[1]), members))
    return found


def codewords(sizes: Sequence[int]) -> list[int]:
    """Each symbol's bits, as a number: in order of length, then of symbol, counted upwards.

    The lengths alone tell them, so that nothing else need be kept.
    """
    found, word, before = [0] * len(sizes), 0, 0
    for size, place in sorted((size, place) for place, size in enumerate(sizes) if size):
        word <<= size - before
        found[place] = word
        word, before = word + 1, size
    return found


def encoded(symbols: NDArray[np.uint8], kinds: int) -> bytes:
    """Symbols (N,) below `kinds`, at most 256, as bytes: how many, the lengths, and the bits."""
    counts = np.bincount(symbols, minlength=kinds)
    sizes = lengths(counts.tolist())
    head = struct.pack("<QH", len(symbols), kinds) + bytes(sizes)
    size = np.array(sizes, np.int64)
    word = np.array(codewords(sizes), np.uint64)
    bits = []
    for start in range(0, len(symbols), AT_ONCE):
        part = symbols[start : start + AT_ONCE]
        each = size[part]
        first = np.cumsum(each) - each
        places = np.arange(each.sum()) - np.repeat(first, each)  # within a word, from its left
        shift = (np.repeat(each, each) - 1 - places).astype(np.uint64)
        bits.append(((np.repeat(word[part], each) >> shift) & np.uint64(1)).astype(np.uint8))
    return head + np.packbits(np.concatenate(bits or [np.zeros(0, np.uint8)])).tobytes()


def decoded(content: bytes) -> NDArray[np.uint8]:
    """The symbols that `encoded` wrote."""
    many, kinds = struct.unpack_from("<QH", content)
    start = struct.calcsize("<QH")
    sizes = list(content[start : start + kinds])
    known = {
        (size, word): place
        for place, (size, word) in enumerate(zip(sizes, codewords(sizes), strict=True))
        if size
    }
    found = np.zeros(many, np.uint8)
    word = size = done = 0
    for bit in np.unpackbits(np.frombuffer(content, np.uint8, offset=start + kinds)).tolist():
        if done == many:
            break
        word, size = (word << 1) | bit, size + 1
        symbol = known.get((size, word))
        if symbol is not None:
            found[done] = symbol
            word, size, done = 0, 0, done + 1
    return found
