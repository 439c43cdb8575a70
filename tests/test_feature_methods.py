"""Methods on features, each against its formula in numpy, and what holds for many."""

import pytest
import torch

from tests.feature_formulas import (
    EVERY,
    ORACLES,
    STAGES,
    WITH_ADAPTER,
    adapter_for,
    gradients,
    maps,
    np_attention,
    numbers,
    random,
    term,
)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_method_equals_its_formula_written_in_numpy(name, stages, batch):
    student, teacher = (maps(side, batch, 10 * own) for own, side in enumerate(STAGES[stages]))
    adapter = adapter_for(name, student, teacher)
    arrays = ([each.numpy() for each in side] for side in (student, teacher))
    found = term(name, student, teacher, adapter).item()
    assert found == pytest.approx(ORACLES[name](*arrays, adapter), rel=1e-9)


@pytest.mark.parametrize("power", [1, 3, 4])
def test_attention_equals_its_formula_at_other_powers(power):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    arrays = ([each.numpy() for each in side] for side in (student, teacher))
    expected = np_attention(*arrays, None, power)
    assert term("attention", student, teacher, power=power).item() == pytest.approx(expected)


# what holds for many methods


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_gradient_agrees_with_finite_differences(name, batch):
    student = maps([(2, 4, 2), (2, 2, 1)], batch)
    teacher = maps([(3, 2, 3), (2, 1, 2)], batch, 10)
    adapter = adapter_for(name, student, teacher)
    # fitnet looks at the first stage alone
    chosen = tuple(each.requires_grad_() for each in student[: 1 if name == "fitnet" else 2])

    def loss(*features):
        return term(name, [*features, *student[len(features) :]], teacher, adapter)

    assert torch.autograd.gradcheck(loss, chosen)


@pytest.mark.parametrize("name", WITH_ADAPTER)
def test_the_adapters_gradient_agrees_with_finite_differences(name):
    student, teacher = maps([(2, 4, 2), (2, 2, 1)], 2), maps([(3, 2, 3), (2, 1, 2)], 2, 10)
    adapter = adapter_for(name, student, teacher)
    before = dict(adapter.named_parameters())

    def loss(*values):
        fixed = dict(zip(before, values, strict=True))
        for path, value in fixed.items():
            *folder, last = path.split(".")
            owner = adapter.get_submodule(".".join(folder))
            owner._parameters[last] = value
        return term(name, student, teacher, adapter)

    values = tuple(each.detach().clone().requires_grad_() for each in before.values())
    assert torch.autograd.gradcheck(loss, values)


@pytest.mark.parametrize("name", WITH_ADAPTER)
def test_everything_in_the_adapter_learns(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    adapter = adapter_for(name, student, teacher)
    term(name, student, teacher, adapter).backward()
    for parameter in adapter.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("name", EVERY)
def test_a_step_against_the_gradient_brings_the_student_nearer(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["one stage"]))
    adapter = adapter_for(name, student, teacher)
    (slope,) = gradients(name, student, teacher, adapter=adapter)
    nearer = [student[0] - 1e-4 * slope / slope.norm()]
    assert term(name, nearer, teacher, adapter) < term(name, student, teacher, adapter)


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_the_batch_does_not_matter(name):
    student, teacher = (maps(side, 4, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    order = torch.tensor([2, 0, 3, 1])
    ordered = ([each[order] for each in side] for side in (student, teacher))
    torch.testing.assert_close(term(name, *ordered), term(name, student, teacher))


@pytest.mark.parametrize("name", EVERY)
def test_the_loss_is_a_mean_over_samples(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    alone = [
        term(name, *([each[[row]] for each in side] for side in (student, teacher))).item()
        for row in range(3)
    ]
    assert term(name, student, teacher).item() == pytest.approx(sum(alone) / 3)


@pytest.mark.parametrize("name", EVERY)
def test_a_method_leaves_the_features_as_they_are(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["equal"]))
    before = [each.clone() for each in (*student, *teacher)]
    term(name, student, teacher)
    torch.testing.assert_close([*student, *teacher], before, rtol=0, atol=0)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("batch", [1, 3])
def test_values_and_gradients_are_finite_in_fewer_bits(name, dtype, scale, batch):
    sides = (maps(side, batch, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    student, teacher = ([(scale * each).to(dtype) for each in side] for side in sides)
    adapter = adapter_for(name, student, teacher)
    used = student[:1] if name == "fitnet" else student
    assert term(name, used, teacher[: len(used)], adapter).isfinite()
    for slope in gradients(name, used, teacher[: len(used)], adapter=adapter):
        assert slope.isfinite().all()
        assert slope.abs().max() > 0


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dead", ["sample", "channel", "everything"])
def test_features_of_zeros_give_finite_values_and_bounded_gradients(name, dead):
    student, teacher = ([random(3, 4, 4, 4, seed=seed).float()] for seed in range(2))
    places = {"sample": (0,), "channel": (slice(None), 0), "everything": ()}[dead]
    student[0][places] = 0
    for sides in ((student, teacher), (teacher, student)):
        assert term(name, *sides).isfinite()
        (slope,) = gradients(name, *sides)
        assert slope.isfinite().all()
        assert slope.abs().max() < 1e3


@pytest.mark.parametrize("name", ["attention", "nst"])
@pytest.mark.parametrize("batch", [1, 3])
def test_without_an_adapter_equal_features_give_zero_and_others_do_not(name, batch):
    shapes = STAGES["equal"][0]
    same, others = maps(shapes, batch), maps(shapes, batch, 10)
    assert term(name, same, [each.clone() for each in same]).item() == pytest.approx(0, abs=1e-14)
    for slope in gradients(name, same, [each.clone() for each in same]):
        assert slope.abs().max() < 1e-14
    assert term(name, others, same) > 1e-3


@pytest.mark.parametrize("name", ["attention", "nst"])
def test_the_order_of_channels_does_not_matter(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["one stage"]))
    ordered = [student[0].flip(1)], [teacher[0][:, [2, 0, 1]]]
    torch.testing.assert_close(term(name, *ordered), term(name, student, teacher))
    assert term(name, [teacher[0].flip(1)], teacher).item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("name", ["attention", "nst"])
def test_saying_every_channel_twice_changes_nothing(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["one stage"]))
    twice = [student[0].repeat(1, 2, 1, 1)]
    torch.testing.assert_close(term(name, twice, teacher), term(name, student, teacher))


@pytest.mark.parametrize("name", ["attention", "nst"])
def test_a_samples_strength_does_not_matter(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    scale = torch.tensor([0.01, 1.0, 300.0]).double()[:, None, None, None]
    found = term(name, [scale * each for each in student], [each / scale for each in teacher])
    torch.testing.assert_close(found, term(name, student, teacher))


@pytest.mark.parametrize("name", ["attention", "review", "nst", "vid"])
def test_stages_are_added_up(name):
    student, teacher = (maps(side, 3, 10 * own) for own, side in enumerate(STAGES["oblong"]))
    adapter = adapter_for(name, student, teacher)
    if name == "review":
        # each stage by itself: nothing of the deeper one
        torch.nn.init.zeros_(adapter[0].mix.weight)
        adapter[0].mix.bias.data = torch.tensor([1e3, -1e3]).double()
    alone = [
        term(name, [one], [other], None if adapter is None else adapter[stage : stage + 1])
        for stage, (one, other) in enumerate(zip(student, teacher, strict=True))
    ]
    expected = sum(each.item() for each in alone)
    assert term(name, student, teacher, adapter).item() == pytest.approx(expected)


def test_the_larger_map_is_averaged_down():
    # 2 × 2 to 1 × 2: (1 + 5) / 2 and (2 + 8) / 2 are (3, 5); attention of (3, 5) against (3, 5)
    large, small = numbers([[1.0, 2.0], [5.0, 8.0]]), numbers([[3.0, 5.0]])
    assert term("attention", [large], [small]).item() == pytest.approx(0, abs=1e-14)
    assert term("attention", [small], [large]).item() == pytest.approx(0, abs=1e-14)
