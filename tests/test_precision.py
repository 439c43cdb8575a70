"""What training steps compute in: never slower, never claimed without a trial, never silent."""

import pytest
import torch
from torch import nn

from kdcore import models
from kdcore.classroom import room
from kdcore.experiment import steps
from kdcore.recipe import Recipe
from kdcore.result import Result
from kdcore.statistics import mean, spread
from kdcore.train import precision
from kdcore.train.precision import answer, best_precision

CNN = {"architecture": "cnn", "options": {"channels": [8, 8], "hidden": [16]}}


def cnn() -> nn.Module:
    return models.get("cnn").build((1, 8, 8), 10, {"channels": [4], "hidden": []}, 0)


def verdict_of(recipe, shelf) -> Result:
    return next(each for each in steps(recipe, shelf) if isinstance(each, Result))


@pytest.fixture
def told(monkeypatch):
    """Let a trial find what a test says: seconds and finiteness by precision."""
    found = {"float32": (1.0, True), "bfloat16": (0.5, True)}
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_steps", lambda _network, _shape, kind: found[kind])
    return found


def test_a_network_answers_in_float32_whatever_it_computes_in():
    network, inputs = cnn(), torch.randn(9, 1, 8, 8)
    exact, rough = answer(network, inputs), answer(network, inputs, "bfloat16")
    assert exact.dtype == rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, atol=0.02, rtol=0.02)
    rough.sum().backward()
    assert all(weight.grad.dtype == torch.float32 for weight in network.parameters())


def test_what_is_faster_and_finite_is_taken(told):
    assert best_precision(cnn(), (1, 8, 8)) == "bfloat16"


@pytest.mark.parametrize("trial", [(0.9, True), (2.0, True), (0.5, False)])
def test_what_is_hardly_faster_or_not_finite_is_not(told, trial):
    told["bfloat16"] = trial
    assert best_precision(cnn(), (1, 8, 8)) == "float32"


def test_a_network_without_convolutions_is_not_tried(told):
    assert best_precision(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8)) == "float32"


def test_a_processor_without_bfloat16_is_not_asked(told, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    assert best_precision(cnn(), (1, 8, 8)) == "float32"


def test_a_trial_leaves_the_network_and_torchs_generator_as_they_were(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    network = models.get("resnet_cifar").build((1, 8, 8), 10, {"depth": 8}, 0).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    assert best_precision(network, (1, 8, 8)) in ("float32", "bfloat16")
    assert torch.equal(torch.get_rng_state(), generator)
    assert not network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_models_of_one_kind_are_tried_once_in_a_process(told, shelf, monkeypatch):
    monkeypatch.setattr(room, "_tried", {})
    recipe = Recipe(teacher=CNN, student=CNN, training={"steps": 2}, teacher_training={"steps": 2})
    assert verdict_of(recipe, shelf).precision == "bfloat16"
    told["bfloat16"] = (9.0, True)
    assert verdict_of(recipe, shelf).precision == "bfloat16"


@pytest.mark.slow
def test_a_recipe_may_name_the_precision_and_both_give_the_same_accuracy_but_for_chance(shelf):
    def accuracy(name):
        training = {"steps": 80, "learning_rate": 3e-3, "precision": name}
        recipe = Recipe(student=CNN, training=training, seeds=range(3))
        result = verdict_of(recipe, shelf)
        assert result.precision == name
        return result.arms

    exact, rough = accuracy("float32"), accuracy("bfloat16")
    for arm in ("control", "distilled"):
        assert exact[arm].accuracy != rough[arm].accuracy
        chance = max(0.01, spread(exact[arm].accuracy) or 0)
        assert mean(rough[arm].accuracy) == pytest.approx(mean(exact[arm].accuracy), abs=chance)
