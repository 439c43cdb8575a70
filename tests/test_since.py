"""Which models were made of a run's very student."""

from dataclasses import replace
from types import SimpleNamespace

from kdcore.handover.since import MOST, Since, in_int8
from kdcore.pipeline import Pipeline
from kdcore.waterfall import ORIGINAL
from tests.piped import RECIPE, finished

INT8 = {"kind": "quantize", "how": "static"}
PRUNE = {"kind": "prune", "share": 0.5}
TUNE = {"kind": "fine-tune", "steps": 20}


def of(shelf, *stages):
    """What a pipeline of these stages gave, and the run whose student it began with."""
    result = finished(shelf, Pipeline(recipe=RECIPE, stages=stages))
    original = next(row for row in result.rows if row.name == ORIGINAL)
    return result, SimpleNamespace(artifacts={"distilled.onnx": original.file.onnx})


def test_a_student_in_int8_is_named_by_its_last_stage_and_told_by_all(shelf):
    result, run = of(shelf, PRUNE, TUNE, INT8)
    how = "prune 50 % of the channels; train on with the teacher, 20 steps; static int8"
    assert in_int8(run, [result]) == {
        "static int8 after 2 stages": Since(result.rows[-1].file.onnx, how)
    }


def test_a_pipeline_of_another_student_says_nothing_of_this_one(shelf):
    result, _ = of(shelf, PRUNE, TUNE, INT8)
    assert (
        in_int8(SimpleNamespace(artifacts={"distilled.onnx": "0" * 32 + ".onnx"}), [result]) == {}
    )


def test_what_does_not_compute_in_int8_is_left_out(shelf):
    for how in ("weights", "float16"):
        result, run = of(shelf, PRUNE, TUNE, {"kind": "quantize", "how": how})
        assert in_int8(run, [result]) == {}
    result, run = of(shelf, PRUNE, TUNE, {"kind": "fine-tune", "steps": 9})
    assert in_int8(run, [result]) == {}


def test_of_one_name_the_newest_counts_and_of_all_the_first_few(shelf):
    older, run = of(shelf, PRUNE, TUNE, INT8)
    newest = replace(older.rows[-1], file=replace(older.rows[-1].file, onnx="newest"))
    newer = replace(older, rows=(*older.rows[:-1], newest))
    (found,) = in_int8(run, [newer, older]).values()
    assert found.file == "newest"
    others = [of(shelf, PRUNE, TUNE, {**INT8, "how": "dynamic"})[0]]
    kept = [{**INT8, "keep": "ends"}, {**INT8, "keep": "sensitive", "kept": 1}]
    others += [of(shelf, PRUNE, TUNE, each)[0] for each in kept]
    assert len(in_int8(run, [older, *others])) == MOST
