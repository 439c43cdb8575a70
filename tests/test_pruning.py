"""Pruning: which weights become zero, what stays zero, and what a file and a network gain by it."""

import gzip

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch
from torch import nn

from kdcore import models
from kdcore.compress.channels import load_pruned, prune_channels
from kdcore.compress.export import to_onnx
from kdcore.compress.prune import kept_zero, nonzero, rewind, shares, smallest, zero
from kdcore.errors import RecipeError
from kdcore.measure.size import macs, parameters
from kdcore.recipe import Training
from kdcore.tasks import Split
from kdcore.train.loop import Losses, train
from kdcore.train.views import Batch
from kdcore.train.weights import packed

PICTURE = (1, 8, 8)


def two_layers() -> nn.Sequential:
    """Eight weights, 1 to 4 in the first layer and 5 to 8 in the second, with signs."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].weight.data = torch.tensor([[1.0, -2.0], [3.0, -4.0]])
    network[1].weight.data = torch.tensor([[-5.0, 6.0], [-7.0, 8.0]])
    for layer in network:
        nn.init.zeros_(layer.bias)
    return network


def built(name: str, shape=PICTURE, **options) -> nn.Module:
    return models.get(name).build(shape, 10, options, seed=0).eval()


# single weights


def test_half_of_all_weights_are_the_four_smallest_of_the_whole_network():
    network = two_layers()
    zero(network, smallest(network, 0.5))
    assert network[0].weight.tolist() == [[0, 0], [0, 0]]
    assert network[1].weight.tolist() == [[-5, 6], [-7, 8]]


def test_half_of_each_layer_are_its_own_two_smallest():
    network = two_layers()
    zero(network, smallest(network, 0.5, "layer"))
    assert network[0].weight.tolist() == [[0, 0], [3, -4]]
    assert network[1].weight.tolist() == [[0, 0], [-7, 8]]


def test_of_equal_weights_no_more_go_than_the_share_says():
    layer = nn.Linear(4, 1)
    layer.weight.data.fill_(2.0)
    zero(layer, smallest(layer, 0.25))
    assert layer.weight.tolist() == [[0, 2, 2, 2]]


def test_biases_and_norms_stay():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    assert set(smallest(network, 0.9)) == {"0.weight"}


def test_a_second_round_adds_to_the_first():
    network = two_layers()
    for share in shares(0.75, 2):
        zero(network, smallest(network, share))
    assert network[1].weight.tolist() == [[0, 0], [-7, 8]]


def test_each_round_takes_the_same_part_of_what_is_left():
    assert shares(0.75, 2) == pytest.approx((0.5, 0.75))
    assert shares(0.5, 1) == pytest.approx((0.5,))


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_a_share_that_leaves_nothing_out_or_nothing_over_is_refused(share):
    with pytest.raises(RecipeError, match="above 0 and below 1"):
        smallest(two_layers(), share)
    with pytest.raises(RecipeError, match="above 0 and below 1"):
        next(prune_channels(two_layers(), (2,), share))


def squares(network, batch, _done):
    """Two terms, as their gradients are taken apart at a report, and added up between."""
    outputs = network(torch.ones(4, 2) * batch.indices[:1])
    return Losses({"one": outputs.square().mean(), "two": outputs.mean()}, {})


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_what_is_pruned_stays_exactly_zero_while_the_rest_learns(optimizer):
    network = two_layers()
    masks = smallest(network, 0.5, "layer")
    zero(network, masks)
    training = Training(
        steps=9, batch_size=4, optimizer=optimizer, weight_decay=0.1, learning_rate=1e-4
    )
    held = Split(torch.ones(2, 2), torch.zeros(2, dtype=torch.int64))
    batches = [Batch(torch.ones(4, dtype=torch.int64), torch.zeros(4)) for _ in range(9)]
    with kept_zero(network, masks):
        for _ in train(network, batches, squares, training, held, seed=0):
            assert network[0].weight[0].tolist() == [0, 0]
            assert network[1].weight[0].tolist() == [0, 0]
    assert network[0].weight[1].tolist() != [3, -4]
    assert not network[0].weight._backward_hooks


def test_a_rewound_network_has_its_first_weights_but_for_the_zeros():
    network = two_layers()
    first = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network[0].weight.mul_(10)  # 10 to 40, so that 5 to 8 are the smallest now
    masks = smallest(network, 0.5)
    rewind(network, first, masks)
    assert network[0].weight.tolist() == [[1, -2], [3, -4]]
    assert network[1].weight.tolist() == [[0, 0], [0, 0]]


def test_zeros_make_no_file_smaller_until_it_is_compressed():
    network = built("mlp", widths=[64])
    whole, before = to_onnx(network, PICTURE), nonzero(network)
    zero(network, smallest(network, 0.8))
    pruned = to_onnx(network, PICTURE)
    assert len(pruned) == len(whole)
    assert len(gzip.compress(pruned)) < 0.4 * len(gzip.compress(whole))
    assert nonzero(network) == before - round(0.8 * (64 * 64 + 64 * 10))


def test_no_mask_is_kept_so_that_the_weights_take_no_more_room():
    network = built("mlp", widths=[64])
    names = set(network.state_dict())
    masks = smallest(network, 0.8)
    zero(network, masks)
    with kept_zero(network, masks):
        assert set(network.state_dict()) == names


# channels


def test_the_channels_that_weigh_least_go_and_take_their_column_along():
    network = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 2))
    network[0].weight.data = torch.tensor([[1.0], [4.0], [2.0], [3.0]])
    network[0].bias.data = torch.tensor([10.0, 40.0, 20.0, 30.0])
    network[2].weight.data = torch.tensor([[1.0, 4.0, 2.0, 3.0], [1.0, 4.0, 2.0, 3.0]])
    list(prune_channels(network, (1,), 0.5))
    assert network[0].weight.tolist() == [[4], [3]]
    assert network[0].bias.tolist() == [40, 30]
    assert network[2].weight.tolist() == [[4, 3], [4, 3]]


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("mlp", PICTURE, {"widths": [32, 16]}),
        ("cnn", PICTURE, {"channels": [8, 16], "hidden": [16]}),
        ("lenet5", (1, 28, 28), {}),
        ("resnet_cifar", PICTURE, {"depth": 8}),
        ("wrn", PICTURE, {"size": "16-1"}),
        ("vgg", (3, 32, 32), {"depth": 8}),
        ("vit", PICTURE, {"width": 32, "depth": 2}),
        ("mobilenet_v2", (3, 32, 32), {}),
        ("squeezenet1_1", (3, 32, 32), {}),
    ],
)
def test_half_the_channels_leave_a_smaller_network_that_comes_back_from_its_weights(
    name, shape, options
):
    network = built(name, shape, **options)
    before = parameters(network), macs(network, shape)
    list(prune_channels(network, shape, 0.5))
    inputs = torch.randn(3, *shape)
    assert network(inputs).shape == (3, 10)
    kept = 0.9 if name == "vit" else 0.5
    assert parameters(network) < kept * before[0]
    assert macs(network, shape) < kept * before[1]
    again = built(name, shape, **options)
    load_pruned(again, safetensors.torch.load(packed(network.state_dict())))
    torch.testing.assert_close(again.eval()(inputs), network.eval()(inputs))
    assert repr(again) == repr(network)


def test_a_pruned_network_is_one_file_that_answers_alike():
    network = built("resnet_cifar", depth=8)
    whole = to_onnx(network, PICTURE)
    list(prune_channels(network, PICTURE, 0.5))
    pruned = to_onnx(network, PICTURE)
    onnx.checker.check_model(onnx.load_from_string(pruned), full_check=True)
    assert len(pruned) < 0.5 * len(whole)
    inputs = torch.randn(4, *PICTURE)
    (answers,) = onnxruntime.InferenceSession(pruned).run(None, {"input": inputs.numpy()})
    np.testing.assert_allclose(answers, network(inputs).detach().numpy(), atol=1e-4)


def test_rounds_end_where_one_round_does():
    def widths(rounds):
        network = built("mlp", widths=[32, 20])
        found = []
        for _ in prune_channels(network, PICTURE, 0.75, rounds):
            found.append([layer.out_features for layer in network if isinstance(layer, nn.Linear)])
        return found

    assert widths(1) == [[8, 5, 10]]
    assert widths(2) == [[16, 10, 10], [8, 5, 10]]


def test_a_network_whose_channels_are_shuffled_is_refused_in_a_sentence_and_left_alone():
    network = built("shufflenet_v2_x1_0", (3, 32, 32))
    before = parameters(network)
    with pytest.raises(RecipeError, match="no channels can be taken out of this ShuffleNetV2") as e:
        next(prune_channels(network, (3, 32, 32), 0.5))
    assert "\n" not in str(e.value)
    assert parameters(network) == before


def test_a_network_without_a_hidden_layer_has_no_channels_to_take_out():
    with pytest.raises(RecipeError, match="no hidden layer"):
        next(prune_channels(built("mlp", widths=[]), PICTURE, 0.5))


def test_weights_of_another_network_are_refused_in_a_sentence():
    weights = built("mlp", widths=[8, 8]).state_dict()
    with pytest.raises(RecipeError, match="not of this network") as caught:
        load_pruned(built("mlp", widths=[8]), weights)
    assert "\n" not in str(caught.value)
