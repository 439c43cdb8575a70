"""Wide residual networks."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.knobs import Choice
from kdcore.models import architecture


@architecture("wrn", title="Wide ResNet", kinds=("image",), smallest=4)
def wrn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    shape: Annotated[
        str,
        Choice(("16-1", "16-2", "40-1", "40-2"), "Depth, and how much wider each stage is."),
    ] = "16-2",
) -> nn.Module:
    """Residual networks with normalisation before each convolution and wider stages.

    703,284 parameters for 16-2 on 3×32×32 pictures of 100 classes.
    Source: Zagoruyko and Komodakis, 2016, arXiv:1605.07146.
    """
    depth, widening = map(int, shape.split("-"))
    widths = [16, *(stage * widening for stage in (16, 32, 64))]
    layers: list[nn.Module] = [nn.Conv2d(input_shape[0], 16, 3, padding=1, bias=False)]
    for stage in range(3):
        blocks = []
        for block in range((depth - 4) // 6):
            wide = widths[stage] if block == 0 else widths[stage + 1]
            stride = 2 if stage and not block else 1
            blocks.append(PreBlock(wide, widths[stage + 1], stride))
        layers.append(nn.Sequential(*blocks))
    network = nn.Sequential(
        *layers,
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(widths[-1], classes),
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


class PreBlock(nn.Module):
    """Normalise, ReLU and convolve, twice, around which the input is added."""

    def __init__(self, wide: int, narrow: int, stride: int) -> None:
        super().__init__()
        self.first_norm = nn.BatchNorm2d(wide)
        self.first = nn.Conv2d(wide, narrow, 3, stride, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(narrow)
        self.second = nn.Conv2d(narrow, narrow, 3, padding=1, bias=False)
        self.shortcut = None if wide == narrow else nn.Conv2d(wide, narrow, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, wide, H, W) to (N, narrow, H / stride, W / stride)."""
        ready = F.relu(self.first_norm(inputs))
        outputs: Tensor = self.first(ready)
        outputs = self.second(F.relu(self.second_norm(outputs)))
        kept: Tensor = inputs if self.shortcut is None else self.shortcut(ready)
        return outputs + kept
