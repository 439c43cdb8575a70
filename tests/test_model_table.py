"""Every finished model in one table."""

from dataclasses import replace

import pytest

from kdcore.model_table import SHARE, machines, merged, of_pipeline, of_run, table
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.result import Latency
from kdcore.waterfall import CONTROL, ORIGINAL, TEACHER, TRAINED_ON, ModelFile, PipelineResult, Row
from tests.compared import finished

MACHINE = {"system": "Linux x86_64", "cores": 2, "onnxruntime": "1.31"}
GALLERY = "gallery: Linux x86_64, 2 cores, onnxruntime 1.31"
HERE = "here: Linux x86_64, 2 cores, onnxruntime 1.31"


def models(run_id, *accuracy, gallery=False, latency=0.02, teacher_latency=0.02, **recipe):
    result = finished(accuracy, latency=latency, **recipe)[2]
    teacher = replace(result.arms["teacher"], latency_ms=teacher_latency)
    result = replace(result, machine=MACHINE, arms={**result.arms, "teacher": teacher})
    return of_run(run_id, f"run {run_id}", result, gallery=gallery)


def test_a_run_gives_its_three_models_with_the_others_beside():
    teacher, control, distilled = models("a", 0.9, 0.8, 1.0)
    assert [each.role for each in (teacher, control, distilled)] == [
        *("teacher", "control", "distilled")
    ]
    assert distilled.mean == pytest.approx(0.9)
    assert distilled.sd == pytest.approx(0.1)
    assert teacher.sd is None
    assert distilled.control == control.accuracy == pytest.approx((0.88, 0.78, 0.98))
    assert control.distilled == distilled.accuracy
    assert distilled.teacher.accuracy == (0.97,)
    assert teacher.control == teacher.distilled == ()


def test_a_model_is_named_by_its_network_and_how_it_learned():
    student = {"architecture": "mlp", "options": {"widths": [16]}}
    teacher, control, distilled = models("a", 0.9, student=student, temperature=9.0)
    assert distilled.name == "mlp-16, T 9"
    assert control.name == "mlp-16, labels alone"
    assert teacher.name.endswith(", teacher")
    *_, other = models("b", 0.9, student=student, method={"name": "dkd"})
    assert other.name == "mlp-16, dkd, T 4"


def test_a_teacher_that_runs_share_is_there_once_and_a_student_is_not():
    one = models("a", 0.9, 0.8, latency=0.010, teacher_latency=0.020)
    two = models("b", 0.9, 0.8, latency=0.030, teacher_latency=0.040)
    found = merged([*one, *two])
    assert [each.role for each in found].count("teacher") == 1
    assert [each.role for each in found].count("distilled") == 2
    teacher = found[0]
    assert (teacher.run_id, teacher.runs) == ("a", 2)
    assert teacher.latency(HERE) == pytest.approx(0.030)  # between 0.020 and 0.040


def test_equal_networks_share_their_latencies_whatever_they_learned():
    one = models("a", 0.9, 0.8, latency=0.010, teacher_latency=0.020)
    two = models("b", 0.7, 0.8, temperature=9.0, latency=0.030, teacher_latency=0.040)
    wide = {"architecture": "mlp", "options": {"widths": [64]}}
    other = models("c", 0.9, student=wide, latency=0.050)
    found = {each.key: each for each in merged([*one, *two, *other])}
    for each in (*one[1:], *two[1:]):
        assert found[each.key].latency(HERE) == pytest.approx(0.020)
        assert found[each.key].latency(SHARE) == pytest.approx(0.625)  # of 0.5 and 0.75
    assert found[other[2].key].latency(HERE) == 0.050


def test_a_share_is_of_the_models_own_teachers_network():
    big = {"architecture": "mlp", "options": {"widths": [512]}}
    one = models("a", 0.9, latency=0.010, teacher_latency=0.020)
    two = models("b", 0.9, teacher=big, latency=0.010, teacher_latency=0.100)
    found = {each.key: each for each in merged([*one, *two])}
    assert found[one[2].key].latency(SHARE) == pytest.approx(0.5)
    assert found[two[2].key].latency(SHARE) == pytest.approx(0.1)


def test_a_teacher_of_another_seed_is_another_teacher():
    found = merged([*models("a", 0.9), *models("b", 0.9, teacher_seed=7)])
    assert [each.role for each in found].count("teacher") == 2


def test_peers_stand_in_no_other_runs_teachers_place():
    peers = {"peers": 2}
    found = merged([*models("a", 0.9, scheme=peers), *models("b", 0.9, scheme=peers)])
    assert [each.role for each in found].count("teacher") == 2
    assert found[0].name.endswith(", first peer")


def test_latencies_of_two_machines_are_kept_apart():
    there = models("a", 0.9, gallery=True, latency=0.010, teacher_latency=0.040)
    here = models("b", 0.9, latency=0.030, teacher_latency=0.060)
    found = merged([*there, *here])
    assert machines(found) == [GALLERY, HERE]
    student = there[2]
    assert student.latency(GALLERY) == 0.010
    assert student.latency(HERE) is None
    assert student.latency(SHARE) == pytest.approx(0.25)
    teacher = found[0]  # both machines timed it
    assert (teacher.latency(GALLERY), teacher.latency(HERE)) == (0.040, 0.060)
    assert teacher.latency(SHARE) == 1


def test_a_model_that_was_never_timed_has_no_latency_of_any_kind():
    *_, student = models("a", 0.9, latency=None, teacher_latency=None)
    assert (student.timings, student.latency(HERE), student.latency(SHARE)) == ((), None, None)


def test_the_table_has_a_row_a_model():
    rows = table(models("a", 0.9, 0.8, 1.0), HERE).to_dict("records")
    assert [row["role"] for row in rows] == ["teacher", "control", "distilled"]
    student = rows[2]
    assert student["accuracy"] == pytest.approx(0.9)
    assert (student["seeds"], student["onnx_bytes"], student["macs"]) == (3, 10_000, 90)
    assert (student["latency"], student["latency_by"]) == (0.02, HERE)
    assert student["labels_alone"] == pytest.approx(0.88)
    assert student["teacher"] == 0.97


# stages of a pipeline


def row(name, accuracy, file, bytes=100, ms=0.02):
    timed = (Latency(1, ms, ms, ms, ms), Latency(32, 32 * ms, ms, ms, ms))
    answers = (accuracy, accuracy, accuracy)
    return Row(name, *answers, bytes, 80, 50, 40, 1000, ModelFile(name, file), latency=timed)


@pytest.fixture(scope="module")
def stages():
    student = {"architecture": "mlp", "options": {"widths": [16]}}
    pipeline = Pipeline(
        recipe=Recipe(student=student, seeds=(0, 1)),
        stages=[{"kind": "prune"}, {"kind": "fine-tune"}, {"kind": "quantize"}],
    )
    rows = (
        row(TEACHER, (0.97,), "t.onnx", bytes=900, ms=0.08),
        row(CONTROL, (0.88, 0.90), "c.onnx"),
        row(ORIGINAL, (0.95, 0.97), "d.onnx"),
        row(TRAINED_ON, (0.96, 0.97), "e.onnx"),
        row("prune 50 % of the channels", (0.80, 0.82), "p.onnx", bytes=60),
        row("static int8", (0.79, 0.81), "q.onnx", bytes=30, ms=0.01),
    )
    result = PipelineResult(pipeline, rows, MACHINE, 1.5)
    return of_pipeline("p1", "smaller and smaller", result)


def test_a_pipelines_ends_and_stages_are_models_named_by_all_that_was_done(stages):
    assert [each.name.partition(", ")[2] for each in stages[1:]] == [
        "labels alone",
        "T 4",
        "T 4, trained on as long",
        "T 4, prune 50 % of the channels",
        "T 4, prune 50 % of the channels, then static int8",
    ]
    roles = [each.role for each in stages]
    assert roles == ["teacher", "control", *["distilled"] * 4]


def test_a_stage_has_its_own_costs_and_its_ends_beside_it(stages):
    last = stages[-1]
    assert (last.bytes, last.run_id, last.run, last.pipeline) == (
        *(30, "p1", "smaller and smaller", True),
    )
    assert last.latency(HERE) == 0.01  # of a batch of one, not of 32
    assert last.latency(SHARE) == pytest.approx(0.125)
    assert (last.teacher.accuracy, last.teacher.bytes) == ((0.97,), 900)
    assert last.control == (0.88, 0.90)


def test_stages_stand_beside_the_models_of_runs_in_one_table(stages):
    rows = table(merged([*models("a", 0.9), *stages]), HERE)
    assert len(rows) == 8  # of one teacher
    assert set(rows["role"]) == {"teacher", "control", "distilled"}


def test_a_pipelines_teacher_is_the_one_that_runs_of_its_recipe_share(stages):
    student = {"architecture": "mlp", "options": {"widths": [16]}}
    run = models("a", 0.9, student=student, teacher_latency=0.04)
    found = merged([*run, *stages])
    (teacher,) = [each for each in found if each.role == "teacher"]
    assert (teacher.run_id, teacher.runs) == ("a", 2)
    assert teacher.latency(HERE) == pytest.approx(0.06)  # between 0.04 and 0.08
    whole, narrow = found[2], next(each for each in found if "static int8" in each.name)
    assert whole.latency(HERE) == 0.02  # of the same network, whoever timed it
    assert narrow.latency(HERE) == 0.01
