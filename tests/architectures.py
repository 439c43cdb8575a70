"""Names of architectures to test: all of them, those that take long marked slow."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from kdcore import models

HEAVY = (
    *("efficientnet_b0", "inception_v3", "mobilenet_v2", "mobilenet_v3_large"),
    *("mobilenet_v3_small", "resnet34", "resnet50", "shufflenet_v2_x1_0", "vgg16"),
)
"""Of torchvision's, all but two: a change that breaks these breaks those as well, nearly always."""


def architectures(heavy: Collection[str] = HEAVY) -> list[object]:
    """Every registered architecture as a parameter; a new one is tested at once."""
    return [marked(name, name, heavy=heavy) for name in models.names()]


def marked(name: str, *values: object, heavy: Collection[str] = HEAVY, id: str | None = None):
    """A parameter of an architecture's test, slow where the architecture is heavy."""
    slow = [pytest.mark.slow] if name in heavy else []
    return pytest.param(*values, marks=slow, id=id or name)
