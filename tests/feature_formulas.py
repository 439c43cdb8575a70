"""Features to try methods on, and the methods' formulas written anew in numpy."""

import numpy as np
import torch

from kdcore import methods
from kdcore.methods import Signals

EVERY = ["fitnet", "attention", "nst", "vid", "review"]
WITH_ADAPTER = ["fitnet", "vid", "review"]
OPTIONS = {"review": {"middle": 3}}
STAGES = {
    "equal": ([(3, 4, 4), (5, 2, 2)], [(3, 4, 4), (5, 2, 2)]),
    "other channels": ([(2, 4, 4), (3, 2, 2)], [(4, 4, 4), (6, 2, 2)]),
    "larger student": ([(2, 8, 8), (3, 5, 5)], [(3, 4, 4), (4, 3, 3)]),
    "larger teacher": ([(2, 5, 5), (3, 2, 2)], [(3, 7, 7), (4, 4, 4)]),
    "oblong": ([(2, 6, 3), (3, 3, 2)], [(3, 4, 5), (4, 2, 3)]),
    "one stage": ([(2, 4, 4)], [(3, 4, 4)]),
}


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def maps(shapes, batch, seed=0):
    return [random(batch, *shape, seed=seed + number) for number, shape in enumerate(shapes)]


def numbers(values):
    """A map of one sample and one channel, from rows of numbers."""
    return torch.tensor(values, dtype=torch.float64)[None, None]


def adapter_for(name, student, teacher):
    """What the method learns beside the student, from features; the same each time."""
    method = methods.get(name)
    if method.adapter is None:
        return None
    shapes = [[tuple(each.shape[1:]) for each in side] for side in (student, teacher)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return method.adapter(*shapes, 10, **OPTIONS.get(name, {})).to(student[0].dtype)


def term(name, student, teacher, adapter=None, **options):
    """The method's one term, of lists of features."""
    batch = len(student[0])
    labels, logits = torch.zeros(batch, dtype=torch.long), torch.zeros(batch, 2)
    if adapter is None:
        adapter = adapter_for(name, student, teacher)
    if adapter is not None:
        options["adapter"] = adapter
    sides = (Signals(logits, torch.arange(batch), tuple(each)) for each in (student, teacher))
    (value,) = methods.get(name)(*sides, labels, **options).values()
    assert value.shape == ()
    return value


def gradients(name, student, teacher, **options):
    student = [each.clone().requires_grad_() for each in student]
    return torch.autograd.grad(term(name, student, teacher, **options), student)


def same_convolution(layer):
    """A 3×3 convolution that gives what it is given."""
    torch.nn.init.zeros_(layer.bias)
    torch.nn.init.dirac_(layer.weight)


# the formulas, written in numpy


def pooled(values, height, width):
    """Means over bins, that overlap where sizes do not divide each other."""
    _, _, tall, wide = values.shape
    found = np.empty((*values.shape[:2], height, width))
    for y in range(height):
        rows = slice(y * tall // height, -(-(y + 1) * tall // height))
        for x in range(width):
            columns = slice(x * wide // width, -(-(x + 1) * wide // width))
            found[:, :, y, x] = values[:, :, rows, columns].mean((2, 3))
    return found


def smaller(one, other):
    height, width = min(one.shape[2], other.shape[2]), min(one.shape[3], other.shape[3])
    return pooled(one, height, width), pooled(other, height, width)


def convolved(layer, values):
    """A convolution that keeps the size, with zeros around."""
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    side = weight.shape[2]
    around = side // 2
    padded = np.pad(values, ((0, 0), (0, 0), (around, around), (around, around)))
    height, width = values.shape[2:]
    found = np.zeros((len(values), len(weight), height, width)) + bias[:, None, None]
    for y in range(side):
        for x in range(side):
            window = padded[:, :, y : y + height, x : x + width]
            found += np.einsum("oc,bchw->bohw", weight[:, :, y, x], window)
    return found


def np_fitnet(student, teacher, adapter):
    ours, theirs = smaller(student[0], teacher[0])
    return ((convolved(adapter, ours) - theirs) ** 2).mean()


def np_attention(student, teacher, adapter, power=2):
    def attention(values):
        flat = (np.abs(values) ** power).mean(1).reshape(len(values), -1)
        return flat / np.sqrt((flat**2).sum(1, keepdims=True))

    both = [smaller(*each) for each in zip(student, teacher, strict=True)]
    return sum(((attention(one) - attention(other)) ** 2).mean() for one, other in both)


def np_nst(student, teacher, adapter):
    def kernel(ones, others):
        return np.mean([[(one @ other) ** 2 for other in others] for one in ones])

    stages = []
    for each in zip(student, teacher, strict=True):
        ours, theirs = (
            values.reshape(*values.shape[:2], -1) / np.sqrt((values**2).sum((2, 3)))[:, :, None]
            for values in smaller(*each)
        )
        stages.append(
            np.mean(
                [
                    kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)
                    for s, t in zip(ours, theirs, strict=True)
                ]
            )
        )
    return sum(stages)


def np_vid(student, teacher, adapter):
    stages = []
    for each, *pair in zip(adapter, student, teacher, strict=True):
        ours, theirs = smaller(*pair)
        first, second, third = each.mean[0], each.mean[2], each.mean[4]
        predicted = np.maximum(convolved(first, ours), 0)
        predicted = np.maximum(convolved(second, predicted), 0)
        predicted = convolved(third, predicted)
        variance = np.log1p(np.exp(each.raw_variance.detach().numpy())) + 1e-5
        stages.append(((predicted - theirs) ** 2 / variance + np.log(variance)).mean() / 2)
    return sum(stages)


def np_hierarchical(ours, theirs):
    total, weights, weight = ((ours - theirs) ** 2).mean(), 1, 1
    for side in (4, 2, 1):
        if side < ours.shape[2]:
            weight /= 2
            total += weight * ((pooled(ours, side, side) - pooled(theirs, side, side)) ** 2).mean()
            weights += weight
    return total / weights


def np_review(student, teacher, adapter):
    total, deeper = 0, None
    for each, ours, theirs in reversed(list(zip(adapter, student, teacher, strict=True))):
        entered = convolved(each.enter, ours)
        if deeper is not None:
            height, width = entered.shape[2:]
            rows = np.arange(height) * deeper.shape[2] // height
            columns = np.arange(width) * deeper.shape[3] // width
            deeper = deeper[:, :, rows][:, :, :, columns]
            mixed = convolved(each.mix, np.concatenate([entered, deeper], 1))
            shares = 1 / (1 + np.exp(-mixed))
            entered = entered * shares[:, :1] + deeper * shares[:, 1:]
        total += np_hierarchical(*smaller(convolved(each.leave, entered), theirs))
        deeper = entered
    return total


ORACLES = {name: globals()[f"np_{name}"] for name in EVERY}
