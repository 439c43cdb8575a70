"""How fast a run's models are on devices that were measured, and at best on others: tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kdcore.errors import UploadError
from kdcore.handover import words
from kdcore.handover.facts import Facts
from kdcore.handover.finished import Finished
from kdcore.handover.measured import Measured, matched
from kdcore.measure.devices import DEVICES, bounds


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
    """Roofline bounds of the models that compute in float32; None where there are none."""
    whole = [each for each in found if each.macs and _float32(each)]
    if not whole:
        return None
    columns = [bounds(each.macs or 0, each.file_bytes or 0) for each in whole]
    devices = [each for each in DEVICES if "float32" in each.peak]
    rows = [
        [
            row[0].device,
            *(f"{words.time(b.arithmetic_ms)}; cold {words.time(b.cold_ms)}" for b in row),
        ]
        for row in zip(*columns, strict=True)
    ]
    return {
        "head": ["At least", *(of.label(each.model) for each in whole)],
        "rows": rows,
        "note": "; ".join(f"{each.name}: {each.how}" for each in devices),
        "sources": [source for each in devices for source in each.sources],
    }


def _float32(found: Facts) -> bool:
    """Whether its weights are numbers of 32 bits; of a file that isn't kept, nothing is known."""
    return found.weight is not None and found.weight.bits == (32,)
