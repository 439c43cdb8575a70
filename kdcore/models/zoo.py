"""torchvision's networks, adapted to pictures of any size, grey or coloured.

They are made for 224×224 pixels. Below 64 a side they would halve the picture away before having
looked at it: there the first convolution is 3×3 and keeps the size, and a pooling right after it
is left out. Inception gets its pictures enlarged instead, as its convolutions pad too little.
"""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor, nn
from torch.nn import functional as F

from kdcore.errors import RecipeError
from kdcore.knobs import Choice
from kdcore.models import architecture

SMALL = 64
INCEPTION_SMALLEST = 75

# torchvision's name: how people write it, and who proposed it
NETWORKS = {
    "resnet18": ("ResNet-18", "He et al., 2015, arXiv:1512.03385"),
    "resnet34": ("ResNet-34", "He et al., 2015, arXiv:1512.03385"),
    "resnet50": ("ResNet-50", "He et al., 2015, arXiv:1512.03385"),
    "vgg16": ("VGG-16", "Simonyan and Zisserman, 2014, arXiv:1409.1556"),
    "inception_v3": ("Inception v3", "Szegedy et al., 2015, arXiv:1512.00567"),
    "mobilenet_v2": ("MobileNetV2", "Sandler et al., 2018, arXiv:1801.04381"),
    "mobilenet_v3_small": ("MobileNetV3-Small", "Howard et al., 2019, arXiv:1905.02244"),
    "mobilenet_v3_large": ("MobileNetV3-Large", "Howard et al., 2019, arXiv:1905.02244"),
    "squeezenet1_1": ("SqueezeNet 1.1", "Iandola et al., 2016, arXiv:1602.07360"),
    "shufflenet_v2_x1_0": ("ShuffleNetV2 1.0×", "Ma et al., 2018, arXiv:1807.11164"),
    "efficientnet_b0": ("EfficientNet-B0", "Tan and Le, 2019, arXiv:1905.11946"),
}


def register(name: str, title: str, source: str) -> None:
    """Register one of torchvision's networks under its name there."""

    def build(
        input_shape: tuple[int, ...],
        classes: int,
        *,
        weights: Annotated[
            str, Choice(("none", "imagenet"), "Start from weights learned on ImageNet, or anew.")
        ] = "none",
    ) -> nn.Module:
        network = torchvision_network(name, weights)
        fit_input(network, input_shape)
        if name == "vgg16":
            fit_vgg(network, input_shape)
        fit_head(network, classes)
        return Enlarged(network, INCEPTION_SMALLEST) if name == "inception_v3" else network

    build.__doc__ = f"{title} of torchvision, adapted to the picture's size.\n\nSource: {source}."
    architecture(name, title=title, kinds=("image",), smallest=8)(build)


def torchvision_network(name: str, weights: str) -> nn.Module:
    """The network as torchvision builds it, for 3×224×224 and 1,000 classes.

    ImageNet weights come from torch hub's cache, and get there over the network once.
    Raises RecipeError where they cannot be had.
    """
    import torchvision  # takes over a second, so only where one of its networks is built

    wanted: dict[str, Any] = {"progress": False, "weights": None}
    if weights == "imagenet":
        wanted["weights"] = "DEFAULT"
    elif name == "inception_v3":
        wanted |= {"aux_logits": False, "init_weights": False}
    try:
        network: nn.Module = torchvision.models.get_model(name, **wanted)
    except OSError as error:
        raise RecipeError(
            f"the ImageNet weights of {NETWORKS[name][0]} could not be fetched "
            f'({getattr(error, "reason", error)}); choose weights "none", or connect this machine '
            "to the internet once"
        ) from None
    if name == "inception_v3":  # its second output, for training alone, comes with the weights
        network.aux_logits, network.AuxLogits = False, None  # type: ignore[assignment]
    return network


def fit_input(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Let the first convolution take the picture's channels, and keep a small picture's size."""
    channels, side = input_shape[0], min(input_shape[1:])
    paths = {id(module): path for path, module in network.named_modules()}
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    rescales = getattr(network, "transform_input", None)  # Inception
    keep_size = side < SMALL and rescales is None
    fitted = _first_convolution(first, channels, keep_size)
    if rescales and channels != 3:
        # with ImageNet's weights it scales three channels by about this much before all else
        network.transform_input = False  # type: ignore[assignment]
        fitted.weight.data.mul_(0.45)
    _replace(network, paths[id(first)], fitted)
    if keep_size:
        for path in ("maxpool", "features.2"):  # right after the first convolution
            if isinstance(_at(network, path), nn.MaxPool2d):
                _replace(network, path, nn.Identity())


def _first_convolution(old: nn.Conv2d, channels: int, keep_size: bool) -> nn.Conv2d:
    kernel, stride, padding = old.kernel_size[0], old.stride[0], int(old.padding[0])
    if keep_size:
        kernel, stride, padding = 3, 1, 1
    biased = old.bias is not None
    new = nn.Conv2d(channels, old.out_channels, kernel, stride, padding, bias=biased)
    margin = (old.kernel_size[0] - kernel) // 2
    filters = old.weight.data[:, :, margin : margin + kernel, margin : margin + kernel]
    if channels != 3:
        # a grey picture is three equal channels, whose filters add up
        filters = filters.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels
    new.weight.data.copy_(filters)
    if old.bias is not None and new.bias is not None:
        new.bias.data.copy_(old.bias.data)
    return new


def fit_vgg(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Leave out the poolings that a small picture has no pixels for, and work done 49 times.

    Where one pixel is left, torchvision repeats it 7×7 times for the first linear layer. That
    layer's weights are summed over the copies instead: the same function, 100 million fewer.
    """
    sides = input_shape[1:]
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.MaxPool2d) and min(sides) < 2:
            _replace(network, path, nn.Identity())
        elif isinstance(module, nn.MaxPool2d):
            sides = tuple(side // 2 for side in sides)
    first = network.get_submodule("classifier.0")
    if max(sides) == 1 and isinstance(first, nn.Linear):
        merged = nn.Linear(first.in_features // 49, first.out_features)
        merged.weight.data.copy_(first.weight.data.unflatten(1, (-1, 49)).sum(2))
        merged.bias.data.copy_(first.bias.data)
        _replace(network, "avgpool", nn.AdaptiveAvgPool2d(1))
        _replace(network, "classifier.0", merged)


def fit_head(network: nn.Module, classes: int) -> None:
    """Replace the last layer, which tells ImageNet's thousand classes apart."""
    path, last = [
        (path, module)
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ][-1]
    if isinstance(last, nn.Linear):
        _replace(network, path, nn.Linear(last.in_features, classes))
    else:
        _replace(network, path, nn.Conv2d(last.in_channels, classes, 1))


class Enlarged(nn.Module):
    """Enlarges pictures that are too small for a network."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network, self.side = network, side

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W) to (N, classes)."""
        height, width = pictures.shape[2:]
        if min(height, width) < self.side:
            size = (max(height, self.side), max(width, self.side))
            pictures = F.interpolate(pictures, size, mode="bilinear", align_corners=False)
        logits: Tensor = self.network(pictures)
        return logits


def _replace(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def _at(network: nn.Module, path: str) -> nn.Module | None:
    try:
        return network.get_submodule(path)
    except AttributeError:
        return None


for _name, (_title, _source) in NETWORKS.items():
    register(_name, _title, _source)
