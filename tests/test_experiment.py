"""The protocol: one teacher, and for each seed the same student without it and with it."""

from itertools import islice

import pytest
import torch

from kdcore import methods
from kdcore.classroom import room
from kdcore.methods import UNLABELLED, Method
from kdcore.result import ARMS, Event
from kdcore.seeds import derive
from kdcore.setting import Setting
from kdcore.shelf import Shelf
from kdcore.train.order import batches
from kdcore.train.together import rounds
from tests.verdicts import accuracies, changed, steps_to_the_verdict, verdict_of


@pytest.fixture
def trained(monkeypatch):
    """The weights each network starts from, and its batches' indices: the teachers' come first."""
    begun = []

    def spy(pupils):
        for pupil in pupils:
            weights = torch.nn.utils.parameters_to_vector(pupil.network.parameters()).detach()
            drawn = islice(batches(pupil.lesson.orders()), pupil.lesson.training.steps)
            begun.append((weights.clone(), [batch.indices for batch in drawn]))
        return rounds(pupils)

    monkeypatch.setattr(room, "rounds", spy)
    return begun


# the control


@pytest.mark.parametrize("hard_weight", [0.1, 1.0])
def test_without_a_soft_term_both_students_are_the_very_same(quick, shelf, hard_weight):
    method = {"name": "hard"}
    result = verdict_of(changed(quick, method=method, hard_weight=hard_weight), shelf)
    assert result.arms["distilled"] == result.arms["control"]
    assert result.difference.per_seed == (0.0, 0.0, 0.0)


DROPPING = {"architecture": "mlp", "options": {"widths": [16], "dropout": 0.5}}


def test_networks_that_draw_by_themselves_give_the_same_numbers_again(quick, tmp_path):
    recipe = changed(quick, teacher=DROPPING, student=DROPPING)
    first, second = (accuracies(verdict_of(recipe, Shelf(tmp_path / n))) for n in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("unlabelled", [0, "rest"])
def test_both_students_of_a_seed_drop_the_same_units(quick, shelf, unlabelled):
    recipe = changed(
        quick,
        student=DROPPING,
        method={"name": "hard"},
        transfer={"labelled": 40, "unlabelled": unlabelled},
    )
    result = verdict_of(recipe, shelf)
    assert result.arms["distilled"].accuracy == result.arms["control"].accuracy


@pytest.mark.parametrize("unlabelled", [0, "rest"])
def test_a_soft_weight_of_zero_leaves_what_the_labels_teach(quick, shelf, unlabelled):
    recipe = changed(
        quick,
        soft_weight=0.0,
        hard_weight=1.0,
        transfer={"labelled": 40, "unlabelled": unlabelled},
    )
    result = verdict_of(recipe, shelf)
    assert result.arms["distilled"].accuracy == result.arms["control"].accuracy


def test_both_students_of_a_seed_start_alike_and_see_the_same_labelled_batches(
    quick, shelf, trained
):
    recipe = changed(
        quick,
        transfer={"labelled": 40, "unlabelled": "rest"},
        training={"steps": 9, "batch_size": 8},
    )
    verdict_of(recipe, shelf)
    students = trained[1:]
    for seed in range(3):
        (control, labelled), (distilled, both) = students[seed], students[3 + seed]
        assert torch.equal(control, distilled)
        assert torch.equal(torch.stack(labelled), torch.stack(both)[:, :8])
        assert {len(batch) for batch in both} == {16}
    assert not torch.equal(students[0][0], students[1][0])
    assert not torch.equal(students[0][1][0], students[1][1][0])


def test_without_unlabelled_samples_both_students_see_the_very_same_batches(quick, shelf, trained):
    verdict_of(changed(quick, transfer={"labelled": 40}, seeds=(0,)), shelf)
    _, (_, control), (_, distilled) = trained
    assert torch.equal(torch.stack(control), torch.stack(distilled))


def test_a_method_is_shown_the_labels_of_the_labelled_samples_and_of_no_other(
    quick, shelf, monkeypatch, digits
):
    seen = {}

    def spy(student, teacher, labels):
        seen.update(zip(student.indices.tolist(), labels.tolist(), strict=True))
        return {"nothing": 0 * student.logits.sum()}

    monkeypatch.setitem(methods._methods._items, "spy", Method("spy", "", "", "0", "", (), spy))
    transfer = {"labelled": 40, "unlabelled": 60}
    recipe = changed(quick, method={"name": "spy"}, transfer=transfer, seeds=(3,))
    verdict_of(recipe, shelf)
    labelled, shown = (part.tolist() for part in Setting(recipe).transfer_set(3))
    told = {index: digits.train.labels[index].item() for index in labelled}
    assert seen == dict.fromkeys(shown, UNLABELLED) | told


@pytest.mark.parametrize("widths", [[7], [5, 5]])
def test_without_any_term_both_students_are_the_same_to_the_last_digit(quick, shelf, widths):
    told = steps_to_the_verdict(
        changed(quick, method={"name": "hard"}, student={"options": {"widths": widths}}), shelf
    )
    curves = {arm: [] for arm in ARMS}
    for each in told:
        if isinstance(each, Event):
            curves[each.arm].append((each.seed, each.step, dict(each.metrics)))
    assert curves["control"] == curves["distilled"]


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


def test_labelled_samples_are_drawn_by_the_seed_with_as_many_of_each_class(quick, digits):
    setting = Setting(changed(quick, transfer={"labelled": 30}))
    one, two = (setting.transfer_set(seed)[0] for seed in (0, 1))
    assert set(one.tolist()) != set(two.tolist())
    for drawn in (one, two):
        assert torch.bincount(digits.train.labels[drawn]).tolist() == [3] * 10


def test_all_and_the_rest_are_all_training_samples(quick):
    recipe = changed(quick, transfer={"labelled": "all", "unlabelled": "rest"})
    labelled, transfer = Setting(recipe).transfer_set(0)
    assert sorted(labelled.tolist()) == list(range(1097))
    assert torch.equal(labelled, transfer)
    recipe = changed(quick, transfer={"labelled": 97, "unlabelled": "rest"})
    labelled, transfer = Setting(recipe).transfer_set(0)
    assert (len(labelled), len(transfer)) == (97, 1097)


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


def test_with_a_teacher_per_seed_each_student_learns_from_its_own(quick, shelf, tmp_path):
    each = verdict_of(changed(quick, teachers="per seed"), shelf)
    for seed in (0, 1, 2):
        alone = verdict_of(changed(quick, teacher_seed=seed), Shelf(tmp_path / str(seed)))
        assert each.arms["teacher"].accuracy[seed] == alone.arms["teacher"].accuracy[0]
        assert each.arms["distilled"].accuracy[seed] == alone.arms["distilled"].accuracy[seed]


def test_teachers_of_other_seeds_start_from_other_weights_and_see_other_batches(
    quick, shelf, trained
):
    verdict_of(changed(quick, teachers="per seed", teacher_training={"steps": 1}), shelf)
    teachers = trained[:3]
    assert len({tuple(weights.tolist()) for weights, _ in teachers}) == 3
    assert len({tuple(batches[0].tolist()) for _, batches in teachers}) == 3


def test_the_teacher_learns_from_every_training_sample(quick, shelf, trained):
    recipe = changed(quick, transfer={"labelled": 30}, teacher_training={"steps": 18})
    verdict_of(recipe, shelf)
    _, batches = trained[0]
    assert set(torch.cat(batches).tolist()) == set(range(1097))  # 18 · 64 is a pass and a bit


# last and best


def test_the_accuracy_is_of_the_last_weights_and_the_best_beside_it_of_the_best(
    quick, shelf, monkeypatch, digits
):
    # in place of the best weights, zeros: such a network answers 0 to every picture
    def zeroed(pupils):
        yield from rounds(pupils)
        for pupil in pupils:
            names = pupil.network.state_dict()
            pupil.best.weights = {k: torch.zeros_like(v) for k, v in names.items()}

    zeros = (digits.test.labels == 0).double().mean().item()
    usual = verdict_of(quick, Shelf(shelf.folder / "usual"))
    with monkeypatch.context() as patched:
        patched.setattr(room, "rounds", zeroed)
        result = verdict_of(quick, shelf)
    assert accuracies(result) == accuracies(usual)
    for arm in ARMS:
        assert set(result.arms[arm].best_on_validation) == {zeros}
    again = verdict_of(quick, shelf)
    assert again.teacher_reused
    assert again.arms["teacher"].best_on_validation == (zeros,)
    assert again.arms["control"] == usual.arms["control"]


def test_fewer_than_three_seeds_give_no_verdict(quick, shelf):
    result = verdict_of(changed(quick, seeds=(0, 1)), shelf)
    assert result.verdict == "too few seeds"
    assert result.difference.low is None
