"""Plain convolutional networks of any widths."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated

from torch import nn

from kdcore.knobs import Range, Widths
from kdcore.models import architecture
from kdcore.models.parts import flat_size


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

    (N, C, H, W) to logits (N, classes). Pooling goes before ReLU: the same function in half the
    time. A picture that is one pixel wide already is pooled no further.
    Parameters: the sum of (9 · in + 1) · out over convolutions and (in + 1) · out over the rest.
    A common teacher in tutorials has channels 64, 128, 256 and 512 hidden units; its student is
    the default here.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    side = min(input_shape[1:])
    for number, (before, after) in enumerate(pairwise((input_shape[0], *channels)), start=1):
        layers[f"convolution{number}"] = nn.Conv2d(before, after, 3, padding=1)
        if side >= 2:
            layers[f"pool{number}"] = nn.MaxPool2d(2)
            side //= 2
        layers[f"relu{number}"] = nn.ReLU()
    layers["flat"] = nn.Flatten()
    widths = (flat_size(nn.Sequential(layers), input_shape), *hidden)
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        layers[f"hidden{number}"] = nn.Linear(before, after)
        layers[f"hidden_relu{number}"] = nn.ReLU()
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
    layers["head"] = nn.Linear(widths[-1], classes)
    return nn.Sequential(layers)
