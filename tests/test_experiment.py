"""The protocol: one teacher, and for each seed the same student without it and with it."""

import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from kdcore.errors import RecipeError
from kdcore.experiment import check, run, steps
from kdcore.recipe import Recipe
from kdcore.result import ARMS, Event, Progress, Result
from kdcore.setting import Setting, derive
from kdcore.shelf import Shelf

PRESETS = Path(__file__).parents[1] / "assets" / "recipes"


def changed(recipe: Recipe, **values) -> Recipe:
    return Recipe(**{**recipe.model_dump(), **values})


def verdict_of(recipe: Recipe, shelf: Shelf) -> Result:
    """The first result, before anything is exported or timed."""
    told = steps(recipe, shelf)
    return next(each for each in told if isinstance(each, Result))


def accuracies(result: Result):
    return {arm: result.arms[arm].accuracy for arm in ARMS}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All that one whole run tells, and the shelf it filled."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    recipe = Recipe(
        teacher={"options": {"widths": [8]}},
        student={"options": {"widths": [4]}},
        teacher_training={"steps": 60},
        training={"steps": 60},
        transfer={"labelled": 50, "unlabelled": 100},
        seeds=(0, 1, 2),
    )
    told = list(steps(recipe, shelf))
    return told, told[-1], shelf


# the three presets: what the project claims about itself


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("digits-few-labels", "better"),
        ("digits-all-labels", "no clear difference"),
        ("digits-too-cold", "worse"),
    ],
)
def test_a_preset_gives_the_verdict_it_is_named_for(preset, expected, shelf):
    result = verdict_of(Recipe.load(PRESETS / f"{preset}.json"), shelf)
    assert result.verdict == expected


# the same numbers again


def test_the_same_recipe_gives_the_same_numbers(quick, tmp_path):
    one, two = (verdict_of(quick, Shelf(tmp_path / name)) for name in "ab")
    assert accuracies(one) == accuracies(two)
    assert one.difference == two.difference


def test_a_teacher_from_the_shelf_gives_the_same_numbers_and_is_said_to_be_reused(quick, shelf):
    fresh, again = verdict_of(quick, shelf), verdict_of(quick, shelf)
    assert (fresh.teacher_reused, again.teacher_reused) == (False, True)
    assert accuracies(fresh) == accuracies(again)
    best = [result.arms["teacher"].best_on_validation for result in (fresh, again)]
    assert best[0] == best[1]


def test_another_seed_leaves_the_numbers_of_the_others_alone(quick, shelf):
    few = verdict_of(quick, shelf)
    more = verdict_of(changed(quick, seeds=(7, 0, 1, 2)), shelf)
    for arm in ("control", "distilled"):
        assert more.arms[arm].accuracy[1:] == few.arms[arm].accuracy


def test_threads_are_left_as_they_were(quick, shelf):
    before = torch.get_num_threads()
    verdict_of(quick, shelf)
    assert torch.get_num_threads() == before


# the control


def test_without_a_soft_term_both_students_are_the_very_same(quick, shelf):
    result = verdict_of(changed(quick, method={"name": "hard"}, hard_weight=1.0), shelf)
    assert result.arms["distilled"] == result.arms["control"]
    assert result.difference.per_seed == (0.0, 0.0, 0.0)


def test_unlabelled_samples_never_touch_what_the_labels_teach(quick, shelf):
    recipe = changed(
        quick,
        soft_weight=0.0,
        hard_weight=1.0,
        transfer={"labelled": 40, "unlabelled": "rest"},
    )
    result = verdict_of(recipe, shelf)
    assert result.arms["distilled"].accuracy == result.arms["control"].accuracy


def test_the_transfer_set_makes_no_difference_to_the_control(quick, shelf):
    with_more = changed(quick, transfer={"labelled": 40, "unlabelled": 500})
    without = changed(quick, transfer={"labelled": 40})
    one, two = verdict_of(with_more, shelf), verdict_of(without, shelf)
    assert one.arms["control"] == two.arms["control"]
    assert one.arms["distilled"] != two.arms["distilled"]


# seeds and samples


def test_more_labels_keep_the_ones_there_were(quick):
    few = Setting(changed(quick, transfer={"labelled": 30})).transfer_set(5)[0]
    more = Setting(changed(quick, transfer={"labelled": 90})).transfer_set(5)[0]
    assert torch.equal(more[:30], few)


def test_unlabelled_samples_are_others_than_the_labelled(quick):
    recipe = changed(quick, transfer={"labelled": 30, "unlabelled": 60})
    labelled, transfer = Setting(recipe).transfer_set(0)
    assert (len(labelled), len(transfer)) == (30, 90)
    assert len(set(transfer.tolist())) == 90


def test_each_purpose_draws_a_seed_of_its_own():
    seeds = {derive(seed, purpose) for seed in range(50) for purpose in ("weights", "batches")}
    assert len(seeds) == 100


def test_one_teacher_serves_all_seeds_or_each_seed_has_its_own(quick, shelf):
    one = verdict_of(quick, shelf)
    each = verdict_of(changed(quick, teachers="per seed"), shelf)
    assert len(one.arms["teacher"].accuracy) == 1
    assert len(each.arms["teacher"].accuracy) == 3
    assert one.arms["control"] == each.arms["control"]


def test_fewer_than_three_seeds_give_no_verdict(quick, shelf):
    result = verdict_of(changed(quick, seeds=(0, 1)), shelf)
    assert result.verdict == "too few seeds"
    assert result.difference.low is None


# what a run tells


def test_events_tell_of_every_arm_and_seed_up_to_the_last_step(everything):
    told, _, _ = everything
    events = [each for each in told if isinstance(each, Event)]
    last = {(e.arm, e.seed): e.step for e in events}
    students = {(arm, seed): 60 for arm in ("control", "distilled") for seed in (0, 1, 2)}
    assert last == {("teacher", 0): 60, **students}
    assert set(events[-1].metrics) == {"hard", "soft", "accuracy"}
    seconds = [e.seconds for e in events]
    assert seconds == sorted(seconds)


def test_progress_rises_to_the_end_of_each_phase(everything):
    told, _, _ = everything
    progress = [each for each in told if isinstance(each, Progress)]
    assert list(dict.fromkeys(p.phase for p in progress)) == ["teacher", "students", "measuring"]
    for phase in ("teacher", "students"):
        done = [p.done for p in progress if p.phase == phase]
        assert done == sorted(done)
        assert done[-1] == 1
        assert [p.seconds_left for p in progress if p.phase == phase][-1] == 0


def test_the_verdict_comes_before_the_costs(everything):
    told, final, _ = everything
    first = next(each for each in told if isinstance(each, Result))
    assert first.verdict == final.verdict
    assert all(first.arms[arm].latency_ms is None for arm in ARMS)
    for arm in ARMS:
        assert final.arms[arm].onnx_bytes > 4 * final.arms[arm].parameters
        assert [latency.batch for latency in final.arms[arm].latency] == [1, 32]


def test_a_result_reads_back_from_its_json(everything):
    _, final, _ = everything
    assert Result.from_json(final.to_json()) == final


def test_parameters_and_macs_are_those_of_the_networks(everything):
    _, final, _ = everything
    assert final.arms["teacher"].parameters == 65 * 8 + 9 * 10
    assert final.arms["control"].parameters == 65 * 4 + 5 * 10
    assert final.arms["distilled"].macs == 64 * 4 + 4 * 10


# what a run leaves


def test_the_kept_logits_give_the_accuracies_that_are_shown(everything):
    _, final, shelf = everything
    kept = np.load(io.BytesIO(shelf.get(final.artifacts["logits"])))
    for arm in ARMS:
        right = (kept[arm].argmax(-1) == kept["labels"]).mean(1)
        assert tuple(right) == pytest.approx(final.arms[arm].accuracy)
    assert kept["images"].shape == (500, 1, 8, 8)
    assert list(kept["class_names"]) == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("batch", [1, 7])
def test_the_exported_model_answers_as_the_trained_one(everything, arm, batch, digits):
    _, final, shelf = everything
    kept = np.load(io.BytesIO(shelf.get(final.artifacts["logits"])))
    session = onnxruntime.InferenceSession(shelf.get(final.artifacts[f"{arm}.onnx"]))
    inputs = digits.normalise(torch.from_numpy(kept["images"][:batch])).numpy()
    (outputs,) = session.run(None, {"input": inputs})
    np.testing.assert_allclose(outputs, kept[arm][0, :batch], atol=1e-4)


# what cannot be run is said before anything is trained


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"task": "digit"}, "no task 'digit'; did you mean 'digits'"),
        ({"method": {"name": "kdd"}}, "no method 'kdd'"),
        ({"student": {"architecture": "mpl"}}, "no architecture 'mpl'"),
        ({"student": {"options": {"width": 3}}}, "has no option 'width'"),
        ({"transfer": {"labelled": 5000}}, "has 1,097 training samples; choose up to 1,097"),
        ({"transfer": {"labelled": 1000, "unlabelled": 98}}, "only 97 are left"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused_in_a_sentence(quick, values, sentence):
    with pytest.raises(RecipeError, match=sentence):
        check(changed(quick, **values))


def test_run_hears_everything_and_returns_the_last_result(quick, shelf):
    heard = []
    result = run(quick, heard.append, shelf)
    assert heard[-1] is result
    assert {type(each) for each in heard} == {Event, Progress, Result}


def test_a_run_that_is_closed_trains_no_further(quick, shelf):
    told = steps(changed(quick, training={"steps": 5000}), shelf)
    for each in told:
        if isinstance(each, Progress) and each.phase == "students":
            break
    told.close()
    assert list(told) == []
