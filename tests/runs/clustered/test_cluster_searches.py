"""Searches in a real cluster, and the test figure of one of their settings."""

import os
import time

import pytest

from kdcore.errors import RunError
from kdcore.runs import runner, worker
from kdcore.runs.runner import Runner
from kdcore.search import Search, ranked, recipe_for_test
from kdcore.settings import Settings
from tests.processes import eventually, kill_cluster, kill_workers
from tests.runs.clustered.watched import state


@pytest.fixture
def hunt(quick) -> Search:
    """Some seconds of work."""
    quick = quick.model_copy(update={"seeds": (0, 1)})
    return Search(recipe=quick, space=[{"field": "temperature", "low": 1, "high": 9}], trials=25)


def search_state(run_it, search) -> str:
    return run_it.searches.get(search.id).state


def test_a_search_in_the_cluster_lets_a_run_in_that_came_later(run_it, quick, hunt):
    endless = hunt.model_copy(update={"trials": None, "minutes": 30.0})
    searching = [
        run_it.submit_search(endless, "mine") for _ in range(max(1, (os.cpu_count() or 2) - 1))
    ]
    assert eventually(lambda: all(run_it.searches.tried(each.id) for each in searching))
    run = run_it.submit(quick, "later")
    assert eventually(lambda: state(run_it, run) == "done")
    assert {search_state(run_it, each) for each in searching} <= {"queued", "running"}
    for each in searching:
        run_it.searches.request_stop(each.id)
    assert eventually(lambda: {search_state(run_it, each) for each in searching} == {"cancelled"})


@pytest.mark.slow
def test_a_killed_workers_search_goes_on_and_loses_no_trial(run_it, hunt):
    searching = run_it.submit_search(hunt, "mine")
    assert eventually(lambda: len(run_it.searches.tried(searching.id)) >= 3)
    before = run_it.searches.tried(searching.id)[:3]
    kill_workers(run_it.settings.home)
    assert eventually(lambda: search_state(run_it, searching) == "done")
    tried = run_it.searches.tried(searching.id)
    assert len(tried) == 25
    assert [each.setting for each in tried[:3]] == [each.setting for each in before]


@pytest.mark.slow
def test_a_killed_clusters_search_is_interrupted_and_goes_on(run_it, hunt, monkeypatch):
    monkeypatch.setattr(runner, "SILENT_SECONDS", 0.5)
    searching = run_it.submit_search(hunt, "mine")
    assert eventually(lambda: len(run_it.searches.tried(searching.id)) >= 3)
    kill_cluster(run_it.settings.home)
    time.sleep(1)
    run_it.reconcile()
    assert search_state(run_it, searching) == "interrupted"
    again = Runner(Settings.from_environment())  # as after a restart of the app
    again.resume_search(searching.id)
    assert eventually(lambda: search_state(again, searching) == "done")
    assert len(again.searches.tried(searching.id)) == 25
    again.close()


@pytest.fixture
def tried_out(run_it, hunt, monkeypatch):
    """A search that is done, worked on here; and runs that are only queued."""
    monkeypatch.setattr(run_it, "_connected", lambda: None)
    monkeypatch.setattr(run_it, "_cluster", lambda client: "elsewhere tcp://127.0.0.1:1")
    monkeypatch.setattr(run_it, "_hand_over", lambda client, run: run)
    short = hunt.model_copy(update={"trials": 3})
    search = run_it.searches.submit(short, "mine", "elsewhere tcp://127.0.0.1:1")
    while worker.execute_search(search.id, run_it.searches.get(search.id).handed, run_it.settings):
        pass
    yield search
    for run in run_it.store.unfinished():
        run_it.cancel(run.id)


def test_the_test_figure_is_taken_by_an_ordinary_run_with_its_control(run_it, tried_out):
    best = ranked(run_it.searches.tried(tried_out.id))[0]
    run = run_it.take_test(tried_out.id, best.number)
    assert run.recipe.temperature == best.setting["temperature"]
    assert len(run.recipe.seeds) == 5
    search = run_it.searches.get(tried_out.id)
    assert (search.tested, run_it.searches.test_of(search).id) == (best.number, run.id)


def test_a_run_of_the_same_recipe_is_taken_as_it_is(run_it, tried_out):
    best = ranked(run_it.searches.tried(tried_out.id))[0]
    there = run_it.store.submit(recipe_for_test(tried_out.search, best), "there already")
    assert run_it.take_test(tried_out.id, best.number).id == there.id


def test_the_test_figure_of_a_second_setting_is_refused(run_it, tried_out):
    best, second = ranked(run_it.searches.tried(tried_out.id))[:2]
    run = run_it.take_test(tried_out.id, best.number)
    with pytest.raises(RunError, match="the test split itself would choose"):
        run_it.take_test(tried_out.id, second.number)
    assert run_it.take_test(tried_out.id, best.number).id == run.id


def test_a_trial_that_there_is_not_has_no_test_figure(run_it, tried_out):
    with pytest.raises(RunError, match="has no trial 99"):
        run_it.take_test(tried_out.id, 99)
