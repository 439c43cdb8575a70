"""What tests wait for of a run in a cluster."""

import json

from tests.processes import eventually


def state(run_it, run) -> str:
    return run_it.store.get(run.id).state


def begun(run_it, run, attempt=1):
    """Wait until the run has told of its first steps."""

    def told():
        now = run_it.store.get(run.id)
        return now.attempt == attempt and now.progress and now.progress.phase == "students"

    assert eventually(told)


def address(file) -> str:
    return json.loads(file.read_text())["address"]
