"""Weights as a file."""

from __future__ import annotations

from collections.abc import Mapping

import safetensors.torch
from torch import Tensor


def packed(weights: Mapping[str, Tensor]) -> bytes:
    """Weights as a safetensors file, in the order that everybody else expects."""
    return safetensors.torch.save({k: v.contiguous() for k, v in weights.items()})
