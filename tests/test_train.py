"""The training loop and the teacher's cached answers."""

import itertools

import pytest
import torch
from torch import nn

from kdcore.recipe import Recipe, Training
from kdcore.tasks import Data, Split
from kdcore.train import teacher as answers
from kdcore.train.loop import Best, Losses, accuracy, drawing, logits, share_correct, train
from kdcore.train.objective import distillation_loss, hard_loss
from kdcore.train.optim import learning_rate, optimizer_for
from kdcore.train.order import Order, batches
from kdcore.train.terms import terms_of
from kdcore.train.views import Views
from tests.told import whole


@pytest.fixture(autouse=True)
def one_thread():
    """As in a run: with more, a busy machine makes such small steps many times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def split(count: int, seed: int = 0) -> Split:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 6, generator=generator)
    return Split(images, images[:, :3].argmax(1))


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def restless(seed: int = 0) -> nn.Module:
    """A network that answers differently in train mode, and changes there."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    )


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


DATA, VALIDATION = split(50), split(20, seed=1)
POOL = torch.arange(50)
VIEWS = Views(Data(("a", "b", "c"), DATA, VALIDATION, VALIDATION), DATA.inputs)
HARD = hard_loss(VIEWS, DATA.labels, Training(batch_size=10))


def epochs(pool, batch_size, seed):
    return batches([Order(pool, batch_size, seed)])


def stepwise(module, steps=20, best=None, loss=None, learning_rate=1e-2, **training):
    training = Training(steps=steps, batch_size=10, learning_rate=learning_rate, **training)
    return train(module, epochs(POOL, 10, 0), loss or HARD, training, VALIDATION, 0, best)


def reports(*arguments, **options):
    return (report for report in stepwise(*arguments, **options) if report is not None)


def test_a_cached_teacher_gives_the_same_student_as_a_teacher_run_every_step():
    recipe = Recipe(training=Training(batch_size=10))
    students = []
    for source in (cached, answers.rerun):
        student = network(1)
        table = source(restless())
        everything = torch.ones(50, dtype=torch.bool)
        terms = terms_of(recipe, student, restless(), (6,))
        loss = distillation_loss(VIEWS, DATA.labels, everything, table, terms, recipe)
        list(reports(student, loss=loss))
        students.append(weights(student))
    torch.testing.assert_close(*students)


def cached(teacher):
    return whole(answers.cached(teacher, VIEWS, POOL))


@pytest.mark.parametrize("source", [cached, answers.rerun])
def test_the_teacher_answers_in_eval_mode_and_never_learns(source):
    teacher = restless()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    table = source(teacher)
    first, second = (table(POOL, VIEWS.plain(POOL)).logits for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_answers_are_looked_up_by_sample_and_not_by_place_in_the_batch():
    teacher = network()
    table = cached(teacher)
    order = torch.tensor([7, 3, 7])
    shown = VIEWS.plain(order)
    torch.testing.assert_close(table(order, shown).logits, logits(teacher, shown))


def test_a_sample_that_was_not_asked_for_has_no_answer():
    table = whole(answers.cached(network(), VIEWS, torch.tensor([3, 7])))
    given = table(torch.tensor([3, 4]), VIEWS.plain(torch.tensor([3, 4])))
    assert given.logits.isnan().any(1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("steps", "expected"), [(1, 1), (20, 5), (42, 11), (160, 40), (400, 40), (405, 41)]
)
def test_a_run_reports_forty_times_at_most_and_after_its_last_step(steps, expected):
    told = [report.step for report in reports(network(), steps)]
    assert len(told) == expected
    assert told[-1] == steps
    assert told == sorted(set(told))


def test_a_term_is_the_mean_over_the_steps_since_the_last_report():
    values = iter(range(1, 82))

    def loss(module, batch, done):
        value = torch.tensor(float(next(values)))
        return Losses({"x": module(DATA.inputs[batch.indices]).sum() * 0}, {"count": value})

    told = [report.metrics["count"] for report in reports(network(), 81, loss=loss)]
    assert told[:3] == [2.5, 6.5, 10.5]
    assert told[-2:] == [78.5, 81]  # the last step comes alone


def test_the_network_is_in_train_mode_at_every_step_though_it_is_evaluated_between():
    modes = []

    def loss(module, batch, done):
        modes.append(module.training)
        return HARD(module, batch, done)

    list(reports(restless().eval(), loss=loss))
    assert modes == [True] * 20


def test_at_a_report_the_network_is_as_it_was_judged():
    module = restless()
    for report in reports(module):
        assert not module.training
        assert report.metrics["accuracy"] == accuracy(module, VALIDATION)


def test_training_moves_the_weights_and_lowers_the_loss():
    student = network()
    before = weights(student)
    told = list(reports(student, steps=200))
    assert not torch.equal(before, weights(student))
    assert told[-1].metrics["hard"] < told[0].metrics["hard"] / 2


def test_the_same_seed_trains_to_the_same_weights():
    pair = [network(), network()]
    for each in pair:
        list(reports(each))
    assert torch.equal(weights(pair[0]), weights(pair[1]))


def test_one_can_stop_after_any_step():
    student = network()
    told = stepwise(student, steps=400)
    assert [next(told) for _ in range(3)] == [None] * 3
    told.close()
    after = weights(student)
    assert list(told) == []
    three = network()
    list(itertools.islice(stepwise(three, steps=400), 3))
    assert torch.equal(after, weights(three))


def test_the_best_weights_are_those_of_the_first_of_equal_reports():
    best, module = Best(), network()
    best.offer(0.5, module)
    kept = {name: value.clone() for name, value in best.weights.items()}
    with torch.no_grad():
        module[0].weight.add_(1)
    best.offer(0.5, module)
    assert all(torch.equal(kept[name], value) for name, value in best.weights.items())
    best.offer(0.6, module)
    assert torch.equal(best.weights["0.weight"], module[0].weight)


def test_the_best_is_taken_at_reports():
    best = Best()
    told = list(reports(network(), steps=60, best=best))
    assert best.accuracy == max(report.metrics["accuracy"] for report in told)


def test_logits_in_parts_are_the_logits_at_once():
    module = restless()
    parts = logits(module, DATA.inputs, batch_size=7)
    torch.testing.assert_close(parts, logits(module, DATA.inputs))


def test_accuracy_counts_where_the_highest_logit_is_the_labels():
    outputs = torch.tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 5.0], [2.0, 1.0]])
    assert share_correct(outputs, torch.tensor([1, 0, 0, 0])) == 0.75
    assert share_correct(outputs[:3], torch.tensor([1, 1, 0])) == 1 / 3
    same = nn.Identity()
    assert accuracy(same, Split(outputs, torch.tensor([1, 0, 1, 0]))) == 1.0


def test_each_pass_over_the_pool_sees_every_sample_once():
    pool = torch.tensor([4, 8, 15, 16, 23, 42])
    batches = list(itertools.islice(epochs(pool, 2, seed=0), 6))
    for start in (0, 3):
        drawn = batches[start : start + 3]
        assert sorted(torch.cat([batch.indices for batch in drawn]).tolist()) == pool.tolist()
        assert {number for batch in drawn for number in batch.passes.tolist()} == {start // 3}


def test_each_pass_over_the_pool_has_an_order_of_its_own():
    batches = epochs(torch.arange(100), 100, seed=0)
    assert next(batches).indices.tolist() != next(batches).indices.tolist()


def test_a_batch_that_ends_a_pass_begins_the_next():
    batches = list(itertools.islice(epochs(torch.tensor([4, 8, 15]), 2, seed=0), 6))
    drawn = torch.cat([batch.indices for batch in batches]).tolist()
    assert [sorted(drawn[start : start + 3]) for start in (0, 3, 6, 9)] == [[4, 8, 15]] * 4
    assert [batch.passes.tolist() for batch in batches[:3]] == [[0, 0], [0, 1], [1, 1]]


def test_a_pool_smaller_than_a_batch_still_fills_it():
    batch = next(epochs(torch.tensor([5, 6, 7]), 8, seed=0))
    assert len(batch.indices) == 8
    assert sorted(batch.indices[:3].tolist()) == [5, 6, 7]
    assert sorted(batch.indices[3:6].tolist()) == [5, 6, 7]
    assert batch.passes.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]


def test_batches_depend_on_the_seed_alone():
    def first(seed):
        return next(epochs(torch.arange(100), 10, seed)).indices.tolist()

    assert first(1) == first(1)
    assert first(1) != first(2)


# optimizers, schedules, patience


def test_a_constant_rate_stays_and_a_warm_up_rises_to_it():
    rates = [learning_rate(Training(steps=10, warm_up=4, learning_rate=1), s) for s in range(1, 8)]
    assert rates == [0.25, 0.5, 0.75, 1, 1, 1, 1]


def test_a_cosine_falls_from_the_rate_along_half_a_wave():
    training = Training(steps=4, schedule="cosine", learning_rate=2)
    rates = [learning_rate(training, step) for step in range(1, 5)]
    assert rates == pytest.approx([2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5])


def test_steps_fall_to_a_tenth_at_half_and_at_three_quarters():
    training = Training(steps=8, schedule="step", learning_rate=1)
    rates = [learning_rate(training, step) for step in range(1, 9)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_rate_of_the_schedule_is_the_one_that_is_used():
    still, moved = network(), network()
    list(reports(still, steps=1, warm_up=10**9))
    assert torch.allclose(weights(still), weights(network()), atol=1e-9)
    list(reports(moved, steps=1))
    assert not torch.allclose(weights(moved), weights(network()), atol=1e-3)


def test_sgd_takes_nesterovs_step():
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    optimizer = optimizer_for(module, Training(optimizer="sgd", learning_rate=0.1))
    for _ in range(2):
        optimizer.zero_grad()
        (2 * module.weight).sum().backward()  # gradient 2 at every step
        optimizer.step()
    # first: velocity 2, step 2 + 0.9·2; second: velocity 3.8, step 2 + 0.9·3.8
    assert module.weight.item() == pytest.approx(1 - 0.1 * (3.8 + 5.42))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_every_optimizer_learns_and_decays(name):
    student = network()
    told = list(reports(student, steps=200, optimizer=name))
    assert told[-1].metrics["hard"] < told[0].metrics["hard"]
    decayed = network()
    list(reports(decayed, steps=200, optimizer=name, weight_decay=0.5))
    assert weights(decayed).norm() < weights(student).norm()


def test_patience_ends_a_training_that_has_stopped_improving():
    def stuck(module, batch, done):
        return Losses({"x": module(DATA.inputs[batch.indices]).sum() * 0}, {})

    told = list(reports(network(), steps=400, patience=3, loss=stuck))
    assert len(told) == 4
    assert len(list(reports(network(), steps=400, loss=stuck))) == 40


# what layers draw by themselves


def dropping() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def test_a_network_with_dropout_trains_the_same_whoever_draws_in_between():
    alone, among = dropping(), dropping()
    for _ in stepwise(alone):
        pass
    for _ in stepwise(among):
        torch.rand(7)
    assert torch.equal(weights(alone), weights(among))


def test_training_leaves_torchs_own_generator_as_it_was():
    network = dropping()
    before = torch.get_rng_state()
    for _ in stepwise(network):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_every_step_and_seed_drops_other_units():
    def dropped(seed, step):
        with drawing(seed, step):
            return nn.functional.dropout(torch.ones(64), 0.5)

    assert torch.equal(dropped(0, 1), dropped(0, 1))
    assert not torch.equal(dropped(0, 1), dropped(0, 2))
    assert not torch.equal(dropped(0, 1), dropped(1, 1))


def test_the_samples_that_both_students_see_lose_the_same_units():
    def dropped(samples):
        with drawing(0, 1):
            return nn.functional.dropout(torch.ones(samples, 16), 0.5)

    assert torch.equal(dropped(32)[:16], dropped(16))
