"""What to ship, in sentences that carry their own uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

from kdcore.decide import BUDGETS, Advice, Budget, Budgets, broken
from kdcore.model_table import SHARE, Model
from kdcore.recipe import FEWEST_SEEDS_FOR_A_VERDICT
from kdcore.spoken import GAP, size
from kdcore.statistics import Verdict, accuracy_text, mean, paired_difference
from kdcore.statistics import verdict as paired_verdict


@dataclass(frozen=True)
class Sentence:
    """What is said of a model: its name between a few words before and the rest after it."""

    before: str
    name: str
    after: str

    def __str__(self) -> str:
        return f"{self.before} {self.name}{self.after}"


def latency(value: float, by: str) -> str:
    """In the unit of `Model.latency(by)`: 41 µs, 1.3 ms, 58 % of its teacher's."""
    if by == SHARE:
        return f"{100 * value:.0f}{GAP}% of its teacher's"
    return f"{1000 * value:.3g}{GAP}µs" if value < 1 else f"{value:.3g}{GAP}ms"


def accuracy(model: Model) -> str:
    """Mean ± deviation, and over how many seeds."""
    return f"{accuracy_text(model.accuracy)} over {seeds(len(model.accuracy))}"


def seeds(count: int) -> str:
    """So many seeds: 1 seed, 5 seeds."""
    return f"{count} seed{'' if count == 1 else 's'}"


def verdict(advice: Advice) -> Sentence:
    """The one sentence: what to ship, at what price; or what comes nearest, and what stops it."""
    if advice.choice is not None:
        return _ship(advice.choice, advice.samples)
    if advice.nearest is None:
        return Sentence("No model", "", " has all that these budgets ask about measured.")
    near = advice.nearest
    misses = " and ".join(
        _miss(near, advice.budgets, each) for each in broken(near, advice.budgets)
    )
    return Sentence("No model keeps these budgets. Nearest is", near.name, f": {misses}.")


def _ship(model: Model, samples: int | None) -> Sentence:
    if model.role == "teacher":
        return Sentence("Ship the teacher itself,", model.name, f": {accuracy(model)}.")
    price = f", {_price(model)}" if _price(model) else ""
    other = _other(model, samples)
    return Sentence("Ship", model.name, f": {accuracy(model)}{price}{_less(model)}{other}.")


def _price(model: Model) -> str:
    """Its size and latency by its teacher's, as far as both were measured."""
    share, factors = model.latency(SHARE), []
    if model.bytes is not None and model.teacher.bytes is not None:
        factors.append((model.teacher.bytes / model.bytes, ("smaller", "larger", "large")))
    if share is not None:
        factors.append((1 / share, ("faster", "slower", "fast")))
    unlike = [times(of, *words[:2]) for of, words in factors if not _about_one(of)]
    alike = [f"about as {words[2]}" for of, words in factors if _about_one(of)]
    if not unlike:
        return f"{' and '.join(alike)} as its teacher" if alike else ""
    return ", ".join([f"{' and '.join(unlike)} than its teacher", *alike])


def _about_one(factor: float) -> bool:
    return 0.95 < factor < 1.05


def times(factor: float, more: str, less: str) -> str:
    """A factor as one says it: 34 times smaller, 1.7 times larger."""
    word, factor = (more, factor) if factor >= 1 else (less, 1 / factor)
    return f"{factor:.0f} times {word}" if factor >= 9.95 else f"{factor:.1f} times {word}"


def _less(model: Model) -> str:
    if not model.teacher.accuracy:
        return ""
    gap = round(100 * (model.mean - mean(model.teacher.accuracy)), 1)
    if gap == 0:
        return ", just as accurate"
    return f", {abs(gap):.1f} points {'more' if gap > 0 else 'less'} accurate"


VERDICTS: dict[Verdict, str] = {
    "better": ", clearly less",
    "worse": ", clearly more",
    "no clear difference": ", no clear difference",
    "too few seeds": ", of too few seeds to tell luck from gain",
}
"""What the seeds allow to say of the same model on labels alone."""


def _other(model: Model, samples: int | None) -> str:
    if model.control:
        text = accuracy_text(model.control)
        if model.pipeline:
            return f"; on labels alone and not compressed, the student reaches {text}"
        seen = f", on the same {model.labels}," if model.labels[:1].isdigit() else ""
        return (
            f"; without distillation{seen} the same model reaches {text}{_clearly(model, samples)}"
        )
    if model.distilled:
        text = accuracy_text(model.distilled)
        return f"; distilled, the same model reached {text} in the newest run"
    return ""


def _clearly(model: Model, samples: int | None) -> str:
    """The verdict of the paired interval, where each seed trained both."""
    if len(model.control) != len(model.accuracy):
        return ""
    floor = samples or 10**9  # the data are gone: no least step of an accuracy
    return VERDICTS[paired_verdict(paired_difference(model.control, model.accuracy, floor))]


def _miss(model: Model, budgets: Budgets, budget: Budget) -> str:
    limit = budgets.of(budget)
    assert limit is not None  # only a budget that is set can be missed
    if budget == "accuracy":
        return f"its accuracy, {accuracy_text(model.accuracy)}, is under {100 * limit:g}{GAP}%"
    if budget == "size":
        assert model.bytes is not None  # it would not be the nearest
        return f"its size, {size(model.bytes)}, is over {size(limit)}"
    value = model.latency(budgets.by)
    assert value is not None
    return f"its latency, {latency(value, budgets.by)}, is over {latency(limit, budgets.by)}"


def doubts(advice: Advice) -> list[str]:
    """What makes the sentence less sure than it sounds."""
    if advice.choice is None:
        return _ways_out(advice)
    choice, best, said = advice.choice, advice.kept[0], []
    if choice != best:
        said.append(
            f"The most accurate that keeps the budgets is {best.name} with {accuracy(best)}; "
            f"{len(advice.alike) - 1} more within {100 * advice.margin:.1f} points of it cannot be "
            "told from it, and this is the smallest."
        )
    elif len(advice.alike) > 1:
        said.append(
            f"{len(advice.alike) - 1} more within {100 * advice.margin:.1f} points of it cannot be "
            "told from it; none is smaller."
        )
    floor = advice.budgets.accuracy
    if floor is not None:
        good = sum(each >= floor - 1e-9 for each in choice.accuracy)
        if good < len(choice.accuracy):
            said.append(
                f"Its mean reaches {100 * floor:g}{GAP}%, but only {good} of its "
                f"{seeds(len(choice.accuracy))} {'does' if good == 1 else 'do'}."
            )
    if len(choice.accuracy) < FEWEST_SEEDS_FOR_A_VERDICT:
        few = "1 seed is" if len(choice.accuracy) == 1 else f"{len(choice.accuracy)} seeds are"
        said.append(
            f"{few} too few to know how far its accuracy wobbles: run at least "
            f"{FEWEST_SEEDS_FOR_A_VERDICT}."
        )
    if len(advice.kept) > 1:
        said.append(
            f"It was chosen among {len(advice.kept)} on the very samples that its accuracy is of, "
            "so expect a little less on new ones."
        )
    return said


def _ways_out(advice: Advice) -> list[str]:
    """Which budget alone stands in the way."""
    freed = {name: count for name in BUDGETS if (count := (advice.freed or {}).get(name, 0))}
    if not freed:
        return ["No single budget stops them all: loosen two."] if advice.freed else []
    return [
        f"Without the {name} budget, {count} model{'' if count == 1 else 's'} would do."
        for name, count in freed.items()
    ]


def wobble(models: list[Model], by: str) -> str:
    """How far one and the same network's latency was apart from run to run, the widest; empty
    where none was timed twice on that machine.
    """
    apart = []
    for each in models:
        found = [timing.ms for timing in each.timings if timing.machine == by]
        if len(found) > 1:
            apart.append((max(found) / min(found), each.name, len(found), min(found), max(found)))
    if not apart:
        return ""
    factor, name, count, low, high = max(apart)
    if factor < 1.1:
        return ""
    return (
        f"The network of {name} took between {latency(low, by)} and {latency(high, by)}, measured "
        f"{count} times: other work on that machine slows a run down, and its teacher with it, so "
        "a share of the teacher's latency is steadier."
    )
