"""The page Decide: budgets in the address, the sentence, the charts, and what is said if not."""

from dataclasses import replace
from functools import partial

import pytest

from kdcore.decide import start
from kdcore.model_table import SHARE
from kdcore.runs.pipelines import Member, Pipelines
from kdcore.shelf import Shelf
from pages.parts.models_picker import ways_of
from tests import piped
from tests.pages.seen import as_read, charts
from tests.weighed import ALL, MACHINE, model

PAGE = "pages/decide.py"
MOONS = {"task": "moons", "transfer": {"labelled": 20, "unlabelled": 100}}
LOOSE = {"v": "1", "size": "10000", "latency": "100000", "accuracy": "1"}


@pytest.fixture
def look(open_app):
    """Open the page by an address."""
    return partial(open_app, PAGE)


def inputs(app):
    names = ("size", "latency", "share", "accuracy")
    found = {each.key: each.value for each in app.number_input}
    return {name: found[f"decide.{name}"] for name in names if f"decide.{name}" in found}


def address(app):
    return {
        name: value[0] if isinstance(value, list) else value
        for name, value in app.query_params.items()
    }


def opens(app):
    labels = {each.proto.label for each in app.get("page_link")}
    return {label for label in labels if label.startswith("Open the run")}


def test_without_runs_the_page_says_what_to_do_first(look):
    app = look()
    assert "There is no finished run yet" in as_read(app)
    assert len(charts(app)) == 0


def test_the_page_opens_with_budgets_of_the_teachers_a_sentence_and_charts(look, finished):
    run = finished("a run")
    app = look()
    teacher = run.result.arms["teacher"]
    assert 1000 * inputs(app)["size"] >= teacher.onnx_bytes / 10
    assert inputs(app)["latency"] >= 1000 * teacher.latency_ms * 0.999
    assert len(app.success) + len(app.warning) == 1
    assert len(charts(app)) == 3
    assert "onnxruntime, one thread, batch of 1, warmed up by 10 calls" in as_read(app)


def test_a_link_brings_its_budgets_and_the_sentence_names_a_model_and_its_price(look, finished):
    run = finished("a run")
    app = look(**LOOSE)
    assert inputs(app) == {"size": 10_000, "latency": 100_000, "accuracy": 1}
    (sentence,) = app.success
    assert "Ship" in sentence.value
    labels = {each.label for each in app.get("download_button")}
    assert {"Report", "Bundle", "Recipe", "All of these models as CSV"} <= labels
    assert any(f"python -m kdcore run {run.id}.json" in each.value for each in app.code)


def test_a_pipelines_model_is_handed_over_as_a_runs_is(look, finished, store, settings):
    pipelines, shelf = Pipelines(store), Shelf(settings.ready_home() / "artifacts")
    result = replace(piped.finished(shelf), run=finished("a run").result)
    run = pipelines.claim(pipelines.submit(result.pipeline, "half of it").id)
    pipelines.record(run, members=[Member(result.rows, result)])
    pipelines.finish(run, "done")
    app = look(v="1", size="1.1", latency="", accuracy="90")  # all but the last are larger
    (sentence,) = app.success
    assert "static int8" in sentence.value
    labels = {each.label for each in app.get("download_button")}
    assert {"Report", "Bundle", "Pipeline"} <= labels
    assert any(f"python -m kdcore pipeline {run.id}-1.json" in each.value for each in app.code)


def test_an_empty_budget_in_a_link_does_not_matter(look, finished):
    finished("a run")
    app = look(v="1", size="", latency="", accuracy="")
    assert set(inputs(app).values()) == {None}
    assert len(app.success) == 1


def test_where_nothing_fits_the_nearest_is_named_with_what_stops_it(look, finished):
    finished("a run")
    app = look(v="1", size="0.1", latency="", accuracy="")
    (sentence,) = app.warning
    assert sentence.value.startswith("No model keeps these budgets. Nearest is")
    assert "Without the size budget, 3 models would do" in as_read(app)
    assert not {"Report", "Bundle"} & {each.label for each in app.get("download_button")}
    assert len(charts(app)) == 3


def test_what_a_link_cannot_mean_is_said_and_left_out(look, finished):
    finished("a run")
    app = look(v="1", data="[x](http://a.b)", size="much", latency="-3", accuracy="1")
    words = as_read(app)
    assert "'much' in this link is no budget" in words
    assert "takes a number from 0.1 to 10,000,000" in words
    assert "'-3' in this link is no budget" in words
    assert "in this link is not here: no finished model has it" in words
    assert not any("[x](http" in each.value for each in app.warning)
    assert (inputs(app)["size"], inputs(app)["latency"]) == (None, None)
    assert inputs(app)["accuracy"] == 1


def test_a_link_of_another_version_is_said(look, finished):
    finished("a run")
    assert "another version of the app" in as_read(look(v="9", size="10"))


def test_every_budget_stands_in_the_address_and_in_the_link_to_copy(look, finished):
    finished("a run")
    app = look(**LOOSE)
    app.number_input(key="decide.size").set_value(5.0).run()
    app.number_input(key="decide.accuracy").set_value(None).run()
    found = address(app)
    assert (found["v"], found["data"], found["size"]) == ("1", "digits", "5")
    assert (found["latency"], found["accuracy"]) == ("100000", "")
    link = next(each.value for each in app.code if "size=5" in each.value)
    assert "data=digits" in link
    assert "accuracy=" in link


def test_the_budgets_are_kept_while_another_page_is_looked_at(look, finished):
    finished("a run")
    app = look(**LOOSE)
    app.number_input(key="decide.size").set_value(7.0).run()
    app.switch_page("pages/runs.py").run()
    app.query_params.clear()
    app.switch_page(PAGE).run()
    assert inputs(app) == {"size": 7, "latency": 100_000, "accuracy": 1}


def test_latency_may_be_asked_for_as_a_share_of_the_teachers(look, finished):
    finished("a run")
    app = look(**LOOSE)
    app.selectbox(key="models.timed").set_value(SHARE).run()
    assert inputs(app) == {"size": 10_000, "share": 100, "accuracy": 1}  # the teacher's own
    assert address(app)["share"] == "100"
    assert "latency" not in address(app)
    assert len(charts(app)) == 3


def test_models_of_other_data_are_never_beside_these(look, finished):
    finished("digits")
    finished("moons", **MOONS)
    app = look(**LOOSE, data="moons")
    assert app.selectbox(key="models.data").value == "moons"
    assert opens(app) == {"Open the run moons"}
    before = inputs(app)
    app.selectbox(key="models.data").set_value("digits").run()
    assert opens(app) == {"Open the run digits"}
    assert inputs(app) != before  # budgets that make sense for the digits


def test_the_models_are_filtered_and_the_questions_answer_for_those_that_are_left(look, finished):
    finished("a run")
    app = look(**LOOSE)
    app.text_input(key="models.find").set_value("no such name").run()
    assert "No model passes these filters" in as_read(app)
    assert len(charts(app)) == 2
    app.text_input(key="models.find").set_value("LABELS ALONE").run()
    assert len(charts(app)) == 3
    assert "let teachers pass the filter" in as_read(app)
    for cost in ("macs", "latency"):
        control = next(each for each in app.get("button_group") if each.label == "Accuracy against")
        control.set_value(cost).run()
        assert not app.exception
        assert len(charts(app)) == 3


def test_the_smallest_near_a_teacher_and_the_fastest_under_a_size_are_answered(look, finished):
    finished("a run")
    app = look(**LOOSE)
    app.number_input(key="models.points").set_value(100.0).run()
    answers = [each.value for each in app.markdown if ":material/arrow_right:" in each.value]
    smallest, fastest = answers
    assert "mlp\\-4" in smallest
    assert "µs" in fastest
    app.number_input(key="models.megabytes").set_value(0.001).run()
    assert "No model so small" in as_read(app)


def test_a_runs_name_is_shown_as_it_was_typed(look, finished, store):
    run = finished("a run")
    store.annotate(run.id, name="*loud* [x](http://a.b)")
    app = look(**LOOSE)
    assert "[x](http" not in " ".join(each.value for each in app.markdown)


def test_latencies_of_several_machines_are_first_compared_by_share():
    assert ways_of(ALL) == [MACHINE, SHARE]
    there = model("there", 90, machine="gallery: Linux, 2 cores, onnxruntime 1")
    assert ways_of([*ALL, there])[0] == SHARE
    assert len(ways_of([*ALL, there])) == 3
    assert start(ALL, SHARE).latency == 1
