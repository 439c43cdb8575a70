"""Plain convolutional networks of any widths."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from torch import nn

from kdcore.knobs import Range, Widths
from kdcore.models import architecture


@architecture("cnn", title="CNN", kinds=("image",), smallest=4)
def cnn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    channels: Annotated[
        tuple[int, ...], Widths(high=1024, help="Channels of each 3×3 convolution.")
    ] = (32, 64),
    hidden: Annotated[
        tuple[int, ...], Widths(help="Units of each fully connected layer after them.")
    ] = (128,),
    dropout: Annotated[
        float, Range(0, 0.9, 0.1, "Share of hidden units left out at each training step.")
    ] = 0.0,
) -> nn.Module:
    """3×3 convolutions, each halving the picture by max-pooling, then fully connected layers.

    Pooling goes before ReLU, which gives the same numbers in half the time; a picture that is
    one pixel wide already is pooled no further.
    """
    side = min(input_shape[1:])
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((input_shape[0], *channels)):
        layers.append(nn.Conv2d(wide, narrow, 3, padding=1))
        if side >= 2:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        layers.append(nn.ReLU())
    layers.append(nn.Flatten())
    widths = (flat_size(nn.Sequential(*layers), input_shape), *hidden)
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))


def flat_size(layers: nn.Module, input_shape: tuple[int, ...]) -> int:
    """How many numbers a sample of that shape becomes after layers that end in a Flatten."""
    with torch.no_grad():
        return int(layers(torch.zeros(1, *input_shape)).shape[1])
