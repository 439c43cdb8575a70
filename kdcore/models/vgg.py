"""VGG networks for small pictures."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from torch import nn

from kdcore.knobs import Choice
from kdcore.models import architecture
from kdcore.models.parts import he_start

STAGES = {
    8: ((64,), (128,), (256,), (512,), (512,)),
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    13: ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
}


@architecture("vgg", title="VGG", kinds=("image",), smallest=4)
def vgg(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    depth: Annotated[int, Choice((8, 11, 13), "As named; two fewer layers have weights here.")] = 8,
) -> nn.Module:
    """Five stages of 3×3 convolutions with batch normalisation, and one linear layer.

    (N, C, H, W) to logits (N, classes). Stages 2, 3 and 4 start by halving the picture, stage 5
    does for pictures of 64×64 and more; one that is one pixel wide already (4×4 at stage 4) is
    halved no further. The mean over the picture feeds the linear layer.
    Parameters: the sum of (9 · in + 3) · out over convolutions, and 513 · classes: 3,965,028 at
    depth 8 on 3×32×32 and 100 classes.
    Source: Simonyan and Zisserman, 2014, arXiv:1409.1556, in the small form of Tian et al., 2020,
    arXiv:1910.10699.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    before, side = input_shape[0], min(input_shape[1:])
    large = side >= 64
    for number, widths in enumerate(STAGES[depth], start=1):
        if number > 1 and side >= 2 and (number < 5 or large):
            layers[f"pool{number - 1}"] = nn.MaxPool2d(2)
            side //= 2
        stage: list[nn.Module] = []
        for after in widths:
            stage += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        layers[f"stage{number}"] = nn.Sequential(*stage)
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    layers["head"] = nn.Linear(before, classes)
    return he_start(nn.Sequential(layers))
