"""What a step frees is there for the next one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STEPS = """
import resource, sys, torch
from kdcore.train.memory import keep_freed
if sys.argv[1] == "kept":
    assert keep_freed()
def step():
    maps = [torch.ones(2_000_000) for _ in range(5)]
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Of twenty steps that each take and free forty megabytes, in a worker of Dask's making."""
    environment = {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", STEPS, how]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is what Linux has")
def test_freed_memory_is_not_fetched_again_page_by_page():
    # a system with huge pages has few faults either way
    assert page_faults("kept") <= max(1_000, page_faults("as it is") / 10)
