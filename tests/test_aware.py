"""Quantization-aware training: what rounds, what learns, and what the file answers."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn
from torch.nn import functional as F

from kdcore import models
from kdcore.compress.aware import aware, int8_of, masks_of
from kdcore.compress.prune import kept_zero, smallest, zero
from kdcore.compress.sensitivity import answers, same

pytestmark = pytest.mark.slow  # torchao takes seconds to import, and more to read a graph


@pytest.fixture(scope="module")
def learnt(digits):
    """A network of two layers, half its weights pruned, before and after it learnt to round."""
    network = models.get("mlp").build((1, 8, 8), 10, {"widths": [32]}, seed=0)
    masks = smallest(network, 0.5)
    zero(network, masks)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rounding = aware(network, (1, 8, 8))
    inputs, labels = digits.normalise(digits.train.inputs), digits.train.labels
    optimizer = torch.optim.Adam(rounding.parameters(), 1e-2)
    rounding.train()
    with kept_zero(rounding, masks_of(masks)):
        for start in range(0, 64 * 80, 64):
            part = slice(start % 896, start % 896 + 64)
            optimizer.zero_grad()
            F.cross_entropy(rounding(inputs[part]), labels[part]).backward()
            optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    tested = digits.normalise(digits.test.inputs)
    with torch.no_grad():
        rounded = rounding.eval()(tested).numpy()
        ranges = [value.clone() for value in rounding.buffers()]
        rounding(100 * tested)
        kept = all(torch.equal(a, b) for a, b in zip(ranges, rounding.buffers(), strict=True))
    return {
        "file": int8_of(rounding, (1, 8, 8)),
        "rounded": rounded,
        "tested": tested.numpy(),
        "kept": kept,
        "labels": digits.test.labels.numpy(),
    }


def test_the_file_answers_as_the_network_that_rounds(learnt):
    found = answers(learnt["file"], learnt["tested"])
    assert same(found, learnt["rounded"]) > 0.98
    assert (found.argmax(1) == learnt["labels"]).mean() > 0.7


def test_its_weights_are_whole_numbers_of_seven_bits_and_pruned_ones_stay_zero(learnt):
    held = onnx.load_from_string(learnt["file"]).graph.initializer
    layers = [
        numpy_helper.to_array(each)
        for each in held
        if each.data_type == TensorProto.INT8 and len(each.dims) > 1
    ]
    assert sorted(each.size for each in layers) == [320, 2048]
    assert max(np.abs(each.astype(int)).max() for each in layers) <= 64
    assert sum((each == 0).sum() for each in layers) >= (2048 + 320) / 2


def test_ranges_stay_where_they_are_while_it_is_judged(learnt):
    assert learnt["kept"]


def test_a_network_with_norms_can_learn_to_round():
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    rounding = aware(network.to(memory_format=torch.channels_last), (1, 4, 4))
    rounding.train()(torch.randn(8, 1, 4, 4)).sum().backward()
    inputs = torch.randn(5, 1, 4, 4)
    with torch.no_grad():
        rounded = rounding.eval()(inputs).numpy()
    found = answers(int8_of(rounding, (1, 4, 4)), inputs.numpy())
    assert np.abs(found - rounded).max() < 0.1 * np.abs(rounded).max()
