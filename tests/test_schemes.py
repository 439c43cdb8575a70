"""Who teaches, and what the loss is made of: chains, ensembles, peers, several terms, schedules."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from kdcore import schedule
from kdcore.errors import RecipeError
from kdcore.experiment import run
from kdcore.methods import Method, get
from kdcore.recipe import Recipe, Schedule, Training
from kdcore.result import SHARE, STUDENTS, Event, Progress
from kdcore.setting import Setting
from kdcore.train.ensemble import Ensemble
from kdcore.train.loop import backward
from kdcore.train.mutual import mutual_loss
from kdcore.train.objective import NOBODY, Half, weighed
from kdcore.train.precision import answer
from kdcore.train.terms import Outputs, Term, hard_weight
from kdcore.train.views import Batch, View
from tests.verdicts import accuracies, changed, steps_to_the_verdict, verdict_of

WIDTHS = {"options": {"widths": [6]}}


def told_by(recipe, shelf):
    return list(steps_to_the_verdict(recipe, shelf))


# a chain of assistants


def test_assistants_stand_between_teacher_and_student(quick, shelf):
    told = told_by(changed(quick, scheme={"assistants": [WIDTHS, WIDTHS]}), shelf)
    result = told[-1]
    assert [len(arm.accuracy) for arm in result.chain] == [3, 3]
    assert result.chain[0].parameters == 6 * 65 + 10 * 7
    done = [p.done for p in told if isinstance(p, Progress) and p.phase == "assistants"]
    assert done == sorted(done)
    assert done[-1] == 1
    assert {e.arm for e in told if isinstance(e, Event)} == {"teacher", *STUDENTS}


def test_a_chain_leaves_the_control_as_it_is(quick, shelf):
    plain = accuracies(verdict_of(quick, shelf))
    chained = accuracies(verdict_of(changed(quick, scheme={"assistants": [WIDTHS]}), shelf))
    assert chained["control"] == plain["control"]
    assert chained["teacher"] == plain["teacher"]


def test_the_last_of_a_chain_learns_from_the_assistant_and_not_from_the_teacher(shelf):
    # an assistant that is not trained to anything useful teaches nothing useful
    recipe = Recipe(
        teacher={"options": {"widths": [64]}},
        student={"options": {"widths": [16]}},
        teacher_training={"steps": 200},
        training={"steps": 100},
        transfer={"labelled": 20, "unlabelled": "rest"},
        soft_weight=1.0,
        hard_weight=0.0,
        seeds=(0, 1, 2),
    )
    straight = verdict_of(recipe, shelf)
    narrow = {"assistants": [{"options": {"widths": [1]}}]}
    through = verdict_of(changed(recipe, scheme=narrow), shelf)
    assert max(through.arms["distilled"].accuracy) < min(straight.arms["distilled"].accuracy)


def test_a_chain_is_reproduced_to_the_last_digit(quick, shelf):
    recipe = changed(quick, scheme={"assistants": [WIDTHS]}, method={"name": "fitnet"})
    assert accuracies(verdict_of(recipe, shelf)) == accuracies(verdict_of(recipe, shelf))


# several teachers


def linear(*rows) -> nn.Linear:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


def test_an_ensemble_softened_is_the_weighted_mean_of_its_softened_members():
    one, other = linear([3.0, 0.0], [0.0, 1.0]), linear([0.0, 2.0], [5.0, 0.0])
    inputs = torch.tensor([[1.0, 2.0], [-1.0, 0.5]])
    mixed = Ensemble([one, other], [1, 3], temperature=2.0)(inputs)
    expected = 0.25 * (one(inputs) / 2).softmax(1) + 0.75 * (other(inputs) / 2).softmax(1)
    torch.testing.assert_close((mixed / 2).softmax(1), expected)


def test_probabilities_are_averaged_and_not_logits():
    # one is sure of class 0 by 100, the other of class 1 by 1: of logits, the first would win
    loud, quiet = linear([100.0, 0.0], [0.0, 0.0]), linear([0.0, 0.0], [1.0, 0.0])
    inputs = torch.tensor([[1.0, 0.0]])
    answer = Ensemble([loud, quiet], [1, 3], temperature=1.0)(inputs).softmax(1)
    assert answer[0, 1] > answer[0, 0]


def test_an_ensembles_logits_lie_where_its_members_do():
    one, other = linear([3.0, 1.0], [0.0, 1.0]), linear([0.0, 2.0], [5.0, 0.0])
    inputs = torch.tensor([[1.0, 2.0], [-1.0, 0.5]])
    for temperature in (1.0, 20.0):
        mixed = Ensemble([one, other], [1, 3], temperature)(inputs)
        expected = 0.25 * one(inputs).mean(1) + 0.75 * other(inputs).mean(1)
        torch.testing.assert_close(mixed.mean(1), expected)


def test_of_several_teachers_only_their_common_answer_is_drawn(quick, shelf):
    recipe = changed(quick, scheme={"co_teachers": [WIDTHS, WIDTHS]})
    for _ in range(2):  # trained, and taken off the shelf
        told = told_by(recipe, shelf)
        levels = [e for e in told if isinstance(e, Event) and e.arm == "teacher"]
        assert [(e.seed, e.step) for e in levels] == [(0, 20)]


def test_several_teachers_count_as_one_model(quick, shelf):
    single = verdict_of(quick, shelf)
    result = run(changed(quick, scheme={"co_teachers": [WIDTHS, WIDTHS]}), shelf=shelf)
    teacher = result.arms["teacher"]
    assert teacher.parameters == single.arms["teacher"].parameters + 2 * (6 * 65 + 10 * 7)
    assert teacher.onnx_bytes > 4 * teacher.parameters
    assert accuracies(result)["control"] == accuracies(single)["control"]


def test_co_teachers_of_one_kind_are_two_networks(quick, shelf):
    verdict_of(changed(quick, scheme={"co_teachers": [WIDTHS, WIDTHS]}), shelf)
    assert len({teacher.part["seed"] for teacher in shelf.teachers()}) == 3


def test_an_equal_say_is_the_default(quick, shelf):
    told = changed(quick, scheme={"co_teachers": [WIDTHS], "co_weights": [1]})
    silent = changed(quick, scheme={"co_teachers": [WIDTHS]})
    assert accuracies(verdict_of(told, shelf)) == accuracies(verdict_of(silent, shelf))


# peers


def test_peers_learn_along_and_nobody_is_trained_before(quick, shelf):
    told = told_by(changed(quick, scheme={"peers": 2}), shelf)
    assert not [p for p in told if isinstance(p, Progress) and p.phase == "teacher"]
    result = told[-1]
    assert len(result.arms["teacher"].accuracy) == 3
    assert result.arms["control"].accuracy == verdict_of(quick, shelf).arms["control"].accuracy


SAMPLES = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
LABELS = torch.tensor([0, 1, 1, 0])


def test_in_mutual_learning_each_learns_from_the_labels_and_from_the_mean_of_the_others():
    # Zhang et al., 2018, equation 9: L_k = CE_k + 1/(K − 1) · Σ KL(p_j ‖ p_k), at T = 1
    weights = torch.tensor([[[1, 0], [0, 1]], [[0, 2], [1, 0]], [[0.5, 0.5], [0, 0]]])
    nets = [linear(*each.tolist()) for each in weights]
    start = [net.weight.detach().clone() for net in nets]
    recipe = Recipe(
        training=Training(batch_size=2, optimizer="sgd", learning_rate=0.1, steps=1),
        temperature=1,
        soft_weight=1,
        hard_weight=1,
    )
    terms = (Term(get("kd"), {"temperature": 1.0}, 1.0),)
    everyone = torch.ones(4, dtype=torch.bool)
    loss = mutual_loss(
        lambda batch, size: View(SAMPLES[batch.indices]), LABELS, everyone, nets[1:], terms, recipe
    )
    indices = torch.tensor([0, 2])
    losses = loss(nets[0], Batch(indices, torch.zeros(2)), 0.0)
    logits = [SAMPLES[indices] @ weight.T for weight in start]

    def by_hand(k: int, weight: torch.Tensor) -> torch.Tensor:
        own = (SAMPLES[indices] @ weight.T).log_softmax(1)
        others = [logits[j].log_softmax(1) for j in range(3) if j != k]
        divergences = [(p.exp() * (p - own)).sum(1).mean() for p in others]
        return nn.functional.nll_loss(own, LABELS[indices]) + sum(divergences) / 2

    assert sum(losses.weighted.values()).item() == pytest.approx(by_hand(0, start[0]).item())
    for k in (1, 2):  # Nesterov's first step is of rate · (1 + 0.9)
        weight = start[k].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(by_hand(k, weight), weight)
        torch.testing.assert_close(nets[k].weight.detach(), start[k] - 0.1 * 1.9 * gradient)
    assert torch.equal(nets[0].weight.detach(), start[0])  # the loop takes the student's step


# what cannot be


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"scheme": {"peers": 1}, "method": {"name": "fitnet"}}, "of networks that learn together"),
        ({"scheme": {"peers": 1}, "method": {"name": "ctkd"}}, "which peers do not"),
        ({"scheme": {"co_teachers": [{}]}, "method": {"name": "rkd"}}, "no features in common"),
        ({"method": {"name": "attention"}}, "needs feature maps with height and width, which MLP"),
        ({"extra": [{"name": "nst"}]}, "needs feature maps with height and width, which MLP"),
        ({"scheme": {"assistants": [{"weights": "mine"}]}}, "are trained here"),
        ({"scheme": {"assistants": [{"architecture": "mpl"}]}}, "did you mean 'mlp'"),
        ({"task": "moons", "scheme": {"co_teachers": [{"architecture": "cnn"}]}}, "does not fit"),
        ({"extra": [{"name": "dkd", "options": {"x": 1}}]}, "has no option 'x'"),
        ({"extra": [{"name": "dkdd"}]}, "did you mean 'dkd'"),
        ({"extra": [{"name": "hard"}]}, "adds no term; leave it out of extra"),
        (
            {"method": {"name": "fitnet", "layers": [["2", "2"], ["2", "4"]]}},
            "compares one pair of layers, not 2",
        ),
    ],
)
def test_what_a_pair_cannot_give_is_said_before_the_run(values, sentence):
    with pytest.raises(RecipeError, match=sentence):
        Setting(Recipe(**values))


VGG = {"architecture": "vgg"}
ONE = {"batch_size": 1}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"training": ONE, "scheme": {"assistants": [VGG]}}, "training.batch_size is 1, but an as"),
        ({"teacher_training": ONE, "scheme": {"co_teachers": [VGG]}}, "but a co-teacher's batch"),
        (
            {"training": ONE, "teacher": VGG, "scheme": {"peers": 1}},
            "training.batch_size is 1, but",
        ),
    ],
)
def test_a_batch_of_one_is_refused_for_whoever_is_trained_with_batch_norm(values, sentence):
    with pytest.raises(RecipeError, match=sentence):
        Setting(Recipe(task="digits", **values))


def test_a_batch_of_one_for_a_teacher_that_is_not_trained_before_is_no_matter():
    values = {"task": "digits", "teacher": VGG, "teacher_training": ONE}
    with pytest.raises(RecipeError, match=r"teacher_training\.batch_size is 1"):
        Setting(Recipe(**values))
    setting = Setting(Recipe(**values, scheme={"peers": 1}))
    assert setting.recipe.teacher_training.batch_size == 1


# the loss of several terms


def halves() -> tuple[Half, Half]:
    student, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    one = Half(Outputs(student, {}), Outputs(teacher, {}), torch.tensor([0]), torch.tensor([0]))
    return one, one


def fixed(**values: float) -> Method:
    terms = {name: torch.tensor(value) for name, value in values.items()}
    return Method("fixed", "", "", "", "", (), lambda *_, **__: terms)


def total(methods_and_weights, recipe: Recipe, done=0.0) -> float:
    parts = [
        (Term(method, {}, weight, extra=number > 0), nn.Module())
        for number, (method, weight) in enumerate(methods_and_weights)
    ]
    losses = weighed(torch.tensor(10.0), halves(), parts, recipe, done)
    return sum(losses.weighted.values()).item()


def test_a_hybrid_is_the_weighted_sum_of_all_its_terms():
    recipe = Recipe(hard_weight=0.5)
    parts = [(fixed(a=3.0), 2.0), (fixed(b=5.0, c=7.0), 0.1)]
    assert total(parts, recipe) == pytest.approx(0.5 * 10 + 2 * 3 + 0.1 * (5 + 7))


def test_terms_of_one_name_are_told_apart():
    parts = [(Term(fixed(soft=value), {}, 1.0), nn.Module()) for value in (1.0, 2.0)]
    losses = weighed(torch.tensor(1.0), halves(), parts, Recipe(hard_weight=1.0), 0.0)
    assert list(losses.shown) == ["hard", "soft", "fixed soft"]


def test_methods_without_a_teacher_work_on_the_labelled_half():
    one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[5.0, 0.0]])
    parts = [(Term(get("smoothing"), {}, 1.0), nn.Module())]
    told = Half(Outputs(one, {}), NOBODY, torch.tensor([3]), torch.tensor([0]))
    asked = Half(Outputs(other, {}), Outputs(other, {}), torch.tensor([9]), torch.tensor([-1]))
    shown = weighed(torch.tensor(0.0), (told, asked), parts, Recipe(hard_weight=1), 0.0).shown
    assert shown["uniform"].item() == pytest.approx(-one.log_softmax(1).mean().item())


def test_labels_weigh_what_the_method_asks_where_the_recipe_says_nothing():
    assert hard_weight(Recipe(method={"name": "fitnet"})) == get("fitnet").hard_weight == 1
    assert hard_weight(Recipe(method={"name": "fitnet"}, hard_weight=0.3)) == 0.3


@pytest.mark.parametrize(("done", "expected"), [(0.0, 2 * 10 + 4 * 3), (0.5, 10 + 2 * 3), (1.0, 0)])
def test_weights_move_as_their_schedules_say(done, expected):
    recipe = Recipe(
        hard_weight=2,
        soft_weight=4,
        hard_schedule={"how": "linear", "to": 0},
        soft_schedule={"how": "linear", "to": 0},
    )
    assert total([(fixed(a=3.0), 4.0)], recipe, done) == pytest.approx(expected)


def test_a_schedule_moves_the_weight_of_the_recipes_own_method_alone():
    recipe = Recipe(hard_weight=0, soft_schedule={"how": "linear", "to": 0}, soft_weight=1)
    parts = [(fixed(a=3.0), 1.0), (fixed(b=5.0), 2.0)]
    assert total(parts, recipe, done=1.0) == pytest.approx(2 * 5)


def test_the_temperature_moves_as_its_schedule_says():
    recipe = Recipe(temperature=8, temperature_schedule={"how": "linear", "to": 2}, hard_weight=0)
    term = Term(get("kd"), {"temperature": 8.0}, 1.0)
    midway = weighed(torch.tensor(0.0), halves(), [(term, nn.Module())], recipe, 0.5).shown["soft"]
    still = replace(term, options={"temperature": 5.0})
    constant = Recipe(temperature=5, hard_weight=0)
    at_five = weighed(torch.tensor(0.0), halves(), [(still, nn.Module())], constant, 0.5)
    assert midway.item() == at_five.shown["soft"].item()


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ("constant", [9, 9, 9, 9, 9]),
        ("linear", [9, 7, 5, 3, 1]),
        ("cosine", [9, 5 + 4 * 0.5**0.5, 5, 5 - 4 * 0.5**0.5, 1]),
        ("step", [9, 9, 1, 1, 1]),
    ],
)
def test_a_schedule_goes_from_start_to_end(how, values):
    moves = Schedule(how=how, to=1)
    found = [schedule.at(9, moves, done) for done in (0, 0.25, 0.5, 0.75, 1)]
    assert found == pytest.approx(values)


def test_annealing_trains_on_the_teacher_first_and_then_on_the_labels_alone(quick, shelf):
    told = told_by(changed(quick, method={"name": "annealing"}), shelf)
    shares = [e.metrics for e in told if isinstance(e, Event) and e.arm == "distilled"]
    assert shares[0][SHARE + "hard"] == 0
    assert shares[-1][SHARE + "hard"] == 1


# the share of the gradient


def test_a_terms_share_of_the_gradient_is_its_norm_over_all_norms():
    net = nn.Linear(1, 1, bias=False)
    net.weight.data = torch.tensor([[2.0]])
    three, one = 3 * net.weight.sum(), -net.weight.sum()
    assert backward({"three": three, "one": one}, net, None) == {
        SHARE + "three": pytest.approx(0.75),
        SHARE + "one": pytest.approx(0.25),
    }


def test_one_term_alone_has_no_share():
    net = nn.Linear(1, 1)
    assert backward({"all": net.weight.sum()}, net, None) == {}
    assert net.weight.grad.item() == 1


def test_a_term_that_does_not_reach_the_network_pulls_nothing():
    net = nn.Linear(1, 1)
    elsewhere = nn.Linear(1, 1).weight.sum()
    shares = backward({"here": net.weight.sum(), "there": elsewhere}, net, None)
    assert shares == {SHARE + "here": 1.0, SHARE + "there": 0.0}


def test_gradients_are_those_of_the_whole_loss_adapters_included():
    def passed():
        torch.manual_seed(0)
        net, beside = nn.Linear(3, 2), nn.Linear(2, 1)
        outputs = net(torch.ones(4, 3))
        terms = {"one": outputs.square().mean(), "other": 0.3 * beside(outputs).mean()}
        return net, beside, {**terms, "neither": torch.tensor(1.0)}

    net, beside, terms = passed()
    shares = backward(terms, net, beside)
    same_net, same_beside, same_terms = passed()
    sum(same_terms.values()).backward()
    for one, other in ((net, same_net), (beside, same_beside)):
        for weight, expected in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(weight.grad, expected.grad)
    assert shares[SHARE + "neither"] == 0
    assert sum(shares.values()) == pytest.approx(1)


def test_peers_and_students_compute_in_the_same_precision(quick, shelf, monkeypatch):
    asked = []

    def spy(network, inputs, precision="float32"):
        asked.append(precision)
        return answer(network, inputs, precision)

    for module in ("objective", "mutual"):
        monkeypatch.setattr(f"kdcore.train.{module}.answer", spy)
    training = {"steps": 3, "precision": "bfloat16"}
    verdict_of(changed(quick, scheme={"peers": 1}, training=training), shelf)
    assert set(asked) == {"bfloat16"}


# what is learnt beside the student


def test_an_adapter_is_counted_apart_and_is_in_no_file(quick, shelf):
    plain = verdict_of(quick, shelf)
    hinted = run(changed(quick, method={"name": "fitnet"}), shelf=shelf)
    assert hinted.arms["distilled"].adapter_parameters == 4 * 8 + 8
    assert plain.arms["distilled"].adapter_parameters == 0
    for arm in STUDENTS:
        assert hinted.arms[arm].parameters == plain.arms[arm].parameters
    files = [hinted.arms[arm].onnx_bytes for arm in STUDENTS]
    assert abs(files[0] - files[1]) < 20


def test_an_adapter_is_trained(quick, shelf, monkeypatch):
    from kdcore.train.terms import Term

    built = []
    adapter = Term.adapter

    def spy(self, samples, seed):
        made = adapter(self, samples, seed)
        built.append((made, [weight.detach().clone() for weight in made.parameters()]))
        return made

    monkeypatch.setattr(Term, "adapter", spy)
    verdict_of(changed(quick, method={"name": "fitnet"}), shelf)
    assert len(built) == 3
    for made, before in built:
        after = list(made.parameters())
        assert not any(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_features_are_asked_of_the_teacher_once_and_give_the_student_of_a_fresh_pass(
    quick, shelf, monkeypatch
):
    recipe = changed(quick, method={"name": "fitnet"})
    kept = accuracies(verdict_of(recipe, shelf))
    monkeypatch.setattr("kdcore.classroom.students.fits_in_memory", lambda *_: False)
    assert accuracies(verdict_of(recipe, shelf)) == kept


def test_a_run_of_several_terms_tells_of_each_by_name(quick, shelf):
    recipe = changed(quick, extra=[{"name": "fitnet"}, {"name": "dkd"}])
    last = [e for e in told_by(recipe, shelf) if isinstance(e, Event) and e.arm == "distilled"][-1]
    terms = {"hard", "soft", "hint", "target", "other classes"}
    assert set(last.metrics) == {"accuracy", *terms, *(SHARE + term for term in terms)}


def test_a_result_names_the_layers_that_were_compared(quick, shelf):
    recipe = changed(quick, method={"name": "rkd"}, extra=[{"name": "fitnet"}])
    assert verdict_of(recipe, shelf).compared == (("rkd", "2", "2"), ("fitnet", "2", "2"))
    assert verdict_of(quick, shelf).compared == ()
