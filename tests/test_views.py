"""What a network is shown: normalised samples, and views of pictures that repeat by seed."""

import pytest
import torch

from kdcore.recipe import Augmentation
from kdcore.tasks import Data, Split
from kdcore.train.views import Batch, Views, altered, mixed

PICTURES = torch.arange(4 * 36, dtype=torch.uint8).reshape(4, 1, 6, 6)
LABELS = torch.tensor([0, 1, 0, 1])
DATA = Data(("a", "b"), *[Split(PICTURES, LABELS)] * 3)


def batch(indices, number=0):
    return Batch(torch.tensor(indices), torch.full((len(indices),), number))


def draws(*values):
    """Eight draws for one picture; those not given stay in the middle."""
    return torch.tensor([[*values, *[0.5] * (8 - len(values))]])


ONE = torch.zeros(1, 1, 6, 6)
ONE[0, 0, 2, 3] = 9.0


def test_without_augmentation_a_view_is_the_normalised_sample():
    views = Views(DATA, PICTURES)
    assert torch.equal(views(batch([2, 0]), 2).inputs, DATA.normalise(PICTURES[[2, 0]]))


def test_a_big_pool_is_normalised_when_asked_and_gives_the_same(monkeypatch):
    small = Views(DATA, PICTURES).plain(torch.tensor([3, 1]))
    monkeypatch.setattr("kdcore.train.views.READY_BYTES", 0)
    assert torch.equal(Views(DATA, PICTURES).plain(torch.tensor([3, 1])), small)


HOWS = [
    Augmentation(shift=2),
    Augmentation(rotation=30),
    Augmentation(crop=0.4),
    Augmentation(flip=True),
    Augmentation(cutout=0.5),
    Augmentation(mixup=0.4),
    Augmentation(cutmix=1.0),
]


@pytest.mark.parametrize("how", HOWS, ids=repr)
def test_a_view_depends_on_seed_pass_and_sample_alone(how):
    views = Views(DATA, PICTURES, how, seed=5)
    first = views(batch([0, 1, 2, 3]), 4).inputs
    assert torch.equal(views(batch([0, 1, 2, 3]), 4).inputs, first)
    assert torch.equal(Views(DATA, PICTURES, how, seed=5)(batch([0, 1, 2, 3]), 4).inputs, first)
    assert not torch.equal(views(batch([0, 1, 2, 3], number=1), 4).inputs, first)
    assert not torch.equal(Views(DATA, PICTURES, how, 6)(batch([0, 1, 2, 3]), 4).inputs, first)


@pytest.mark.parametrize("how", HOWS[:5], ids=repr)
def test_a_view_does_not_depend_on_its_place_in_the_batch(how):
    views = Views(DATA, PICTURES, how, seed=5)
    one, other = views(batch([0, 1, 2]), 3).inputs, views(batch([2, 3, 0]), 3).inputs
    torch.testing.assert_close(one[[0, 2]], other[[2, 0]])


def test_models_are_judged_on_pictures_as_they_are():
    views = Views(DATA, PICTURES, Augmentation(flip=True, shift=2), seed=1)
    assert torch.equal(views.plain(torch.arange(4)), DATA.normalise(PICTURES))


def test_a_shift_moves_by_whole_pixels_and_lets_black_in():
    # draws of nearly 1 and nearly 0: as far as 2 pixels either way
    moved = altered(ONE, draws(0.5, 0.999, 0.001), Augmentation(shift=2))
    assert moved[0, 0].nonzero().tolist() == [[4, 1]]
    assert moved.sum().item() == pytest.approx(9, abs=1e-3)


def test_a_flip_mirrors_left_and_right_half_of_the_time():
    flipped = altered(ONE, draws(0.5, 0.5, 0.5, 0.5, 0.4), Augmentation(flip=True))
    torch.testing.assert_close(flipped, ONE.flip(3))
    kept = altered(ONE, draws(0.5, 0.5, 0.5, 0.5, 0.6), Augmentation(flip=True))
    torch.testing.assert_close(kept, ONE)


def test_a_rotation_turns_about_the_middle():
    how = Augmentation(rotation=90)
    turned = altered(ONE, draws(0.5, 0.5, 0.5, 1.0), how)
    torch.testing.assert_close(turned, ONE.rot90(1, (2, 3)), atol=1e-4, rtol=0)


def test_a_crop_enlarges_a_part():
    square = torch.zeros(1, 1, 8, 8)
    square[..., 2:6, 2:6] = 1
    enlarged = altered(square, draws(1.0), Augmentation(crop=0.5))
    assert square.mean() == 0.25
    assert enlarged.mean() > 0.85


def test_cutout_blanks_a_square_and_leaves_the_rest():
    full = torch.ones(1, 1, 8, 8)
    cut = altered(full, draws(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5), Augmentation(cutout=0.5))
    assert cut[0, 0, 2:6, 2:6].sum() == 0
    assert cut.sum() == 64 - 16


def test_mixup_blends_each_picture_with_the_one_before_it_in_its_half():
    pictures = torch.tensor([1.0, 2.0, 10.0, 20.0]).view(4, 1, 1, 1)
    uniform = torch.full((4, 8), 0.25)  # Beta(1, 1) is uniform: a share of a quarter
    view = mixed(pictures, uniform, Augmentation(mixup=1.0), size=2)
    assert view.partners.tolist() == [1, 0, 3, 2]
    assert view.shares.tolist() == [0.25] * 4
    assert view.inputs.flatten().tolist() == [1.75, 1.25, 17.5, 12.5]


def test_cutmix_pastes_a_part_and_counts_the_pixels_that_stayed():
    pictures = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    uniform = torch.tensor([[0.5] * 7 + [0.75]] * 2)
    view = mixed(pictures, uniform, Augmentation(cutmix=1.0), size=2)
    assert view.inputs[0].mean().item() == pytest.approx(1 - view.shares[0].item())
    assert view.inputs[1].mean().item() == pytest.approx(view.shares[1].item())
    assert view.shares[0].item() == pytest.approx(0.75, abs=0.1)


def test_vectors_are_views_of_themselves():
    vectors = torch.randn(5, 2)
    data = Data(("a", "b"), *[Split(vectors, torch.tensor([0, 1, 0, 1, 0]))] * 3)
    views = Views(data, vectors)
    assert torch.equal(views(batch([4]), 1).inputs, data.normalise(vectors[[4]]))
