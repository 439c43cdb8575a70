"""Residual networks for small pictures, as most distillation papers use them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.knobs import Choice
from kdcore.models import architecture
from kdcore.models.parts import he_start

STAGES = (16, 32, 64)


@architecture("resnet_cifar", title="ResNet (CIFAR)", kinds=("image",), smallest=4)
def resnet_cifar(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    depth: Annotated[
        int, Choice((8, 14, 20, 32, 44, 56, 110), "Layers with weights: 6 n + 2.")
    ] = 20,
) -> nn.Module:
    """Three stages of residual blocks with 16, 32 and 64 channels, then the mean over the picture.

    (N, C, H, W) to logits (N, classes); each stage after the first halves the picture.
    Parameters on three channels, with n = (depth − 2) / 6: 97,216 n − 19,824 + 65 · classes,
    so 278,324 at depth 20 and 100 classes. Shortcuts are 1×1 convolutions where the shape changes
    (the paper's option B), the form in which Tian et al., 2020, arXiv:1910.10699 compare
    distillation methods; the paper's own CIFAR tables use option A, without those weights.
    Source: He, Zhang, Ren and Sun, 2015, arXiv:1512.03385, section 4.2.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        convolution=nn.Conv2d(input_shape[0], STAGES[0], 3, padding=1, bias=False),
        norm=nn.BatchNorm2d(STAGES[0]),
        relu=nn.ReLU(),
    )
    before = STAGES[0]
    for number, after in enumerate(STAGES, start=1):
        blocks = []
        for block in range((depth - 2) // 6):
            blocks.append(Block(before, after, stride=2 if number > 1 and not block else 1))
            before = after
        layers[f"stage{number}"] = nn.Sequential(*blocks)
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    layers["head"] = nn.Linear(STAGES[-1], classes)
    return he_start(nn.Sequential(layers))


class Block(nn.Module):
    """Two 3×3 convolutions around which the input is added."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.convolution1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.convolution2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.shortcut = None
        if stride != 1 or before != after:
            projection = nn.Conv2d(before, after, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(after))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, before, H, W) to (N, after, H / stride, W / stride)."""
        outputs = F.relu(self.norm1(self.convolution1(inputs)))
        outputs = self.norm2(self.convolution2(outputs))
        kept = inputs if self.shortcut is None else self.shortcut(inputs)
        return F.relu(outputs + kept)
