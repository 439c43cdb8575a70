"""What the students of a sweep cost: size and latency, measured once for each kind of student."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from kdcore import models, tasks
from kdcore.compress.export import to_onnx
from kdcore.errors import KdError
from kdcore.measure.latency import latencies
from kdcore.outcome import Cost, student_key
from kdcore.recipe import Recipe

log = logging.getLogger(__name__)

MOST_KINDS = 100
"""Of students that are measured against each other; each takes its turn sixty times."""


def student_costs(recipes: Sequence[Recipe]) -> dict[str, Cost]:
    """Bytes and latency of each kind of student, by `student_key`.

    All that take the same input are measured side by side, in turns, so that a slow moment of the
    machine hits all alike. Their weights are untrained, which makes no difference to either. A
    student that cannot be built is left out.
    """
    kinds = {student_key(recipe): recipe for recipe in recipes}
    files: dict[tuple[int, ...], dict[str, bytes]] = {}
    for key, recipe in list(kinds.items())[:MOST_KINDS]:
        try:
            shape, content = _file(recipe)
        except KdError as error:  # its members say so themselves
            log.info("no cost of the student of %s: %s", recipe.id, error)
            continue
        files.setdefault(shape, {})[key] = content
    found = {}
    for shape, of in files.items():
        for key, latency in latencies(of, shape, batch=1).items():
            found[key] = Cost(len(of[key]), latency.median_ms)
    return found


def _file(recipe: Recipe) -> tuple[tuple[int, ...], bytes]:
    facts, student = tasks.get(recipe.task).facts, recipe.student
    architecture = models.get(student.architecture)
    classes = len(facts.class_names)
    network = architecture.build(facts.input_shape, classes, student.options, seed=0)
    return facts.input_shape, to_onnx(network, facts.input_shape)
