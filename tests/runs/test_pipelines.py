"""Pipelines in the store and in a worker: kept with their files, and never written to twice."""

import os
import signal
import time
from functools import partial

import psutil
import pytest

from kdcore.errors import RecipeError, RunError
from kdcore.pipeline import Pipeline
from kdcore.result import Event, Progress
from kdcore.runs import answering, runner, worker
from kdcore.runs.pipelines import Member, Pipelines
from kdcore.runs.runner import Runner
from kdcore.settings import Settings
from kdcore.shelf import Shelf
from kdcore.stages.foresee import foreseen
from kdcore.waterfall import Lap
from tests.piped import PIPELINE, RECIPE, finished
from tests.processes import cluster_pid, eventually, kill_cluster
from tests.runs.acted import acted

acting = partial(acted, "kdcore.stages.run_members")
"""Let every pipeline tell these, each with its member's place."""


@pytest.fixture
def pipelines(store) -> Pipelines:
    return Pipelines(store)


@pytest.fixture
def shelf(settings) -> Shelf:
    return Shelf(settings.ready_home() / "artifacts")


@pytest.fixture
def result(shelf):
    return finished(shelf)


def told_of(result, place=0):
    return [(place, row) for row in result.rows] + [(place, result)]


PROGRESS = Progress("compressing", 0.5, None)


def test_what_came_of_a_pipeline_is_read_as_it_was_told(pipelines, settings, result, monkeypatch):
    acting(monkeypatch, (0, PROGRESS), *told_of(result))
    submitted = pipelines.submit(PIPELINE, "mine")
    assert (submitted.state, submitted.members) == ("queued", (Member(),))
    worker.execute_pipeline(submitted.id, settings)
    found = pipelines.get(submitted.id)
    assert (found.state, found.error, found.progress) == ("done", None, PROGRESS)
    assert found.pipeline == PIPELINE
    assert found.members == (Member(result.rows, result),)
    assert [each[1:] for each in pipelines.done()] == [("mine", result)]


def test_what_is_done_is_listed_without_being_read_and_its_results_are_had_by_its_id(
    pipelines, settings, result, monkeypatch
):
    told = told_of(result)
    first, second = (pipelines.submit(PIPELINE, name).id for name in ("first", "second"))
    for pipeline_id in (second, first):
        acting(monkeypatch, *told)
        worker.execute_pipeline(pipeline_id, settings)
    pipelines.submit(PIPELINE, "not done")
    assert pipelines.results(second) == [("second", result, 0)]
    assert pipelines.results("of no pipeline") == []
    monkeypatch.setattr("kdcore.runs.pipelines._pipeline", None)  # nothing can be read
    assert [(each.id, each.name) for each in pipelines.listed()] == [
        *((second, "second"), (first, "first"))
    ]


def test_rows_are_told_of_before_the_end(pipelines, settings, result, monkeypatch):
    seen = []
    look = lambda: seen.append(pipelines.find()[0])  # noqa: E731
    rows = told_of(result)
    acting(monkeypatch, *rows[:2], look, *rows[2:])
    pipelines.submit(PIPELINE, "mine")
    worker.execute_pipeline(pipelines.find()[0].id, settings)
    assert seen[0].state == "running"
    assert seen[0].members[0].rows == result.rows[:2]
    assert pipelines.done()[0][2] == result


def test_a_pipeline_that_is_stopped_keeps_the_rows_it_had_and_starts_again_from_nothing(
    pipelines, settings, result, monkeypatch
):
    submitted = pipelines.submit(PIPELINE, "mine")
    stop = lambda: pipelines.request_stop(submitted.id)  # noqa: E731
    acting(monkeypatch, *told_of(result)[:3], stop, (0, PROGRESS), *told_of(result)[3:])
    worker.execute_pipeline(submitted.id, settings)
    stopped = pipelines.get(submitted.id)
    assert (stopped.state, stopped.ended) == ("cancelled", True)
    assert stopped.members[0].rows == result.rows[:3]
    again = pipelines.restart(submitted.id)
    assert (again.state, again.members, again.progress) == ("queued", (Member(),), None)
    acting(monkeypatch, *told_of(result))
    worker.execute_pipeline(submitted.id, settings)
    assert pipelines.get(submitted.id).state == "done"
    with pytest.raises(RunError, match="is done; only one that was stopped"):
        pipelines.restart(submitted.id)


def test_a_queued_pipeline_stops_at_once_and_is_not_begun(pipelines, settings):
    submitted = pipelines.submit(PIPELINE, "mine")
    assert pipelines.request_stop(submitted.id).state == "cancelled"
    worker.execute_pipeline(submitted.id, settings)
    assert pipelines.get(submitted.id).attempt == 0


def test_what_an_earlier_attempt_still_writes_changes_nothing(pipelines, result):
    submitted = pipelines.submit(PIPELINE, "mine")
    killed = pipelines.claim(submitted.id)
    now = pipelines.claim(submitted.id)
    assert not pipelines.record(killed, members=[Member(result.rows, result)])
    pipelines.finish(killed, "failed", "too late")
    assert pipelines.record(now, (0, PROGRESS))
    found = pipelines.get(submitted.id)
    assert (found.state, found.attempt, found.members) == ("running", 2, (Member(),))


def test_what_members_tell_while_they_train_is_read_member_by_member(
    pipelines, settings, result, monkeypatch
):
    seen, event = [], Event("teacher", 0, 20, {"accuracy": 0.9}, 1.0)
    beside, lap = Lap(None, 0, 10, 0.91), Lap(1, 2, 30, 0.93)
    look = lambda: seen.append(pipelines.heard(submitted.id, 0))  # noqa: E731
    several = Pipeline(
        **PIPELINE.model_dump(exclude={"axes"}),
        axes=[{"field": "stages.0.share", "values": [0.5, 0.9]}],
    )
    rows = told_of(result)
    acting(
        *(monkeypatch, (0, event), (0, beside), rows[0], look),
        *((0, lap), *rows[1:], (1, lap), *told_of(result, place=1)),
    )
    submitted = pipelines.submit(several, "mine")
    worker.execute_pipeline(submitted.id, settings)
    assert seen == [([event], [beside])]  # while it is under way
    assert pipelines.heard(submitted.id, 0) == ([event], [beside, lap])
    assert pipelines.heard(submitted.id, 1) == ([], [lap])
    pipelines.delete(submitted.id)
    assert pipelines.heard(submitted.id, 0) == ([], [])


def test_another_attempt_tells_from_the_beginning(pipelines, settings, result, monkeypatch):
    submitted, lap = pipelines.submit(PIPELINE, "mine"), Lap(1, 2, 30, 0.93)
    acting(monkeypatch, (0, lap), (0, PROGRESS), (0, RecipeError("no")))
    worker.execute_pipeline(submitted.id, settings)
    assert pipelines.heard(submitted.id, 0) == ([], [lap])
    acting(monkeypatch, *told_of(result))
    pipelines.restart(submitted.id)
    worker.execute_pipeline(submitted.id, settings)
    assert pipelines.heard(submitted.id, 0) == ([], [])


def test_how_long_its_training_takes_is_told_unless_the_worker_is_at_work(settings):
    assert answering.forecast(PIPELINE, settings).students > 0
    with worker.AT_WORK:
        assert answering.forecast(PIPELINE, settings) is None


def test_a_failure_is_kept_as_its_sentence(pipelines, settings, monkeypatch):
    acting(monkeypatch, (0, RecipeError("no channels can be taken out")))
    submitted = pipelines.submit(PIPELINE, "mine")
    worker.execute_pipeline(submitted.id, settings)
    found = pipelines.get(submitted.id)
    assert (found.state, found.error) == ("failed", "no channels can be taken out")
    acting(monkeypatch, ValueError("of no use"))
    pipelines.restart(submitted.id)
    worker.execute_pipeline(submitted.id, settings)
    assert "unexpected error" in pipelines.get(submitted.id).error


def test_of_several_settings_one_that_fails_leaves_the_others(
    pipelines, settings, result, monkeypatch
):
    axes = [{"field": "stages.0.share", "values": [0.5, 0.9]}]
    several = Pipeline(**PIPELINE.model_dump(exclude={"axes"}), axes=axes)
    acting(monkeypatch, *told_of(result), (1, RecipeError("less than one channel")))
    submitted = pipelines.submit(several, "mine")
    worker.execute_pipeline(submitted.id, settings)
    found = pipelines.get(submitted.id)
    assert found.state == "done"
    assert [member.error for member in found.members] == [None, "less than one channel"]
    assert [each[1:] for each in pipelines.done()] == [("mine: stages.0.share 0.5", result)]


# files


def names(result):
    files = [row.file for row in result.rows]
    return {name for file in files for name in (file.onnx, file.weights) if name}


def test_the_files_of_a_pipeline_are_needed_until_it_is_deleted(
    pipelines, settings, store, shelf, result, monkeypatch
):
    acting(monkeypatch, *told_of(result))
    submitted = pipelines.submit(PIPELINE, "mine")
    worker.execute_pipeline(submitted.id, settings)
    assert store.artifacts() == names(result)
    shelf.sweep(store.artifacts(), older_than=-1)
    assert all(shelf.get(name) for name in names(result))
    assert set(pipelines.delete(submitted.id)) == names(result)
    assert store.artifacts() == set()
    with pytest.raises(RunError, match="no pipeline"):
        pipelines.get(submitted.id)


def test_files_that_a_run_or_another_pipeline_needs_as_well_are_no_orphans(
    pipelines, store, quick, result
):
    found = [pipelines.claim(pipelines.submit(PIPELINE, name).id) for name in ("one", "other")]
    for run in found:
        pipelines.record(run, members=[Member(result.rows, result)])
        pipelines.finish(run, "done")
    assert pipelines.delete(found[0].id) == ()
    shared = result.rows[0].file.onnx
    with store.begin() as connection:
        run = store.submit(quick, "a run")
        store.request_stop(run.id)
        connection.exec_driver_sql(
            "INSERT INTO artifacts (run_id, role, name) VALUES (?, 'teacher.onnx', ?)",
            (run.id, shared),
        )
    assert store.delete(run.id) == ()
    assert set(pipelines.delete(found[1].id)) == names(result)


def test_a_pipeline_under_way_is_counted_among_those_that_wait_and_is_not_deleted(pipelines, store):
    submitted = pipelines.submit(PIPELINE, "mine")
    assert store.waiting() == pipelines.unfinished() == 1
    with pytest.raises(RunError, match="stop it before you delete it"):
        pipelines.delete(submitted.id)


# what is known before


def test_sizes_are_foreseen_from_shapes_alone(home):
    several = Pipeline(
        recipe=RECIPE,
        stages=[
            {"kind": "prune", "what": "weights", "share": 0.5},
            {"kind": "fine-tune"},
            {"kind": "quantize", "how": "static"},
        ],
    )
    # 64-16-16-10: 64·16 + 16·16 + 16·10 weights, and 42 biases
    weights = 1440
    first, zeroed, _, last = foreseen(several)
    assert (first.parameters, first.macs, first.bytes) == (weights + 42, weights, 4 * 1482)
    assert (zeroed.zeros, zeroed.bytes) == (weights / 2, 4 * 1482)
    assert last.bytes == weights + 4 * 42
    assert last.zeros is None


def test_half_the_channels_leave_the_layers_between_a_quarter(home):
    first, half, _, quantized = foreseen(PIPELINE)
    # 64-8-8-10: 512 + 64 + 80 weights and 26 biases
    assert (first.parameters, half.parameters, half.macs) == (1482, 682, 656)
    assert quantized.bytes is None  # which layers stay in float32 is measured


@pytest.mark.parametrize(
    ("how", "keep", "expected"),
    [("float16", "none", 2 * 1482), ("dynamic", "ends", 4 * 1482 - 3 * 256)],
)
def test_what_stays_in_float32_is_counted_so(home, how, keep, expected):
    quantize = {"kind": "quantize", "how": how, "keep": keep}
    assert foreseen(Pipeline(recipe=RECIPE, stages=[quantize]))[-1].bytes == expected


def test_a_stage_that_cannot_be_done_is_refused_beforehand(home):
    narrow = {**RECIPE, "student": {"options": {"widths": [2]}}}
    with pytest.raises(RecipeError, match="leaves nothing to quantize"):
        foreseen(Pipeline(recipe=narrow, stages=[{"kind": "quantize", "keep": "ends"}]))


# in a cluster


@pytest.fixture
def run_it(home):
    found = Runner(Settings.from_environment())
    yield found
    found.close()
    kill_cluster(home)


@pytest.mark.slow
def test_a_killed_workers_pipeline_is_taken_up_again_and_a_killed_clusters_is_interrupted(
    run_it, monkeypatch
):
    monkeypatch.setattr(runner, "SILENT_SECONDS", 0.5)
    state = lambda: run_it.pipelines.get(submitted.id).state  # noqa: E731
    submitted = run_it.submit_pipeline(PIPELINE, "mine")
    assert eventually(lambda: state() == "running")
    for process in psutil.Process(cluster_pid(run_it.settings.home)).children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
    assert eventually(lambda: state() == "done")
    found = run_it.pipelines.get(submitted.id)
    assert len(found.members[0].result.rows) == 7
    assert all(run_it.shelf.get(row.file.onnx) for row in found.members[0].rows)

    longer = {**RECIPE, "training": {"steps": 100_000}}
    endless = Pipeline(recipe=longer, stages=[{"kind": "fine-tune"}])
    submitted = run_it.submit_pipeline(endless, "endless")
    assert eventually(lambda: run_it.pipelines.get(submitted.id).progress is not None)
    kill_cluster(run_it.settings.home)
    time.sleep(1)
    run_it.reconcile()
    assert state() == "interrupted"
    again = Runner(Settings.from_environment())
    again.restart_pipeline(submitted.id)
    assert eventually(lambda: state() == "running")
    again.pipelines.request_stop(submitted.id)
    assert eventually(lambda: state() == "cancelled")
    again.close()
