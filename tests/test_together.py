"""Small networks that are trained at once learn what each would have learnt alone."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import nn

from kdcore import methods
from kdcore.recipe import Augmentation, Recipe
from kdcore.tasks import Data, Split
from kdcore.train import together
from kdcore.train.dense import Stack, linears
from kdcore.train.lesson import Lesson, Pupil, Source, Teaching, alone
from kdcore.train.teacher import cached, rerun
from kdcore.train.terms import terms_of
from kdcore.train.together import kind_of, rounds
from kdcore.train.views import Views
from tests.told import whole

CLASSES, WIDTH, COUNT = 4, 6, 60


def split(count: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, WIDTH, generator=generator)
    return Split(inputs, (2 * inputs[:, :CLASSES]).argmax(1))


TRAIN, VALIDATION = split(COUNT, 0), split(30, 1)
DATA = Data(("a", "b", "c", "d"), TRAIN, VALIDATION, VALIDATION)
VIEWS = Views(DATA, DATA.train.inputs)
LABELLED, TRANSFER = torch.arange(20), torch.arange(50)


def network(seed: int, widths=(5,)) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for into, out in zip((WIDTH, *widths), widths, strict=False):
        layers += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear((WIDTH, *widths)[-1], CLASSES))


TEACHER = network(99, (12,))
ANSWERS = whole(cached(TEACHER, VIEWS, torch.arange(COUNT)))


def pupil(seed=0, *, control=False, unlabelled=True, widths=(5,), answers=ANSWERS, **values):
    """A student of a recipe, fresh; training: 30 steps on batches of 8, where not said."""
    values = {"method": {"name": "kd"}} | values
    values["training"] = {"steps": 30, "batch_size": 8} | values.get("training", {})
    recipe = Recipe(**values)
    student = network(seed, widths)
    teaching = None
    if not control:
        visible = torch.zeros(COUNT, dtype=torch.bool)
        visible[LABELLED] = True
        terms = terms_of(recipe, student, TEACHER, (WIDTH,))
        adapters = nn.ModuleList(nn.Module() for _ in terms)
        teaching = Teaching(Source(terms, answers), recipe, visible, adapters)
    samples = (LABELLED, TRANSFER) if unlabelled and not control else (LABELLED,)
    lesson = Lesson(
        *(VIEWS, TRAIN.labels, samples, seed, recipe.training, VALIDATION, teaching),
    )
    return Pupil(network=student, lesson=lesson)


def both_ways(*several):
    """Each pupil's reports and the pupil, trained together, and a copy that was trained alone."""
    once = [replace(p, network=copy_of(p.network), best=type(p.best)()) for p in several]
    apart = [[report for report in alone(p) if report is not None] for p in once]
    at_once = [[] for _ in several]
    for told in rounds(several):
        for place, report in told:
            at_once[place].append(report)
    return list(zip(several, at_once, once, apart, strict=True))


def copy_of(module):
    fresh = network(0, tuple(layer.out_features for layer in linears(module))[:-1])
    fresh.load_state_dict(module.state_dict())
    return fresh


def weights(state):
    return torch.cat([value.flatten() for value in state.values()])


def check_equal(*several):
    """Weights to 2e-5 after 30 steps of up to 0.05, where rounding is what differs, and reports."""
    for joint, told, single, expected in both_ways(*several):
        for of in (lambda p: p.network.state_dict(), lambda p: p.best.weights):
            torch.testing.assert_close(
                weights(of(joint)), weights(of(single)), atol=2e-5, rtol=1e-4
            )
        assert joint.best.weights.keys() == single.best.weights.keys()
        assert joint.best.accuracy == single.best.accuracy
        assert torch.equal(
            joint.network(VALIDATION.inputs).argmax(1),
            single.network(VALIDATION.inputs).argmax(1),
        )
        assert [report.step for report in told] == [report.step for report in expected]
        for one, other in zip(told, expected, strict=True):
            assert list(one.metrics) == list(other.metrics)
            assert one.metrics == pytest.approx(other.metrics, abs=1e-4)


def trained_together(*several):
    kinds = {kind_of(each) for each in several}
    return len(kinds) == 1 and None not in kinds


# the same as alone


@pytest.mark.parametrize("unlabelled", [False, True])
@pytest.mark.parametrize("name", [n for n in methods.names() if methods.get(n).closed])
def test_every_method_that_is_taught_together_teaches_what_it_teaches_alone(name, unlabelled):
    several = [
        pupil(seed, method={"name": name}, unlabelled=unlabelled, temperature=heat)
        for seed, heat in ((0, 4.0), (1, 4.0), (2, 1.0), (0, 20.0))
    ]
    assert trained_together(*several)
    check_equal(*several)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_every_optimizer_and_schedule_takes_the_same_steps(optimizer, schedule):
    how = {"optimizer": optimizer, "schedule": schedule, "warm_up": 5}
    several = [
        pupil(seed, training=how | {"learning_rate": rate, "weight_decay": decay})
        for seed, rate, decay in ((0, 1e-2, 0.0), (1, 1e-2, 0.1), (2, 5e-2, 0.01))
    ]
    assert trained_together(*several)
    check_equal(*several)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_equal_rates_and_decays_take_the_same_steps(decay):
    check_equal(*(pupil(seed, training={"weight_decay": decay}) for seed in range(3)))


@pytest.mark.parametrize("how", ["linear", "cosine", "step"])
@pytest.mark.parametrize("which", ["temperature_schedule", "soft_schedule", "hard_schedule"])
def test_temperatures_and_weights_move_as_they_do_alone(which, how):
    moving = pupil(0, **{which: {"how": how, "to": 2.0}})
    check_equal(moving, pupil(1), pupil(2, temperature=8.0))


def test_students_on_labels_alone_learn_together():
    several = [pupil(seed, control=True) for seed in range(3)]
    assert trained_together(*several)
    check_equal(*several)


def test_a_method_without_terms_leaves_the_labels_at_their_full_weight():
    check_equal(pupil(0, method={"name": "hard"}, unlabelled=False), pupil(1, control=True))


def test_several_terms_and_weights_of_zero():
    extra = [{"name": "label", "weight": 0.5}]
    check_equal(
        pupil(0, extra=extra, soft_weight=0.7, hard_weight=0.0),
        pupil(1, extra=extra, soft_weight=0.0, hard_weight=1.0),
        pupil(0, method={"name": "label"}, extra=[{"name": "kd", "weight": 2.0}]),
    )


def test_labels_are_smoothed_for_whom_it_is_asked():
    smooth = [{"label_smoothing": share} for share in (0.0, 0.3, 0.1)]
    check_equal(*(pupil(seed, training=how) for seed, how in enumerate(smooth)))


@pytest.mark.parametrize("widths", [(), (7, 3), (4, 4, 4)])
def test_any_number_of_layers(widths):
    check_equal(*(pupil(seed, widths=widths) for seed in range(3)))


def test_one_alone_is_a_cohort_too():
    check_equal(pupil())


def test_members_that_see_the_same_samples_share_them_in_whatever_order_they_come():
    several = [pupil(seed, temperature=heat) for heat in (1.0, 4.0) for seed in (5, 3, 4)]
    check_equal(*several)
    assert len(together.Cohort(range(6), several).orders) == 3


def test_every_member_has_its_own_teacher_and_labels():
    other = whole(cached(network(7, (12,)), VIEWS, torch.arange(COUNT)))
    noisy = pupil(1, answers=other)
    noisy.lesson = replace(noisy.lesson, labels=TRAIN.labels.roll(1))
    check_equal(pupil(0), noisy, pupil(2, answers=other))


def test_a_long_stretch_is_laid_out_in_parts(monkeypatch):
    monkeypatch.setattr(together, "NUMBERS", 3 * 2 * 8 * CLASSES * 3)
    check_equal(*(pupil(seed, training={"steps": 400}) for seed in range(2)))


def test_who_has_lost_patience_keeps_the_weights_of_that_moment():
    still = {"learning_rate": 1e-6, "patience": 2, "steps": 60}
    lively = {"learning_rate": 1e-2, "patience": 0, "steps": 60}
    check_equal(pupil(0, training=still), pupil(1, training=lively), pupil(2, training=still))


def test_a_member_that_diverges_disturbs_no_other():
    wild = pupil(0, training={"learning_rate": 10.0, "optimizer": "sgd"}, soft_weight=1e6)
    (_, told, _, _), *others = both_ways(wild, pupil(1), pupil(2))
    assert not all(torch.isfinite(torch.tensor(report.metrics["soft"])) for report in told)
    for at_once, _, single, _ in others:
        torch.testing.assert_close(
            weights(at_once.network.state_dict()),
            weights(single.network.state_dict()),
            atol=2e-5,
            rtol=1e-4,
        )


@pytest.mark.parametrize("heat", [20.0, 100.0])
def test_a_divergence_is_told_rightly_at_a_high_temperature(heat):
    for _, told, _, expected in both_ways(pupil(0, temperature=heat), pupil(1, temperature=heat)):
        for one, other in zip(told, expected, strict=True):
            assert one.metrics["soft"] == pytest.approx(other.metrics["soft"], rel=0.02, abs=1e-4)


def test_no_more_are_trained_at_once_than_a_pass_leaves_room_for(monkeypatch):
    counts = []
    cohort = together.Cohort
    monkeypatch.setattr(
        together, "Cohort", lambda some, pupils: counts.append(len(some)) or cohort(some, pupils)
    )
    monkeypatch.setattr(together, "NUMBERS", 3 * 16 * (WIDTH + 5 + 5 + CLASSES))
    check_equal(*(pupil(seed) for seed in range(7)))
    assert counts == [3, 3, 1]


# who is trained together, and who is not


@pytest.mark.parametrize(
    "values",
    [
        {"training": {"steps": 31}},
        {"training": {"batch_size": 9}},
        {"training": {"optimizer": "sgd"}},
        {"training": {"schedule": "cosine"}},
        {"training": {"warm_up": 3}},
        {"unlabelled": False},
        {"widths": (6,)},
        {"extra": [{"name": "label"}]},
    ],
)
def test_whoever_needs_other_steps_is_in_another_cohort_and_learns_all_the_same(values):
    assert not trained_together(pupil(0), pupil(1, **values))
    check_equal(pupil(0), pupil(1, **values), pupil(2))


OPEN = [
    name
    for name, method in ((name, methods.get(name)) for name in methods.names())
    if method.formula and method.closed is None and not method.needs.maps
]


@pytest.mark.parametrize("name", OPEN)
def test_a_method_whose_gradient_is_not_written_out_is_trained_alone(name):
    assert kind_of(pupil(method={"name": name})) is None


def test_networks_that_are_not_dense_are_trained_alone():
    for module in (
        nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 4)),
        nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 4)),
        nn.Sequential(nn.Linear(6, 4), nn.ReLU()),
        nn.Sequential(nn.Linear(6, 4, bias=False)),
        nn.Linear(6, 4),
        nn.Sequential(),
    ):
        assert linears(module) is None
        fresh = pupil(control=True)
        assert kind_of(replace(fresh, network=module)) is None


def test_what_must_be_the_same_to_the_last_digit_is_trained_alone():
    fresh = pupil(control=True)
    assert kind_of(replace(fresh, lesson=replace(fresh.lesson, apart=True))) is None


def test_a_teacher_that_answers_every_batch_anew_teaches_one_at_a_time():
    one = pupil(answers=rerun(TEACHER))
    assert kind_of(one) is None
    check_equal(one, pupil(1))


def test_augmented_pictures_are_trained_on_alone():
    fresh = pupil(control=True)
    pictures = Views(DATA, torch.zeros(COUNT, 1, 4, 4, dtype=torch.uint8), Augmentation(shift=1))
    assert kind_of(replace(fresh, lesson=replace(fresh.lesson, views=pictures))) is None


# the stack itself


def test_logits_and_gradients_of_a_stack_are_those_of_its_networks():
    networks = [network(seed, (5, 3)) for seed in range(3)]
    stack = Stack(networks)
    inputs = torch.randn(3, 10, WIDTH, generator=torch.Generator().manual_seed(3))
    outputs = stack.forward(inputs)
    slope = torch.randn(3, 10, CLASSES, generator=torch.Generator().manual_seed(4))
    stack.backward(outputs, slope)
    for member, module in enumerate(networks):
        expected = module(inputs[member])
        torch.testing.assert_close(outputs[-1][member], expected)
        expected.backward(slope[member])
        ours = [part for layer in stack.weights(stack.slopes, member) for part in layer]
        for one, weight in zip(ours, module.parameters(), strict=True):
            torch.testing.assert_close(one, weight.grad)
        length = torch.cat([weight.grad.flatten() for weight in module.parameters()]).norm()
        torch.testing.assert_close(stack.norms()[member], length)


def test_telling_after_every_step_lets_one_stop_at_any():
    several = [pupil(0), pupil(1)]
    assert len(list(islice(rounds(several), 7))) == 7
    assert len(list(rounds([pupil(0), pupil(1, training={"steps": 12})]))) == 30


# snapshots


@pytest.mark.parametrize(
    "way", [rounds, lambda pupils: alone(pupils[0])], ids=["together", "alone"]
)
def test_snapshots_change_nothing_and_are_the_weights_at_each_report(way):
    plain, watched = pupil(), pupil()
    watched.snapshots = []
    reports = []
    for each in (plain, watched):
        reports = [told for told in way([each]) if told]
    state = watched.network.state_dict()
    for name, value in plain.network.state_dict().items():
        assert torch.equal(state[name], value)
        assert torch.equal(plain.best.weights[name], watched.best.weights[name])
    steps = [told[0][1].step if isinstance(told, list) else told.step for told in reports]
    assert [step for step, _ in watched.snapshots] == steps
    step, last = watched.snapshots[-1]
    assert step == 30
    for name, value in last.items():
        assert torch.equal(state[name], value)
    assert not torch.equal(*(kept["1.weight"] for _, kept in watched.snapshots[:2]))
