"""VGG networks for small pictures."""

from __future__ import annotations

from typing import Annotated

from torch import nn

from kdcore.knobs import Choice
from kdcore.models import architecture
from kdcore.models.resnet_cifar import kaiming

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
    depth: Annotated[int, Choice((8, 11, 13), "Layers with weights in the original.")] = 8,
) -> nn.Module:
    """Stages of 3×3 convolutions, each but the last halving the picture, and one linear layer.

    Batch normalisation throughout; a picture that is one pixel wide already is halved no further.
    3,965,028 parameters at depth 8 on 3×32×32 pictures of 100 classes.
    Source: Simonyan and Zisserman, 2014, arXiv:1409.1556, in the small form of Tian et al., 2020,
    arXiv:1910.10699.
    """
    layers: list[nn.Module] = []
    wide, side = input_shape[0], min(input_shape[1:])
    for number, stage in enumerate(STAGES[depth]):
        if number and side >= 2:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        for narrow in stage:
            layers += [nn.Conv2d(wide, narrow, 3, padding=1), nn.BatchNorm2d(narrow), nn.ReLU()]
            wide = narrow
    return kaiming(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))
    )
