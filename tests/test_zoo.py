"""torchvision's networks: what is adapted to small and grey pictures, and what is left as it is."""

import subprocess
import sys
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from kdcore import models
from kdcore.errors import RecipeError
from kdcore.models.zoo import NETWORKS
from tests.architectures import marked

COLOUR, GREY = (3, 32, 32), (1, 32, 32)


def build(name, shape, classes=1000, weights="none"):
    return models.get(name).build(shape, classes, {"weights": weights}, seed=0)


def original(name):
    extra = {"aux_logits": False, "init_weights": False} if name == "inception_v3" else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torchvision.models.get_model(name, weights=None, **extra)


def first_convolution(network):
    return next(module for module in network.modules() if isinstance(module, nn.Conv2d))


def pictures(shape, size=2):
    return torch.randn(size, *shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def downloads(monkeypatch):
    """Stands in for the download: weights by the name in the address, none to begin with."""
    stored = {}

    def load(address, *_, **__):
        for name, weights in stored.items():
            if name in address:
                return weights
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", load)
    return stored


def test_torchvision_is_imported_only_where_one_of_its_networks_is_built():
    code = """
import sys
from kdcore import models
network = models.get("squeezenet1_1")
print("torchvision" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False"]


def test_every_network_is_one_of_torchvisions():
    assert set(NETWORKS) <= set(torchvision.models.list_models())
    assert set(NETWORKS) <= set(models.names())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_1"])
def test_from_64_pixels_up_a_network_is_torchvisions_own(name):
    ours, theirs = build(name, (3, 64, 64)).eval(), original(name).eval()
    theirs.load_state_dict(ours.state_dict())
    inputs = pictures((3, 64, 64))
    torch.testing.assert_close(ours(inputs), theirs(inputs))


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x1_0", "squeezenet1_1"])
def test_below_64_pixels_the_first_layers_keep_the_pictures_size(name):
    convolution = first_convolution(build(name, COLOUR))
    assert (convolution.kernel_size, convolution.stride) == ((3, 3), (1, 1))
    assert convolution(pictures(COLOUR)).shape[2:] == (32, 32)
    assert first_convolution(build(name, (3, 63, 64))).stride == (1, 1)
    assert first_convolution(build(name, (3, 64, 64))).stride == (2, 2)


@pytest.mark.parametrize(
    ("name", "path"),
    [("resnet18", "maxpool"), ("shufflenet_v2_x1_0", "maxpool"), ("squeezenet1_1", "features.2")],
)
def test_a_pooling_right_after_the_first_convolution_is_left_out_below_64_pixels(name, path):
    assert isinstance(build(name, COLOUR).get_submodule(path), nn.Identity)
    assert isinstance(build(name, (3, 64, 64)).get_submodule(path), nn.MaxPool2d)


@pytest.mark.parametrize("name", ["resnet18", marked("vgg16", "vgg16"), "mobilenet_v3_small"])
def test_grey_pictures_are_answered_as_the_same_pictures_in_colour(name):
    grey, colour = build(name, GREY, 10).eval(), build(name, COLOUR, 10).eval()
    filters = first_convolution(colour).weight.clone()
    shared = {k: v for k, v in grey.state_dict().items() if v.shape == colour.state_dict()[k].shape}
    colour.load_state_dict(shared, strict=False)
    assert torch.equal(first_convolution(colour).weight, filters)
    inputs = pictures(GREY)
    torch.testing.assert_close(
        grey(inputs), colour(inputs.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-4
    )


@pytest.mark.slow
def test_a_small_vgg16_is_the_same_function_with_fewer_weights():
    ours, theirs = build("vgg16", COLOUR).eval(), original("vgg16").eval()
    inputs = pictures(COLOUR)
    hidden = theirs.classifier[:-1](theirs.avgpool(theirs.features(inputs)).flatten(1))
    torch.testing.assert_close(
        ours.classifier[:-1](ours.avgpool(ours.features(inputs)).flatten(1)), hidden
    )


def test_inceptions_pictures_are_enlarged_to_75_pixels():
    network = build("inception_v3", (1, 8, 90), 5).eval()
    sizes = []
    network.network.Conv2d_1a_3x3.register_forward_pre_hook(
        lambda _, inputs: sizes.append(tuple(inputs[0].shape))
    )
    with torch.no_grad():
        for shape in ((1, 8, 8), (1, 8, 90), (1, 75, 80)):
            network(pictures(shape))
    assert sizes == [(2, 1, 75, 75), (2, 1, 75, 90), (2, 1, 75, 80)]


# weights learned on ImageNet


def test_weights_that_cannot_be_fetched_are_told_with_the_way_out(downloads):
    with pytest.raises(RecipeError) as caught:
        build("resnet18", COLOUR, 10, "imagenet")
    assert str(caught.value) == (
        "the ImageNet weights of ResNet-18 could not be fetched (no route to host); "
        'choose weights "none", or connect this machine to the internet once'
    )


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_weights_that_were_fetched_are_in_the_network(downloads, name):
    downloads[name] = expected = original(name).state_dict()
    found = build(name, (3, 64, 64), 10, "imagenet").state_dict()
    same = [key for key in expected if torch.equal(found[key], expected[key])]
    head = [key for key in expected if found[key].shape != expected[key].shape]
    assert len(same) + len(head) == len(expected)
    assert len(head) == 2  # its weights and biases


def test_the_middle_of_a_fetched_filter_is_kept_for_small_pictures(downloads):
    downloads["resnet18"] = expected = original("resnet18").state_dict()
    weight = first_convolution(build("resnet18", COLOUR, 10, "imagenet")).weight
    assert torch.equal(weight, expected["conv1.weight"][:, :, 2:5, 2:5])
    weight = first_convolution(build("resnet18", GREY, 10, "imagenet")).weight
    torch.testing.assert_close(
        weight, expected["conv1.weight"][:, :, 2:5, 2:5].sum(1, keepdim=True)
    )


def test_inception_with_fetched_weights_takes_grey_pictures_too(downloads):
    whole = torchvision.models.get_model("inception_v3", weights=None, init_weights=False)
    downloads["inception_v3"] = whole.state_dict()
    network = build("inception_v3", (1, 8, 8), 5, "imagenet").eval()
    assert network(pictures((1, 8, 8))).shape == (2, 5)
