"""What a page asks the cluster before anything is run: sizes, samples, forecasts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kdcore.errors import KdError
from kdcore.forecast import UNTOLD, Forecast
from kdcore.pipeline import Pipeline
from kdcore.recipe import ModelChoice
from kdcore.runs.line import Line, addresses
from kdcore.samples import Samples
from kdcore.settings import Settings
from kdcore.sweep import Sweep
from kdcore.trial import Trial
from kdcore.waterfall import Foreseen

log = logging.getLogger(__name__)

SIZES_SECONDS = 0.5
"""So long a page waits at most for what it can do without."""

FORECASTS = 256
"""That are remembered."""


class Asking(Line):
    """A line over which things are asked; a worker that is busy with a run is never disturbed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._forecasts: dict[str, Forecast] = {}
        self._foreseeing = threading.Lock()
        self._aside = ThreadPoolExecutor(2, "sizes")

    def sizes(
        self, choice: ModelChoice, input_shape: tuple[int, ...], classes: int
    ) -> tuple[int, int] | None:
        """Parameters and multiply-accumulates before anything is trained; None while the engine
        is not there yet, or busy. Raises RecipeError on options the architecture does not take.
        """
        client = self._client
        if client is None or client.status != "running":
            return None

        def measure(text: str) -> tuple[int, int] | None:
            from kdcore.recipe import ModelChoice
            from kdcore.runs.answering import sizes

            return sizes(ModelChoice.model_validate_json(text), input_shape, classes)

        workers = addresses(client, 1)
        if not workers:
            return None
        asked = self._aside.submit(client.run, measure, choice.model_dump_json(), workers=workers)
        try:
            answers = asked.result(SIZES_SECONDS)
        except KdError:
            raise
        except Exception as error:  # a nicety: whatever is wrong with it, the page goes on
            log.warning("no sizes from the engine: %s", error)
            return None
        found: tuple[int, int] | None = next(iter(answers.values()))
        return found

    def samples(self, task: str) -> Samples | None:
        """A task's samples to look at, downloaded first where need be; None while the engine is
        not there yet, or busy. Raises DataError where the data cannot be had.
        """

        async def look(environment: dict[str, str]) -> Any:
            # beside the worker's own thread: a download takes minutes, and must stop no run
            from asyncio import to_thread

            from kdcore.runs.answering import samples
            from kdcore.settings import Settings

            return await to_thread(samples, task, Settings.from_environment(environment))

        found: Samples | None = self._asked_aside(look)
        return found

    def trial(self, own_teacher: str, task: str) -> Trial | None:
        """An own teacher tried on a task whose files are there; None while the engine is not
        there yet, or busy. Raises KdError, a sentence, where it does not fit or fails.
        """

        async def look(environment: dict[str, str]) -> Any:
            from asyncio import to_thread

            from kdcore.runs.answering import trial
            from kdcore.settings import Settings

            settings = Settings.from_environment(environment)
            return await to_thread(trial, own_teacher, task, settings)

        found: Trial | None = self._asked_aside(look)
        return found

    def foresee(self, pipeline: Pipeline) -> tuple[Foreseen, ...] | None:
        """What shapes tell of a pipeline without axes, empty where its data are not there yet; None
        while the engine is not there yet, or busy. Raises RecipeError where a stage cannot be done.
        """

        async def look(environment: dict[str, str]) -> Any:
            from asyncio import to_thread

            from kdcore.runs.answering import foresee
            from kdcore.settings import Settings

            return await to_thread(foresee, pipeline, Settings.from_environment(environment))

        found: tuple[Foreseen, ...] | None = self._asked_aside(look)
        return found

    def forecast(self, work: Sweep | Pipeline) -> Forecast | None:
        """How long a sweep will take, or what a pipeline trains; None while nobody has had the
        time to try: ask again soon, this never waits.
        """
        key = work.training_id if isinstance(work, Pipeline) else work.id
        found = self._forecasts.get(key)
        wanted = found is None or not found.fetched  # the data may have come since
        if wanted and self._client is not None and self._foreseeing.acquire(blocking=False):
            threading.Thread(target=self._foresee, args=(work, key), daemon=True).start()
        return found

    def _foresee(self, work: Sweep | Pipeline, key: str) -> None:
        async def look(environment: dict[str, str]) -> Any:
            from asyncio import to_thread

            from kdcore.runs.answering import forecast
            from kdcore.settings import Settings

            return await to_thread(forecast, work, Settings.from_environment(environment))

        try:
            found = self._asked_aside(look)
            if found is not None:
                self._remember(key, found)
        except KdError as error:  # it is said again where the sweep is run
            log.info("no forecast: %s", error)
            self._remember(key, UNTOLD)
        finally:  # whatever went wrong, the next one who asks is answered
            self._foreseeing.release()

    def _remember(self, key: str, found: Forecast) -> None:
        while len(self._forecasts) >= FORECASTS:
            self._forecasts.pop(next(iter(self._forecasts)))
        self._forecasts[key] = found

    def _asked_aside(self, look: Callable[[dict[str, str]], Any]) -> Any:
        """What the first worker answers that is not at work; None where there is none."""
        client = self._client
        if client is None or client.status != "running":
            return None
        environment = self.settings.environment()
        for worker in addresses(client, -1):
            try:
                (found,) = client.run(look, environment, workers=[worker]).values()
            except KdError:
                raise
            except Exception as error:  # a worker that is gone; the page asks again
                log.warning("no answer from %s: %s", worker, error)
                continue
            if found is not None:
                return found
        return None
