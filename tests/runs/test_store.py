"""The store's contract, a test a sentence."""

import dataclasses
import threading

import pytest
from sqlalchemy import create_engine, update

from kdcore.errors import RunError, StoreError
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Arm, Event, Progress, Result
from kdcore.runs.schema import runs
from kdcore.runs.store import Ended, Store
from kdcore.settings import Settings
from kdcore.statistics import Difference

RECIPE = Recipe()


def result(**artifacts: str) -> Result:
    arms = {arm: Arm((0.5,), (0.5,), 1, 1) for arm in ARMS}
    gap = Difference(0.0, None, None, (0.0,))
    return Result(RECIPE, "too few seeds", gap, 1.0, arms, False, {}, artifacts)


def event(step: int) -> Event:
    return Event("control", 0, step, {"accuracy": 0.5}, 0.1)


@pytest.fixture
def running(store):
    return store.claim(store.submit(RECIPE, "mine").id)


def ended(store, name="mine", **artifacts):
    run = store.claim(store.submit(RECIPE, name).id)
    store.record(run, result=result(**artifacts))
    store.finish(run, "done")
    return store.get(run.id)


# submitting and reading


def test_a_submitted_run_is_queued_with_its_whole_recipe(store):
    run = store.submit(Recipe(temperature=7), "mine")
    assert (run.state, run.attempt, run.recipe.temperature) == ("queued", 0, 7)
    assert store.get(run.id) == run


def test_a_record_is_frozen(store):
    with pytest.raises(dataclasses.FrozenInstanceError):
        store.submit(RECIPE, "mine").state = "done"


def test_a_run_that_is_not_there_is_answered_in_a_sentence(store):
    with pytest.raises(RunError, match="there is no run 'nope'"):
        store.get("nope")


def test_runs_are_listed_newest_first_and_worked_on_oldest_first(store):
    ids = [store.submit(RECIPE, name).id for name in "abc"]
    assert [run.id for run in store.find()] == ids[::-1]
    assert [run.id for run in store.unfinished()] == ids
    assert store.count() == 3


def test_two_stores_on_one_database_see_each_others_runs(settings, store):
    run = store.submit(RECIPE, "mine")
    assert Store(settings).get(run.id) == run


def test_a_run_that_a_newer_version_wrote_hides_no_other(store, settings):
    theirs, mine = store.submit(RECIPE, "theirs"), store.submit(RECIPE, "mine")
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        newer = update(runs).where(runs.c.id == theirs.id).values(recipe='{"new": 1}')
        connection.execute(newer)
    engine.dispose()
    assert [run.name for run in store.find()] == ["mine"]
    assert [run.id for run in store.unfinished()] == [mine.id]
    with pytest.raises(StoreError, match=r"'theirs'.*cannot be read by this version"):
        store.get(theirs.id)


def test_a_run_remembers_the_cluster_it_was_handed_to(store):
    run = store.submit(RECIPE, "mine", "tcp://one:8786")
    assert run.cluster == "tcp://one:8786"
    store.interrupt(run.id, silent_since=run.heartbeat + 1)
    assert store.restart(run.id, "tcp://two:8786").cluster == "tcp://two:8786"


def test_the_files_that_runs_need_are_known(store):
    ended(store, logits="a.npz")
    ended(store, logits="a.npz", model="b.onnx")
    assert store.artifacts() == {"a.npz", "b.onnx"}


def test_the_done_runs_that_kept_a_file_are_listed_newest_first(store):
    ended(store, "without", model="b.onnx")
    first, second = (ended(store, name, logits="a.npz") for name in ("first", "second"))
    store.submit(RECIPE, "waiting")
    listed = store.done_with("logits")
    assert listed == [(run.id, run.name, run.created) for run in (second, first)]
    assert store.done_with("logits", limit=1) == listed[:1]
    assert [run.name for run in store.done()] == ["second", "first", "without"]
    assert store.done(limit=1) == listed[:1]


@pytest.mark.parametrize("text", ["100 %", "a_b", "Größe", "it's"])
def test_a_text_is_found_as_typed_and_nothing_else(store, text):
    store.submit(RECIPE, f"my {text} run")
    store.submit(RECIPE, "1000 axb Grosse its")
    assert [run.name for run in store.find(text=text)] == [f"my {text} run"]


def test_a_text_is_found_in_names_notes_and_tags(store):
    runs = [store.submit(RECIPE, name) for name in ("Apple", "b", "c", "d")]
    store.annotate(runs[1].id, note="an apple")
    store.annotate(runs[2].id, tags=["apples"])
    assert {run.name for run in store.find(text="apple")} == {"Apple", "b", "c"}


def test_runs_are_filtered_by_state_and_by_all_tags(store):
    first, second = (store.submit(RECIPE, name) for name in "ab")
    store.request_stop(second.id)
    store.annotate(first.id, tags=["x", "y"])
    store.annotate(second.id, tags=["x"])
    assert [r.id for r in store.find(states=["cancelled"])] == [second.id]
    assert [r.id for r in store.find(tags=["x", "y"])] == [first.id]
    assert store.tags() == ["x", "y"]


def test_a_tag_is_not_found_by_a_part_of_it(store):
    run = store.submit(RECIPE, "a")
    store.annotate(run.id, tags=["warm"])
    assert store.find(tags=["war"]) == []


# claims and attempts


def test_a_claim_is_a_new_attempt_that_starts_from_nothing(store, running):
    store.record(running, [event(1)], Progress("students", 0.5, 1.0), result(logits="a"))
    again = store.claim(running.id)
    assert (again.attempt, again.progress, again.result) == (2, None, None)
    assert store.events(running.id)[0] == []


def test_what_an_earlier_attempt_still_writes_changes_nothing(store, running):
    store.claim(running.id)
    assert store.record(running, [event(1)], Progress("students", 0.5, 1.0)) is False
    store.finish(running, "failed", "too late")
    after = store.get(running.id)
    assert (after.state, after.error, after.progress) == ("running", None, None)
    assert store.events(running.id)[0] == []


def test_a_run_that_was_cancelled_while_queued_is_not_claimed(store):
    run = store.submit(RECIPE, "mine")
    assert store.request_stop(run.id).state == "cancelled"
    assert store.claim(run.id) is None


def test_a_stop_that_came_between_two_attempts_cancels_the_next(store, running):
    store.request_stop(running.id)
    assert store.claim(running.id) is None
    assert store.get(running.id).state == "cancelled"


def test_several_are_claimed_at_once_but_for_those_no_longer_wanted(store):
    first, stopped, last = (store.submit(RECIPE, name).id for name in "abc")
    store.request_stop(stopped)
    assert [run.id for run in store.claim_all([last, stopped, first])] == [last, first]
    assert store.get(stopped).state == "cancelled"


def test_runs_that_were_handed_over_anew_are_left_to_their_new_task(store):
    run_id = store.submit(RECIPE, "mine").id
    assert store.claim_all([run_id], task="an older one") == []
    assert store.get(run_id).state == "queued"


def test_several_ends_are_written_at_once_each_with_what_came_of_it(store):
    one, other, over = store.claim_all([store.submit(RECIPE, name).id for name in "abc"])
    store.finish(over, "cancelled")
    ends = [Ended(one, "done", result=result()), Ended(other, "failed", "why")]
    store.finish_all([*ends, Ended(over, "done", result=result())])
    first, second, third = (store.get(run.id) for run in (one, other, over))
    assert (first.state, first.result) == ("done", result())
    assert (second.state, second.error, second.result) == ("failed", "why", None)
    assert (third.state, third.result) == ("cancelled", None)


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_run_that_has_ended_is_not_claimed(store, running, state):
    store.finish(running, state)
    assert store.claim(running.id) is None
    assert store.get(running.id).state == state


# recording


def test_a_record_says_whether_to_go_on(store, running):
    assert store.record(running, [event(1)]) is True
    store.request_stop(running.id)
    assert store.record(running, [event(2)]) is False


def test_events_are_read_on_from_a_mark(store, running):
    store.record(running, [event(1), event(2)])
    first, mark = store.events(running.id)
    store.record(running, [event(3)])
    second, _ = store.events(running.id, mark)
    assert [e.step for e in first] == [1, 2]
    assert second == [event(3)]


def test_a_record_is_a_sign_of_life(store, running):
    store.record(running)
    assert store.get(running.id).heartbeat > running.heartbeat


def test_a_run_that_has_ended_stays_as_it_is(store):
    run = ended(store)
    assert store.record(run, [event(1)], Progress("students", 0.1, None)) is False
    assert store.interrupt(run.id, silent_since=run.heartbeat + 100) is False
    assert store.get(run.id) == run


def test_writers_at_once_lose_nothing(store, settings, running):
    def write(number):
        mine = Store(settings)
        for step in range(10):
            mine.record(running, [event(100 * number + step)])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = sorted(e.step for e in store.events(running.id)[0])
    assert steps == [100 * number + step for number in range(4) for step in range(10)]


# ends


def test_only_a_silent_run_is_interrupted(store, running):
    assert store.interrupt(running.id, silent_since=running.heartbeat - 1) is False
    assert store.interrupt(running.id, silent_since=running.heartbeat) is True
    assert store.get(running.id).state == "interrupted"


def test_a_run_that_its_worker_could_not_end_is_failed_from_outside(store, running):
    store.fail(running.id, "the worker is gone")
    after = store.get(running.id)
    assert (after.state, after.error) == ("failed", "the worker is gone")
    done = ended(store)
    store.fail(done.id, "too late")
    assert store.get(done.id) == done


@pytest.mark.parametrize("state", ["failed", "interrupted", "cancelled"])
def test_a_run_that_did_not_finish_starts_again_from_nothing(store, running, state):
    store.record(running, progress=Progress("students", 0.5, 1.0))
    store.finish(running, state, "a reason")
    again = store.restart(running.id)
    assert (again.state, again.error, again.progress, again.finished) == (
        *("queued", None, None, None),
    )
    assert store.claim(running.id).attempt == 2


def test_a_finished_run_does_not_start_again(store):
    with pytest.raises(RunError, match="'mine' is done"):
        store.restart(ended(store).id)


# words


def test_names_tags_and_notes_are_trimmed_and_kept(store):
    run = ended(store)
    changed = store.annotate(run.id, name=" new ", tags=["b ", "a", "a", " "], note=" why\n")
    assert (changed.name, changed.tags, changed.note) == ("new", ("a", "b"), "why")
    assert dataclasses.replace(changed, name=run.name, tags=(), note="") == run


def test_a_run_needs_a_name(store):
    with pytest.raises(RunError, match="a run needs a name"):
        store.annotate(store.submit(RECIPE, "mine").id, name="  ")


# deleting


def test_a_run_under_way_is_not_deleted(store, running):
    with pytest.raises(RunError, match="cancel it before you delete it"):
        store.delete(running.id)


def test_deleting_names_the_artifacts_that_no_other_run_needs(store):
    first = ended(store, "one", shared="s.npz", own="a.npz")
    second = ended(store, "two", shared="s.npz", own="b.npz")
    assert store.delete(first.id) == ("a.npz",)
    assert set(store.delete(second.id)) == {"s.npz", "b.npz"}
    assert store.count() == 0


# the catalogue


def test_a_catalogue_is_kept_under_its_id(store):
    assert store.catalogue("x") is None
    store.keep_catalogue("x", "one")
    store.keep_catalogue("x", "two")
    assert store.catalogue("x") == "two"


# databases that cannot be used


def unusable(home, url):
    with pytest.raises(StoreError) as caught:
        Store(Settings(home, home / "data", url))
    sentence = str(caught.value)
    assert "KDCORE_DATABASE_URL" in sentence
    assert "\n" not in sentence
    return sentence


def test_a_database_that_cannot_be_opened_is_a_sentence(home):
    assert "unable to open database file" in unusable(home, f"sqlite:///{home}/none/kd.db")


def test_a_url_that_is_none_is_a_sentence(home):
    assert "not a database" in unusable(home, "what is this")


def test_a_password_is_never_shown(home):
    for url in ("postgresql://me:hush@127.0.0.1:1/kd", "mysql://me:hush@127.0.0.1:1/kd"):
        assert "hush" not in unusable(home, url)


def test_a_file_that_is_no_database_is_a_sentence(home):
    home.mkdir()
    (home / "kd.db").write_text("not a database at all, but long enough to be looked at" * 20)
    assert "file is not a database" in unusable(home, f"sqlite:///{home / 'kd.db'}")
