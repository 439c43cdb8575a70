"""Models to be weighed against each other, made by hand."""

from __future__ import annotations

from kdcore.model_table import Beside, Model, Timing
from kdcore.result import ArmName

MACHINE = "here: Linux, 2 cores, onnxruntime 1"


def model(
    name: str,
    *percent: float,
    size: int | None = 10_000,
    us: float | None = 20,
    role: ArmName = "distilled",
    control: tuple[float, ...] = (),
    machine: str = MACHINE,
) -> Model:
    """Its accuracy in percent for each seed, bytes and microseconds; its teacher reads 97 %, takes
    100 µs and has 100 kB.
    """
    timings = () if us is None else (Timing(machine, us / 1000, 0.1),)
    accuracy = tuple(each / 100 for each in percent)
    labels = tuple(each / 100 for each in control)
    teacher = Beside((0.97,), 100_000)
    where = (f"run-{name}", f"the run of {name}", "digits")
    measured = (accuracy, size, 1000, 500, timings)
    return Model(name, name, role, *where, *measured, teacher, labels, labels="100 labels")


TEACHER = model("big", 97, size=100_000, us=100, role="teacher")
MIDDLE = model("middle", 95, 96, 97, size=20_000, us=30)
"""96 ± 1 %; the 95 % interval is 4.303 · 1 / √3 = 2.48 points to each side."""

SMALL = model("small", 94, 94, 94, size=10_000, us=25, control=(90, 91, 92))
TINY = model("tiny", 80, 82, 84, size=5_000, us=10)
ALL = [TEACHER, MIDDLE, SMALL, TINY]
