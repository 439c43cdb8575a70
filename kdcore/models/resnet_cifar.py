"""Residual networks for small pictures, as most distillation papers use them."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.knobs import Choice
from kdcore.models import architecture

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

    278,324 parameters at depth 20 on 3×32×32 pictures of 100 classes.
    Source: He, Zhang, Ren and Sun, 2015, arXiv:1512.03385, section 4.2; shortcuts by 1×1
    convolution where the shape changes, as in Tian et al., 2020, arXiv:1910.10699.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(input_shape[0], STAGES[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(STAGES[0]),
        nn.ReLU(),
    ]
    wide = STAGES[0]
    for stage, narrow in enumerate(STAGES):
        blocks = []
        for block in range((depth - 2) // 6):
            blocks.append(Block(wide, narrow, stride=2 if stage and not block else 1))
            wide = narrow
        layers.append(nn.Sequential(*blocks))
    network = nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(STAGES[-1], classes)
    )
    return kaiming(network)


class Block(nn.Module):
    """Two 3×3 convolutions around which the input is added."""

    def __init__(self, wide: int, narrow: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(wide, narrow, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(narrow)
        self.second = nn.Conv2d(narrow, narrow, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(narrow)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or wide != narrow:
            self.shortcut = nn.Sequential(
                nn.Conv2d(wide, narrow, 1, stride, bias=False), nn.BatchNorm2d(narrow)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, wide, H, W) to (N, narrow, H / stride, W / stride)."""
        outputs = F.relu(self.first_norm(self.first(inputs)))
        outputs = self.second_norm(self.second(outputs))
        return F.relu(outputs + self.shortcut(inputs))


def kaiming(network: nn.Module) -> nn.Module:
    """Convolutions start as He et al., 2015, arXiv:1502.01852 propose for ReLU."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
