"""Handwritten digits: the 1,797 pictures that come with scikit-learn."""

from __future__ import annotations

import torch

from kdcore.tasks import Data, Facts, Split, task

CLASSES = tuple(str(digit) for digit in range(10))
FACTS = Facts(CLASSES, (1, 8, 8), train=1097, validation=200, test=500)


@task("digits", title="Handwritten digits, 8×8", kind="image", facts=FACTS)
def digits() -> Data:
    """Handwritten digits of 8×8 grey pixels, bundled with scikit-learn; nothing to download.

    1,097 training, 200 validation and 500 test pictures, class shares kept, always the same split.
    Source: Alpaydin and Kaynak, 1998, UCI Optical Recognition of Handwritten Digits (test part).
    """
    # late: a second of import that only who loads the digits should pay
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = torch.from_numpy((bunch.images * 255 / 16).round().astype("uint8"))[:, None]
    labels = torch.from_numpy(bunch.target).long()
    rest, test = train_test_split(
        range(len(labels)), test_size=FACTS.test, stratify=labels, random_state=0
    )
    train, validation = train_test_split(
        rest, test_size=FACTS.validation, stratify=labels[rest], random_state=0
    )
    return Data(
        class_names=CLASSES,
        train=Split(images[train], labels[train]),
        validation=Split(images[validation], labels[validation]),
        test=Split(images[test], labels[test]),
    )
