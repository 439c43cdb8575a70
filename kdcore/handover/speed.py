"""How fast a run's models are on devices that were measured, and at best on others: tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kdcore.errors import UploadError
from kdcore.handover import words
from kdcore.handover.facts import Facts
from kdcore.handover.finished import Finished
from kdcore.handover.measured import Measured, matched
from kdcore.measure import onnx_file
from kdcore.measure.devices import DEVICES, Arithmetic, Bound, bounds


def of_this_run(of: Finished, measured: Sequence[Measured]) -> list[Measured]:
    """Those that are of files of this run, under the run's own names for them."""
    found = []
    for each in measured:
        with suppress(UploadError):
            found.append(matched(each, of.files))
    return found


def device(of: Finished, found: Measured) -> dict[str, Any]:
    """A table of one device: each model at each batch and number of threads."""
    on = found.device
    rows = [
        [
            *(of.label(c.model), str(c.batch), str(c.threads)),
            *(words.time(c.p50_ms), words.time(c.p95_ms), words.time(c.cpu_ms)),
            *(f"{c.per_second:,.0f}", "noisy" if c.noisy else ""),
        ]
        for c in found.latency
    ]
    return {
        "device": f"{on.name} ({on.system}, {on.cores} cores, onnxruntime {on.onnxruntime}), "
        f"{found.taken}",
        "head": ["Model", "Batch", "Threads", "p50", "p95", "Processor", "Samples/s", ""],
        "rows": rows,
        "note": f"{_memory(of, found)} p50, p95: median and 95th percentile of a call, models "
        "taking turns. Processor: time of all threads. Noisy: something else used the device.",
    }


def _memory(of: Finished, found: Measured) -> str:
    held = {each.name: each.memory for each in found.models if each.memory is not None}
    if not held:
        return "Memory: this system does not tell."
    base = words.size(max(each.base for each in held.values()))
    told = ", ".join(f"{of.label(name)} {words.size(each.more)}" for name, each in held.items())
    return (
        "Memory of one answer, in a process of its own, beyond the "
        f"{base} that it holds before a model is opened: {told}."
    )


def bound_table(of: Finished, found: Sequence[Facts]) -> dict[str, Any] | None:
    """Roofline bounds of the models that compute in float32 or in int8; None where there are none.

    A device has none for the arithmetic of which no figure is known.
    """
    whole = {each.model: _arithmetic(of, each) for each in found if each.macs}
    columns = [
        {bound.device: bound for bound in bounds(each.macs or 0, each.file_bytes or 0, arithmetic)}
        for each in found
        if (arithmetic := whole.get(each.model)) is not None
    ]
    devices = [each for each in DEVICES if any(each.name in column for column in columns)]
    if not devices:
        return None
    names = [model for model, arithmetic in whole.items() if arithmetic is not None]
    note = "; ".join(f"{each.name}: {each.how}" for each in devices) + "."
    if "int8" in whole.values():
        counted = ", ".join(of.label(name) for name in names if whole[name] == "int8")
        note += f" Of int8: {counted}; a dash where no rate in that arithmetic is known."
    return {
        "head": ["At least", *map(of.label, names)],
        "rows": [[each.name, *(_bound(each.name, one) for one in columns)] for each in devices],
        "note": note,
        "sources": [source for each in devices for source in each.sources],
    }


def _bound(device: str, column: Mapping[str, Bound]) -> str:
    found = column.get(device)
    if found is None:
        return words.MISSING
    if found.cold_ms is None:
        return words.time(found.arithmetic_ms)
    return f"{words.time(found.arithmetic_ms)}; cold {words.time(found.cold_ms)}"


def _arithmetic(of: Finished, found: Facts) -> Arithmetic | None:
    """What all its products are computed in; of a file that isn't kept, nothing is known."""
    if found.weight is None:
        return None
    if onnx_file.in_int8(of.files[found.model]):
        return "int8"
    return "float32" if found.weight.bits == (32,) else None
