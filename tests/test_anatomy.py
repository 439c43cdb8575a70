"""What a run keeps of its models' insides."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from kdcore import insides, tasks
from kdcore.anatomy import Observed, dissect
from kdcore.boundaries import boundaries
from kdcore.errors import HomeError
from kdcore.experiment import run
from kdcore.group import run_together
from kdcore.insides import Embedding
from kdcore.measure.latency import session
from kdcore.measure.tsne import tsne
from kdcore.panel import Scale
from kdcore.recipe import ModelChoice, Recipe, Training
from kdcore.result import ARMS, STUDENTS, Result
from kdcore.shelf import Shelf
from kdcore.tasks import Data, Split
from kdcore.train.loop import logits

MOONS = Recipe(
    task="moons",
    teacher=ModelChoice(options={"widths": [8]}),
    student=ModelChoice(options={"widths": [5, 4]}),
    teacher_training=Training(steps=30),
    training=Training(steps=60),
    seeds=(0, 1),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run of points: its result, its shelf and what was inside."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    result = run(MOONS, shelf=shelf)
    return result, shelf, insides.read(shelf.get(result.artifacts[insides.ROLE]))


@pytest.fixture(scope="module")
def moons():
    return tasks.get("moons").load()


def asked(kept, arm, inputs):
    """A model's logits, by its ONNX file."""
    result, shelf, _ = kept
    scale = Scale.from_json(shelf.get(result.artifacts["scale"]))
    model = session(shelf.get(result.artifacts[f"{arm}.onnx"]))
    return model.run(None, {"input": scale(inputs)})[0]


def test_the_layers_are_the_networks_own(kept):
    found = kept[2]
    assert [(e.kind, e.shape, e.parameters) for e in found.layers["distilled"]] == [
        ("Flatten", (2,), 0),
        ("Linear, ReLU", (5,), 15),
        ("Linear, ReLU", (4,), 24),
        ("Linear", (2,), 10),
    ]
    assert found.compared == {"teacher": (2, 3), "control": (2, 3, 4), "distilled": (2, 3, 4)}
    assert {pair: each.shape for pair, each in found.alike.items()} == {
        ("teacher", "control"): (2, 3),
        ("teacher", "distilled"): (2, 3),
        ("control", "distilled"): (3, 3),
    }


def test_a_step_that_gives_what_the_one_before_it_gave_is_not_compared():
    network = nn.Sequential(
        *(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(72, 4)),
        *(nn.Unflatten(1, (1, 2, 2)), nn.Flatten(), nn.ReLU()),
    )
    pictures = Split(torch.rand(60, 1, 8, 8), torch.arange(60) % 2)
    found = dissect({"teacher": network}, {}, Data(("a", "b"), *[pictures] * 3), pictures, {})
    kinds = {layer.number: layer.kind for layer in found.layers["teacher"]}
    assert kinds[2] == "Flatten, Dropout"
    compared = [kinds[number] for number in found.compared["teacher"]]
    assert compared == ["Conv2d 3×3", "Linear", "Unflatten", "Flatten, ReLU"]


def test_the_last_moment_of_the_plane_is_what_the_shipped_models_answer(kept):
    drawn = kept[2].boundaries
    side = drawn.chosen["teacher"].shape[1]
    axes = [np.linspace(*ends, side) for ends in zip(drawn.low, drawn.high, strict=True)]
    for row, column in [(0, 0), (3, side - 1), (20, 31), (side - 1, 7)]:
        point = np.array([[axes[0][column], axes[1][row]]], np.float32)
        for arm in ARMS:
            (answer,) = asked(kept, arm, point)
            share = np.exp(answer - answer.max())
            assert drawn.chosen[arm][-1, row, column] == answer.argmax()
            assert drawn.sure[arm][-1, row, column] == pytest.approx(
                share.max() / share.sum(), abs=3e-3
            )


def test_the_plane_begins_before_the_first_step_and_ends_with_the_runs_accuracy(kept):
    result, _, found = kept
    drawn = found.boundaries
    assert (drawn.steps[0], drawn.steps[-1]) == (0, 60)
    for arm in STUDENTS:
        assert len(drawn.chosen[arm]) == len(drawn.steps) <= 14
        assert drawn.accuracy[arm][-1] == pytest.approx(result.arms[arm].accuracy[0])
    assert np.array_equal(*(drawn.chosen[arm][0] for arm in STUDENTS))  # both start alike


def test_a_plane_of_more_than_256_classes_tells_the_last_one_from_the_first(moons):
    network = torch.nn.Linear(2, 300)
    torch.nn.init.zeros_(network.weight)
    with torch.no_grad():
        network.bias.copy_(torch.arange(300.0))  # the last class, wherever it is asked
    found = boundaries(dict.fromkeys(ARMS, network), {}, moons, moons.test)
    again = insides.read(insides.pack(insides.Insides((2,), boundaries=found))).boundaries
    assert np.unique(again.chosen["distilled"]).tolist() == [299]


def test_the_embedding_is_the_principal_components_of_the_last_hidden_layer(kept, moons):
    network_features = np.maximum(_hidden(kept, "teacher", moons.test.inputs.numpy()), 0)
    centred = network_features - network_features.mean(0)
    expected = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    found = kept[2].embeddings["teacher"]
    assert (found.layer, found.width) == ("2", 8)
    for number in range(3):
        correlation = np.corrcoef(found.scores[:, number], expected[:, number])[0, 1]
        assert abs(correlation) == pytest.approx(1, abs=1e-4)
    spread = centred.var(0).sum()
    assert found.shares[:3] == pytest.approx(expected.var(0)[:3] / spread, abs=1e-4)


def _hidden(kept, arm, inputs):
    import safetensors.numpy

    result, shelf, _ = kept
    weights = safetensors.numpy.load(shelf.get(result.artifacts[f"{arm}.safetensors"]))
    scale = Scale.from_json(shelf.get(result.artifacts["scale"]))
    return scale(inputs) @ weights["1.weight"].T + weights["1.bias"]


def test_the_first_weights_are_the_shipped_ones(kept):
    import safetensors.numpy

    result, shelf, found = kept
    weights = safetensors.numpy.load(shelf.get(result.artifacts["distilled.safetensors"]))
    assert found.first["distilled"] == pytest.approx(weights["1.weight"], abs=2e-3)
    assert found.units["distilled"] == 5


def test_a_pass_that_is_looked_into_gives_the_very_same_logits(digits):
    from kdcore import models

    network = models.get("cnn").build((1, 8, 8), 10, {"channels": [4], "hidden": [6]}, seed=0)
    inputs = digits.normalise(digits.test.inputs[:300])
    observed = Observed()
    assert torch.equal(observed.logits(network, inputs), logits(network, inputs))
    assert observed.features.shape == (300, 6)
    assert not any(module._forward_hooks for module in network.modules())


def test_members_of_a_sweep_are_not_looked_into(monkeypatch, shelf, quick):
    def never(*_, **__):
        raise AssertionError("a member was looked into")

    for place in ("kdcore.experiment.dissect", "kdcore.experiment.Observed"):
        monkeypatch.setattr(place, never)
    monkeypatch.setattr("kdcore.classroom.students.snapshot", never)
    told = [each for _, each in run_together([replace_task(quick)], shelf)]
    assert isinstance(told[-1], Result)


def replace_task(recipe):
    return Recipe(**{**recipe.model_dump(), "task": "moons"})


def test_several_teachers_as_one_have_logits_and_a_plane_but_no_layers(shelf):
    scheme = {"co_teachers": [{"options": {"widths": [3]}}]}
    result = run(Recipe(**{**MOONS.model_dump(), "scheme": scheme, "seeds": (0,)}), shelf=shelf)
    found = insides.read(shelf.get(result.artifacts[insides.ROLE]))
    assert set(found.layers) == set(STUDENTS)
    assert list(found.alike) == [("control", "distilled")]
    assert (found.embeddings["teacher"].layer, found.embeddings["teacher"].width) == ("", 2)
    assert set(found.boundaries.chosen) == set(ARMS)


# the file


def test_it_reads_back_as_it_was_packed(kept):
    found = kept[2]
    again = insides.read(insides.pack(found))
    assert again.layers == found.layers
    assert again.compared == found.compared
    assert (again.input_shape, again.probe, again.units) == (
        (found.input_shape, found.probe, found.units)
    )
    for arm in ARMS:
        assert np.array_equal(again.boundaries.chosen[arm], found.boundaries.chosen[arm])
        assert np.array_equal(again.boundaries.sure[arm], found.boundaries.sure[arm])
        assert np.array_equal(again.embeddings[arm].scores, found.embeddings[arm].scores)
    assert insides.read(insides.pack(replace(found, boundaries=None))).boundaries is None


def test_a_file_that_is_something_else_is_said_in_a_sentence():
    with pytest.raises(HomeError, match="cannot be read"):
        insides.read(b"no archive")


# places in the plane


def test_a_student_is_mirrored_to_where_it_goes_along_with_the_teacher():
    scores = np.array([[1, 2, 5], [-1, 1, 5], [3, -3, 5]], np.float32)
    shares = np.array([0.6, 0.3, 0.1], np.float32)
    turned = Embedding("1", 3, scores * np.array([-1, 1, 1], np.float32), shares)
    found = insides.in_plane({"teacher": Embedding("1", 3, scores, shares), "control": turned}, 2)
    assert np.array_equal(found["teacher"], scores[:2, :2])
    assert np.array_equal(found["control"], scores[:2, :2])


def test_a_layer_of_one_number_lies_on_a_line():
    one = Embedding("1", 1, np.array([[2.0], [1.0]], np.float32), np.ones(1, np.float32))
    assert insides.in_plane({"control": one}, 2)["control"].tolist() == [[2, 0], [1, 0]]


def test_tsne_keeps_groups_together_and_comes_out_the_same_again():
    random = np.random.default_rng(0)
    groups = np.repeat([0, 10], 20)[:, None] + random.standard_normal((40, 5))
    found = tsne(groups)
    assert found.shape == (40, 2)
    away = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert all((place < 20) == (away[place].argmin() < 20) for place in range(40))
    assert np.array_equal(tsne(groups), found)
