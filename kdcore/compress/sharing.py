"""Weight sharing: each layer's weights become a few numbers, and of each, only which is kept.

How small a network gets on disk, not in memory: it is unpacked to the file it was, which computes
as before. Source: Han, Mao and Dally, 2015, "Deep Compression", arXiv:1510.00149; here zeros are
one more shared number, whereas the paper keeps the gaps between the others.
"""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from kdcore.compress.huffman import decoded, encoded
from kdcore.errors import RecipeError

ROUNDS = 100
"""Of k-means, at most; it ends where nothing moves any more."""

FEWEST_WEIGHTS = 64
"""A layer with fewer would be smaller than the list of its shared numbers."""

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Shared:
    """A model whose weights are shared.

    model: the ONNX file, as large as before, with shared weights in it: what is judged; packed: the
    same in as few bytes as sharing and Huffman's code leave, from which `unpacked` makes it again.
    """

    model: bytes
    packed: bytes


def shared(model: bytes, bits: int) -> Shared:
    """Let each layer's weights share 2^bits numbers, found by k-means; zeros stay zero.

    Layers with fewer than `FEWEST_WEIGHTS` weights, biases and norms stay as they are. Raises
    RecipeError where bits are not 1 to 8, or no layer is large enough.
    """
    if not 1 <= bits <= 8:
        raise RecipeError(f"bits is {bits!r}; weights can share by 1 to 8 bits")
    parsed = onnx.load_from_string(model)
    chosen = [each for each in parsed.graph.initializer if _is_large(each)]
    if not chosen:
        raise RecipeError(
            "no weights can be shared: the model has no layer with 64 float32 weights or more"
        )
    coded = []
    for tensor in chosen:
        values = numpy_helper.to_array(tensor)
        centres, which = clustered(values.ravel(), 2**bits)
        tensor.raw_data = centres[which].tobytes()
        coded.append((tensor.name, centres, which))
    return Shared(bytes(parsed.SerializeToString()), _packed(parsed, coded))


def _is_large(tensor: TensorProto) -> bool:
    numbers = int(np.prod(tensor.dims))
    matrix = len(tensor.dims) > 1 and tensor.data_type == TensorProto.FLOAT
    return matrix and bool(tensor.raw_data) and numbers >= FEWEST_WEIGHTS


def clustered(values: Weights, count: int) -> tuple[Weights, NDArray[np.uint8]]:
    """At most `count` numbers (K,) and which of them each value (N,) becomes.

    k-means in one dimension, started at numbers evenly apart between the smallest and the largest,
    which keeps large weights apart: the paper's section 3.1 finds that best. Where there are zeros,
    zero is one of the numbers and stays it.
    """
    zeros = bool((values == 0).any())
    centres = _means(values[values != 0] if zeros else values, count - zeros)
    if zeros:
        centres = np.unique(np.append(centres, 0.0))
    found = centres.astype(np.float32)
    which = np.searchsorted((found[1:] + found[:-1]) / 2, values)
    if zeros:  # a small weight may join them, but none of them another number
        which[values == 0] = int(np.flatnonzero(found == 0)[0])
    return found, which.astype(np.uint8)


def _means(values: Weights, count: int) -> NDArray[np.float64]:
    """The centres of k-means, in order; fewer than `count` where some would be nobody's."""
    if not len(values):
        return np.zeros(0)
    # in order, each cluster is a stretch: sums over it are differences of running sums
    ranked = np.sort(values).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ranked)])
    centres = np.unique(np.linspace(ranked[0], ranked[-1], count))
    for _ in range(ROUNDS):
        edges = np.searchsorted(ranked, (centres[1:] + centres[:-1]) / 2)
        bounds = np.concatenate([[0], edges, [len(ranked)]])
        sizes = np.diff(bounds)
        filled = sizes > 0
        moved = (sums[bounds[1:]] - sums[bounds[:-1]])[filled] / sizes[filled]
        if len(moved) == len(centres) and np.allclose(moved, centres, rtol=1e-7, atol=0):
            break
        centres = moved
    return centres


def _packed(model: ModelProto, coded: list[tuple[str, Weights, NDArray[np.uint8]]]) -> bytes:
    """The graph without those weights, compressed, then each layer's numbers and their code."""
    rest = ModelProto()
    rest.CopyFrom(model)
    names = {name for name, _, _ in coded}
    for tensor in rest.graph.initializer:
        if tensor.name in names:
            tensor.raw_data = b""
    graph = gzip.compress(rest.SerializeToString(), mtime=0)
    parts = [struct.pack("<IH", len(graph), len(coded)), graph]
    for name, centres, which in coded:
        code = encoded(which, len(centres))
        label = name.encode()
        parts.append(struct.pack("<HHI", len(label), len(centres), len(code)))
        parts += [label, centres.tobytes(), code]
    return b"".join(parts)


def unpacked(packed: bytes) -> bytes:
    """The ONNX file that `shared` packed."""
    size, count = struct.unpack_from("<IH", packed)
    start = struct.calcsize("<IH")
    model = onnx.load_from_string(gzip.decompress(packed[start : start + size]))
    tensors = {each.name: each for each in model.graph.initializer}
    start += size
    for _ in range(count):
        letters, many, size = struct.unpack_from("<HHI", packed, start)
        start += struct.calcsize("<HHI")
        name = packed[start : start + letters].decode()
        start += letters
        centres = np.frombuffer(packed, "<f4", many, start)
        start += 4 * many
        which = decoded(packed[start : start + size])
        start += size
        tensors[name].raw_data = centres[which].tobytes()
    return bytes(model.SerializeToString())
