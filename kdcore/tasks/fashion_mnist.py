"""Fashion-MNIST: as MNIST, with clothes in place of digits."""

from __future__ import annotations

from kdcore.settings import Settings
from kdcore.tasks import Data, Facts, grey, held_out, task
from kdcore.tasks.download import RemoteFile

MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
FILES = tuple(
    RemoteFile(f"FashionMNIST/raw/{name}", (f"{MIRROR}/{name}.gz",), md5, megabytes)
    for name, md5, megabytes in (
        ("train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26.4),
        ("train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe", 0.03),
        ("t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79", 4.4),
        ("t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310", 0.005),
    )
)
CLASSES = (
    *("T-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
FACTS = Facts(CLASSES, (1, 28, 28), train=59_000, validation=1_000, test=10_000)


@task("fashion_mnist", title="Fashion-MNIST, 28×28", kind="image", facts=FACTS, files=FILES)
def fashion_mnist() -> Data:
    """Clothes in 28×28 grey pixels; 59,000 to train on, 1,000 held out.

    Source: Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747.
    """
    from torchvision.datasets import FashionMNIST

    root = Settings.from_environment().data
    parts = [FashionMNIST(root, train=train) for train in (True, False)]
    return held_out(FACTS, *(grey(part.data, part.targets) for part in parts))
