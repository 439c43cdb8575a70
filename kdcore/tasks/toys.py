"""Two-dimensional toys: points in the plane, to see what a network separates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from kdcore.tasks import Data, Facts, Split, balanced_order, task

TRAIN, VALIDATION, TEST = 1000, 200, 800
COUNT = TRAIN + VALIDATION + TEST

Points = tuple[np.ndarray, np.ndarray]


def facts(*class_names: str) -> Facts:
    """What is the same for all toys, and the names of this one's classes."""
    return Facts(class_names, (2,), TRAIN, VALIDATION, TEST)


def split(draw: Callable[[], Points], of: Facts) -> Data:
    """A toy's points (N, 2) and classes (N,) in three seeded parts, each class as often in all."""
    points, classes = draw()
    order = balanced_order(torch.from_numpy(classes).long(), seed=0)
    inputs = torch.from_numpy(points).float()[order]
    labels = torch.from_numpy(classes).long()[order]
    sizes = [TRAIN, VALIDATION, TEST]
    parts = zip(inputs.split(sizes), labels.split(sizes), strict=True)
    return Data(of.class_names, *(Split(*part) for part in parts))


MOONS, CIRCLES = facts("upper", "lower"), facts("outer", "inner")
SPIRALS, BLOBS = facts("first", "second", "third"), facts("A", "B", "C", "D", "E")


@task("moons", title="Two moons", kind="vector", facts=MOONS)
def moons() -> Data:
    """Two half circles that reach into each other, with noise. From scikit-learn."""
    from sklearn.datasets import make_moons

    return split(lambda: make_moons(COUNT, noise=0.25, random_state=0), MOONS)


@task("circles", title="Two circles", kind="vector", facts=CIRCLES)
def circles() -> Data:
    """A circle within a circle, with noise. From scikit-learn."""
    from sklearn.datasets import make_circles

    return split(lambda: make_circles(COUNT, noise=0.15, factor=0.5, random_state=0), CIRCLES)


@task("spirals", title="Three spirals", kind="vector", facts=SPIRALS)
def spirals() -> Data:
    """Three arms that wind around each other one and a quarter times, with noise."""

    def draw() -> Points:
        random = np.random.default_rng(0)
        arm = np.arange(COUNT) % 3
        along = np.sqrt(random.random(COUNT))
        angle = 2.5 * np.pi * along + 2 * np.pi * arm / 3
        points = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        return points + 0.04 * random.standard_normal((COUNT, 2)), arm

    return split(draw, SPIRALS)


@task("blobs", title="Five blobs", kind="vector", facts=BLOBS)
def blobs() -> Data:
    """Five round clouds, some of which touch. From scikit-learn."""
    from sklearn.datasets import make_blobs

    def draw() -> Points:
        points, classes = make_blobs(COUNT, centers=5, cluster_std=1.6, random_state=6)
        return points, classes

    return split(draw, BLOBS)
