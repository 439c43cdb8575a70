"""Weights for a network of a known architecture, as a safetensors file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kdcore.errors import UploadError
from kdcore.uploads import limits
from kdcore.uploads.limits import shown

if TYPE_CHECKING:
    from torch import Tensor, nn

ITEM_BYTES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2},
    **{"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1},
}
"""The types of numbers that are taken, by safetensors' names for them."""

LENGTH_BYTES = 8
AXES = 8
AXIS = 2**31

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TensorInfo:
    """What a header says of one tensor; begin and end are bytes after the header."""

    dtype: str
    shape: Shape
    begin: int
    end: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def check_safetensors(content: bytes) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file by name, from its header alone; no tensor is read.

    Raises UploadError where it is something else, beyond the limits, or contradicts itself.
    """
    limits.first_look(content, "safetensors")
    length = _header_length(content)
    entries = _header(content[LENGTH_BYTES : LENGTH_BYTES + length])
    entries.pop("__metadata__", None)
    if not entries:
        raise UploadError("the file holds no tensors; save a model's state_dict()")
    if len(entries) > limits.TENSORS:
        raise UploadError(
            f"the file holds {len(entries):,} tensors, and at most {limits.TENSORS:,} are taken; "
            "use a smaller model"
        )
    tensors = {name: _tensor(name, entry) for name, entry in entries.items()}
    elements = sum(tensor.elements for tensor in tensors.values())
    if elements > limits.ELEMENTS:
        raise UploadError(
            f"the file says it holds {elements:,} numbers, and at most {limits.ELEMENTS:,} "
            "are taken; use a smaller model"
        )
    _check_places(tensors, len(content) - LENGTH_BYTES - length)
    return tensors


def load_into(network: nn.Module, content: bytes) -> None:
    """Give a network the weights of a safetensors file, every one of them or none at all.

    Raises UploadError where they are not its own: by name, by shape, or not finite.
    """
    import safetensors.torch  # late: a page checks files, and does without torch

    state = network.state_dict()
    _check_fit(state, check_safetensors(content))
    try:
        loaded = safetensors.torch.load(content)
    except (ValueError, safetensors.SafetensorError) as error:
        raise _damaged(str(error)) from None
    weights = {name: tensor.to(state[name].dtype) for name, tensor in loaded.items()}
    _check_finite(weights)
    network.load_state_dict(weights)


# the header


def _header_length(content: bytes) -> int:
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    if len(content) <= LENGTH_BYTES or content[LENGTH_BYTES : LENGTH_BYTES + 1] != b"{":
        raise UploadError(
            "the file is no safetensors file; save the weights with "
            'safetensors.torch.save_file(model.state_dict(), "t.safetensors")'
        )
    if length > limits.HEADER_BYTES:
        raise UploadError(
            f"the file's header says it has {length:,} bytes, and at most "
            f"{limits.HEADER_BYTES:,} are taken; save the file again without metadata"
        )
    if length > len(content) - LENGTH_BYTES:
        raise _damaged("it ends within its header")
    return length


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_no_twins)
    except UploadError:
        raise
    except (ValueError, RecursionError):
        raise _damaged("its header is no JSON") from None
    return dict(header)  # it begins with a brace


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UploadError(
                f"the file's header holds {shown(name)} twice; save the file again, "
                "each tensor under a name of its own"
            )
        found[name] = value
    return found


def _tensor(name: str, entry: Any) -> TensorInfo:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise _damaged(f"its header does not describe {shown(name)}") from None
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise UploadError(
            f"the tensor {shown(name)} is of type {shown(str(dtype))}, which is not taken; "
            f"save it as one of {', '.join(ITEM_BYTES)}"
        )
    if not isinstance(shape, list) or not _counts([*shape, begin, end]) or len(shape) > AXES:
        raise _damaged(f"shape and place of {shown(name)} are no such thing")
    tensor = TensorInfo(dtype, tuple(shape), begin, end)
    if end - begin != tensor.elements * ITEM_BYTES[dtype]:
        raise _damaged(f"{shown(name)} is not as long as its shape says")
    return tensor


def _counts(values: list[Any]) -> bool:
    return all(type(each) is int and 0 <= each < AXIS for each in values)


def _check_places(tensors: Mapping[str, TensorInfo], available: int) -> None:
    """The tensors stand one after the other, and fill the file."""
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != at:
            raise _damaged(f"{shown(name)} does not begin where the tensor before it ends")
        at = tensor.end
    if at != available:
        raise _damaged(f"its tensors need {at:,} bytes, and it holds {available:,}")


def _damaged(what: str) -> UploadError:
    return UploadError(f"the safetensors file is damaged: {what}; save or upload it again")


# the network's own weights


def _check_fit(state: Mapping[str, Tensor], tensors: Mapping[str, TensorInfo]) -> None:
    wrong = [said for name, own in state.items() if (said := _misfit(name, own, tensors))]
    wrong += [
        f"holds {shown(name)} of shape {tensors[name].shape}, which this architecture has not"
        for name in tensors
        if name not in state
    ]
    if wrong:
        rest = f" ({len(wrong) - 1:,} more tensors do not fit)" * (len(wrong) > 1)
        raise UploadError(
            f"the file {wrong[0]}{rest}; choose the architecture and options that the weights "
            "were trained with"
        )


def _misfit(name: str, own: Tensor, tensors: Mapping[str, TensorInfo]) -> str | None:
    shape = tuple(own.shape)
    if name not in tensors:
        return f"lacks {shown(name)} of shape {shape}, which this architecture needs"
    given = tensors[name]
    if given.shape != shape:
        return f"holds {shown(name)} of shape {given.shape}, but this architecture needs {shape}"
    if own.is_floating_point() != (given.dtype in ("F64", "F32", "F16", "BF16")):
        wanted = "decimals" if own.is_floating_point() else "whole numbers"
        return f"holds {shown(name)} as {given.dtype}, but this architecture needs {wanted}"
    return None


def _check_finite(weights: Mapping[str, Tensor]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            bad = int((~tensor.isfinite()).sum())
            raise UploadError(
                f"in the file, {bad:,} of {tensor.numel():,} numbers of {shown(name)} are not "
                "finite; upload weights of a training that did not diverge"
            )
