"""Logits to try methods on, and the methods' formulas written anew in numpy."""

import numpy as np
import torch

from kdcore import methods
from kdcore.methods import UNLABELLED, Signals

SHAPES = [(1, 2), (5, 2), (7, 3), (1, 1000), (4, 1000)]
BATCH = torch.tensor([0, 1, UNLABELLED, 0, UNLABELLED, 1, 1])
SOFT = ["reverse_kl", "symmetric_kl", "js", "gjs", "dkd", "dist", "standardised", "virtual_teacher"]
WITHOUT_LABELS = ["label", "regression", "reverse_kl", "symmetric_kl", "js", "gjs", "dist"]
WITHOUT_LABELS += ["standardised", "annealing", "ctkd"]
EVERY = [*WITHOUT_LABELS, "dkd", "smoothing", "virtual_teacher"]
DIVERGENCES = ["reverse_kl", "symmetric_kl", "js", "gjs", "dkd", "dist", "standardised", "ctkd"]


def random_logits(*shape, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def pair(*shape):
    return random_logits(*shape), random_logits(*shape, seed=1)


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)


def learnt_temperature(theta=1.0, highest=20.0):
    adapter = methods.get("ctkd").adapter((), (), 0, highest=highest).double()
    with torch.no_grad():
        adapter.theta.fill_(theta)
    return adapter


def terms(name, student, teacher, labels=None, **options):
    """The named terms; labels are hidden where none are given."""
    if labels is None:
        labels = torch.full((len(student),), UNLABELLED)
    if name == "ctkd":
        options.setdefault("adapter", learnt_temperature())
    return methods.get(name)(Signals(student), Signals(teacher), labels, **options)


def total(*signals, **options):
    return sum(terms(*signals, **options).values())


def gradient(name, student, *others, **options):
    student = student.clone().requires_grad_()
    return torch.autograd.grad(total(name, student, *others, **options), student)[0]


# the formulas, written in numpy


def softmax(logits, temperature=1.0):
    powers = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return powers / powers.sum(1, keepdims=True)


def np_kl(p, q):
    """KL(p ‖ q) of each row."""
    return (p * np.log(p / q)).sum(1)


def np_jensen_shannon(p, q, share):
    middle = share * p + (1 - share) * q
    return (share * np_kl(p, middle) + (1 - share) * np_kl(q, middle)).mean()


def np_label(student, teacher, labels, temperature):
    chosen = softmax(student)[np.arange(len(student)), teacher.argmax(1)]
    return {"label": -np.log(chosen).mean()}


def np_regression(student, teacher, labels, temperature):
    squares = ((student - teacher) ** 2).sum(1)
    return {"regression": (squares / (2 * student.shape[1])).mean()}


def np_reverse_kl(student, teacher, labels, temperature):
    ours, theirs = softmax(student, temperature), softmax(teacher, temperature)
    return {"reverse": temperature**2 * np_kl(ours, theirs).mean()}


def np_symmetric_kl(student, teacher, labels, temperature):
    ours, theirs = softmax(student, temperature), softmax(teacher, temperature)
    both = (np_kl(theirs, ours) + np_kl(ours, theirs)) / 2
    return {"symmetric": temperature**2 * both.mean()}


def np_js(student, teacher, labels, temperature):
    ours, theirs = softmax(student, temperature), softmax(teacher, temperature)
    return {"js": temperature**2 * np_jensen_shannon(theirs, ours, 0.5)}


def np_gjs(student, teacher, labels, temperature, beta=0.1):
    ours, theirs = softmax(student, temperature), softmax(teacher, temperature)
    return {"gjs": temperature**2 * np_jensen_shannon(theirs, ours, beta)}


def np_dkd(student, teacher, labels, temperature, target_weight=1.0, nontarget_weight=8.0):
    sure, order = [], []
    for ours, theirs, label in zip(student, teacher, labels, strict=True):
        y = theirs.argmax() if label == UNLABELLED else label
        p, q = softmax(theirs[None], temperature)[0], softmax(ours[None], temperature)[0]
        sure.append(p[y] * np.log(p[y] / q[y]) + (1 - p[y]) * np.log((1 - p[y]) / (1 - q[y])))
        # the other classes alone: their probabilities over the sum of these
        p, q = np.delete(p, y) / (1 - p[y]), np.delete(q, y) / (1 - q[y])
        order.append((p * np.log(p / q)).sum())
    scale = temperature**2
    return {
        "target": scale * target_weight * np.mean(sure),
        "other classes": scale * nontarget_weight * np.mean(order),
    }


def np_dist(student, teacher, labels, temperature, classes_weight=2.0, samples_weight=2.0):
    ours, theirs = softmax(student, temperature), softmax(teacher, temperature)

    def distance(ones, others):
        return np.mean([1 - np.corrcoef(*each)[0, 1] for each in zip(ones, others, strict=True)])

    scale = temperature**2
    return {
        "between classes": scale * classes_weight * distance(ours, theirs),
        "within classes": scale * samples_weight * distance(ours.T, theirs.T)
        if len(ours) > 1
        else 0.0,
    }


def np_standardised(student, teacher, labels, temperature):
    def scores(logits):
        deviation = logits.std(1, ddof=1, keepdims=True)
        return (logits - logits.mean(1, keepdims=True)) / (deviation + 1e-7)

    ours, theirs = softmax(scores(student), temperature), softmax(scores(teacher), temperature)
    return {"standardised": temperature**2 * np_kl(theirs, ours).mean()}


def np_smoothing(student, teacher, labels, temperature):
    each = -np.log(softmax(student)).mean(1)[labels != UNLABELLED]
    return {"uniform": each.mean() if len(each) else 0.0}


def np_virtual_teacher(student, teacher, labels, temperature, correct=0.99):
    classes, losses = student.shape[1], []
    for ours, label in zip(student, labels, strict=True):
        if label == UNLABELLED:
            continue
        answer = np.full(classes, (1 - correct) / (classes - 1))
        answer[label] = correct
        softened = answer ** (1 / temperature) / (answer ** (1 / temperature)).sum()
        losses.append(np_kl(softened[None], softmax(ours[None], temperature))[0])
    return {"virtual": temperature**2 * np.mean(losses) if losses else 0.0}


def np_annealing(student, teacher, labels, temperature):
    # done is 0: T = T_max = 10, Φ = 1 − 9/10
    return {"annealed": ((student - teacher / 10) ** 2).mean(1).mean()}


def np_ctkd(student, teacher, labels, temperature, theta=1.0):
    learnt = 1 + 20 / (1 + np.exp(-theta))
    ours, theirs = softmax(student, learnt), softmax(teacher, learnt)
    return {"soft": learnt**2 * np_kl(theirs, ours).mean()}


ORACLES = {name: globals()[f"np_{name}"] for name in EVERY}
