"""How fast other devices could be at best: the roofline bound, never a measurement.

time ≥ max(multiply-accumulates / peak rate, bytes / bandwidth). Real calls take longer, often many
times: small layers leave most of a processor idle. A bound says what is out of reach, no more.
Source: Williams, Waterman and Patterson, 2009, "Roofline: An Insightful Visual Performance Model
for Multicore Architectures". To know, run the bundle's measure_here.py on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Arithmetic = Literal["float32", "int8"]


@dataclass(frozen=True)
class Device:
    """A device by its makers' and reviewers' figures.

    peak: multiply-accumulates a second, by arithmetic; bandwidth: bytes a second from its memory,
    None where weights reach it by another way; sources: of the figures, how they follow.
    """

    name: str
    peak: Mapping[Arithmetic, float]
    bandwidth: float | None
    how: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Bound:
    """What no plain float arithmetic can be faster than, in milliseconds.

    arithmetic_ms: of every call; cold_ms: of one that reads all weights from memory, as the first
    does, and each one of a model too large for the caches; None where it is not known.
    """

    device: str
    arithmetic_ms: float
    cold_ms: float | None


DEVICES = (
    Device(
        "Raspberry Pi 5, four cores",
        {"float32": 4 * 2.4e9 * 8},
        17e9,
        "four Cortex-A76 at 2.4 GHz, each with two pipelines of four float32; 17 GB/s",
        (
            "https://circuitdigest.com/news/the-new-raspberry-pi-5-is-here-faster-than-ever",
            "https://threedots.ovh/blog/?p=567",
            "https://www.systemonchips.com/"
            "arm-cortex-a76-asimd-instruction-latency-and-throughput-analysis",
        ),
    ),
    Device(
        "NVIDIA Jetson Nano, GPU",
        {"float32": 128 * 0.922e9},
        25.6e9,
        "128 CUDA cores at 922 MHz, one multiply-add each; 25.6 GB/s",
        (
            "https://gist.github.com/r7vme/45ad34e9c2e8d8cd1c01d94975ee6bee",
            "https://cpu-gpu.alldbin.com/graphics-card-comparison/"
            "Jetson-TX2-GPU-and-Jetson-Nano-comparison.html",
        ),
    ),
    Device(
        "Apple M1, 8-core GPU",
        {"float32": 2.617e12 / 2},
        4266e6 * 16,
        "2.617 TFLOPS in float32; 128 bits of LPDDR4X-4266",
        (
            "https://askgeek.io/en/cpus/Apple/M1-8-core-GPU",
            "https://infosekolah.net/it/Apple_M1",
        ),
    ),
    Device(
        "NVIDIA H100 SXM",
        {"float32": 67e12 / 2, "int8": 3958e12 / 2 / 2},
        3350e9,
        "67 TFLOPS in float32, half of 3,958 TOPS in int8 as no zeros are skipped; 3,350 GB/s",
        ("https://archive-lib.hpctech.co.jp/gpuproduct/nvidia-h100.html",),
    ),
    Device(
        "Coral USB accelerator",
        {"int8": 4e12 / 2},
        None,
        "4 TOPS in int8, which is all that it computes",
        ("https://coral.ai/static/files/Coral-USB-Accelerator-datasheet.pdf",),
    ),
)


def bounds(macs: int, weight_bytes: int, arithmetic: Arithmetic = "float32") -> list[Bound]:
    """The roofline bound of one sample on each device that computes so.

    macs: of one sample; weight_bytes: the file's. One multiply-accumulate is two operations.
    """
    found = []
    for device in DEVICES:
        if arithmetic not in device.peak:
            continue
        busy = 1000 * macs / device.peak[arithmetic]
        reading = None if device.bandwidth is None else 1000 * weight_bytes / device.bandwidth
        cold = None if reading is None else max(busy, reading)
        found.append(Bound(device.name, busy, cold))
    return found
