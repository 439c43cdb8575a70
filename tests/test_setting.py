"""What a student gets to see."""

import pytest
import torch

from kdcore.errors import RecipeError
from kdcore.recipe import Recipe
from kdcore.setting import Setting, reshaped


def setting(**values) -> Setting:
    return Setting(Recipe(**values))


def transfer(**values) -> Setting:
    return setting(transfer=values)


# classes left out


def test_a_class_left_out_is_neither_labelled_nor_asked_about():
    seen = transfer(labelled=200, unlabelled="rest", left_out=[3, 5])
    labels = seen.data.train.labels[seen.transfer_set(0)[1]]
    assert set(labels.tolist()) == set(range(10)) - {3, 5}
    assert len(labels) == len(seen.seen)


def test_a_class_that_is_not_there_cannot_be_left_out():
    with pytest.raises(RecipeError, match="names class 10, but the classes are numbered from 0 to"):
        transfer(left_out=[10])


def test_at_least_two_classes_are_left():
    with pytest.raises(RecipeError, match="leaves 1 of 10 classes"):
        transfer(left_out=range(9))


# noise


def test_a_share_of_the_labels_is_wrong_and_the_rest_untouched():
    noisy = transfer(label_noise=0.4)
    true, told = noisy.data.train.labels, noisy.student_labels(0)
    assert (true != told).double().mean().item() == pytest.approx(0.4, abs=0.05)
    assert noisy.student_labels(0).equal(told)
    assert not noisy.student_labels(1).equal(told)


def test_a_wrong_label_is_any_other_that_the_student_knows():
    noisy = transfer(label_noise=1.0, left_out=[3])
    true, told = noisy.data.train.labels[noisy.seen], noisy.student_labels(0)[noisy.seen]
    assert not (true == told).any()
    assert set(told.tolist()) == set(range(10)) - {3}
    of_zeros = told[true == 0].bincount(minlength=10)
    assert of_zeros[[1, 2, 4, 5, 6, 7, 8, 9]].min() > 0


def test_without_noise_the_labels_are_the_true_ones():
    plain = transfer()
    assert plain.student_labels(0).equal(plain.data.train.labels)


# where the unlabelled samples come from


def test_random_pixels_can_be_the_transfer_set():
    noise = transfer(labelled=100, unlabelled=300, source="noise")
    labelled, shown = noise.transfer_set(0)
    assert (len(labelled), len(shown)) == (100, 400)
    assert (shown[100:] >= len(noise.data.train)).all()
    assert noise.pool[shown].shape == (400, 1, 8, 8)
    assert noise.student_labels(0)[shown[100:]].eq(-1).all()


def test_pictures_of_another_task_are_brought_to_this_ones_shape():
    colour = torch.zeros(2, 3, 16, 16, dtype=torch.uint8)
    colour[:, 0] = 90
    grey = reshaped(colour, (1, 8, 8))
    assert grey.shape == (2, 1, 8, 8)
    assert grey.unique().tolist() == [30]
    assert reshaped(grey, (3, 8, 8)).shape == (2, 3, 8, 8)


def test_an_unknown_source_is_answered_with_the_tasks_there_are():
    with pytest.raises(RecipeError, match="no task 'nosie'"):
        transfer(source="nosie")


# the teacher's own share


def test_the_teacher_may_be_given_the_very_labels_of_the_student():
    both = setting(transfer={"labelled": 200}, teacher_labelled=200, teachers="per seed")
    assert both.teacher_samples(4).equal(both.transfer_set(4)[0])
    assert len(setting().teacher_samples(4)) == 1097


def test_the_teacher_cannot_see_more_than_there_is():
    with pytest.raises(RecipeError, match="teacher_labelled is 2,000, but 'digits' has 1,097"):
        setting(teacher_labelled=2000)


# what fits


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_an_architecture_that_does_not_take_the_tasks_input_is_refused(role):
    with pytest.raises(RecipeError, match=f"the {role} does not fit the task 'moons': LeNet-5"):
        setting(task="moons", **{role: {"architecture": "lenet5"}})


def test_vectors_are_not_augmented():
    with pytest.raises(RecipeError, match="task 'moons' gives vectors; leave all of it at 0"):
        setting(task="moons", training={"augmentation": {"flip": True}})
