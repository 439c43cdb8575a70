"""LeNet-5."""

from __future__ import annotations

from torch import nn

from kdcore.models import architecture
from kdcore.models.cnn import flat_size


@architecture("lenet5", title="LeNet-5", kinds=("image",), smallest=8)
def lenet5(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two 5×5 convolutions and three linear layers, the first network to read cheques.

    With ReLU and max-pooling in place of the original's tanh and learned averaging, and padding
    of 2 at both convolutions' input where the picture is smaller than the original's 32×32.
    61,706 parameters on 1×28×28 pictures of 10 classes.
    Source: LeCun, Bottou, Bengio and Haffner, 1998, "Gradient-Based Learning Applied to Document
    Recognition".
    """
    channels, side = input_shape[0], min(input_shape[1:])
    first, second = (2 if side < 32 else 0), (2 if side < 16 else 0)
    convolutions = nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=first),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(6, 16, 5, padding=second),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
    )
    return nn.Sequential(
        *convolutions,
        nn.Linear(flat_size(convolutions, input_shape), 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )
