"""Feature maps, found by the path of the layer that gives them."""

import pytest
import torch

from kdcore import models
from kdcore.errors import RecipeError
from kdcore.models.features import feature_paths, tapped


@pytest.fixture
def network():
    return models.get("resnet_cifar").build((3, 32, 32), 10, {"depth": 8}, 0)


def test_every_layers_shape_is_found_in_the_order_of_execution(network):
    paths = feature_paths(network, (3, 32, 32))
    stages = {path: shape for path, shape in paths.items() if path in ("3", "4", "5")}
    assert list(stages.items()) == [("3", (16, 32, 32)), ("4", (32, 16, 16)), ("5", (64, 8, 8))]
    assert next(iter(paths)) == "0"


def test_a_tap_gives_what_the_layer_gave(network):
    inputs = torch.randn(2, 3, 32, 32)
    network.eval()
    with tapped(network, ["3", "4.0"]) as outputs:
        network(inputs)
    expected = network[:4](inputs)
    torch.testing.assert_close(outputs["3"], expected)
    assert outputs["4.0"].shape == (2, 32, 16, 16)


def test_gradients_flow_through_a_tap(network):
    with tapped(network, ["3"]) as outputs:
        network(torch.randn(2, 3, 32, 32))
    outputs["3"].sum().backward()
    assert network[0].weight.grad.abs().sum() > 0


def test_a_tap_is_closed_behind_itself(network):
    with tapped(network, ["3"]) as outputs:
        pass
    network(torch.randn(2, 3, 32, 32))
    assert outputs == {}
    assert not network[3]._forward_hooks


def test_a_layer_that_is_not_there_is_answered_with_a_close_match(network):
    with pytest.raises(RecipeError, match=r"no layer '4\.0\.frist'; did you mean '4\.0\.first'"):
        tapped(network, ["4.0.frist"]).__enter__()


@pytest.mark.parametrize("name", ["mlp", "lenet5", "cnn", "wrn", "vgg", "vit", "squeezenet1_1"])
def test_every_family_has_feature_maps(name):
    network = models.get(name).build((1, 28, 28), 10, {}, 0)
    assert len(feature_paths(network, (1, 28, 28))) >= 3
