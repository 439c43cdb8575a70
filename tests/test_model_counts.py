"""Parameter counts as published: an architecture is the one that its papers mean."""

import pytest
import torch
from torch import nn

from kdcore import models

COLOUR = (3, 32, 32)


def count(name, input_shape, classes, **options) -> int:
    network = models.get(name).build(input_shape, classes, options, 0)
    return sum(parameter.numel() for parameter in network.parameters())


# RepDistiller, github.com/HobbitLong/RepDistiller, CIFAR-100
@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        ("resnet_cifar", {"depth": 20}, 278_324),
        ("resnet_cifar", {"depth": 32}, 472_756),
        ("resnet_cifar", {"depth": 56}, 861_620),
        ("resnet_cifar", {"depth": 110}, 1_736_564),
        ("wrn", {"shape": "16-2"}, 703_284),
        ("wrn", {"shape": "40-1"}, 569_780),
        ("wrn", {"shape": "40-2"}, 2_255_156),
        ("vgg", {"depth": 8}, 3_965_028),
        ("vgg", {"depth": 11}, 9_277_284),
        ("vgg", {"depth": 13}, 9_462_180),
    ],
)
def test_a_network_for_cifar_has_the_parameters_of_the_literature(name, options, published):
    assert count(name, COLOUR, 100, **options) == published


# torchvision's documentation of each network, ImageNet
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("mobilenet_v2", 3_504_872),
        ("mobilenet_v3_small", 2_542_856),
        ("mobilenet_v3_large", 5_483_032),
        ("squeezenet1_1", 1_235_496),
        ("shufflenet_v2_x1_0", 2_278_604),
        ("efficientnet_b0", 5_288_548),
        ("vgg16", 138_357_544),
    ],
)
def test_a_network_of_torchvision_is_unchanged_at_its_own_size(name, published):
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.init, "trunc_normal_", lambda tensor, *_, **__: tensor)
        assert count(name, (3, 224, 224), 1000) == published


def test_lenet_has_the_parameters_of_its_layers():
    layers = (6 * (25 + 1), 16 * (6 * 25 + 1), 120 * (400 + 1), 84 * (120 + 1), 10 * (84 + 1))
    assert count("lenet5", (1, 28, 28), 10) == sum(layers) == 61_706


def test_the_articles_cnns_have_the_parameters_of_their_layers():
    teacher = (64 * 10, 128 * (64 * 9 + 1), 256 * (128 * 9 + 1), 512 * (256 * 9 + 1), 10 * 513)
    options = {"channels": [64, 128, 256], "hidden": [512]}
    assert count("cnn", (1, 28, 28), 10, **options) == sum(teacher)
    student = (32 * 10, 64 * (32 * 9 + 1), 128 * (64 * 49 + 1), 10 * 129)
    assert count("cnn", (1, 28, 28), 10) == sum(student)


def test_the_articles_mlps_have_the_parameters_of_their_layers():
    assert count("mlp", (1, 28, 28), 10, widths=[10, 5]) == 785 * 10 + 11 * 5 + 6 * 10
    assert count("mlp", (1, 28, 28), 10, widths=[5]) == 785 * 5 + 6 * 10
