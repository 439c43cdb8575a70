"""What a finished run does not show: said in the card and in the report, run by run."""

from __future__ import annotations

from collections.abc import Sequence

from kdcore.handover.finished import Finished
from kdcore.handover.measured import Measured


def untested(
    of: Finished, harder: bool = False, measured: Sequence[Measured] = (), untimed: str = ""
) -> tuple[str, ...]:
    """Sentences about what was not tested, for a reader who decides by the figures.

    harder: whether harder samples were tried; measured: what devices were measured besides;
    untimed: why this machine was not, a sentence.
    """
    result, recipe = of.result, of.result.recipe
    seeds = len(recipe.seeds)
    told = [
        f"Other data than the test split of {recipe.task}: samples of another origin or another "
        "time may fare worse.",
        "Whether some groups of people or things fare worse than others, beyond the classes.",
        "Inputs that were made to deceive, and inputs of none of the classes: the models always "
        "name one.",
    ]
    if not harder:
        told.append(
            "Noise, blur and shift: too much work for one click, or it has no meaning for these "
            "inputs; `python -m kdcore report` tries them where it has."
        )
    else:
        told.append("Other disturbances than the few that are shown.")
    told.append(
        f"Other settings: {seeds} seed{'s' if seeds != 1 else ''} of one recipe say nothing about "
        "another temperature, weight or learning rate."
    )
    if len(result.arms["teacher"].accuracy) == 1 and seeds > 1:
        told.append(
            "Another teacher: all seeds learn from one, so that its luck is in all of them."
        )
    if measured:
        names = ", ".join(dict.fromkeys(each.device.name for each in measured))
        told.append(f"Speed and memory on other devices than {names}.")
    else:
        told.append(
            "Speed on any device but the machine that trained them, and memory anywhere; the "
            f"bundle's measure_here.py measures both. {untimed}".rstrip()
        )
    told.append("Energy, heat, and speed while other programs are running.")
    return tuple(told)
