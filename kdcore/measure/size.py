"""Parameters and multiply-accumulates of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kdcore import models
from kdcore.recipe import ModelChoice

_counting = RLock()


def parameters(network: nn.Module) -> int:
    """Number of trained numbers in the network."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one sample's forward pass: half of torch's count of operations.

    Counts matrix products and convolutions; element-wise work is left out, as is customary.
    """
    network.eval()
    with counted() as so_far:
        network(torch.zeros(1, *input_shape))
        return so_far()


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Within, nothing is learnt and multiply-accumulates are counted: gives those so far.

    In eval mode torch fuses its transformer layers into an operator that counts as nothing; here
    they compute one by one. That is a setting of the whole process: one counts at a time.
    """
    with _counting:
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                yield lambda: int(counter.get_total_flops()) // 2
        finally:
            torch.backends.mha.set_fastpath_enabled(before)


def of_choice(choice: ModelChoice, input_shape: tuple[int, ...], classes: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a network that is never really built.

    Raises RecipeError on options the architecture does not take.
    """
    with torch.device("meta"):  # shapes alone: no memory, no arithmetic
        architecture = models.get(choice.architecture)
        network = architecture.build(input_shape, classes, choice.options, seed=0)
        return parameters(network), macs(network, input_shape)
