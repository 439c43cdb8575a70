"""How alike two layers are: linear CKA, from the inner products of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Gram = NDArray[np.floating[Any]]
"""Inner products (N, N) of what a layer gives for N samples."""

FEWEST = 4
"""Samples: of fewer, nothing is left once the means are taken away."""


def linear_cka(one: Sequence[Gram], other: Sequence[Gram]) -> NDArray[np.float32]:
    """Centred kernel alignment of each layer of one network with each of another's.

    one, other: Gram matrices X Xᵀ of the same N samples in the same order, at least FEWEST. Returns
    (len(one), len(other)) float32: 1 for the same features, turned, mirrored or scaled as one
    likes; about 0 for unrelated ones, and with few samples a little below; nan of a layer that
    gives the same for all samples. Estimated without bias, as the plain estimate finds any two
    layers alike that are wider than there are samples.
    Sources: Kornblith, Norouzi, Lee and Hinton, 2019, arXiv:1905.00414, for the measure; Song et
    al., 2012, "Feature Selection via Dependence Maximization", for HSIC without bias; Nguyen,
    Raghu and Kornblith, 2020, arXiv:2010.15327, for CKA by it.
    """
    if len({each.shape for each in (*one, *other)}) != 1:
        raise ValueError("Gram matrices of the same samples have the same shape")
    rows, columns = _centred(one), _centred(other)
    across = rows @ columns.T
    own = np.outer((rows * rows).sum(1), (columns * columns).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(across / np.sqrt(own), np.float32)


def _centred(grams: Sequence[Gram]) -> NDArray[np.float32]:
    """U-centred and flat, (L, N²): inner products of two such are N (N − 3) times HSIC.

    Source: Székely and Rizzo, 2014, arXiv:1310.2926, section 3.
    """
    count = len(grams[0])
    if count < FEWEST:
        raise ValueError(f"{count} samples are too few to compare layers by; take {FEWEST}")
    flat = np.empty((len(grams), count * count), np.float32)
    for number, gram in enumerate(grams):
        off = gram.astype(np.float64)
        np.fill_diagonal(off, 0)
        sums = off.sum(1) / (count - 2)
        off += sums.sum() / (count - 1) - sums[:, None] - sums
        np.fill_diagonal(off, 0)
        size = np.abs(off).max()
        flat[number] = (off / size if size > 1e-12 else 0 * off).ravel()
    return flat
