"""The whole loss: hard_weight · CE(labels) + soft_weight · Σ terms."""

import math

import pytest
import torch
from torch import nn

from kdcore import methods
from kdcore.methods import UNLABELLED, Method, Signals
from kdcore.recipe import Recipe, Training
from kdcore.tasks import Data, Split
from kdcore.train.objective import cross_entropy, distillation_loss, hard_loss
from kdcore.train.teacher import cached, rerun
from kdcore.train.views import Batch, View, Views

# four samples that a linear network maps to their own two numbers as logits
SAMPLES = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
LABELS = torch.tensor([0, 1, 1, 0])
TEACHER = torch.tensor([[2.0, 0.0], [0.0, 4.0], [0.0, 4.0], [8.0, 0.0]])


def same() -> nn.Linear:
    network = nn.Linear(2, 2, bias=False)
    nn.init.eye_(network.weight)
    return network


def views(batch, size):
    return View(SAMPLES[batch.indices])


def batch(*indices):
    return Batch(torch.tensor(indices), torch.zeros(len(indices), dtype=torch.int64))


def answers(indices, inputs):
    assert torch.equal(inputs, SAMPLES[indices])
    return TEACHER[indices]


def visible(*shown):
    return torch.tensor([index in shown for index in range(4)])


def recipe(**values):
    return Recipe(training=Training(batch_size=2), **values)


def cross_entropy_by_hand(logits, label):
    return math.log(sum(math.exp(x) for x in logits)) - logits[label]


def kl(teacher, student, t):
    p = [math.exp(x / t) for x in teacher]
    q = [math.exp(x / t) for x in student]
    p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_hard_labels_alone_are_the_mean_cross_entropy():
    total, terms = hard_loss(views, LABELS, Training(batch_size=2))(same(), batch(0, 2))
    expected = (cross_entropy_by_hand([1, 0], 0) + cross_entropy_by_hand([3, 0], 1)) / 2
    assert total.item() == pytest.approx(expected)
    assert list(terms) == ["hard"]


def test_the_loss_is_the_weighted_sum_of_its_terms_worked_by_hand():
    loss = distillation_loss(
        views,
        LABELS,
        visible(0, 2),
        answers,
        methods.get("kd"),
        recipe(temperature=2, soft_weight=0.75, hard_weight=0.5),
    )
    total, terms = loss(same(), batch(0, 2))
    hard = (cross_entropy_by_hand([1, 0], 0) + cross_entropy_by_hand([3, 0], 1)) / 2
    soft = 4 * (kl([2, 0], [1, 0], 2) + kl([0, 4], [3, 0], 2)) / 2
    assert terms["hard"].item() == pytest.approx(hard)
    assert terms["soft"].item() == pytest.approx(soft)
    assert total.item() == pytest.approx(0.5 * hard + 0.75 * soft)
