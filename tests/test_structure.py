"""A network layer by layer."""

from math import prod

import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.measure.size import macs, parameters
from kdcore.measure.structure import first_weights, grams, layers
from kdcore.models import zoo

# of torchvision's, those that differ in kind: residual, shuffled, squeezed
NETWORKS = sorted(
    {*models.names()} - {*zoo.NETWORKS} | {"resnet18", "shufflenet_v2_x1_0", "squeezenet1_1"}
)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_layers_parameters_and_macs_add_up_to_the_networks(name):
    shape = (3, 32, 32) if "image" in models.get(name).kinds else (2,)
    with torch.device("meta"):  # shapes alone
        network = models.get(name).build(shape, 10, {}, seed=0)
        found = [step.layer for step in layers(network, shape)]
        assert sum(each.parameters for each in found) == parameters(network)
        assert sum(each.macs for each in found) == macs(network, shape)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert prod(found[-1].shape) == 10


def test_an_activation_and_a_norm_belong_to_the_layer_before_them():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    )
    convolution, pool, flat = (step.layer for step in layers(network, (1, 4, 4)))
    assert convolution.kind == "Conv2d 3×3, BatchNorm2d, ReLU"
    assert convolution.shape == (2, 4, 4)
    assert convolution.parameters == 2 * 9 + 2 + 2 * 2  # weights, biases, the norm's
    assert convolution.macs == 16 * 9 * 2
    assert (pool.kind, pool.shape, pool.macs) == ("MaxPool2d 2×2", (2, 2, 2), 0)
    assert (flat.kind, flat.shape) == ("Flatten", (8,))


def test_a_layer_that_runs_twice_has_its_weights_once_and_both_its_outputs():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, inputs):
            return self.linear(self.linear(inputs))

    network = Twice()
    first, second = layers(network, (3,))
    assert (first.layer.parameters, second.layer.parameters) == (12, 0)
    inputs = torch.randn(5, 3)
    found = grams(network, inputs, {first.call, second.call})
    with torch.no_grad():
        once = network.linear(inputs)
        twice = network.linear(once)
    for call, output in ((first.call, once), (second.call, twice)):
        centred = output - output.mean(0)
        torch.testing.assert_close(torch.from_numpy(found[call]), centred @ centred.T)


def test_what_is_computed_between_layers_and_weights_of_no_layer_have_their_own_lines():
    network = models.get("vit").build((1, 8, 8), 3, {"depth": 1, "width": 32}, seed=0)
    kinds = {step.layer.kind: step.layer for step in layers(network, (1, 8, 8))}
    assert kinds["positions"].parameters == 16 * 32  # 16 patches
    assert kinds["Attention's products"].macs == 2 * 16 * 16 * 32  # with keys, then with values


def test_the_first_weights_are_those_of_the_first_layer_that_mixes_its_inputs():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2), nn.Linear(2, 1))
    assert first_weights(network) is network[1].weight
    assert first_weights(nn.ReLU()) is None


def test_the_first_weights_are_a_layers_and_not_the_positions_beside_it():
    network = models.get("vit").build((1, 8, 8), 10, {}, 0)
    assert torch.equal(first_weights(network), network.get_submodule("patches").weight)


def test_torchs_own_attention_adds_up_and_counts_as_what_it_is():
    encoder = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    network = nn.Sequential(encoder, nn.Flatten(), nn.Linear(32, 3))
    found = [step.layer for step in layers(network, (4, 8))]
    of_four = 4 * 8 * 24 + 2 * 4 * 4 * 8 + 4 * 8 * 8  # into three, with keys and values, and out
    assert sum(each.macs for each in found) == of_four + 2 * 4 * 8 * 16 + 32 * 3
    assert sum(each.macs for each in found) == macs(network, (4, 8))
    assert sum(each.parameters for each in found) == parameters(network)


def test_products_after_the_last_layer_are_counted_too():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2, bias=False)

        def forward(self, inputs):
            return self.linear(inputs) @ self.linear.weight

    linear, last = (step.layer for step in layers(Tied(), (3,)))
    assert (linear.macs, last.macs) == (6, 6)
    assert last.kind == "Tied's products"
