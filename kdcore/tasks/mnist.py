"""MNIST: the handwritten digits that everybody measures on."""

from __future__ import annotations

from kdcore.settings import Settings
from kdcore.tasks import Data, Facts, grey, held_out, task
from kdcore.tasks.download import RemoteFile

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "http://yann.lecun.com/exdb/mnist")
FILES = tuple(
    RemoteFile(f"MNIST/raw/{name}", tuple(f"{url}/{name}.gz" for url in MIRRORS), md5, megabytes)
    for name, md5, megabytes in (
        ("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9.9),
        ("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432", 0.03),
        ("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3", 1.6),
        ("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c", 0.005),
    )
)
FACTS = Facts(tuple("0123456789"), (1, 28, 28), train=59_000, validation=1_000, test=10_000)


@task("mnist", title="MNIST, 28×28", kind="image", facts=FACTS, files=FILES)
def mnist() -> Data:
    """Handwritten digits of 28×28 grey pixels; 59,000 to train on, 1,000 held out.

    Source: LeCun, Bottou, Bengio and Haffner, 1998, "Gradient-Based Learning Applied to Document
    Recognition".
    """
    from torchvision.datasets import MNIST

    root = Settings.from_environment().data
    parts = [MNIST(root, train=train) for train in (True, False)]
    return held_out(FACTS, *(grey(part.data, part.targets) for part in parts))
