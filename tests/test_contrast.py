"""Contrast with a memory of samples, against its formula in numpy, and by hand."""

import copy
import math

import numpy as np
import pytest
import torch

from kdcore import methods
from kdcore.methods import UNLABELLED, Signals
from tests.relation_formulas import (
    NEGATIVES,
    SAMPLES,
    random,
    rows,
)

# contrast


@pytest.fixture
def adapter():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        memory = methods.get("crd").adapter([(4,)], [(3,)], SAMPLES, width=8, kept=0.5).double()
    memory.log_scales[:] = torch.tensor([0.3, -0.2])  # as if it had been called before
    return memory


def noise_of(adapter, side):
    """K · Z of the student's contrast (side 0) or the teacher's."""
    return NEGATIVES * adapter.log_scales[side].exp().item()


def batch(*indices, labels=None, seed=0):
    """Student's and teacher's signals and labels of samples of the pool."""
    indices = torch.tensor(indices)
    size = len(indices)
    features = random(size, 4, seed=seed), random(size, 3, seed=seed + 1)
    student, teacher = (Signals(torch.zeros(size, 2), indices, (each,)) for each in features)
    hidden = torch.full((size,), UNLABELLED)
    return student, teacher, hidden if labels is None else torch.tensor(labels)


def contrast(adapter, student, teacher, labels, seed=11, **options):
    """Both terms, with the negatives drawn from this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        options = {"negatives": NEGATIVES, **options}
        return methods.get("crd")(student, teacher, labels, adapter=adapter, **options)


def drawn_of(adapter, seed=11):
    """The negatives that `contrast` draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.randint(len(adapter.ours), (NEGATIVES,))


def projected(adapter, student, teacher):
    def project(layer, features):
        places = features.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        return places / np.linalg.norm(places, axis=1, keepdims=True)

    return (
        project(adapter.project_student, student.features[0].detach()),
        project(adapter.project_teacher, teacher.features[0].detach()),
    )


def np_crd(adapter, student, teacher, labels, drawn, tau):
    """The formula, one exponential at a time."""
    ours, theirs = projected(adapter, student, teacher)
    known = adapter.labels.numpy()

    def one_way(places, bank, noise):
        def likely(one, other):
            power = np.exp(one @ other / tau)
            return power / (power + noise)

        losses = []
        for place, own, label in zip(
            places, student.indices.tolist(), labels.tolist(), strict=True
        ):
            loss = -np.log(likely(place, bank[own]))
            for other in drawn.tolist():
                same_class = label != UNLABELLED and known[other] == label
                if other != own and not same_class:
                    loss -= np.log(1 - likely(place, bank[other]))
            losses.append(loss)
        return np.mean(losses)

    return {
        "student's contrast": one_way(ours, adapter.theirs.numpy(), noise_of(adapter, 0)),
        "teacher's contrast": one_way(theirs, adapter.ours.numpy(), noise_of(adapter, 1)),
    }


@pytest.mark.parametrize("tau", [0.07, 1.0])
@pytest.mark.parametrize("indices", [[5], [0, 7, 3], [11, 10, 9, 8, 7]])
@pytest.mark.parametrize("labelled", [True, False])
def test_contrast_equals_its_formula_written_in_numpy(adapter, tau, indices, labelled):
    adapter.labels[:] = torch.arange(SAMPLES) % 3
    adapter.labels[4:6] = UNLABELLED
    signals = batch(*indices, labels=[0, UNLABELLED, 2, 1, 1][: len(indices)] if labelled else None)
    expected = np_crd(adapter, *signals, drawn_of(adapter), tau)
    found = contrast(adapter, *signals, tau=tau)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected)


def test_contrast_with_the_sample_itself_alone_in_the_pool_by_hand():
    # N = 1, all K = 16 drawn are the sample itself; the memory holds exactly its projections
    memory = methods.get("crd").adapter([(2,)], [(2,)], 1, width=2, kept=0.5).double()
    for layer in (memory.project_student, memory.project_teacher):
        layer.weight.data, layer.bias.data = torch.eye(2).double(), torch.zeros(2).double()
    memory.ours[0] = memory.theirs[0] = rows(0.6, 0.8)
    features = (rows([3.0, 4.0]),)
    sides = (Signals(torch.zeros(1, 2), torch.tensor([0]), features) for _ in range(2))
    found = contrast(memory, *sides, torch.tensor([UNLABELLED]), tau=0.5)
    # a · b = 1 for all: Z = e², and −ln (e² / (e² + 16 · e²)) = ln 17
    expected = math.log(17)
    assert [value.item() for value in found.values()] == pytest.approx([expected, expected])


def test_negatives_of_the_same_class_do_not_count(adapter):
    signals = batch(0, 7, 3, labels=[1, 1, 1])
    adapter.labels[:] = 1
    ours, theirs = (torch.from_numpy(each) for each in projected(adapter, *signals[:2]))
    own = [(ours * adapter.theirs[[0, 7, 3]]).sum(1), (theirs * adapter.ours[[0, 7, 3]]).sum(1)]
    # only −ln h of the own sample is left
    expected = [
        (1 + noise_of(adapter, side) * torch.exp(-each)).log().mean().item()
        for side, each in enumerate(own)
    ]
    found = contrast(adapter, *signals, tau=1.0)
    assert [value.item() for value in found.values()] == pytest.approx(expected)


def test_negatives_of_unknown_class_count_though_the_own_label_is_hidden_too(adapter):
    signals = batch(0, 7, 3)
    assert (adapter.labels == UNLABELLED).all()
    hidden = contrast(copy.deepcopy(adapter), *signals)
    adapter.labels[:] = 1
    torch.testing.assert_close(contrast(adapter, *signals), hidden)


def test_the_samples_own_place_does_not_count_as_a_negative(adapter):
    own = drawn_of(adapter)[0].item()
    signals = batch(own)
    away = copy.deepcopy(adapter)
    away.theirs[own] *= -1
    tau = 1.0
    ours = torch.from_numpy(projected(adapter, *signals[:2])[0])[0]
    products = ours @ adapter.theirs[own], ours @ away.theirs[own]
    # the place moved is felt in −ln h(own), and nowhere else
    noise = noise_of(adapter, 0)
    first, second = ((1 + noise * torch.exp(-each / tau)).log() for each in products)
    before = contrast(adapter, *signals, tau=tau)["student's contrast"]
    after = contrast(away, *signals, tau=tau)["student's contrast"]
    assert (after - before).item() == pytest.approx((second - first).item())


def test_contrast_is_less_where_both_sides_agree(adapter):
    # one sample, whose place is nobody else's negative
    student, teacher, labels = batch(7)
    ours, _ = (torch.from_numpy(each) for each in projected(adapter, student, teacher))
    agreeing, opposite = copy.deepcopy(adapter), copy.deepcopy(adapter)
    agreeing.theirs[student.indices], opposite.theirs[student.indices] = ours, -ours
    near, far = (
        contrast(each, student, teacher, labels)["student's contrast"]
        for each in (agreeing, opposite)
    )
    assert near < far


def test_the_scale_is_the_mean_likeness_of_the_first_call_and_stays(adapter):
    adapter.log_scales[:] = torch.nan
    signals = batch(0, 7, 3)
    ours, _ = projected(adapter, *signals[:2])
    bank, drawn = adapter.theirs.numpy().copy(), drawn_of(adapter)
    own = [np.exp(place @ bank[index] / 0.5) for place, index in zip(ours, [0, 7, 3], strict=True)]
    others = [np.exp(place @ bank[other] / 0.5) for place in ours for other in drawn]
    contrast(adapter, *signals, tau=0.5)
    first = adapter.log_scales.clone()
    assert first[0].exp().item() == pytest.approx(np.mean(own + others))
    contrast(adapter, *signals, tau=0.5, seed=12)
    assert torch.equal(adapter.log_scales, first)


def test_a_student_that_learns_by_contrast_comes_nearer_to_its_own_sample_than_to_others():
    # the authors' constant matters: without it, all samples of a side end up in one place
    torch.manual_seed(0)
    memory = methods.get("crd").adapter([(16,)], [(16,)], 200, width=32, kept=0.5)
    theirs = torch.randn(200, 16)
    layer = torch.nn.Linear(16, 16)
    optimizer = torch.optim.Adam([*layer.parameters(), *memory.parameters()], lr=1e-2)
    for _ in range(150):
        indices = torch.randperm(200)[:50]
        teacher = Signals(torch.zeros(50, 2), indices, (theirs[indices],))
        student = Signals(torch.zeros(50, 2), indices, (layer(theirs[indices].flip(1)),))
        hidden = torch.full((50,), UNLABELLED)
        losses = methods.get("crd")(student, teacher, hidden, adapter=memory, negatives=64)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    with torch.no_grad():
        ours = torch.nn.functional.normalize(memory.project_student(layer(theirs.flip(1))), dim=1)
        likeness = ours @ torch.nn.functional.normalize(memory.project_teacher(theirs), dim=1).T
    own, every = likeness.diagonal().mean(), likeness.mean()
    assert own - every > 0.3


def test_others_are_drawn_anew_each_time(adapter):
    signals = batch(0, 7, 3)
    one, other, same = (
        contrast(copy.deepcopy(adapter), *signals, seed=seed)["student's contrast"].item()
        for seed in (1, 2, 1)
    )
    assert one == same
    assert one != pytest.approx(other)


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_the_memory_moves_towards_the_new_projections(kept):
    memory = methods.get("crd").adapter([(4,)], [(3,)], SAMPLES, width=8, kept=kept).double()
    signals = batch(0, 7, 3, labels=[2, UNLABELLED, 1])
    before = copy.deepcopy(memory)
    new = projected(memory, *signals[:2])
    contrast(memory, *signals, kept=kept)
    for bank, old, places in zip(
        (memory.ours, memory.theirs), (before.ours, before.theirs), new, strict=True
    ):
        moved = kept * old[[0, 7, 3]].numpy() + (1 - kept) * places
        expected = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        np.testing.assert_allclose(bank[[0, 7, 3]].numpy(), expected)
        assert not bank.requires_grad
    assert memory.labels[[0, 7, 3]].tolist() == [2, UNLABELLED, 1]


def test_only_the_batchs_places_in_the_memory_change(adapter):
    before = copy.deepcopy(adapter)
    contrast(adapter, *batch(0, 7, 3, labels=[2, 0, 1]))
    others = [place for place in range(SAMPLES) if place not in (0, 7, 3)]
    for name in ("ours", "theirs", "labels"):
        now, then = getattr(adapter, name), getattr(before, name)
        assert torch.equal(now[others], then[others])
        assert (now[[0, 7, 3]] != then[[0, 7, 3]]).all()


def test_the_memory_stays_on_the_unit_sphere(adapter):
    for step in range(20):
        indices = [(step + each) % SAMPLES for each in range(5)]
        contrast(adapter, *batch(*indices, seed=step))
        for bank in (adapter.ours, adapter.theirs):
            torch.testing.assert_close(bank.norm(dim=1), torch.ones(SAMPLES).double())


def test_a_sample_seen_again_and_again_is_known_by_its_projection(adapter):
    signals = batch(4)
    for _ in range(60):
        contrast(adapter, *signals)
    for bank, places in zip(
        (adapter.ours, adapter.theirs), projected(adapter, *signals[:2]), strict=True
    ):
        np.testing.assert_allclose(bank[[4]].numpy(), places, atol=1e-9)


def test_a_new_memory_is_random_on_the_sphere_and_knows_no_labels(adapter):
    assert adapter.ours.shape == adapter.theirs.shape == (SAMPLES, 8)
    for bank in (adapter.ours, adapter.theirs):
        torch.testing.assert_close(bank.norm(dim=1), torch.ones(SAMPLES).double())
        assert bank.std() > 0.2
    assert (adapter.ours - adapter.theirs).abs().max() > 0.1
    assert (adapter.labels == UNLABELLED).all()


def test_the_memory_is_no_parameter_and_both_projections_learn(adapter):
    assert {name.split(".")[0] for name, _ in adapter.named_parameters()} == {
        "project_student",
        "project_teacher",
    }
    found = contrast(adapter, *batch(0, 7, 3))
    found["student's contrast"].backward(retain_graph=True)
    assert adapter.project_student.weight.grad.abs().max() > 0
    assert adapter.project_teacher.weight.grad is None
    found["teacher's contrast"].backward()
    assert adapter.project_teacher.weight.grad.abs().max() > 0


def test_the_gradient_of_contrast_agrees_with_finite_differences(adapter):
    student, teacher, labels = batch(0, 7, 3, labels=[0, 1, UNLABELLED])
    adapter.labels[:] = torch.arange(SAMPLES) % 3
    features = student.features[0].clone().requires_grad_()
    weight = adapter.project_student.weight.detach().clone().requires_grad_()
    other = adapter.project_teacher.weight.detach().clone().requires_grad_()

    def loss(features, weight, other):
        fresh = copy.deepcopy(adapter)  # the call moves the memory
        fresh.project_student._parameters["weight"] = weight
        fresh.project_teacher._parameters["weight"] = other
        moved = Signals(student.logits, student.indices, (features,))
        return sum(contrast(fresh, moved, teacher, labels, tau=0.5).values())

    assert torch.autograd.gradcheck(loss, (features, weight, other))


def test_the_order_of_the_batch_does_not_matter_to_contrast(adapter):
    student, teacher, labels = batch(0, 7, 3, labels=[0, 1, UNLABELLED])
    order = torch.tensor([2, 0, 1])
    ordered = (
        Signals(each.logits, each.indices[order], (each.features[0][order],))
        for each in (student, teacher)
    )
    again = copy.deepcopy(adapter)
    torch.testing.assert_close(
        contrast(again, *ordered, labels[order]), contrast(adapter, student, teacher, labels)
    )
    torch.testing.assert_close(again.state_dict(), adapter.state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("indices", [[5], [0, 7, 3], [2, 2, 2]])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_contrast_and_its_gradient_are_finite_in_fewer_bits(adapter, dtype, indices, scale):
    adapter = adapter.to(dtype)
    student, teacher, labels = batch(*indices)
    features = [
        (scale * each.features[0]).to(dtype).requires_grad_() for each in (student, teacher)
    ]
    sides = (Signals(student.logits, student.indices, (each,)) for each in features)
    found = contrast(adapter, *sides, labels, tau=0.01)
    sum(found.values()).backward()
    for value in found.values():
        assert value.isfinite()
    for each in (*features, *adapter.parameters()):
        assert each.grad.isfinite().all()
    # one in 256 is what bfloat16 can tell apart
    for bank in (adapter.ours, adapter.theirs):
        torch.testing.assert_close(bank.float().norm(dim=1), torch.ones(SAMPLES), atol=0.02, rtol=0)


def test_embeddings_that_are_projected_to_nothing_give_finite_values_and_gradients(adapter):
    torch.nn.init.zeros_(adapter.project_student.bias)
    student, teacher, labels = batch(0, 7, 3)
    features = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    found = contrast(
        adapter, Signals(student.logits, student.indices, (features,)), teacher, labels
    )
    sum(found.values()).backward()
    # all products are 0: h = 1 / (1 + K · Z), for the own sample as for those that count
    drawn, noise = drawn_of(adapter), noise_of(adapter, 0)
    counted = np.mean([(drawn != own).sum().item() for own in (0, 7, 3)])
    expected = math.log(1 + noise) + counted * math.log(1 + 1 / noise)
    assert found["student's contrast"].item() == pytest.approx(expected)
    assert features.grad.isfinite().all()
    torch.testing.assert_close(adapter.ours.norm(dim=1), torch.ones(SAMPLES).double())
