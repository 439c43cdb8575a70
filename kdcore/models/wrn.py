"""Wide residual networks."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.knobs import Choice
from kdcore.models import architecture
from kdcore.models.parts import he_start


@architecture("wrn", title="Wide ResNet", kinds=("image",), smallest=4)
def wrn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    size: Annotated[
        str, Choice(("16-1", "16-2", "40-1", "40-2"), "Depth, and how much wider each stage is.")
    ] = "16-2",
) -> nn.Module:
    """Residual networks that normalise before they convolve, with stages made wider.

    (N, C, H, W) to logits (N, classes); each stage after the first halves the picture.
    Depth is 6 n + 4 for n blocks a stage; stages have 16 k, 32 k and 64 k channels. 703,284
    parameters for 16-2 on 3×32×32 and 100 classes; without dropout, as in Tian et al., 2020,
    arXiv:1910.10699.
    Source: Zagoruyko and Komodakis, 2016, arXiv:1605.07146.
    """
    depth, widening = map(int, size.split("-"))
    before = 16
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        convolution=nn.Conv2d(input_shape[0], before, 3, padding=1, bias=False)
    )
    for number, after in enumerate((16 * widening, 32 * widening, 64 * widening), start=1):
        blocks = []
        for block in range((depth - 4) // 6):
            blocks.append(WideBlock(before, after, stride=2 if number > 1 and not block else 1))
            before = after
        layers[f"stage{number}"] = nn.Sequential(*blocks)
    layers |= {"norm": nn.BatchNorm2d(before), "relu": nn.ReLU()}
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    layers["head"] = nn.Linear(before, classes)
    return he_start(nn.Sequential(layers))


class WideBlock(nn.Module):
    """Normalise, ReLU and convolve, twice, around which the input is added."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.convolution1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.convolution2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.shortcut = None
        if before != after:
            self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, before, H, W) to (N, after, H / stride, W / stride)."""
        ready = F.relu(self.norm1(inputs))
        outputs: Tensor = self.convolution2(F.relu(self.norm2(self.convolution1(ready))))
        kept = inputs if self.shortcut is None else self.shortcut(ready)
        return outputs + kept
