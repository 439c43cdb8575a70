"""Searches in the store and in a worker: no trial is lost, and none is counted twice."""

import pytest
from sqlalchemy import create_engine, inspect, text

from kdcore.errors import RecipeError, RunError
from kdcore.recipe import Recipe
from kdcore.runs import schema, worker
from kdcore.runs.searches import Searches
from kdcore.runs.store import Store
from kdcore.search import Search


@pytest.fixture
def searches(store, settings) -> Searches:
    return Searches(store, settings)


@pytest.fixture
def small(quick) -> Search:
    """Six settings of tiny students."""
    quick = quick.model_copy(update={"seeds": (0, 1)})
    return Search(recipe=quick, space=[{"field": "temperature", "low": 1, "high": 9}], trials=6)


@pytest.fixture
def work(searches, settings):
    """Work on a search turn by turn, as the workers of a cluster would; returns it as it stands."""

    def do(search_id):
        while in_turn(searches, search_id, settings):
            pass
        return searches.get(search_id)

    return do


def in_turn(searches, search_id, settings):
    """Work on a search for one turn; whether there are more."""
    return worker.execute_search(search_id, searches.get(search_id).handed, settings) is not None


def settings_of(searches, search_id):
    return [each.setting for each in searches.tried(search_id)]


def stop_after(monkeypatch, searches, count):
    """Ask for a stop once so many trials have been told of."""
    record = Searches.record

    def recorded(self, search, standing=None, seconds=None):
        if standing is not None and standing.tried == count:
            self.request_stop(search.id)
        return record(self, search, standing, seconds)

    monkeypatch.setattr(Searches, "record", recorded)


def test_a_search_is_done_when_its_budget_is_used(searches, small, work):
    search = work(searches.submit(small, "mine").id)
    assert (search.state, search.error, search.standing.tried) == ("done", None, 6)
    assert search.standing.done == 1.0
    tried = searches.tried(search.id)
    assert [each.number for each in tried] == list(range(6))
    assert {each.fate for each in tried} <= {"finished", "given up"}
    assert any(each.best for each in tried)
    assert search.seconds > 0


def test_a_search_that_is_stopped_keeps_what_it_tried_and_goes_on_from_there(
    searches, small, work, monkeypatch
):
    whole = work(searches.submit(small, "whole").id)
    search = searches.submit(small, "mine")
    with monkeypatch.context() as patched:
        stop_after(patched, searches, 3)
        assert work(search.id).state == "cancelled"
    before = searches.tried(search.id)
    assert len(before) == 3
    searches.resume(search.id)
    assert work(search.id).state == "done"
    assert searches.tried(search.id)[:3] == before or len(searches.tried(search.id)) == 6
    assert settings_of(searches, search.id) == settings_of(searches, whole.id)


def test_a_search_goes_on_after_its_worker_was_killed_and_counts_no_trial_twice(
    searches, small, work, monkeypatch, settings
):
    whole = work(searches.submit(small, "whole").id)
    search = searches.submit(small, "mine")
    killed(monkeypatch, lambda: work(search.id), trial=3)
    assert searches.get(search.id).state == "running"
    later = Searches(Store(settings), settings)  # as after a restart
    assert work(search.id).state == "done"
    assert settings_of(later, search.id) == settings_of(searches, whole.id)


def killed(monkeypatch, work, trial):
    """Let a worker end, without a word, while it trains a trial's students."""
    from kdcore import studies
    from kdcore.candidate import Candidates

    judge, begun = Candidates.judge, []

    def judging(self, recipe, **options):
        begun.append(recipe)
        if len(begun) > trial:
            raise KeyboardInterrupt
        return judge(self, recipe, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Candidates, "judge", judging)
        patched.setattr(studies, "_end_for_now", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            work()


def test_a_setting_that_kills_its_worker_twice_is_not_tried_again(
    searches, small, work, monkeypatch
):
    search = searches.submit(small, "mine")
    for trial in (2, 0):
        killed(monkeypatch, lambda: work(search.id), trial)
    assert work(search.id).state == "done"
    tried = searches.tried(search.id)
    failed = [each for each in tried if each.fate == "failed"]
    assert len(tried) == 6
    assert len(failed) == 1
    assert "its worker ended twice" in failed[0].error


def test_seconds_that_were_used_stay_used(searches, small, work, monkeypatch):
    monkeypatch.setattr(worker, "TURN_SECONDS", 0.0)
    search = searches.submit(small, "mine")
    worker_turns = []
    while in_turn(searches, search.id, searches._settings):
        worker_turns.append(searches.get(search.id).seconds)
    assert worker_turns == sorted(worker_turns)
    assert len(worker_turns) >= 5
    assert len(searches.tried(search.id)) == 6


def test_a_budget_of_minutes_ends_it_as_well(searches, small, work):
    timed = Search(**{**small.model_dump(), "trials": None, "minutes": 0.02})
    search = work(searches.submit(timed, "mine").id)
    assert search.state == "done"
    assert search.seconds >= 1.2
    assert searches.tried(search.id)


def test_a_search_that_is_done_goes_on_with_more_of_a_budget(searches, small, work):
    search = work(searches.submit(small, "mine").id)
    with pytest.raises(RunError, match="more of a budget"):
        searches.resume(search.id)
    assert searches.resume(search.id, trials=3).search.trials == 9
    assert len(searches.tried(work(search.id).id)) == 9


def test_a_search_of_what_cannot_be_run_fails_in_a_sentence(searches, small, work):
    wrong = small.recipe.model_copy(update={"task": "digit"})
    search = work(searches.submit(Search(**{**small.model_dump(), "recipe": wrong}), "mine").id)
    assert search.state == "done"  # each of its six settings says so itself
    assert {each.fate for each in searches.tried(search.id)} == {"failed"}
    longer = Search(**{**small.model_dump(), "recipe": wrong, "trials": 50})
    search = work(searches.submit(longer, "mine").id)
    assert search.state == "failed"
    assert "all of the first 10 settings failed; the last said: no task 'digit'" in search.error


def test_a_queued_search_is_stopped_at_once_and_a_deleted_one_leaves_no_trial(
    searches, small, work
):
    search = searches.submit(small, "mine")
    with pytest.raises(RunError, match="stop it before"):
        searches.delete(search.id)
    assert searches.request_stop(search.id).state == "cancelled"
    assert work(search.id).attempt == 0
    searches.delete(search.id)
    for gone in (searches.get, searches.tried):
        with pytest.raises(RunError, match="may have been deleted"):
            gone(search.id)
    assert searches.find() == []


def test_searches_are_listed_newest_first(searches, small):
    first, second = (searches.submit(small, name) for name in ("first", "second"))
    assert [each.id for each in searches.find()] == [second.id, first.id]


def test_a_run_of_the_same_recipe_is_found(searches, store, quick):
    assert searches.run_of(quick) is None
    cancelled = store.submit(quick, "cancelled")
    store.request_stop(cancelled.id)
    assert searches.run_of(quick) is None
    run = store.submit(quick, "mine")
    assert searches.run_of(Recipe(**{**quick.model_dump(), "title": "same"})).id == run.id


# Optuna's tables beside ours


def test_optunas_tables_stand_beside_ours_and_each_knows_its_own_version(searches, small, settings):
    searches.submit(small, "mine")
    engine = create_engine(settings.database_url)
    with engine.connect() as connection:
        theirs = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    assert theirs.startswith("v")
    assert schema.revision(engine) == schema.HEAD
    Store(settings)  # opens as ever
    engine.dispose()


def former_database(settings, revision="0003"):
    """A database as it was before there were searches."""
    from alembic import command
    from alembic.config import Config

    settings.ready_home()
    engine = create_engine(settings.database_url)
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(text(f"DROP TABLE {schema.VERSION_TABLE}"))
        connection.execute(
            text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        )
        connection.execute(text(f"INSERT INTO alembic_version VALUES ('{revision}')"))
    return engine


@pytest.mark.parametrize("revision", schema.FORMER)
def test_a_database_from_before_searches_is_brought_over(settings, small, revision):
    engine = former_database(settings, revision)
    assert schema.revision(engine) == revision
    store = Store(settings)
    assert schema.revision(engine) == schema.HEAD
    assert "alembic_version" not in inspect(engine).get_table_names()
    searches = Searches(store, settings)
    searches.submit(small, "mine")
    assert len(searches.find()) == 1
    engine.dispose()


def test_what_is_no_extension_is_said(small):
    with pytest.raises(RecipeError, match="nothing to extend"):
        small.extended()


def test_a_turn_that_was_handed_over_before_a_stop_claims_nothing(searches, small, settings):
    search = searches.submit(small, "mine")
    searches.request_stop(search.id)
    again = searches.resume(search.id)
    assert worker.execute_search(search.id, search.handed, settings) is None
    assert searches.tried(search.id) == []
    assert searches.get(search.id).state == "queued"
    searches.fail(search.id, "its worker is gone", search.handed)
    assert searches.get(search.id).state == "queued"
    assert searches.claim(search.id, again.handed) is not None


def test_a_search_that_waits_for_its_next_turn_stops_at_once(
    searches, small, settings, monkeypatch
):
    monkeypatch.setattr(worker, "TURN_SECONDS", 0.0)
    search = searches.submit(small, "mine")
    assert in_turn(searches, search.id, settings)
    assert searches.request_stop(search.id).state == "cancelled"


def test_the_test_figure_of_one_setting_is_taken_and_of_no_other(searches, small, store, quick):
    search = searches.submit(small, "mine")
    run = store.submit(quick, "its test figure")
    searches.took_test(search.id, 2, run.id)
    assert searches.took_test(search.id, 2, run.id).tested == 2
    with pytest.raises(RunError, match="of another setting was taken"):
        searches.took_test(search.id, 3, run.id)
