"""What several families of networks share."""

from __future__ import annotations

import torch
from torch import nn


def flat_size(layers: nn.Module, input_shape: tuple[int, ...]) -> int:
    """How many numbers a sample of that shape becomes after layers that end in a Flatten."""
    with torch.no_grad():
        return int(layers(torch.zeros(1, *input_shape)).shape[1])


def he_start(network: nn.Module) -> nn.Module:
    """Draw the convolutions' weights as proposed for ReLU, biases zero; returns the network.

    Source: He, Zhang, Ren and Sun, 2015, "Delving Deep into Rectifiers", arXiv:1502.01852.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
