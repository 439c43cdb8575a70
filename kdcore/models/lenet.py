"""LeNet-5, the first network to read cheques."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from kdcore.models import architecture
from kdcore.models.parts import flat_size


@architecture("lenet5", title="LeNet-5", kinds=("image",), smallest=8)
def lenet5(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two 5×5 convolutions, each halving the picture by max-pooling, and three linear layers.

    (N, C, H, W) to logits (N, classes). Adapted as usual: ReLU in place of tanh, max-pooling in
    place of learned averages, every map of the second convolution sees all of the first, and a
    linear last layer. The original takes 32×32 pixels: below that the first convolution pads by
    2, and below 16×16 the second does too. 61,706 parameters on 1×28×28 and 10 classes.
    Source: LeCun, Bottou, Bengio and Haffner, 1998, "Gradient-Based Learning Applied to Document
    Recognition".
    """
    side = min(input_shape[1:])
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        convolution1=nn.Conv2d(input_shape[0], 6, 5, padding=2 if side < 32 else 0),
        pool1=nn.MaxPool2d(2),
        relu1=nn.ReLU(),
        convolution2=nn.Conv2d(6, 16, 5, padding=2 if side < 16 else 0),
        pool2=nn.MaxPool2d(2),
        relu2=nn.ReLU(),
        flat=nn.Flatten(),
    )
    flat = flat_size(nn.Sequential(layers), input_shape)
    layers |= {
        "hidden1": nn.Linear(flat, 120),
        "hidden_relu1": nn.ReLU(),
        "hidden2": nn.Linear(120, 84),
        "hidden_relu2": nn.ReLU(),
        "head": nn.Linear(84, classes),
    }
    return nn.Sequential(layers)
