import pytest
import torch

from kdcore import models, tasks
from kdcore.errors import RecipeError, UnknownNameError
from kdcore.knobs import settle
from kdcore.measure.size import parameters

CLAIMS = [
    pytest.param(architecture, task, id=f"{architecture}-{task}")
    for architecture in models.names()
    for task in tasks.names()
    if tasks.get(task).kind in models.get(architecture).kinds
]


def built(architecture, task, seed=0):
    data = tasks.get(task).load()
    return models.get(architecture).build(data.input_shape, len(data.class_names), {}, seed)


def batch(task, size=8):
    data = tasks.get(task).load()
    return data.normalise(data.train.inputs[:size]), data.train.labels[:size]


def same_weights(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def mlp(*widths, shape=(1, 8, 8), classes=10):
    return models.get("mlp").build(shape, classes, {"widths": list(widths)}, seed=0)


# every architecture


@pytest.mark.parametrize("name", models.names())
def test_an_architecture_is_described_in_words(name):
    assert models.get(name).title
    assert models.get(name).about.endswith(".")


@pytest.mark.parametrize("name", models.names())
def test_an_architecture_fits_a_task(name):
    assert [claim for claim in CLAIMS if claim.values[0] == name]


@pytest.mark.parametrize("name", models.names())
def test_an_architectures_defaults_are_within_their_own_bounds(name):
    known = models.get(name).knobs
    assert settle(name, known, {}) == {knob.name: knob.default for knob in known}


@pytest.mark.parametrize(("architecture", "task"), CLAIMS)
def test_a_network_gives_one_logit_a_class(architecture, task):
    images, _ = batch(task)
    classes = len(tasks.get(task).load().class_names)
    assert built(architecture, task)(images).shape == (8, classes)


@pytest.mark.parametrize(("architecture", "task"), CLAIMS)
def test_every_weight_of_a_network_gets_a_finite_gradient(architecture, task):
    network = built(architecture, task)
    images, labels = batch(task)
    torch.nn.functional.cross_entropy(network(images), labels).backward()
    for weight in network.parameters():
        assert weight.grad is not None
        assert weight.grad.isfinite().all()


@pytest.mark.parametrize(("architecture", "task"), CLAIMS)
def test_a_networks_answer_to_a_sample_does_not_depend_on_its_batch(architecture, task):
    network = built(architecture, task).eval()
    images, _ = batch(task)
    torch.testing.assert_close(network(images)[:1], network(images[:1]))


@pytest.mark.parametrize(("architecture", "task"), CLAIMS)
def test_the_same_seed_gives_the_same_weights(architecture, task):
    assert same_weights(built(architecture, task, seed=5), built(architecture, task, seed=5))


@pytest.mark.parametrize(("architecture", "task"), CLAIMS)
def test_another_seed_gives_other_weights(architecture, task):
    assert not same_weights(built(architecture, task, seed=5), built(architecture, task, seed=6))


@pytest.mark.parametrize(("architecture", "task"), CLAIMS)
def test_building_leaves_the_global_generator_alone(architecture, task):
    before = torch.random.get_rng_state()
    built(architecture, task)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", models.names())
def test_an_option_an_architecture_does_not_take_is_refused(name):
    with pytest.raises(RecipeError, match=f"architecture '{name}' has no option 'xyzzy'"):
        models.get(name).build((1, 8, 8), 10, {"xyzzy": 1}, 0)


def test_an_unknown_architecture_is_answered_with_a_close_match():
    with pytest.raises(UnknownNameError, match="no architecture 'mpl'; did you mean 'mlp'"):
        models.get("mpl")


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


def test_an_mlp_keeps_to_the_task_it_is_built_for():
    assert mlp(4, shape=(3, 5, 7), classes=2)(torch.zeros(6, 3, 5, 7)).shape == (6, 2)
