"""How long a pipeline takes, said before it is started, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass

from kdcore import forecast
from kdcore.pipeline import Pipeline
from pages.parts.finished_pipelines import results_of
from pages.parts.services import runner
from pages.parts.widgets import duration


@dataclass(frozen=True)
class Estimate:
    """Seconds that a pipeline trains, and those in which it does the rest, None where there is no
    earlier one to go by; known: whether anything can be told.
    """

    known: bool
    training: float = 0.0
    aside: float | None = None


def foretell(pipeline: Pipeline) -> Estimate | None:
    """How long a pipeline takes, as far as it is known; None while nobody has had the time to
    try.
    """
    found = runner().forecast(pipeline)
    if found is None:
        return None
    if not found.told:
        return Estimate(known=False)
    done = [each.id for each in runner().pipelines.listed() if not each.shown]  # those made here
    earlier = [each.result for pipeline_id in done for each in results_of(pipeline_id)]
    return Estimate(True, found.seconds(workers=1), forecast.aside(pipeline, earlier))


def label(ahead: int, told: Estimate | None) -> str:
    """What the button says: how many wait before, and how long it takes, as far as it is known."""
    words = [f"{ahead} ahead"] if ahead else []
    if told is not None and told.known:
        over = "over" if told.aside is None else "about"
        words.append(f"{over} {duration(told.training + (told.aside or 0.0))}")
    return f"Compress ({', '.join(words)})" if words else "Compress"


def time_words(told: Estimate | None, ahead: int) -> str:
    """How long it takes, and how that is known; or that it is not."""
    if told is None and ahead:
        return "How long it takes is unknown until a worker has a moment to try."
    if told is None:
        return "How long it takes is being tried."
    if not told.known:
        return "How long it takes is unknown."
    where = "here" if runner().settings.scheduler is None else "on the cluster"
    training = f"Its training takes about {duration(told.training)} {where}, by a short trial"
    if told.aside is None:
        return (
            f"{training}; exporting, judging and measuring come on top, how long is unknown until "
            "one pipeline of this student has ended."
        )
    return f"{training}; all the rest about {duration(told.aside)}, as it took earlier pipelines."
