"""Runs as tests lay them side by side, without running them."""

from __future__ import annotations

from collections.abc import Sequence

from kdcore.compare_tables import Lettered, lettered
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Arm, Latency, Result
from kdcore.statistics import paired_difference, verdict

SAMPLES = 500


def finished(
    distilled: tuple[float, ...],
    control: tuple[float, ...] = (),
    *,
    bytes: int | None = 10_000,
    latency: float | None = 0.02,
    timed: tuple[Latency, ...] = (),
    **recipe: object,
) -> tuple[str, str, Result, dict[str, str]]:
    """A finished run: what `lettered` takes. Its settings are its task, seeds and temperature."""
    control = control or tuple(each - 0.02 for each in distilled)
    of = Recipe(**{"seeds": tuple(range(len(distilled))), **recipe})
    scores = {"teacher": (0.97,), "control": control, "distilled": distilled}
    arms = {
        arm: Arm(
            scores[arm], scores[arm], 100, 90, onnx_bytes=bytes, latency_ms=latency, latency=timed
        )
        for arm in ARMS
    }
    gap = paired_difference(control, distilled, SAMPLES)
    settings = {"Data": of.task, "Temperature T": f"{of.temperature:g}", "Steps": "400"}
    return "id", "a run", Result(of, verdict(gap), gap, 1.0, arms, False, {}), settings


def side_by_side(
    *runs: tuple[str, str, Result, dict[str, str]], gallery: Sequence[str] = ()
) -> list[Lettered]:
    """Those runs under their letters; gallery: ids of those that another machine ran."""
    return lettered(runs, gallery)
