"""How convolutions run: a pixel's channels side by side, and in bfloat16 where that is faster."""

from __future__ import annotations

import copy
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.result import Precision
from kdcore.seeds import seeded

STEPS = 3
SAMPLES = 32
"""Of a probe: a few steps on a small batch tell which is faster, and cost little beside a run."""

FASTER = 1.2
"""What bfloat16 must gain, so that chance does not choose the numbers of a run."""


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; elsewhere it only loses by it."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def answer(network: nn.Module, inputs: Tensor, precision: Precision = "float32") -> Tensor:
    """Logits (B, C) in float32, whatever the network computes in. inputs: (B, ...) float32."""
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    if precision == "float32":
        outputs: Tensor = network(inputs)
        return outputs
    with torch.autocast(inputs.device.type, torch.bfloat16):
        outputs = network(inputs)
    return outputs.float()


def best_precision(network: nn.Module, input_shape: tuple[int, ...]) -> Precision:
    """What training steps of this network are fastest in, here and now.

    bfloat16 only where the processor has it, and a copy of the network took three steps in it
    that were faster and stayed finite. Networks without convolutions are left in float32: they are
    bound by the number of their calls.
    """
    if not has_bfloat16() or not any(isinstance(m, nn.Conv2d) for m in network.modules()):
        return "float32"
    seconds, _ = _steps(network, input_shape, "float32")
    quick, finite = _steps(network, input_shape, "bfloat16")
    return "bfloat16" if finite and FASTER * quick < seconds else "float32"


def _steps(
    network: nn.Module, input_shape: tuple[int, ...], precision: Precision
) -> tuple[float, bool]:
    """The fastest of a few steps on noise, after one to warm up, and whether all stayed finite."""
    network = copy.deepcopy(network).train()
    inputs = torch.randn(SAMPLES, *input_shape, generator=torch.Generator().manual_seed(0))
    seconds, finite = [], True
    with seeded(0):
        for _ in range(1 + STEPS):
            start = time.perf_counter()
            outputs = answer(network, inputs, precision)
            F.cross_entropy(outputs, outputs.detach().argmax(1)).backward()
            seconds.append(time.perf_counter() - start)
            finite &= bool(outputs.isfinite().all())
    pulls = [weight.grad for weight in network.parameters() if weight.grad is not None]
    finite &= all(bool(pull.isfinite().all()) for pull in pulls)
    return min(seconds[1:]), finite
