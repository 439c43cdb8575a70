import pytest
import torch

from kdcore import tasks
from kdcore.errors import UnknownNameError
from kdcore.settings import Settings
from kdcore.tasks import Data, Split, balanced_order
from kdcore.tasks.download import missing

SPLITS = ("train", "validation", "test")
REAL = Settings.from_environment().data
"""Where downloaded sets may be, as it was set before the tests got a home of their own."""


@pytest.fixture(scope="module", params=tasks.built_in())
def task(request):
    return tasks.get(request.param)


@pytest.fixture(scope="module")
def data(task):
    """The task's data; a set that has to be downloaded is looked for, never fetched."""
    lacking = missing(task.files, REAL)
    if lacking:
        pytest.skip(f"{task.title} is not in KDCORE_DATA ({REAL})")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDCORE_DATA", str(REAL))
        return task.load()


def split(size, *, of=4, images=None):
    return Split(torch.zeros(images or size, 1, 2, 2, dtype=torch.uint8), torch.arange(size) % of)


def pictures(data, name):
    return {bytes(image.numpy().tobytes()) for image in getattr(data, name).inputs}


KINDS = {"image": torch.uint8, "vector": torch.float32}

# every task


def test_a_task_is_described_in_words(task):
    assert task.title
    assert task.about.endswith(".")


def test_the_facts_of_a_task_are_those_of_its_data(task, data):
    splits = (data.train, data.validation, data.test)
    sizes = (task.facts.train, task.facts.validation, task.facts.test)
    assert sizes == tuple(map(len, splits))
    assert task.facts.class_names == data.class_names
    assert task.facts.input_shape == data.input_shape


def test_pictures_are_bytes_and_vectors_decimals_and_labels_whole_numbers(task, data):
    for name in SPLITS:
        assert getattr(data, name).inputs.dtype == KINDS[task.kind]
        assert getattr(data, name).labels.dtype == torch.int64


def test_every_split_has_samples_of_the_one_shape(data):
    for name in SPLITS:
        assert len(getattr(data, name)) > 0
        assert getattr(data, name).inputs.shape[1:] == data.input_shape


def test_no_picture_of_one_split_is_in_another(data):
    train, validation, test = (pictures(data, name) for name in SPLITS)
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_every_class_is_in_every_split_and_no_other(data):
    for name in SPLITS:
        labels = getattr(data, name).labels
        assert labels.unique().tolist() == list(range(len(data.class_names)))


def test_class_shares_are_the_same_in_all_splits_within_two_percent(data):
    shares = [
        torch.bincount(getattr(data, name).labels) / len(getattr(data, name)) for name in SPLITS
    ]
    for other in shares[1:]:
        torch.testing.assert_close(other, shares[0], atol=0.02, rtol=0)


def test_reading_a_task_again_gives_the_same_splits(task, data):
    again = task.load.__wrapped__()
    for name in SPLITS:
        assert torch.equal(getattr(again, name).inputs, getattr(data, name).inputs)
        assert torch.equal(getattr(again, name).labels, getattr(data, name).labels)


def test_a_task_is_read_once_a_process(task, data):
    assert task.load() is data


def test_every_channel_of_the_training_samples_has_mean_zero_and_deviation_one(data):
    samples = data.normalise(data.train.inputs).double().transpose(0, 1).flatten(1)
    assert samples.mean(1).tolist() == pytest.approx([0] * len(samples), abs=1e-5)
    assert samples.std(1, correction=0).tolist() == pytest.approx([1] * len(samples), abs=1e-5)


def test_normalising_gives_float32(data):
    assert data.normalise(data.test.inputs[:2]).dtype == torch.float32


# the digits


def test_the_digits_split_into_1097_and_200_and_500(digits):
    assert [len(getattr(digits, name)) for name in SPLITS] == [1097, 200, 500]


def test_a_digit_is_one_plane_of_eight_by_eight(digits):
    assert digits.input_shape == (1, 8, 8)


def test_digits_reach_from_black_to_white(digits):
    assert (digits.train.inputs.min(), digits.train.inputs.max()) == (0, 255)


def test_digits_are_the_bundled_ones_scaled_from_16_to_255(digits):
    from sklearn.datasets import load_digits

    grey = {bytes((each * 255 / 16).round().astype("uint8")) for each in load_digits().images}
    assert grey == set().union(*(pictures(digits, name) for name in SPLITS))


# data


def test_all_splits_are_normalised_by_the_training_images():
    # training pixels 1 and 3: mean 2, deviation 1; so 4 becomes (4 − 2) / 1 = 2
    pixels = Split(torch.tensor([[1], [3]], dtype=torch.uint8), torch.tensor([0, 1]))
    data = Data(("a", "b"), pixels, pixels, pixels)
    assert data.normalise(torch.tensor([4], dtype=torch.uint8)).item() == 2.0


def test_images_all_alike_are_normalised_to_zero():
    flat = Split(torch.full((2, 1), 7, dtype=torch.uint8), torch.tensor([0, 1]))
    data = Data(("a", "b"), flat, flat, flat)
    assert data.normalise(flat.inputs).tolist() == [[0.0], [0.0]]


def test_a_split_with_fewer_labels_than_inputs_is_refused():
    with pytest.raises(ValueError, match="validation: 9 inputs, 8 labels"):
        Data(("a", "b", "c", "d"), split(8), split(8, images=9), split(8))


def test_an_unknown_task_is_answered_with_a_close_match():
    with pytest.raises(UnknownNameError, match="no task 'digit'; did you mean 'digits'"):
        tasks.get("digit")


# the balanced order


@pytest.fixture
def uneven():
    """Three classes of 30, 12 and 3 samples, shuffled."""
    labels = torch.tensor([0] * 30 + [1] * 12 + [2] * 3)
    return labels[torch.randperm(45, generator=torch.Generator().manual_seed(1))]


def test_a_balanced_order_is_a_permutation(uneven):
    assert balanced_order(uneven, seed=0).sort().values.tolist() == list(range(45))


def test_any_beginning_of_a_balanced_order_is_as_even_as_the_data_allow(uneven):
    order = balanced_order(uneven, seed=0)
    available = torch.bincount(uneven)
    for count in range(1, 46):
        taken = torch.bincount(uneven[order[:count]], minlength=3)
        with_more = taken[taken < available]  # a class that is used up may stay behind
        assert len(with_more) == 0 or taken.max() - with_more.min() <= 1


def test_the_same_seed_gives_the_same_order(uneven):
    assert torch.equal(balanced_order(uneven, seed=3), balanced_order(uneven, seed=3))


def test_another_seed_gives_another_order(uneven):
    assert not torch.equal(balanced_order(uneven, seed=3), balanced_order(uneven, seed=4))


def test_a_balanced_order_leaves_the_global_generator_alone(uneven):
    before = torch.random.get_rng_state()
    balanced_order(uneven, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
