"""The loss and who teaches, chosen on the page Distill."""

import pytest

from kdcore.catalogue import read_catalogue
from kdcore.experiment import default_shelf, steps
from kdcore.recipe import Recipe
from kdcore.result import Result
from kdcore.runs.runner import Runner
from pages.parts.method_form import curve
from tests.pages.test_distill import words

CNN = "form.teacher.architecture", "form.student.architecture"


def submitted(app, store) -> Recipe:
    app.button(key="distill").click().run()
    (run,) = store.unfinished()
    return run.recipe


def pick(app, name: str):
    return app.selectbox(key="form.method").set_value(name).run()


def with_cnns(app):
    for key in CNN:
        app.selectbox(key=key).set_value("cnn").run()
    return app


def test_picking_a_method_brings_its_papers_weights_its_words_and_a_link(open_app, store):
    app = pick(open_app(), "standardised")
    assert "https://arxiv.org/abs/2403.01427" in words(app)
    assert "z-scores at T = 2" in words(app)
    recipe = submitted(app, store)
    assert (recipe.soft_weight, recipe.hard_weight, recipe.temperature) == (9.0, 0.1, 2.0)


def test_the_formula_carries_the_numbers_of_the_methods_own_knobs(open_app):
    app = pick(open_app(), "dkd")
    app.slider(key="form.method.dkd.nontarget_weight").set_value(3.5).run()
    assert "3.5 · other classes, at T = 4" in words(app)


def test_the_effective_weight_includes_the_square_of_the_temperature(open_app):
    app = open_app()
    app.slider(key="form.temperature").set_value(5.0).run()
    assert "0.9 · 5² = 22.5; labels: 0.1" in words(app)


def test_what_moves_is_no_fixed_number_in_the_formula(open_app):
    app = open_app()
    for name, value in (("temperature_schedule", "linear"), ("soft_schedule", "step")):
        app.selectbox(key=f"form.{name}.how").set_value(value).run()
    app.number_input(key="form.temperature_schedule.to").set_value(1.0).run()
    app.number_input(key="form.soft_schedule.to").set_value(0.0).run()
    text = words(app)
    assert "(0.9 → 0) · (4 → 1)² · KL(teacher ‖ student at T = (4 → 1))" in text
    assert "0.9 · 4² = 14.4 → 0 · 1² = 0; labels: 0.1" in text


@pytest.mark.parametrize(
    ("name", "shown"), [("kd", True), ("hard", False), ("rkd", False), ("ctkd", False)]
)
def test_the_temperature_is_there_for_methods_that_take_it(open_app, name, shown):
    app = pick(open_app(), name)
    assert ("form.temperature" in [slider.key for slider in app.slider]) == shown


def test_the_temperatures_help_says_in_which_terms_it_has_an_effect(open_app):
    app = open_app()
    assert "In Soft targets (KD), logits are divided" in app.slider(key="form.temperature").help
    app = with_cnns(app)
    app.multiselect(key="form.extra").set_value(["fitnet"]).run()
    title = read_catalogue().method("fitnet").title
    assert f"T has no effect in {title}." in app.slider(key="form.temperature").help


def test_methods_are_grouped_by_what_they_transfer(open_app):
    titles = open_app().selectbox(key="form.method").options
    groups = [title.split(":")[0] for title in titles]
    assert list(dict.fromkeys(groups)) == ["Answers", "Features", "Relations", "No teacher"]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)


def test_what_the_models_cannot_give_is_not_offered_and_the_reason_is_said(open_app):
    picker = open_app().selectbox(key="form.method")
    assert not any("Attention" in title for title in picker.options)
    assert "needs feature maps with height and width, which MLP does not have" in picker.help


def test_a_method_that_models_no_longer_fit_is_taken_out_and_that_is_said(open_app):
    app = pick(with_cnns(open_app()), "attention")
    app.selectbox(key=CNN[0]).set_value("mlp").run()
    assert app.selectbox(key="form.method").value == "kd"
    assert "which MLP does not have. It was taken out." in app.warning[0].value


def test_a_second_term_joins_the_formula_and_the_recipe(open_app, store):
    app = open_app()
    app.multiselect(key="form.extra").set_value(["fitnet"]).run()
    app.number_input(key="form.extra.fitnet.weight").set_value(7.0).run()
    assert "7 · mean (regressor" in words(app)
    (extra,) = submitted(app, store).extra
    assert (extra.name, extra.weight) == ("fitnet", 7.0)


def test_a_schedule_is_drawn_and_becomes_part_of_the_recipe(open_app, store):
    app = open_app()
    app.selectbox(key="form.temperature_schedule.how").set_value("cosine").run()
    drawings = [each.proto.body for each in app.get("html")]
    assert any("T from 4 to 1 over the steps" in drawing for drawing in drawings)
    assert "(4 → 1)² · KL" in words(app)
    assert "An arrow leads from a number's value at the first step to that at the last" in words(
        app
    )
    moves = submitted(app, store).temperature_schedule
    assert (moves.how, moves.to) == ("cosine", 1.0)


def test_a_curve_rises_where_its_number_rises():
    from kdcore.recipe import Schedule

    drawn = curve("x", 1.0, Schedule(how="linear", to=2.0))
    points = drawn.split('points="')[1].split('"')[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights, reverse=True)  # an SVG counts downwards
    assert "from 1 to 2" in drawn


def test_the_readmes_method_stands_in_the_picker_and_runs(open_app, store, example, monkeypatch):
    monkeypatch.setattr(Runner, "catalogue", lambda self: read_catalogue())
    app = pick(open_app(), "logit_match")
    assert "‖teacher's logits − student's‖²" in words(app)
    assert app.slider(key="form.method.logit_match.scale").value == 1.0
    recipe = submitted(app, store)
    quick = {**recipe.model_dump(), "seeds": (0, 1, 2), "training": {"steps": 20}}
    result = next(e for e in steps(Recipe(**quick), default_shelf()) if isinstance(e, Result))
    assert len(result.arms["distilled"].accuracy) == 3


def test_layers_that_a_recipe_names_are_those_of_its_models_alone(open_app, store):
    layers = [["2", "4"]]
    named = Recipe(method={"name": "fitnet", "layers": layers}, soft_weight=100, hard_weight=1)
    app = open_app(run=store.submit(named, "mine").id)
    app.text_input(key="form.student.mlp.widths").set_value("32").run()
    app.button(key="distill").click().run()
    assert store.unfinished()[-1].recipe.method.layers == ()


def test_a_new_method_starts_without_the_last_ones_schedules(open_app):
    app = open_app()
    app.selectbox(key="form.soft_schedule.how").set_value("linear").run()
    app = pick(with_cnns(app), "fitnet")
    assert app.selectbox(key="form.soft_schedule.how").value == "constant"


# who teaches


def test_where_all_learn_together_there_is_no_teachers_training(open_app):
    app = open_app()
    assert "form.teacher_training.steps" in [slider.key for slider in app.slider]
    app.selectbox(key="form.scheme.kind").set_value("peers").run()
    assert "form.teacher_training.steps" not in [slider.key for slider in app.slider]


@pytest.mark.parametrize(
    ("kind", "drawn", "expected"),
    [
        ("chain", 3, lambda s: s.assistants[0].options == {"widths": [64]}),  # √(256 · 16)
        ("generations", 3, lambda s: s.assistants[0].options == {"widths": [16]}),
        ("several", 3, lambda s: len(s.co_teachers) == 1),
        ("peers", 2, lambda s: s.peers == 1),
    ],
)
def test_who_teaches_is_drawn_and_becomes_part_of_the_recipe(
    open_app, store, kind, drawn, expected
):
    app = open_app()
    app.selectbox(key="form.scheme.kind").set_value(kind).run()
    assert not app.exception
    boxes = max(each.proto.body.count("border-radius:6px") for each in app.get("html"))
    assert boxes == drawn
    assert expected(submitted(app, store).scheme)


def test_a_helpers_model_is_chosen_like_any_other(open_app, store):
    app = open_app()
    app.selectbox(key="form.scheme.kind").set_value("chain").run()
    app.text_input(key="form.helper0.mlp.widths").set_value("64, 32").run()
    (assistant,) = submitted(app, store).scheme.assistants
    assert assistant.options == {"widths": [64, 32]}


def test_features_are_not_offered_where_networks_learn_together(open_app):
    app = pick(open_app(), "fitnet")
    app.selectbox(key="form.scheme.kind").set_value("peers").run()
    assert "of networks that learn together, only answers are" in app.warning[0].value
    assert app.selectbox(key="form.method").value == "kd"


WHOLE = Recipe(
    method={"name": "dkd", "options": {"nontarget_weight": 2.0}},
    temperature=3.0,
    soft_weight=0.7,
    hard_weight=1.5,
    extra=[{"name": "similarity", "weight": 5.0}, {"name": "fitnet", "weight": 2.0}],
    temperature_schedule={"how": "step", "to": 1.0},
    soft_schedule={"how": "linear", "to": 0.1},
    hard_schedule={"how": "cosine", "to": 2.0},
    scheme={"assistants": [{"options": {"widths": [64]}}, {"options": {"widths": [32]}}]},
)


@pytest.mark.parametrize(
    "recipe",
    [
        WHOLE,
        Recipe(soft_weight=0.9, hard_weight=0.1, scheme={"peers": 3}),
        Recipe(
            soft_weight=0.9,
            hard_weight=0.1,
            scheme={"co_teachers": [{"options": {"widths": [9]}}], "co_weights": [2.5]},
        ),
        Recipe(
            method={"name": "hard"},
            extra=[{"name": "regression", "weight": 1}],
            hard_weight=0.3,
            soft_weight=0.0,
        ),
        Recipe(
            method={"name": "dkd", "options": {"target_weight": 2}}, soft_weight=1, hard_weight=1
        ),
        Recipe(
            method={"name": "fitnet", "layers": [["2", "4"]]}, soft_weight=100.0, hard_weight=1.0
        ),
    ],
)
def test_a_recipe_that_is_filled_in_comes_out_as_it_went_in(open_app, store, recipe):
    app = open_app(run=store.submit(recipe, "mine").id)
    assert not app.exception
    app.button(key="distill").click().run()
    assert [run.recipe for run in store.unfinished()] == [recipe, recipe]


def test_a_model_that_does_not_fit_new_data_is_replaced_and_that_is_said(open_app):
    app = open_app()
    app.selectbox(key="form.scheme.kind").set_value("chain").run()
    app.selectbox(key="form.helper0.architecture").set_value("cnn").run()
    app.selectbox(key="form.task").set_value("moons").run()
    assert app.session_state["form.helper0.architecture"] == "mlp"
    assert "Assistant 1: CNN takes image input, not vector; another was taken." in words(app)
