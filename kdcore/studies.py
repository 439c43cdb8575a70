"""Where settings come from: Optuna proposes, a candidate is judged, Optuna is told.

Imports no torch; trying a setting does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from zlib import crc32

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from kdcore.errors import KdError, RecipeError
from kdcore.recipe import Recipe
from kdcore.result import Event, Phase, Progress
from kdcore.search import Fate, Goal, Search, Span, Standing, Tried
from kdcore.shelf import Shelf

if TYPE_CHECKING:
    from kdcore.candidate import Candidates, Judged

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.ERROR)

PARTS = 10
"""A setting is compared with others after each of so many parts of its steps, and maybe given up:
in shares of its own steps, as the number of steps may itself be what varies."""

WARM_UP_PARTS = 3
"""So many are never compared: early on, who learns fast is not who learns well."""

POPULATION = 16
"""NSGA-II's: several generations of it fit into an evening's budget."""

FAILURES = 10
"""After so many failures in a row, and nothing else before them, a search gives up."""

REPEATS = 20
"""After so many settings in a row that were tried before, there is nothing new to try."""

DIRECTIONS: dict[Goal, StudyDirection] = {
    "accuracy": StudyDirection.MAXIMIZE,
    "size": StudyDirection.MINIMIZE,
    "latency": StudyDirection.MINIMIZE,
}

FATES: dict[TrialState, Fate] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "given up",
    TrialState.FAIL: "failed",
}

PACE = "pace_ms"
"""Under which a study keeps how long the yardstick took the first time."""

KILLED_TWICE = (
    "its worker ended twice while it was tried, most likely for lack of memory; choose smaller "
    "models or batches"
)


def new_study(search: Search, name: str, storage: optuna.storages.BaseStorage) -> None:
    """Make the study in which a search keeps its trials."""
    directions = [DIRECTIONS[goal] for goal in search.goals]
    optuna.create_study(study_name=name, storage=storage, directions=directions)


def scratch_study(search: Search) -> optuna.Study:
    """A study in memory, for a search that nobody goes on with."""
    storage = optuna.storages.InMemoryStorage()
    new_study(search, "search", storage)
    return open_study("search", storage)


def open_study(name: str, storage: optuna.storages.BaseStorage) -> optuna.Study:
    """The study of that name, to be read, or gone on with by `explore`."""
    return optuna.load_study(study_name=name, storage=storage)


def explore(
    search: Search, study: optuna.Study, shelf: Shelf, spent: float = 0.0
) -> Generator[Standing | Tried, None, None]:
    """Try settings until the budget is used up, telling how far it is and what came of each.

    spent: seconds of the budget that are used already. What a killed worker left under way is put
    in line once more. May be closed at any time: what is under way then is put in line, too, and
    counts when it has been tried whole. Raises RecipeError where nothing but failures comes of it.
    """
    _put_back(study)
    yield from _Exploration(search, study, shelf, spent).steps()


class _Exploration:
    def __init__(self, search: Search, study: optuna.Study, shelf: Shelf, spent: float) -> None:
        self.search, self.study, self.shelf, self.spent = search, study, shelf, spent
        self.began = time.perf_counter()
        self.known = all_tried(study)
        self.repeats = 0

    @property
    def seconds(self) -> float:
        """Of the budget, used up so far."""
        return self.spent + time.perf_counter() - self.began

    def steps(self) -> Generator[Standing | Tried, None, None]:
        from kdcore.candidate import Candidates

        known = (self.study.user_attrs.get(PACE), self._costs())
        made = Candidates(self.shelf, self.search.recipe.student, *known)
        with closing(made) as candidates:
            while self._left() and self.repeats < REPEATS:
                self._give_up_if_hopeless()
                tried = yield from self._one(candidates)
                if candidates.pace_ms is not None:
                    self.study.set_user_attr(PACE, candidates.pace_ms)
                self.repeats = self.repeats + 1 if tried.same_as is not None else 0
                self.known.append(tried)
                yield self.standing()
                yield tried

    def standing(self, phase: Phase | None = None, share: float = 0.0) -> Standing:
        """share: of the setting under way."""
        search, tried = self.search, len(self.known)
        shares, left = [], []
        pace = self.seconds / tried if tried else None
        if search.trials is not None:
            shares.append((tried + share) / search.trials)
            left += [] if pace is None else [pace * (search.trials - tried - share)]
        if search.minutes is not None:
            shares.append(self.seconds / (60 * search.minutes))
            left.append(60 * search.minutes - self.seconds)
        seconds_left = max(0.0, min(left)) if left else None
        return Standing(tried, min(1.0, max(shares)), seconds_left, phase)

    def _left(self) -> bool:
        search = self.search
        enough = search.trials is not None and len(self.known) >= search.trials
        return not enough and (search.minutes is None or self.seconds < 60 * search.minutes)

    def _give_up_if_hopeless(self) -> None:
        if len(self.known) >= FAILURES and all(each.fate == "failed" for each in self.known):
            raise RecipeError(
                f"all of the first {len(self.known)} settings failed; the last said: "
                f"{self.known[-1].error}"
            )

    def _costs(self) -> dict[str, Any]:
        """What the students of earlier trials cost."""
        from kdcore.candidate import Cost
        from kdcore.outcome import student_key

        found = {}
        for each in self.known:
            if each.parameters is not None and each.size is not None and each.latency_ms:
                key = student_key(self.search.candidate(each.setting))
                found[key] = Cost(each.parameters, each.size, each.latency_ms)
        return found

    def _one(self, candidates: Candidates) -> Generator[Standing, None, Tried]:
        """Try one setting, to whatever end."""
        # drawn anew for each trial, so that one that was stopped and goes on proposes what it
        # would have proposed; the same seed all over again would repeat its first settings
        self.study.sampler = _sampler(self.search, len(self.known))
        self.study.pruner = _pruner(self.search)
        trial = self.study.ask()
        try:
            setting = self.search.choose(lambda span: _suggest(trial, span))
            again = next((each for each in self.known if each.setting == setting), None)
            if again is not None:
                return self._repeat(trial, again)
            return (yield from self._judged(trial, setting, candidates))
        except BaseException:
            _end_for_now(self.study, trial)
            raise

    def _repeat(self, trial: Trial, again: Tried) -> Tried:
        """A setting that was tried before is not tried again: it would give the same numbers."""
        first = again.number if again.same_as is None else again.same_as
        trial.set_user_attr("told", {**_told_again(again), "same_as": first})
        if again.fate == "finished":
            self.study.tell(trial, _values(self.search, again))
        else:
            pruned = again.fate == "given up"
            self.study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)
        return _tried(_frozen(self.study, trial))

    def _judged(
        self, trial: Trial, setting: Mapping[str, Any], candidates: Candidates
    ) -> Generator[Standing, None, Tried]:
        try:
            recipe = self.search.candidate(setting)
            judged = yield from self._watched(trial, recipe, candidates)
        except (KdError, MemoryError) as error:
            words = str(error) or "there is not enough memory for it"
            trial.set_user_attr("told", {"error": words})
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            if judged is None:
                trial.set_user_attr("told", {})
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                trial.set_user_attr("told", _told(judged))
                self.study.tell(trial, _values(self.search, _tried_as(judged)))
        return _tried(_frozen(self.study, trial))

    def _watched(
        self, trial: Trial, recipe: Recipe, candidates: Candidates
    ) -> Generator[Standing, None, Judged | None]:
        """Train a candidate; None where it lags behind, and is given up."""
        latest: dict[int, Event] = {}
        part = 0
        costs = len(self.search.goals) > 1
        with closing(candidates.judge(recipe, costs=costs)) as judging:
            while True:
                try:
                    happening = next(judging)
                except StopIteration as end:
                    judged: Judged = end.value
                    return judged
                if isinstance(happening, Progress):
                    yield self.standing(happening.phase, _share(happening))
                elif happening.arm == "distilled":
                    latest[happening.seed] = happening
                    part, lags = self._report(trial, recipe, latest, part)
                    if lags:
                        return None

    def _report(
        self, trial: Trial, recipe: Recipe, latest: Mapping[int, Event], part: int
    ) -> tuple[int, bool]:
        """Tell the pruner once all seeds have come so far; the part told, and whether to stop."""
        if not self.search.prunes or len(latest) < len(recipe.seeds):
            return part, False
        reached = min(event.step for event in latest.values()) * PARTS // recipe.training.steps
        if not part < reached < PARTS:
            return part, False
        mean = sum(event.metrics["accuracy"] for event in latest.values()) / len(latest)
        trial.report(mean, reached)
        return reached, trial.should_prune()


def _sampler(search: Search, tried: int) -> optuna.samplers.BaseSampler:
    seed = crc32(f"{search.seed} {tried}".encode())
    if search.prunes:
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION)


def _pruner(search: Search) -> optuna.pruners.BasePruner:
    if not search.prunes:  # Optuna prunes for one goal alone
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP_PARTS + 1)


def _suggest(trial: Trial, span: Span) -> Any:
    if span.choices:
        scalars: Any = span.choices  # of which a span checks that they are
        return trial.suggest_categorical(span.field, scalars)
    low, high = span.ends()
    if span.whole:
        return trial.suggest_int(span.field, low, high, log=span.log)
    return trial.suggest_float(span.field, low, high, log=span.log)


def _share(progress: Progress) -> float:
    """Of a setting, from its progress: the students' steps are what takes long."""
    return progress.done if progress.phase == "students" else 0.0


# what is told of a trial, beside Optuna's own: its figures, or why it failed


def _told(judged: Judged) -> dict[str, Any]:
    told: dict[str, Any] = {"accuracy": list(judged.accuracy)}
    if judged.cost is not None:
        cost = asdict(judged.cost)
        told |= {"parameters": cost["parameters"], "size": cost["bytes"]}
        told["latency_ms"] = cost["latency_ms"]
    return told


def _told_again(again: Tried) -> dict[str, Any]:
    told = {"parameters": again.parameters, "size": again.size, "latency_ms": again.latency_ms}
    return {**told, "accuracy": list(again.accuracy), "error": again.error}


def _tried_as(judged: Judged) -> Tried:
    told = _told(judged)
    return Tried(-1, {}, "finished", **{**told, "accuracy": judged.accuracy})


def _values(search: Search, tried: Tried) -> list[float]:
    """What Optuna is told, goal by goal."""
    mean = sum(tried.accuracy) / len(tried.accuracy)
    found = {"accuracy": mean, "size": tried.size, "latency": tried.latency_ms}
    return [float(found[goal] or 0) for goal in search.goals]


def _frozen(study: optuna.Study, trial: Trial) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[trial.number]


def all_tried(study: optuna.Study) -> list[Tried]:
    """All trials that count, in their order; the best of them are marked."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]
    best: set[int] = set()
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        best = {trial.number for trial in study.best_trials}
    return [_tried(trial, best=trial.number in best) for trial in trials]


def _tried(trial: FrozenTrial, *, best: bool = False) -> Tried:
    told = trial.user_attrs.get("told", {"error": KILLED_TWICE})
    values = {**told, "accuracy": tuple(told.get("accuracy", ()))}
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    fate = FATES[trial.state]
    return Tried(trial.number, trial.params, fate, seconds=seconds, best=best, **values)


# what was not tried to its end


def _counts(trial: FrozenTrial) -> bool:
    """Whether it is over for good: tried to its end, failed for a reason, or fatal twice."""
    if trial.state != TrialState.FAIL:
        return trial.state in FATES
    attributes = trial.user_attrs
    if attributes.get("told", {}).get("error"):
        return True
    return attributes.get("kills", 0) > 0 and "stopped" not in attributes


def _end_for_now(study: optuna.Study, trial: Trial) -> None:
    """End a trial that was stopped, and put its setting in line."""
    if _frozen(study, trial).state == TrialState.RUNNING:
        trial.set_user_attr("stopped", True)
        study.tell(trial, state=TrialState.FAIL)
        _queue_again(study, trial.params, trial.user_attrs.get("kills", 0))


def _put_back(study: optuna.Study) -> None:
    """End what is under way as its worker did, and put its setting in line, once."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        log.info("trial %d was under way when its worker ended", trial.number)
        ended = study.tell(trial.number, state=TrialState.FAIL)
        if not _counts(ended):
            _queue_again(study, trial.params, 1)


def _queue_again(study: optuna.Study, setting: Mapping[str, Any], kills: int) -> None:
    if setting:
        study.enqueue_trial(dict(setting), user_attrs={"kills": kills})
