"""What a page asks the cluster, of a cluster that ends as it is asked."""

import pytest

from kdcore.errors import RecipeError
from kdcore.forecast import UNFETCHED, Forecast
from kdcore.recipe import ModelChoice
from kdcore.runs.asking import Asking
from kdcore.sweep import Sweep
from tests.processes import eventually

WORK = Sweep(axes=[{"field": "temperature", "values": [1, 4]}])


class Ended:
    """A client of a cluster that has ended since it was last looked at."""

    status = "running"

    def scheduler_info(self, n_workers):
        raise RuntimeError("IOLoop is closed")


class There:
    """A client of a cluster with one worker, which answers that, or raises it."""

    status = "running"

    def __init__(self, found):
        self.found = found

    def scheduler_info(self, n_workers):
        return {"workers": {"tcp://one": {}}}

    def run(self, look, environment, workers):
        if isinstance(self.found, Exception):
            raise self.found
        return {workers[0]: self.found}


@pytest.fixture
def asking(settings) -> Asking:
    return Asking(settings)


def answered(asking, client) -> Forecast | None:
    """What a page is told that asks once, waits, and asks again."""
    asking._client = client
    asking.forecast(WORK)
    assert eventually(lambda: not asking._foreseeing.locked())
    return asking.forecast(WORK)


def test_a_forecast_is_had_after_one_that_a_cluster_did_not_live_to_answer(asking):
    assert answered(asking, Ended()) is None
    assert eventually(lambda: not asking._foreseeing.locked())
    assert answered(asking, There(Forecast(1.0, 2.0))) == Forecast(1.0, 2.0)


def test_what_cannot_be_run_is_asked_about_once(asking):
    assert not answered(asking, There(RecipeError("no such task"))).told
    assert not answered(asking, There(Forecast(1.0, 2.0))).told


def test_of_data_that_are_not_there_yet_is_asked_again(asking):
    assert not answered(asking, There(UNFETCHED)).told
    assert eventually(lambda: not asking._foreseeing.locked())
    assert answered(asking, There(Forecast(1.0, 2.0))) == Forecast(1.0, 2.0)


def test_of_a_cluster_that_has_ended_a_page_hears_nothing(asking):
    asking._client = Ended()
    assert asking.samples("digits") is None
    assert asking.sizes(ModelChoice(), (1, 8, 8), 10) is None
    assert asking.workers == 1
