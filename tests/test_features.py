"""Feature maps, found by the path of the layer that gives them."""

import re

import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.errors import RecipeError
from kdcore.measure.size import parameters
from kdcore.models.features import feature_paths, tapped
from tests.architectures import architectures

SHAPE = (1, 8, 8)


def hooks(network):
    return sum(len(module._forward_hooks) for module in network.modules())


@pytest.fixture
def network():
    return models.get("resnet_cifar").build((3, 32, 32), 10, {"depth": 8}, 0)


@pytest.fixture
def pictures():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", architectures())
@torch.no_grad()
def test_every_architecture_gives_its_feature_maps_in_the_shapes_it_says(name):
    network = models.get(name).build(SHAPE, 7, {}, 0).eval()
    inputs = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    size, expected, paths = parameters(network), network(inputs), feature_paths(network, SHAPE)
    assert len(paths) >= 4
    with tapped(network, list(paths)) as outputs:
        assert torch.equal(network(inputs), expected)
    assert {path: tuple(output.shape[1:]) for path, output in outputs.items()} == paths
    assert parameters(network) == size
    assert hooks(network) == 0


def test_layers_come_in_the_order_in_which_they_finish(network):
    paths = feature_paths(network, (3, 32, 32))
    assert list(paths)[:4] == ["convolution", "norm", "relu", "stage1.0.convolution1"]
    stages = {path: shape for path, shape in paths.items() if path[:-1] == "stage"}
    assert list(stages.items()) == [
        ("stage1", (16, 32, 32)),
        ("stage2", (32, 16, 16)),
        ("stage3", (64, 8, 8)),
    ]
    assert list(paths.items())[-1] == ("head", (10,))


def test_a_layer_that_gives_no_single_tensor_is_left_out():
    class Twice(nn.Module):
        def forward(self, inputs):
            return inputs, inputs

    class First(nn.Module):
        def forward(self, inputs):
            return inputs[0]

    assert feature_paths(nn.Sequential(Twice(), First()), (3,)) == {"1": (3,)}


@pytest.mark.parametrize("mode", [True, False])
def test_looking_for_layers_leaves_modes_and_statistics_alone(network, mode):
    network.train(mode)
    network.stage1.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    feature_paths(network, (3, 32, 32))
    assert (network.training, network.stage1.training) == (mode, False)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_tap_gives_what_the_layer_gave(network, pictures):
    network.eval()
    with tapped(network, ["stage1", "stage2.0"]) as outputs:
        network(pictures)
    assert torch.equal(outputs["stage1"], network[:4](pictures))
    assert torch.equal(outputs["stage2.0"], network[:5](pictures))  # its only block


def test_a_tap_holds_the_last_pass(network, pictures):
    network.eval()
    with tapped(network, ["stage1"]) as outputs:
        network(0 * pictures)
        network(pictures)
    assert torch.equal(outputs["stage1"], network[:4](pictures))


def test_what_a_later_layer_does_in_place_does_not_reach_a_tap():
    inputs = torch.tensor([[-1.0, 1.0]])
    network = nn.Sequential(nn.Identity(), nn.Linear(2, 2), nn.ReLU(inplace=True))
    with tapped(network, ["1"]) as outputs:
        network(inputs)
    assert torch.equal(outputs["1"], network[1](inputs))


def test_gradients_flow_through_a_tap(network, pictures):
    with tapped(network, ["stage1"]) as outputs:
        network(pictures)
    outputs["stage1"].sum().backward()
    assert network.convolution.weight.grad.abs().sum() > 0
    assert network.head.weight.grad is None


def test_a_tap_is_closed_even_after_an_error(network, pictures):
    with pytest.raises(KeyError), tapped(network, ["stage1", "stage2"]):
        raise KeyError
    assert hooks(network) == 0


def test_a_layer_that_is_not_there_is_answered_with_a_close_match(network):
    message = "the network has no layer 'stage4'; did you mean 'stage3'?"
    with pytest.raises(RecipeError, match=re.escape(message)), tapped(network, ["stage4"]):
        pass
    assert hooks(network) == 0
