"""What the students of a sweep cost: size and latency, measured once for each kind of student."""

from __future__ import annotations

from collections.abc import Sequence

from kdcore import models, tasks
from kdcore.compress.export import to_onnx
from kdcore.measure.latency import latencies
from kdcore.outcome import Cost
from kdcore.recipe import Recipe, brief

MOST_KINDS = 100
"""Of students that are measured against each other; each takes its turn sixty times."""


def student_costs(recipes: Sequence[Recipe]) -> dict[str, Cost]:
    """Bytes and latency of each kind of student, by the name that `brief` gives it.

    All are measured side by side, in turns, so that a slow moment of the machine hits all alike.
    Their weights are untrained, which makes no difference to either.
    """
    shapes: dict[tuple[int, ...], dict[str, bytes]] = {}
    for recipe in recipes:
        facts = tasks.get(recipe.task).facts
        files = shapes.setdefault(facts.input_shape, {})
        name = brief(recipe.student)
        if name in files or len(files) == MOST_KINDS:
            continue
        architecture = models.get(recipe.student.architecture)
        network = architecture.build(
            facts.input_shape, len(facts.class_names), recipe.student.options, seed=0
        )
        files[name] = to_onnx(network, facts.input_shape)
    found = {}
    for shape, files in shapes.items():
        for name, latency in latencies(files, shape, batch=1).items():
            found[name] = Cost(len(files[name]), latency.median_ms)
    return found
