"""What every architecture must do, and what each family is."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kdcore import models, tasks
from kdcore.catalogue import ArchitectureRecord, TaskRecord
from kdcore.compress.export import to_onnx
from kdcore.errors import RecipeError, UnknownNameError
from kdcore.knobs import settle
from kdcore.measure.size import macs, parameters
from kdcore.models.zoo import NETWORKS
from tests.architectures import HEAVY, architectures, marked

INPUTS = {
    "vector": ("vector", (2,)),
    "8x8": ("image", (1, 8, 8)),
    "28x28": ("image", (1, 28, 28)),
    "3x32x32": ("image", (3, 32, 32)),
}
CLAIMS = [
    marked(name, name, shape, id=f"{name}-{label}")
    for name in models.names()
    for label, (kind, shape) in INPUTS.items()
    if models.get(name).refuses(kind, shape) is None
    # torchvision's large networks take long, and treat 28 pixels as they do 8 and 32
    and not (label == "28x28" and name in NETWORKS)
]
SHALLOW = {
    "cnn": {"channels": [4, 8], "hidden": [16]},
    "mlp": {"widths": [16]},
    "resnet_cifar": {"depth": 8},
    "vit": {"width": 32, "depth": 1},
    "wrn": {"size": "16-1"},
}
LONG_TO_EXPORT = (*HEAVY, "resnet_cifar", "squeezenet1_1", "vgg", "wrn")


@dataclass(frozen=True)
class Passes:
    """A network, and what it gave in training, in eval, and to the first sample alone."""

    network: nn.Module
    trained: Tensor
    evaluated: Tensor
    alone: Tensor


@lru_cache(maxsize=1)
def passes(name, shape, classes):
    """What the tests of one claim look at: one step back through the network, and its answers."""
    network, inputs = models.get(name).build(shape, classes, {}, seed=0), batch(shape)
    trained = network.train()(inputs)
    F.cross_entropy(trained, torch.arange(len(inputs)) % 2).backward()
    network.eval()
    with torch.no_grad():
        return Passes(network, trained.detach(), network(inputs), network(inputs[:1]))


def batch(shape, size=2):
    return torch.randn(size, *shape, generator=torch.Generator().manual_seed(0))


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def assert_one_finite_logit_a_class(found, classes):
    for logits in (found.trained, found.evaluated):
        assert logits.shape == (2, classes)
        assert logits.isfinite().all()


def mlp(*widths, shape=(1, 8, 8), classes=10):
    return models.get("mlp").build(shape, classes, {"widths": list(widths)}, seed=0)


# every architecture


@pytest.mark.parametrize("name", models.names())
def test_an_architecture_is_described_in_words(name):
    assert models.get(name).title
    assert models.get(name).about.endswith(".")


@pytest.mark.parametrize("name", models.names())
def test_an_architecture_fits_a_task(name):
    kinds = {tasks.get(task).kind for task in tasks.built_in()}
    assert kinds & set(models.get(name).kinds)


@pytest.mark.parametrize("name", models.names())
def test_an_architectures_defaults_are_within_their_own_bounds(name):
    known = models.get(name).knobs
    assert settle(name, known, {}) == {knob.name: knob.default for knob in known}


@pytest.mark.parametrize(("name", "shape"), CLAIMS, scope="class")
class TestClaim:
    def test_a_network_gives_one_finite_logit_a_class(self, name, shape):
        assert_one_finite_logit_a_class(passes(name, shape, 100), 100)

    def test_every_weight_gets_a_finite_gradient(self, name, shape):
        for weight in passes(name, shape, 100).network.parameters():
            assert weight.grad is not None
            assert weight.grad.isfinite().all()

    def test_the_answer_to_a_sample_does_not_depend_on_its_batch(self, name, shape):
        found = passes(name, shape, 100)
        torch.testing.assert_close(found.evaluated[:1], found.alone)


@pytest.mark.parametrize("name", architectures())
class TestEach:
    def test_the_smallest_pictures_of_two_classes_are_taken(self, name):
        side = models.get(name).smallest
        assert_one_finite_logit_a_class(passes(name, (1, side, side), 2), 2)

    def test_weights_follow_from_the_seed_and_nothing_else(self, name):
        before = torch.random.get_rng_state()
        one, again, other = (models.get(name).build((1, 8, 8), 2, {}, s) for s in (5, 5, 6))
        assert same_weights(one, again)
        assert not same_weights(one, other)
        assert torch.equal(torch.random.get_rng_state(), before)

    def test_pictures_need_not_be_square(self, name):
        network = models.get(name).build((3, 8, 12), 2, SHALLOW.get(name, {}), 0)
        assert network.eval()(batch((3, 8, 12))).shape == (2, 2)


def with_statistics(network, shape):
    """A network that has seen a batch: with fresh statistics hardly a signal comes through."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
    network.train()(batch(shape, 16))
    return network.eval()


@pytest.mark.parametrize("name", architectures(LONG_TO_EXPORT))
def test_the_exported_network_answers_as_torch_does(name):
    shape = (1, 8, 8)
    network = models.get(name).build(shape, 7, SHALLOW.get(name, {}), 0)
    session = onnxruntime.InferenceSession(to_onnx(with_statistics(network, shape), shape))
    for size in (1, 3):
        inputs = batch(shape, size)
        (outputs,) = session.run(["logits"], {"input": inputs.numpy()})
        expected = network(inputs).detach().numpy()
        assert np.ptp(expected) > 1e-3  # or it would be no comparison
        np.testing.assert_allclose(outputs, expected, atol=1e-4, rtol=1e-4)


# what an architecture takes


def test_an_input_of_another_kind_is_refused_in_a_sentence():
    assert models.get("cnn").refuses("vector", (2,)) == "CNN takes image input, not vector"
    assert models.get("mlp").refuses("vector", (2,)) is None


def test_a_picture_too_small_is_refused_in_a_sentence():
    lenet = models.get("lenet5")
    assert lenet.refuses("image", (1, 8, 8)) is None
    assert lenet.refuses("image", (1, 28, 7)) == (
        "LeNet-5 takes pictures from 8×8 pixels up, not 28×7"
    )


def test_a_catalogues_record_refuses_as_the_architecture_does():
    lenet = models.get("lenet5")
    about = (lenet.name, lenet.title, lenet.kinds, lenet.smallest, lenet.about, (), True, False)
    task = TaskRecord("dots", "Dots", "image", "", ("a", "b"), (1, 4, 4), 10, 2, 2)
    assert ArchitectureRecord(*about).refuses(task) == lenet.refuses("image", (1, 4, 4))


@pytest.mark.parametrize("name", models.names())
def test_an_option_an_architecture_does_not_take_is_refused(name):
    with pytest.raises(RecipeError, match=f"architecture '{name}' has no option 'xyzzy'"):
        models.get(name).build((1, 8, 8), 10, {"xyzzy": 1}, 0)


def test_an_unknown_architecture_is_answered_with_a_close_match():
    with pytest.raises(UnknownNameError, match="no architecture 'mpl'; did you mean 'mlp'"):
        models.get("mpl")


# attention


def test_the_work_of_attention_is_counted():
    network = models.get("vit").build((1, 28, 28), 10, {"width": 64, "depth": 3}, 0)
    patches, width = 49, 64
    linear = patches * (16 * width + 3 * 8 * width**2) + width * 10
    attention = 3 * 2 * patches**2 * width
    assert macs(network, (1, 28, 28)) == linear + attention


@pytest.mark.parametrize(
    ("shape", "patch"),
    [((1, 8, 8), 2), ((1, 28, 28), 4), ((3, 32, 32), 4), ((3, 64, 64), 8), ((1, 7, 7), 1)],
)
def test_patches_are_cut_to_the_picture(shape, patch):
    network = models.get("vit").build(shape, 10, {}, 0)
    assert network.patches.kernel_size == (patch, patch)


def test_patches_that_do_not_divide_the_picture_are_refused():
    with pytest.raises(RecipeError) as caught:
        models.get("vit").build((1, 28, 28), 10, {"patch": 8}, 0)
    assert str(caught.value) == (
        "a picture of 28×28 pixels cannot be cut into patches of 8; "
        "choose 1, 2, 4, 7, 14, 28 or auto"
    )


# convolutions


def test_pooling_before_relu_is_the_same_function():
    network = models.get("cnn").build((1, 8, 8), 10, {}, 0)
    first, images = network.convolution1, batch((1, 8, 8))
    usual = F.max_pool2d(F.relu(first(images)), 2)
    assert torch.equal(network[:3](images), usual)


def test_a_picture_is_halved_until_one_pixel_is_left():
    network = models.get("cnn").build((1, 8, 8), 10, {"channels": [4] * 5}, 0)
    assert [name for name, _ in network.named_children() if "pool" in name] == [
        *("pool1", "pool2", "pool3")
    ]


@pytest.mark.parametrize(("side", "last"), [(4, 1), (8, 1), (32, 4), (48, 6), (64, 4)])
def test_vggs_last_stage_works_on_this_many_pixels_a_side(side, last):
    network = models.get("vgg").build((1, side, side), 10, {}, 0).eval()
    stages = nn.Sequential(*list(network.children())[:-3])
    assert stages(batch((1, side, side))).shape == (2, 512, last, last)


# multilayer perceptrons: (in + 1) · out numbers a layer


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ((256, 256), 65 * 256 + 257 * 256 + 257 * 10),  # 85,002
        ((16,), 65 * 16 + 17 * 10),  # 1,210
        ((), 65 * 10),
    ],
)
def test_an_mlp_has_the_parameters_of_its_layers(widths, expected):
    assert parameters(mlp(*widths)) == expected


def test_an_mlp_without_hidden_layers_is_linear():
    network = mlp()
    one, other = torch.randn(2, 1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        network(one + other) - network(other), network(one) - network(0 * one)
    )


def test_an_mlp_with_hidden_layers_is_not_linear():
    network = mlp(16)
    image = torch.ones(1, 1, 8, 8)
    assert not torch.allclose(network(image) + network(-image), 2 * network(0 * image), atol=1e-3)


def test_dropout_works_in_training_only():
    network = models.get("mlp").build((1, 8, 8), 10, {"widths": [64], "dropout": 0.5}, 0)
    images = batch((1, 8, 8))
    assert not torch.equal(network.train()(images), network(images))
    assert torch.equal(network.eval()(images), network(images))
    torch.testing.assert_close(network(images), mlp(64)(images))


def test_an_mlp_without_dropout_has_the_layers_it_always_had():
    assert [type(layer) for layer in mlp(4)] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]


def test_an_mlp_keeps_to_the_task_it_is_built_for():
    assert mlp(4, shape=(3, 5, 7), classes=2)(torch.zeros(6, 3, 5, 7)).shape == (6, 2)
