"""The page Compress."""

import json
from dataclasses import replace

import pytest

from kdcore.errors import RecipeError
from kdcore.forecast import UNTOLD, Forecast
from kdcore.pipeline import Pipeline
from kdcore.result import Event, Progress
from kdcore.runs.gallery import keep, keep_pipeline
from kdcore.runs.pipelines import Member, Pipelines
from kdcore.runs.runner import Runner
from kdcore.shelf import Shelf
from kdcore.waterfall import Foreseen, Lap
from tests import piped
from tests.devices import measurement
from tests.pages.seen import button, charts, labels, said
from tests.piped import PIPELINE

PAGE = "pages/compress.py"


@pytest.fixture
def pipelines(store) -> Pipelines:
    return Pipelines(store)


@pytest.fixture
def result(settings):
    return piped.finished(Shelf(settings.ready_home() / "artifacts"))


@pytest.fixture
def open_page(open_app, monkeypatch):
    """Open the page, against a cluster that takes pipelines and does nothing."""
    monkeypatch.setattr(Runner, "_hand_over_pipeline", lambda self, client, run: run)
    return lambda **query: open_app(PAGE, **query)


@pytest.fixture
def kept(pipelines, result):
    """A pipeline in the store, with what it told and how it ended."""

    def keep(state="done", members=None, error=None, pipeline=PIPELINE):
        run = pipelines.claim(pipelines.submit(pipeline, "half of it").id)
        pipelines.record(run, members=members or [Member(result.rows, result)])
        if state != "running":
            pipelines.finish(run, state, error)
        return pipelines.get(run.id)

    return keep


@pytest.fixture
def shown(settings, store, finished):
    """A gallery of two runs, and of a pipeline that began from the second one."""
    run = finished()
    shelf = Shelf(settings.home / "artifacts")
    recipes = [run.recipe.model_copy(update={"title": name}) for name in ("first", "second")]
    recipes[1] = recipes[1].model_copy(update={"temperature": 9.0})
    for recipe in recipes:
        came = replace(run.result, recipe=recipe)
        keep(settings.gallery, recipe.title, 1e9, came, store.events(run.id)[0], shelf)
    of = Pipeline(title="half of it, shown", recipe=recipes[1], stages=PIPELINE.stages)
    came = piped.finished(shelf, of)
    keep_pipeline(settings.gallery, "half", 1e9, of, [came], [[Lap(None, 0, 20, 0.96)]], shelf)
    store.delete(run.id)
    return of


def headings(app) -> list[str]:
    return [each.value for each in app.subheader]


def test_the_model_after_any_stage_is_handed_over_the_last_one_unless_another_is_chosen(
    open_page, kept, finished, result
):
    whole = replace(result, run=finished().result)
    app = open_page(pipeline=kept(members=[Member(whole.rows, whole)]).id)
    handed = [each for each in app.get("download_button") if each.label in ("Report", "Bundle")]
    assert [each.proto.disabled for each in handed] == [False, False]
    chosen = next(each for each in app.selectbox if each.label == "Hand over the model after")
    assert chosen.options[chosen.index].startswith("3. static int8")
    assert len(chosen.options) == 3


def test_what_an_older_version_kept_is_not_handed_over_and_that_is_said(open_page, kept):
    app = open_page(pipeline=kept().id)
    assert not [each for each in app.get("download_button") if each.label == "Bundle"]
    assert "run it again" in said(app)


def test_without_a_finished_run_a_visitor_is_told_what_to_do(open_page):
    app = open_page()
    assert "There is no finished run yet" in said(app)
    assert "Press Distill" in said(app)
    assert button(app, "Compress").disabled


def test_the_first_visit_finds_the_gallerys_pipeline_and_the_run_that_it_began_from(
    open_page, shown, store
):
    app = open_page()
    assert "Choose a student, set its stages, and press Compress" in headings(app)
    assert "half of it, shown" in headings(app)
    assert "from the gallery" in said(app)
    assert "A real pipeline, made on 09 September 2001 on Linux with 4 cores" in said(app)
    assert "from 5.0\u00a0kB to 1.0\u00a0kB on disk" in said(app)
    assert "How did they learn?" in [each.label for each in app.expander]
    assert "Delete for good" not in labels(app)
    assert "Which of all models?" in headings(app)
    second = next(each.id for each in store.done() if each.name == "second")
    assert app.query_params["run"] in (second, [second])
    assert "pipeline" not in app.query_params
    assert not button(app, "Compress").disabled
    app.run()
    assert not app.exception


def test_the_newest_pipeline_that_is_done_here_comes_before_the_gallerys(open_page, shown, kept):
    kept(), kept("cancelled")
    app = open_page()
    assert "half of it" in headings(app)
    assert "half of it, shown" not in headings(app)
    assert "from the gallery" not in said(app)
    links = [each.proto.label for each in app.get("page_link")]
    assert "half of it, shown (gallery)" in links
    assert len([each for each in links if each.startswith("half of it (")]) == 1  # cancelled


def test_who_has_a_run_starts_from_it_and_not_from_the_gallerys(open_page, shown, finished):
    run = finished("mine")
    app = open_page()
    assert app.query_params["run"] in (run.id, [run.id])
    assert "half of it, shown" in headings(app)


def test_a_pipeline_of_the_gallery_tells_nothing_of_the_time_that_one_takes_here(
    open_page, shown, monkeypatch
):
    monkeypatch.setattr(Runner, "forecast", lambda self, pipeline: Forecast(4.0, 20.0))
    app = open_page()
    assert app.button(key="compress.start").label == "Compress (over 24 s)"


def test_one_click_queues_the_usual_stages_on_the_newest_run(open_page, finished, pipelines):
    run = finished("mine")
    app = open_page()
    assert "Trains 7 networks" in said(app)
    assert "Then 6 trainings on" in said(app)
    button(app, "Compress").click().run()
    (submitted,) = pipelines.find()
    assert app.query_params["pipeline"] == submitted.id
    assert submitted.pipeline.recipe == run.recipe
    assert [stage.kind for stage in submitted.pipeline.stages] == ["prune", "fine-tune", "quantize"]
    assert submitted.name.endswith("static int8: mine")
    assert "Stop" in labels(app)
    button(app, "Stop").click().run()
    assert pipelines.get(submitted.id).state == "cancelled"
    assert "You stopped this pipeline before it began" in said(app)


def test_stages_are_moved_left_out_added_and_set(open_page, finished, pipelines):
    finished()
    app = open_page()
    app.button(key="compress.down.1").click().run()
    app.button(key="compress.remove.3").click().run()
    app.button(key="compress.add.share").click().run()
    app.button(key="compress.add.prune").click().run()  # before what has to be last
    app.button_group(key="compress.5.what").set_value("weights").run()
    app.number_input(key="compress.5.rounds").set_value(2).run()
    app.slider(key="compress.5.share").set_value(0.9)
    app.checkbox(key="compress.5.rewind").check()
    app.number_input(key="compress.5.between.steps").set_value(30)
    app.number_input(key="compress.4.bits").set_value(3).run()
    button(app, "Compress").click().run()
    tune, channels, weights, share = pipelines.find()[0].pipeline.stages
    assert (tune.kind, tune.steps, channels.what) == ("fine-tune", 200, "channels")
    assert (weights.what, weights.share, weights.rounds) == ("weights", 0.9, 2)
    assert (weights.rewind, weights.between.steps, share.bits) == (True, 30, 3)


def test_stages_that_cannot_follow_each_other_are_refused_in_a_sentence(open_page, finished):
    finished()
    app = open_page()
    app.button(key="compress.up.3").click().run()
    assert "makes a file that no stage can change any more" in app.error[0].value
    assert button(app, "Compress").disabled


def test_what_the_engine_refuses_is_said_before_the_start(open_page, finished, monkeypatch):
    def refuse(self, pipeline):
        raise RecipeError("no channels can be taken out of this network")

    monkeypatch.setattr(Runner, "foresee", refuse)
    finished()
    app = open_page()
    assert "no channels can be taken out" in app.error[0].value
    assert button(app, "Compress").disabled


def test_sizes_are_predicted_and_a_dash_stands_where_they_cannot_be(
    open_page, finished, monkeypatch
):
    told = (Foreseen("distilled student", 1482, 1440, 0, 5928), Foreseen("x", 9, 8, None, None))
    monkeypatch.setattr(Runner, "foresee", lambda self, pipeline: told)
    finished()
    app = open_page()
    assert next(each.label for each in app.expander) == "Predicted sizes"
    table = app.dataframe[0].value
    assert list(table["kB"]) == ["5.9", "–"]
    assert list(table["of them zero"]) == ["0", "–"]


def test_a_finished_pipeline_shows_its_charts_table_and_files(open_page, kept):
    app = open_page(pipeline=kept().id)
    titles = ("How small does it get?", "What does it cost in accuracy?", "Does it get faster?")
    drawn = charts(app)
    assert len(drawn) == 4
    for title, spec in zip((*titles, "Which layer bears int8 worst?"), drawn, strict=True):
        assert title in spec
    assert "from 5.0\u00a0kB to 1.0\u00a0kB on disk: 5.0 times smaller" in said(app)
    assert "It is worse by 3.0 points than the student that was trained on as long" in said(app)
    table = app.dataframe[0].value
    assert list(table["Verdict"])[:4] == ["–"] * 4
    assert list(table["Verdict"])[4:] == ["worse", "no clear difference", "worse"]
    files = [each.proto.label for each in app.get("download_button")]
    assert (files.count("ONNX"), files.count("Weights")) == (7, 6)
    assert "one thread, 10 calls to warm up, the models in turns, median of 60" in said(app)


def test_its_stages_fill_the_form_of_a_new_visitor(open_page, kept):
    app = open_page(pipeline=kept().id)
    assert app.button_group(key="compress.from").value == "opened"
    assert app.selectbox(key="compress.3.keep").value == "sensitive"
    assert not button(app, "Compress").disabled


def test_rows_are_shown_before_latency_is_measured(open_page, kept, result):
    rows = tuple(replace(row, latency=()) for row in result.rows[:5])
    app = open_page(pipeline=kept("running", [Member(rows)]).id)
    assert len(charts(app)) == 2
    assert "Latency is measured at the end" in said(app)
    assert len(app.dataframe[0].value) == 5


@pytest.mark.parametrize(
    ("state", "error", "sentence"),
    [
        ("failed", "a student diverged", "The pipeline failed: a student diverged"),
        ("interrupted", "the engine stopped", "Interrupted: the engine stopped. Press Start again"),
        ("cancelled", None, "You stopped this pipeline; what it had judged is kept"),
    ],
)
def test_a_pipeline_that_did_not_end_well_says_why_and_starts_again(
    open_page, kept, pipelines, state, error, sentence
):
    run = kept(state, [Member()], error)
    app = open_page(pipeline=run.id)
    assert sentence in said(app)
    button(app, "Start again").click().run()
    assert pipelines.get(run.id).state == "queued"


def test_of_several_settings_one_is_looked_at_at_a_time(open_page, kept, result):
    axes = [{"field": "stages.0.share", "values": [0.5, 0.9]}]
    several = Pipeline(**PIPELINE.model_dump(exclude={"axes"}), axes=axes)
    members = [Member(result.rows, result), Member(error="less than one channel")]
    app = open_page(pipeline=kept(members=members, pipeline=several).id)
    choice = next(each for each in app.selectbox if each.label == "Setting shown below")
    share = "Stage 1: share of channels pruned"
    assert choice.options == [f"{share} 0.5", f"{share} 0.9"]
    assert app.selectbox(key="compress.x").value == "#1.share"  # it stays with its stage
    assert app.multiselect(key="compress.x.#1.share").value == ["0.5", "0.9"]
    assert len(charts(app)) == 5  # all settings, and the waterfall of the first
    assert "Which setting is worth its bytes?" in charts(app)[0]
    told = next(each.value for each in app.dataframe if "State" in each.value)
    assert list(told[share]) == ["0.5", "0.9"]
    assert list(told["State"]) == ["", "less than one channel"]
    choice.select_index(1).run()
    assert "less than one channel" in app.error[0].value
    assert len(charts(app)) == 1


@pytest.mark.parametrize(
    ("field", "values", "names"),
    [
        ("recipe.student.options.widths", [[8], [16]], ["[8]", "[16]"]),
        ("recipe.hard_weight", [None, 0.5], ["as usual", "0.5"]),
    ],
)
def test_settings_that_are_lists_or_left_open_are_shown_too(
    open_page, kept, result, field, values, names
):
    axes = [{"field": field, "values": values}]
    several = Pipeline(**PIPELINE.model_dump(exclude={"axes"}), axes=axes)
    run = kept("cancelled", [Member(result.rows, result), Member()], pipeline=several)
    app = open_page(pipeline=run.id)
    assert [each.value for each in app.error] == []
    choice = next(each for each in app.selectbox if each.label == "Setting shown below")
    assert all(map(str.endswith, choice.options, names))
    assert len(choice.options) == 2


def test_settings_are_compared_after_any_of_the_stages(open_page, kept, result):
    axes = [{"field": "stages.1.steps", "values": [20, 40]}]
    several = Pipeline(**PIPELINE.model_dump(exclude={"axes"}), axes=axes)
    run = kept(members=[Member(result.rows, result), Member(result.rows[:5])], pipeline=several)
    app = open_page(pipeline=run.id)
    table = lambda: next(each.value for each in app.dataframe if "State" in each.value)  # noqa: E731
    assert list(table()["On disk, kB"]) == ["1.0", "–"]  # the second is not there yet
    app.button_group(key=f"pipeline.after.{run.id}").set_value(0).run()
    assert list(table()["On disk, kB"]) == ["2.5", "2.5"]


def test_two_axes_are_chosen_said_and_started_together(open_page, finished, pipelines):
    finished("mine")
    app = open_page()
    app.selectbox(key="compress.x").set_value("#1.share").run()
    app.multiselect(key="compress.x.#1.share").set_value(["0.5", "0.9", "0.75"])
    app.selectbox(key="compress.y").set_value("recipe.temperature").run()
    app.multiselect(key="compress.y.recipe.temperature").set_value(["1", "4"]).run()
    assert "6 settings × 3 seeds. Trains at least 13 networks" in said(app)
    app.button(key="compress.down.1").click().run()  # its axis goes with it
    button(app, "Compress").click().run()
    (run,) = pipelines.find()
    assert [(axis.field, axis.values) for axis in run.pipeline.axes] == [
        *(("stages.1.share", (0.5, 0.75, 0.9)), ("recipe.temperature", (1, 4)))
    ]
    assert "static int8, 6 settings: mine" in run.name


def test_an_axis_without_values_is_refused_in_a_sentence(open_page, finished):
    finished()
    app = open_page()
    app.selectbox(key="compress.x").set_value("#2.steps").run()
    app.multiselect(key="compress.x.#2.steps").set_value(["many"]).run()
    assert "Stage 2: steps: 'many' is no whole number" in app.error[0].value
    assert button(app, "Compress").disabled


# how long it takes


def test_the_time_is_on_the_button_with_what_it_rests_on(open_page, kept, result, monkeypatch):
    told = Forecast(teachers=4.0, students=20.0)
    monkeypatch.setattr(Runner, "forecast", lambda self, pipeline: told)
    kept(members=[Member(result.rows, replace(result, aside=14.0))])  # seven models, 2 s each
    app = open_page(pipeline=kept("cancelled").id)
    assert app.button(key="compress.start").label == "Compress (about 38 s)"
    assert "Its training takes about 24 s here, by a short trial; all the rest about 14 s" in (
        said(app)
    )


@pytest.mark.parametrize(
    ("told", "label", "words"),
    [
        (Forecast(4.0, 20.0), "Compress (over 24 s)", "is unknown until one pipeline of this"),
        (UNTOLD, "Compress", "How long it takes is unknown."),
        (None, "Compress", "How long it takes is being tried."),
    ],
)
def test_what_is_not_known_of_the_time_is_said(
    open_page, finished, monkeypatch, told, label, words
):
    monkeypatch.setattr(Runner, "forecast", lambda self, pipeline: told)
    finished()
    app = open_page()
    assert app.button(key="compress.start").label == label
    assert words in said(app)


def test_the_newest_pipelines_are_gone_by_each_of_them_read_once(
    open_page, kept, pipelines, result, monkeypatch
):
    read, whole = [], Pipelines.results
    monkeypatch.setattr(Pipelines, "results", lambda of, each: read.append(each) or whole(of, each))
    monkeypatch.setattr(Runner, "forecast", lambda self, pipeline: Forecast(4.0, 20.0))
    took = lambda seconds: kept(members=[Member(result.rows, replace(result, aside=seconds))])  # noqa: E731
    first = took(14.0)
    app = open_page(pipeline=kept("cancelled").id)
    app.run()
    assert "all the rest about 14 s" in said(app)
    pipelines.delete(first.id)
    second = took(28.0)  # there are as many as before
    app.run()
    assert "all the rest about 28 s" in said(app)
    assert read == [first.id, second.id]


# while it trains


def test_the_stage_that_is_under_way_is_named_with_its_own_bar_and_its_curves(
    open_page, kept, pipelines, result
):
    rows = tuple(replace(row, latency=()) for row in result.rows[:5])
    run = kept("running", [Member(rows)])  # the first of three stages is judged
    told = [Event("teacher", 0, 20, {"accuracy": 0.97}, 1.0)]
    laps = [Lap(None, 0, 20, 0.96), Lap(1, 0, 10, 0.94)]
    half = Progress("compressing", 2.5 / 4, 12.0)
    pipelines.record(run, (0, half), heard={0: [*told, *laps]})
    app = open_page(pipeline=run.id)
    (bar,) = app.get("progress")
    assert bar.proto.value == 50
    assert "Stage 2 of 3: train on with the teacher, 20 steps, about 12 s left" in bar.proto.text
    learnt, tuned, *_ = charts(app)
    assert "How good is the teacher?" in learnt
    assert "Does training on bring it back?" in tuned
    assert json.loads(tuned)["layout"]["xaxis"]["range"] == [0, 20]


def test_the_curves_can_be_looked_at_again(open_page, kept, pipelines):
    run = kept("running")
    pipelines.record(run, heard={0: [Lap(None, 0, 20, 0.96), Lap(1, 0, 10, 0.94)]})
    pipelines.finish(run, "done")
    app = open_page(pipeline=run.id)
    assert "How did they learn?" in [each.label for each in app.expander]
    assert any("Does training on bring it back?" in spec for spec in charts(app))


# other devices


def upload(app, *files):
    (uploader,) = app.get("file_uploader")
    uploader.set_value([(name, content.encode(), "application/json") for name, content in files])
    app.run()


def test_another_devices_latency_stands_beside_this_ones(open_page, kept):
    app = open_page(pipeline=kept().id)
    files = {"big": b"onnx of teacher", "odd": b"none of these"}
    upload(app, ("measured.json", measurement(files, [("big", 1, 1, 0.04), ("odd", 1, 1, 9.0)])))
    assert "How fast is it there?" in charts(app)[-1]
    assert "a board" in said(app)
    assert "of none of these models: odd" in said(app)
    table = app.dataframe[-1].value
    # 10 µs here, 40 there
    assert table.iloc[0][["Model", "Here", "There", "Times as long"]].tolist() == [
        *("teacher", "10 µs", "40 µs", "4")
    ]
    app.switch_page("pages/decide.py").run()
    app.switch_page(PAGE).run()  # it is kept while the visitor looks elsewhere
    assert "How fast is it there?" in charts(app)[-1]
    button(app, "Forget").click().run()
    assert not any("How fast is it there?" in spec for spec in charts(app))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "this is no measurement that measure_here.py wrote"),
        (measurement({"odd": b"else"}, [("odd", 1, 1, 9.0)]), "is of other files (odd) than these"),
    ],
)
def test_a_file_that_is_no_measurement_of_these_models_is_refused_in_a_sentence(
    open_page, kept, content, said
):
    app = open_page(pipeline=kept().id)
    before = len(charts(app))
    upload(app, ("wrong.json", content))
    assert said in app.error[0].value
    assert len(charts(app)) == before


def test_an_example_fills_the_form_and_is_started_under_its_name(open_page, pipelines):
    app = open_page()
    app.button(key="example.digits-lottery-ticket").click().run()
    button(app, "Compress").click().run()
    (submitted,) = pipelines.find()
    assert submitted.name == "A lottery ticket: few weights, from where they began"
    assert submitted.pipeline.stages[0].rewind


def test_a_link_to_a_pipeline_that_is_gone_says_so(open_page):
    app = open_page(pipeline="0123456789")
    assert "there is no pipeline" in app.error[0].value


def test_a_pipeline_is_deleted_with_the_files_that_only_it_needs(
    open_page, kept, pipelines, result, settings
):
    run = kept()
    app = open_page(pipeline=run.id)
    button(app, "Delete for good").click().run()
    assert pipelines.find() == []
    assert not (settings.home / "artifacts" / result.rows[0].file.onnx).exists()
    assert "pipeline" not in app.query_params
