"""What measure_here.py might have written on some device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence


def measurement(
    files: Mapping[str, bytes],
    cells: Sequence[tuple[str, int, int, float]],
    name: str = "a board",
) -> str:
    """Of files, by what they are called there; cells: a file's name, batch, threads and
    milliseconds.
    """
    return json.dumps(
        {
            "format": "kdcore measurement",
            "version": 1,
            "taken": "2026-11-02T10:00:00Z",
            "device": {"name": name, "system": "Linux arm", "cores": 4, "onnxruntime": "1.30.0"},
            "models": [
                {
                    **{"name": each, "bytes": len(content), "memory": None},
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
                for each, content in files.items()
            ],
            "latency": [
                {
                    **{"model": of, "batch": batch, "threads": threads, "rounds": 50},
                    **{"p50_ms": ms, "p95_ms": 1.2 * ms, "cpu_ms": ms, "low_ms": ms},
                    **{"per_second": 1000 * batch / ms, "noisy": False},
                }
                for of, batch, threads, ms in cells
            ],
        }
    )
