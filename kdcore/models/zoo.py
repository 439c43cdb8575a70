"""torchvision's networks, their first layers adapted to small pictures.

Below 64 pixels a side a network made for 224 would halve the picture away before it has looked at
it: there, the first convolution keeps the size, and a pooling right after it is left out.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.errors import RecipeError
from kdcore.knobs import Choice
from kdcore.models import architecture

SMALL = 64

TITLES = {
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
    "vgg16": "VGG-16",
    "inception_v3": "Inception v3",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_small": "MobileNetV3 small",
    "mobilenet_v3_large": "MobileNetV3 large",
    "squeezenet1_1": "SqueezeNet 1.1",
    "shufflenet_v2_x1_0": "ShuffleNetV2",
    "efficientnet_b0": "EfficientNet-B0",
}

ENLARGED = {"inception_v3": 75, "vgg16": 32}
"""Pixels a side that these cannot do without: smaller pictures are enlarged to that."""

SOURCES = {
    "resnet": "He et al., 2015, arXiv:1512.03385",
    "vgg16": "Simonyan and Zisserman, 2014, arXiv:1409.1556",
    "inception": "Szegedy et al., 2015, arXiv:1512.00567",
    "mobilenet_v2": "Sandler et al., 2018, arXiv:1801.04381",
    "mobilenet_v3": "Howard et al., 2019, arXiv:1905.02244",
    "squeezenet": "Iandola et al., 2016, arXiv:1602.07360",
    "shufflenet": "Ma et al., 2018, arXiv:1807.11164",
    "efficientnet": "Tan and Le, 2019, arXiv:1905.11946",
}


def register(name: str, title: str) -> None:
    """Register one of torchvision's networks under its own name there."""
    source = next(text for start, text in SOURCES.items() if name.startswith(start))

    def build(
        input_shape: tuple[int, ...],
        classes: int,
        *,
        weights: Annotated[
            str, Choice(("none", "imagenet"), "Start from weights trained on ImageNet, or anew.")
        ] = "none",
    ) -> nn.Module:
        network = torchvision_model(name, weights)
        adapt_input(network, input_shape[0], min(input_shape[1:]) < SMALL)
        adapt_head(network, classes)
        return AtLeast(network, ENLARGED[name]) if name in ENLARGED else network

    build.__doc__ = f"{title} from torchvision, for any size of picture.\n\nSource: {source}."
    architecture(name, title=title, kinds=("image",), smallest=8)(build)


def torchvision_model(name: str, weights: str) -> nn.Module:
    """The network as torchvision builds it. Raises RecipeError where its weights can't be had."""
    import torchvision  # a second and a half: only where one of its networks is built

    extra: dict[str, Any] = {}
    if name == "inception_v3":
        extra = {"init_weights": False} if weights == "none" else {}
    try:
        network: nn.Module = torchvision.models.get_model(
            name, weights="DEFAULT" if weights == "imagenet" else None, **extra
        )
    except OSError as error:
        raise RecipeError(
            f"the ImageNet weights of {TITLES[name]} could not be fetched ({error}); connect "
            f'this machine to the internet once, or set the option weights to "none"'
        ) from None
    if name == "inception_v3":
        network.aux_logits, network.AuxLogits = False, None  # type: ignore[assignment]
    return network


def adapt_input(network: nn.Module, channels: int, small: bool) -> None:
    """Let the first convolution take that many channels, and keep the size of small pictures."""
    path, first = next(
        (path, module) for path, module in network.named_modules() if isinstance(module, nn.Conv2d)
    )
    keep = small and not isinstance(getattr(network, "Conv2d_1a_3x3", None), nn.Module)
    replace(network, path, _first_convolution(first, channels, keep))
    if keep:
        for name in ("maxpool", "features.2"):  # right after the first convolution
            if isinstance(_at(network, name), nn.MaxPool2d):
                replace(network, name, nn.Identity())


def _first_convolution(old: nn.Conv2d, channels: int, keep_size: bool) -> nn.Conv2d:
    kernel, stride = old.kernel_size[0], old.stride[0]
    if keep_size and stride > 1:
        kernel, stride = 3, 1
    padding = kernel // 2 if keep_size else old.padding[0]
    new = nn.Conv2d(
        channels, old.out_channels, kernel, stride, int(padding), bias=old.bias is not None
    )
    with torch.no_grad():
        cut = (old.kernel_size[0] - kernel) // 2
        filters = old.weight[:, :, cut : cut + kernel, cut : cut + kernel]
        # a grey picture is three equal channels: their filters add up
        new.weight.copy_(filters if channels == 3 else filters.sum(1, keepdim=True))
        if old.bias is not None and new.bias is not None:
            new.bias.copy_(old.bias)
    return new


def adapt_head(network: nn.Module, classes: int) -> None:
    """Replace the last layer that tells ImageNet's thousand classes apart."""
    path, last = [
        (path, module)
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and _outputs(module) == 1000
    ][-1]
    head: nn.Module
    if isinstance(last, nn.Linear):
        head = nn.Linear(last.in_features, classes)
    else:
        head = nn.Conv2d(last.in_channels, classes, 1)
    replace(network, path, head)


class AtLeast(nn.Module):
    """Enlarges pictures that are too small for a network."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network, self.side = network, side

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) to (N, classes)."""
        if min(pictures.shape[2:]) < self.side:
            size = (self.side, self.side)
            pictures = F.interpolate(pictures, size, mode="bilinear", align_corners=False)
        outputs: Tensor = self.network(pictures)
        return outputs


def replace(network: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module in the place that a dotted path names."""
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def _at(network: nn.Module, path: str) -> nn.Module | None:
    try:
        return network.get_submodule(path)
    except AttributeError:
        return None


def _outputs(module: nn.Linear | nn.Conv2d) -> int:
    return module.out_features if isinstance(module, nn.Linear) else module.out_channels


for _name, _title in TITLES.items():
    register(_name, _title)
