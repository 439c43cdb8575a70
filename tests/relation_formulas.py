"""Embeddings to try methods on, and the formulas on relations written anew in numpy."""

import numpy as np
import torch

from kdcore import methods
from kdcore.methods import Signals

NAMES = ["similarity", "rkd", "pkt"]
SAMPLES, NEGATIVES = 12, 16


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def rows(*values):
    return torch.tensor(values, dtype=torch.float64)


def rotation(width, seed=5):
    return torch.linalg.qr(random(width, width, seed=seed))[0]


def terms(name, student, teacher, **options):
    batch = len(student)
    labels, logits = torch.zeros(batch, dtype=torch.long), torch.zeros(batch, 2)
    sides = (Signals(logits, None, (each,)) for each in (student, teacher))
    return methods.get(name)(*sides, labels, **options)


def total(*arguments, **options):
    return sum(terms(*arguments, **options).values())


def gradient(name, student, teacher, **options):
    student = student.clone().requires_grad_()
    return torch.autograd.grad(total(name, student, teacher, **options), student)[0]


# the formulas, written in numpy


def np_similarity(student, teacher):
    def similarities(features):
        flat = features.reshape(len(features), -1)
        products = np.array([[one @ other for other in flat] for one in flat])
        return products / np.sqrt((products**2).sum(1, keepdims=True))

    gap = similarities(student) - similarities(teacher)
    return {"similarity": (gap**2).sum() / len(student) ** 2}


def huber(one, other):
    gap = np.abs(one - other)
    return np.where(gap <= 1, gap**2 / 2, gap - 0.5).mean()


def np_rkd(student, teacher, distance_weight=25.0, angle_weight=50.0):
    def distances(features):
        found = np.array([[np.linalg.norm(one - other) for other in features] for one in features])
        return found / found[found > 0].mean()

    def angles(features):
        def way(start, end):
            gap = end - start
            length = np.linalg.norm(gap)
            return gap / length if length else gap

        return np.array(
            [
                [[way(at, one) @ way(at, other) for other in features] for one in features]
                for at in features
            ]
        )

    return {
        "distances": distance_weight * huber(distances(student), distances(teacher)),
        "angles": angle_weight * huber(angles(student), angles(teacher)),
    }


def np_pkt(student, teacher):
    def neighbours(features):
        lengths = np.linalg.norm(features, axis=1)
        closeness = (features @ features.T / np.outer(lengths, lengths) + 1) / 2
        return closeness / closeness.sum(1, keepdims=True)

    ours, theirs = neighbours(student), neighbours(teacher)
    return {"neighbours": (theirs * np.log(theirs / ours)).sum(1).mean()}


ORACLES = {name: globals()[f"np_{name}"] for name in NAMES}
