"""CIFAR-10 and CIFAR-100: small colour pictures of things and animals."""

from __future__ import annotations

import numpy as np
import torch

from kdcore.settings import Settings
from kdcore.tasks import Data, Facts, Split, held_out, task
from kdcore.tasks.download import RemoteFile

SITE = "https://www.cs.toronto.edu/~kriz"
TEN_FILES = (
    RemoteFile(
        "cifar-10-batches-py",
        (f"{SITE}/cifar-10-python.tar.gz",),
        "c58f30108f718f92721af3b95e74349a",
        170.5,
    ),
)
HUNDRED_FILES = (
    RemoteFile(
        "cifar-100-python",
        (f"{SITE}/cifar-100-python.tar.gz",),
        "eb9058c3a382ffc7106e4002c42a8d85",
        169.0,
    ),
)
TEN = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
HUNDRED = tuple(
    name.replace("_", " ")
    for name in """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
    bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach
    couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house
    kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
    mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew
    skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf
    woman worm""".split()  # noqa: SIM905
)
TEN_FACTS = Facts(TEN, (3, 32, 32), train=49_000, validation=1_000, test=10_000)
HUNDRED_FACTS = Facts(HUNDRED, (3, 32, 32), train=49_000, validation=1_000, test=10_000)


@task("cifar10", title="CIFAR-10, 32×32", kind="image", facts=TEN_FACTS, files=TEN_FILES)
def cifar10() -> Data:
    """Ten kinds of things and animals in 32×32 colour pixels; 49,000 to train on, 1,000 held out.

    Source: Krizhevsky, 2009, "Learning Multiple Layers of Features from Tiny Images".
    """
    from torchvision.datasets import CIFAR10

    root = Settings.from_environment().data
    parts = [CIFAR10(root, train=train) for train in (True, False)]
    return held_out(TEN_FACTS, *(coloured(part.data, part.targets) for part in parts))


@task("cifar100", title="CIFAR-100, 32×32", kind="image", facts=HUNDRED_FACTS, files=HUNDRED_FILES)
def cifar100() -> Data:
    """A hundred kinds of things and animals in 32×32 colour pixels, 490 of each to train on.

    Source: Krizhevsky, 2009, "Learning Multiple Layers of Features from Tiny Images".
    """
    from torchvision.datasets import CIFAR100

    root = Settings.from_environment().data
    parts = [CIFAR100(root, train=train) for train in (True, False)]
    return held_out(HUNDRED_FACTS, *(coloured(part.data, part.targets) for part in parts))


def coloured(pixels: np.ndarray, labels: list[int]) -> Split:
    """A split of pictures that came as (N, H, W, C)."""
    return Split(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels))
