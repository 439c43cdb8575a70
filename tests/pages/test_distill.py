"""The page Distill, from its first visit to every way a run can end."""

from dataclasses import replace
from pathlib import Path

import pytest

from kdcore.errors import RunError
from kdcore.recipe import Recipe
from kdcore.result import Event, Progress
from kdcore.runs.runner import Runner
from kdcore.shelf import Shelf
from tests.pages.seen import button

PRESET = "assets/recipes/digits-few-labels.json"


def words(app):
    parts = [*app.markdown, *app.caption, *app.success, *app.error, *app.info, *app.warning]
    return "\n".join(str(part.value) for part in parts)


def lit(app):
    """The preset whose button carries the mark."""
    marked = [
        each for each in app.button if str(each.key).startswith("preset.") and each.proto.icon
    ]
    return marked[0].key.removeprefix("preset.") if marked else None


def test_the_first_visit_finds_a_preset_filled_in_and_the_button_ready(open_app):
    app = open_app()
    assert lit(app) == "digits-few-labels"
    assert app.slider(key="form.temperature").value == 4.0
    assert app.slider(key="form.soft_weight").value == 0.9
    assert app.text_input(key="form.teacher.mlp.widths").value == "256, 256"
    assert not app.button(key="distill").disabled


def test_the_first_visit_finds_the_gallerys_run_and_each_preset_its_own(
    open_app, settings, store, finished, monkeypatch
):
    from kdcore.runs.gallery import keep

    run = finished()
    for title, sees in (("Few", {"labelled": 100, "unlabelled": "rest"}), ("All", {})):
        recipe = Recipe(**{**Recipe.load(PRESET).model_dump(), "title": title, "transfer": sees})
        found = replace(run.result, recipe=recipe)
        shelf = Shelf(settings.home / "artifacts")
        keep(settings.gallery, title, 1e9, found, store.events(run.id)[0], shelf)
    app = open_app()
    assert "Few" in [each.value for each in app.subheader]
    assert "from the gallery" in words(app)
    assert "made on 09 September 2001" in words(app)
    assert "Latency on the gallery's machine" in words(app)
    app.button(key="preset.digits-all-labels").click().run()
    assert "All" in [each.value for each in app.subheader]
    app.slider(key="form.temperature").set_value(9.0).run()
    assert "All" in [each.value for each in app.subheader]  # nothing jumps

    store.delete(run.id)
    look = open_app("pages/soft_targets.py")
    few = next(each.id for each in store.done() if each.name == "Few")
    assert look.query_params["run"] in (few, [few])  # what Distill shows first, not what was last


def test_the_formula_carries_the_users_numbers(open_app):
    app = open_app()
    app.slider(key="form.temperature").set_value(8.0)
    app.slider(key="form.soft_weight").set_value(0.75).run()
    text = words(app)
    assert "0.25 · CE(labels) + 0.75 · 8² · KL(teacher ‖ student at T = 8)" in text
    assert "0.75 · 8² = 48" in text


def test_pressing_distill_queues_exactly_the_presets_recipe(open_app, store):
    app = open_app()
    app.button(key="distill").click().run()
    (run,) = store.unfinished()
    assert run.recipe.id == Recipe.load(PRESET).id
    assert run.name == "Few labels"
    assert app.query_params["run"] == run.id


def test_a_preset_fills_the_form(open_app, store):
    app = open_app()
    app.button(key="preset.digits-too-cold").click().run()
    app.button(key="distill").click().run()
    (run,) = store.unfinished()
    assert run.recipe.id == Recipe.load("assets/recipes/digits-too-cold.json").id


def test_the_presets_mark_goes_out_once_a_setting_is_changed(open_app):
    app = open_app()
    app.slider(key="form.temperature").set_value(9.0).run()
    assert lit(app) is None


def test_hidden_layers_that_are_no_numbers_are_refused_in_a_sentence(open_app):
    app = open_app()
    app.text_input(key="form.student.mlp.widths").set_value("wide").run()
    assert [e.value for e in app.error] == [
        "the student's widths are 'wide'; give whole numbers, such as 256, 256"
    ]
    assert app.button(key="distill").disabled


def test_a_method_without_a_soft_term_hides_temperature_and_weight(open_app, store):
    app = open_app()
    app.selectbox(key="form.method").set_value("hard").run()
    assert "form.temperature" not in [slider.key for slider in app.slider]
    assert "1 · CE(labels)" in words(app)


def test_the_settings_come_back_after_a_visit_to_another_page(open_app):
    app = open_app()
    app.slider(key="form.temperature").set_value(7.0).run()
    app.switch_page("pages/runs.py").run()
    app.switch_page("pages/distill.py").run()
    assert app.slider(key="form.temperature").value == 7.0


def test_a_finished_run_shows_its_verdict_three_models_and_what_they_cost(open_app, finished):
    run = finished()
    app = open_app(run=run.id)
    assert "paired seeds" in words(app)
    shown = [html.proto.body for html in app.get("html")]
    cards = [body for body in shown if "data-arm" in body]
    assert [("Teacher" in cards[0]), ("labels alone" in cards[1]), ("distilled" in cards[2])] == [
        True
    ] * 3
    assert all("Latency, batch 32" in card and "kB" in card for card in cards)
    assert len(app.get("plotly_chart")) == 4


def test_a_run_under_way_shows_progress_and_can_be_cancelled(open_app, store, quick):
    run = store.claim(store.submit(quick, "mine").id)
    store.record(
        run,
        [Event("control", 0, 10, {"hard": 1.0, "accuracy": 0.5}, 0.1)],
        Progress("students", 0.5, 3.2),
    )
    app = open_app(run=run.id)
    assert "about 3 s left" in app.get("progress")[0].proto.text
    assert "You may close this tab" in app.get("progress")[0].proto.text
    button(app, "Cancel").click().run()
    assert store.get(run.id).stop_requested


def test_a_queued_run_says_how_many_are_ahead(open_app, store, quick):
    store.submit(quick, "first")
    second = store.submit(quick, "second")
    app = open_app(run=second.id)
    assert "Queued, 1 ahead" in app.get("progress")[0].proto.text


def test_a_failed_run_shows_its_sentence(open_app, store, quick):
    run = store.claim(store.submit(quick, "mine").id)
    store.finish(run, "failed", "the disk is full")
    app = open_app(run=run.id)
    assert "The run failed: the disk is full" in words(app)


def test_an_interrupted_run_starts_again_by_one_click(open_app, store, quick):
    run = store.claim(store.submit(quick, "mine").id)
    store.interrupt(run.id, silent_since=run.heartbeat + 1)
    app = open_app(run=run.id)
    assert "Interrupted" in words(app)
    button(app, "Start again").click().run()
    assert store.get(run.id).state == "queued"


def test_an_address_of_a_deleted_run_is_answered_in_a_sentence(open_app):
    app = open_app(run="0123456789")
    assert "there is no run '0123456789'" in words(app)
    assert not app.button(key="distill").disabled


def test_a_loss_is_shown_as_plainly_as_a_gain(open_app, finished):
    run = finished(
        transfer={"labelled": "all"},
        training={"steps": 60, "learning_rate": 1e-3},
        soft_weight=1e-6,
        hard_weight=0.0,
        temperature=20.0,
        teacher_training={"steps": 1, "learning_rate": 1e-6},
    )
    assert run.result is not None
    assert run.result.verdict == "worse"
    app = open_app(run=run.id)
    assert "Distillation hurt" in app.error[0].value


def test_every_architecture_that_fits_can_be_chosen_with_its_own_knobs(open_app, store):
    app = open_app()
    app.selectbox(key="form.student.architecture").set_value("resnet_cifar").run()
    app.selectbox(key="form.student.resnet_cifar.depth").set_value(8).run()
    app.selectbox(key="form.teacher.architecture").set_value("wrn").run()
    app.button_group(key="form.teacher.wrn.size").set_value("16-1").run()
    assert not app.exception
    app.button(key="distill").click().run()
    (run,) = store.unfinished()
    assert run.recipe.student.architecture == "resnet_cifar"
    assert run.recipe.student.options == {"depth": 8}
    assert run.recipe.teacher.options == {"size": "16-1"}


def test_where_only_one_network_reads_the_data_its_name_stands_in_the_pickers_place(open_app):
    app = open_app()
    app.selectbox(key="form.task").set_value("moons").run()
    assert "Teacher: **MLP**, the only network for this data." in words(app)
    assert "Student: **MLP**, the only network for this data." in words(app)


def test_a_knob_of_one_architecture_does_not_turn_anothers(open_app):
    app = open_app()
    app.selectbox(key="form.student.architecture").set_value("resnet_cifar").run()
    app.selectbox(key="form.student.resnet_cifar.depth").set_value(110).run()
    app.selectbox(key="form.student.architecture").set_value("vgg").run()
    assert app.button_group(key="form.student.vgg.depth").value == 8
    app.selectbox(key="form.student.architecture").set_value("vit").run()
    assert app.slider(key="form.student.vit.depth").value == 4
    app.selectbox(key="form.student.architecture").set_value("resnet_cifar").run()
    assert app.selectbox(key="form.student.resnet_cifar.depth").value == 110


def submitted(app, store):
    app.button(key="distill").click().run()
    return store.unfinished()[-1].recipe


def test_what_the_student_sees_is_chosen_and_drawn(open_app, store):
    app = open_app()
    app.multiselect(key="form.transfer.left_out").set_value([3]).run()
    app.slider(key="form.transfer.label_noise").set_value(0.4).run()
    picture = next(h.proto.body for h in app.get("html") if "aria-label" in h.proto.body)
    assert "100 labels, about 40 of them wrong; the teacher answers for 887 more" in picture
    assert "no 3 at all" in picture
    recipe = submitted(app, store)
    assert recipe.transfer.left_out == (3,)
    assert recipe.transfer.label_noise == 0.4


def test_counts_that_a_smaller_data_set_does_not_have_become_all_there_is(open_app, store):
    app = open_app()
    app.select_slider(key="form.transfer.labelled").set_value(1000).run()
    app.select_slider(key="form.transfer.unlabelled").set_value(50).run()
    app.selectbox(key="form.task").set_value("moons").run()
    recipe = submitted(app, store)
    assert (recipe.task, recipe.transfer.labelled, recipe.transfer.unlabelled) == ("moons", 1000, 0)


def test_pictures_can_be_augmented_and_points_cannot(open_app, store):
    app = open_app()
    app.slider(key="form.training.augmentation.shift").set_value(2).run()
    assert submitted(app, store).training.augmentation.shift == 2
    app.selectbox(key="form.task").set_value("moons").run()
    assert "form.training.augmentation.shift" not in [s.key for s in app.slider]
    assert not submitted(app, store).training.augmentation.on


def test_a_data_set_that_must_be_downloaded_says_so_before(open_app):
    app = open_app()
    app.selectbox(key="form.task").set_value("cifar10").run()
    assert "Downloaded once when it is first used, 170 MB" in words(app)


def test_every_training_setting_reaches_the_recipe(open_app, store):
    app = open_app()
    app.selectbox(key="form.training.optimizer").set_value("sgd")
    app.selectbox(key="form.training.schedule").set_value("cosine")
    app.slider(key="form.training.warm_up").set_value(50)
    app.select_slider(key="form.training.weight_decay").set_value(5e-4)
    app.slider(key="form.training.label_smoothing").set_value(0.1)
    app.slider(key="form.training.patience").set_value(5)
    app.select_slider(key="form.teacher_labelled").set_value(200).run()
    recipe = submitted(app, store)
    training = recipe.training
    assert (training.optimizer, training.schedule, training.warm_up) == ("sgd", "cosine", 50)
    assert (training.weight_decay, training.label_smoothing) == (5e-4, 0.1)
    assert (training.patience, recipe.teacher_labelled) == (5, 200)


@pytest.mark.parametrize("widths", ["0", "-5", "99999", "1, 2, 3, 4, 5, 6, 7, 8, 9"])
def test_widths_that_no_network_can_have_are_refused_before_a_run_is_made(open_app, widths):
    app = open_app()
    app.text_input(key="form.student.mlp.widths").set_value(widths).run()
    assert "give up to 8 whole numbers from 1 to 4096" in app.error[0].value
    assert app.button(key="distill").disabled


def test_a_refused_run_says_why_and_stays_said(open_app, monkeypatch):
    def refuse(self, recipe, name):
        raise RunError("no Dask scheduler answers")

    app = open_app()
    monkeypatch.setattr(Runner, "submit", refuse)
    app.button(key="distill").click().run()
    assert [error.value for error in app.error] == ["no Dask scheduler answers"]
    assert "run" not in app.query_params


def test_a_class_left_out_has_a_line_of_its_own_in_every_card(open_app, finished):
    run = finished(transfer={"labelled": "all", "left_out": [3]})
    app = open_app(run=run.id)
    cards = [h.proto.body for h in app.get("html") if "data-arm" in h.proto.body]
    assert ["never saw" in card for card in cards] == [True] * 3
    assert "<b>0.0" in cards[1]


@pytest.mark.parametrize("preset", sorted(p.stem for p in Path("assets/recipes").glob("*.json")))
def test_every_preset_fills_the_form_with_itself(open_app, store, preset):
    app = open_app()
    app.button(key="preset.digits-all-labels").click().run()
    app.button(key=f"preset.{preset}").click().run()
    assert not app.exception
    recipe = Recipe.load(f"assets/recipes/{preset}.json")
    assert submitted(app, store).id == recipe.id
