"""Toys in the plane: none is trivial, and most need more than a straight line."""

import pytest
import torch

from kdcore import tasks

TOYS = ("moons", "circles", "spirals", "blobs")


def nearest_accuracy(data, k=15):
    """Share of test points whose class most of the k nearest training points have."""
    nearest = torch.cdist(data.test.inputs, data.train.inputs).topk(k, largest=False).indices
    guess = data.train.labels[nearest].mode(1).values
    return (guess == data.test.labels).float().mean().item()


def linear_accuracy(data):
    """What the best least-squares plane for each class gives on the test points."""

    def padded(split):
        return torch.cat([split.inputs, torch.ones(len(split), 1)], 1)

    targets = torch.nn.functional.one_hot(data.train.labels).float()
    weights = torch.linalg.lstsq(padded(data.train), targets).solution
    guess = (padded(data.test) @ weights).argmax(1)
    return (guess == data.test.labels).float().mean().item()


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_has_1000_points_to_train_on_200_to_validate_and_800_to_test(name):
    data = tasks.get(name).load()
    assert [len(data.train), len(data.validation), len(data.test)] == [1000, 200, 800]
    assert data.input_shape == (2,)


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_can_be_learned_but_not_to_perfection(name):
    assert 0.9 < nearest_accuracy(tasks.get(name).load()) < 0.995


@pytest.mark.parametrize(("name", "at_most"), [("moons", 0.9), ("circles", 0.6), ("spirals", 0.6)])
def test_a_straight_line_does_not_part_the_classes(name, at_most):
    assert linear_accuracy(tasks.get(name).load()) < at_most
