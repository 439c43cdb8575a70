"""Parameter counts as published, or worked by hand: an architecture is the one its papers mean."""

import pytest
import torch

from kdcore import models
from kdcore.measure.size import parameters

COLOUR = (3, 32, 32)


def count(name, input_shape, classes, **options) -> int:
    with torch.device("meta"):  # shapes without numbers
        return parameters(models.get(name).build(input_shape, classes, options, 0))


# github.com/HobbitLong/RepDistiller (Tian et al., 2020, arXiv:1910.10699), CIFAR-100
@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        ("resnet_cifar", {"depth": 20}, 278_324),
        ("resnet_cifar", {"depth": 32}, 472_756),
        ("resnet_cifar", {"depth": 56}, 861_620),
        ("resnet_cifar", {"depth": 110}, 1_736_564),
        ("wrn", {"size": "16-2"}, 703_284),
        ("wrn", {"size": "40-1"}, 569_780),
        ("wrn", {"size": "40-2"}, 2_255_156),
        ("vgg", {"depth": 8}, 3_965_028),
        ("vgg", {"depth": 11}, 9_277_284),
        ("vgg", {"depth": 13}, 9_462_180),
    ],
)
def test_a_network_for_cifar_has_the_parameters_of_the_literature(name, options, published):
    assert count(name, COLOUR, 100, **options) == published


# given in millions only: the same tables, and Zagoruyko and Komodakis, 2016
@pytest.mark.parametrize(
    ("name", "options", "millions"),
    [
        ("resnet_cifar", {"depth": 8}, 0.08),
        ("resnet_cifar", {"depth": 14}, 0.18),
        ("resnet_cifar", {"depth": 44}, 0.67),
        ("wrn", {"size": "16-1"}, 0.18),
    ],
)
def test_a_network_for_cifar_rounds_to_the_parameters_of_the_literature(name, options, millions):
    assert round(count(name, COLOUR, 100, **options) / 1e6, 2) == millions


@pytest.mark.parametrize("depth", [8, 20, 110])
@pytest.mark.parametrize("classes", [10, 100])
def test_a_residual_network_has_the_parameters_of_its_formula(depth, classes):
    expected = 97_216 * (depth - 2) // 6 - 19_824 + 65 * classes
    assert count("resnet_cifar", COLOUR, classes, depth=depth) == expected


# `num_params` in torchvision's documentation of each network
@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("vgg16", 138_357_544),
        ("inception_v3", 27_161_264 - 3_326_696),  # less its auxiliary classifier
        ("mobilenet_v2", 3_504_872),
        ("mobilenet_v3_small", 2_542_856),
        ("mobilenet_v3_large", 5_483_032),
        ("squeezenet1_1", 1_235_496),
        ("shufflenet_v2_x1_0", 2_278_604),
        ("efficientnet_b0", 5_288_548),
    ],
)
def test_a_network_of_torchvision_is_whole_at_its_own_size(name, published):
    assert count(name, (3, 224, 224), 1000) == published


def test_a_resnet_for_small_pictures_is_the_one_in_use_for_cifar():
    # github.com/kuangliu/pytorch-cifar, ResNet18: 3×3 in the first layer, no pooling after it
    assert count("resnet18", COLOUR, 10) == 11_173_962


def test_a_small_vgg16_does_without_the_copies_of_its_one_pixel():
    whole = 138_357_544 - 1000 * 4097 + 10 * 4097
    assert count("vgg16", COLOUR, 10) == whole - 48 * 512 * 4096


def test_lenet_has_the_parameters_of_its_layers():
    layers = (6 * (25 + 1), 16 * (6 * 25 + 1), 120 * (400 + 1), 84 * (120 + 1), 10 * (84 + 1))
    assert parameters(models.get("lenet5").build((1, 28, 28), 10, {}, 0)) == sum(layers) == 61_706


def test_the_usual_cnns_have_the_parameters_of_their_layers():
    build = models.get("cnn").build
    options = {"channels": [64, 128, 256], "hidden": [512]}
    teacher = (64 * 10, 128 * (64 * 9 + 1), 256 * (128 * 9 + 1), 512 * (256 * 9 + 1), 10 * 513)
    assert parameters(build((1, 28, 28), 10, options, 0)) == sum(teacher) == 1_554_954
    student = (32 * 10, 64 * (32 * 9 + 1), 128 * (64 * 49 + 1), 10 * 129)
    assert parameters(build((1, 28, 28), 10, {}, 0)) == sum(student) == 421_642


def test_a_transformer_has_the_parameters_of_its_layers():
    patches, width = 49, 64
    layer = (
        2 * 2 * width + 4 * (width + 1) * width + (width + 1) * 2 * width + (2 * width + 1) * width
    )
    whole = (16 + 1 + patches) * width + 4 * layer + 2 * width + (width + 1) * 10
    assert count("vit", (1, 28, 28), 10) == whole
