"""The pages Soft targets and Where they differ: which run, which seed, and what they say."""

import json
from dataclasses import replace

import pytest

from kdcore.measure.outcomes import mcnemar, outcomes
from kdcore.result import ARMS
from tests.pages.seen import said

SOFT, DIFFER = "pages/soft_targets.py", "pages/differences.py"
BOTH = pytest.mark.parametrize("page", [SOFT, DIFFER])


def chosen(app, label):
    return next(box for box in app.selectbox if box.label == label)


def view(app, name):
    """Choose another view."""
    control = next(each for each in app.get("button_group") if each.label == "Look at")
    control.set_value(name).run()
    assert not app.exception
    return app


def tile(app, name):
    return app.button(key=f"look.tile.{name}")


# which run


@BOTH
def test_without_a_finished_run_the_page_says_what_to_do_first(open_app, page):
    app = open_app(page)
    assert "no finished run yet" in app.info[0].value
    assert "Press Distill" in app.info[0].value


@BOTH
def test_the_newest_run_is_shown_and_stands_in_the_address(open_app, finished, page):
    finished("older")
    newest = finished("newest")
    app = open_app(page)
    assert chosen(app, "Run").value == newest.id
    assert app.query_params["run"] in (newest.id, [newest.id])


@BOTH
def test_a_link_names_its_run(open_app, finished, page):
    linked = finished("linked")
    finished("newest")
    assert chosen(open_app(page, run=linked.id), "Run").value == linked.id


@BOTH
def test_a_deleted_run_in_the_link_is_said_and_no_other_stands_in_for_it(open_app, finished, page):
    finished("another")
    app = open_app(page, run="0123456789")
    assert "not here" in app.warning[0].value
    assert chosen(app, "Run").value is None


@BOTH
def test_a_run_that_is_not_finished_says_so(open_app, finished, store, quick, page):
    finished("another")
    waiting = store.submit(quick, "waiting")
    app = open_app(page, run=waiting.id)
    assert "waiting is queued" in app.info[0].value


@BOTH
def test_a_run_that_kept_no_answers_says_what_to_do(open_app, finished, store, page):
    finished("another")
    run = finished("member of a sweep")
    bare = store.claim(store.submit(run.recipe, "bare").id)
    store.record(bare, result=replace(run.result, artifacts={}))
    store.finish(bare, "done")
    app = open_app(page, run=bare.id)
    assert "kept none of its models' answers" in app.warning[0].value


@BOTH
def test_answers_that_are_gone_from_the_disk_are_a_sentence(open_app, finished, settings, page):
    run = finished()
    (settings.home / "artifacts" / run.result.artifacts["logits"]).unlink()
    app = open_app(page)
    assert "is gone" in app.error[0].value


# soft targets


@pytest.mark.parametrize("name", ["One sample", "Dark knowledge", "Likeness"])
def test_each_view_of_soft_targets_says_of_how_many_samples_it_is(open_app, finished, name):
    finished()
    app = view(open_app(SOFT), name)
    assert "all 500 test samples, after the last step of seed 0" in said(app)


def test_another_seed_is_said(open_app, finished):
    finished()
    app = open_app(SOFT)
    chosen(app, "Seed").set_value(2).run()
    assert "after the last step of seed 2" in said(app)


def test_a_method_other_than_soft_targets_is_said_beside_the_formula(open_app, finished):
    finished(method={"name": "dkd"})
    assert "the formula here is that of plain soft targets" in said(open_app(SOFT))


def told(app):
    """What the one component on the page is given."""
    (component,) = app.get("bidi_component")
    return json.loads(component.proto.json)


def test_the_weights_are_the_recipes_own(open_app, finished):
    finished(soft_weight=0.7, hard_weight=0.3)
    given = told(open_app(SOFT))
    as_trained = {"words": "as trained", "temperature": 4.0, "hard": 0.3, "soft": 0.7}
    assert given["moments"] == [as_trained]
    assert given["moved"] == ""


def test_of_a_loss_that_moved_the_start_and_the_end_are_told_and_no_number_as_the_one(
    open_app, finished
):
    finished(
        temperature=8.0,
        temperature_schedule={"how": "linear", "to": 1.0},
        soft_schedule={"how": "cosine", "to": 0.25},
    )
    app = open_app(SOFT)
    start, end = told(app)["moments"]
    assert start == {"words": "at the start", "temperature": 8.0, "hard": 0.1, "soft": 0.9}
    assert end == {"words": "at the end", "temperature": 1.0, "hard": 0.1, "soft": 0.25}
    assert told(app)["moved"] == (
        "While it learned, T moved from 8 to 1 in a line and the weight on the teacher moved from "
        "0.9 to 0.25 in a curve."
    )
    heats = [{k: each[k] for k in ("temperature", "words")} for each in (start, end)]
    assert told(view(app, "Dark knowledge"))["moments"] == heats
    control = next(
        each for each in view(app, "Likeness").get("button_group") if "trees" in each.label
    )
    options = [each.content for each in control.proto.options]
    assert [each for each in options if "," in each] == ["1, at the end", "8, at the start"]


def test_under_a_part_of_the_samples_it_is_not_said_to_be_all_of_them(open_app, finished):
    finished(task="moons", transfer={"labelled": 20, "unlabelled": 100})
    app = open_app(SOFT)
    assert "Of the first 500 of 800 test samples (any other is a click away" in said(app)
    assert "all 800" not in said(app)
    assert "all 800 test samples" in said(view(app, "Likeness"))


def test_the_trees_and_the_order_are_four_charts(open_app, finished):
    finished()
    assert len(view(open_app(SOFT), "Likeness").get("plotly_chart")) == 4


# where they differ


def test_the_four_tiles_count_what_the_logits_say(open_app, finished, logits):
    run = finished()
    kept = logits(run)
    found = outcomes(kept["labels"], *(kept[arm][0].argmax(1) for arm in ARMS))
    app = open_app(DIFFER)
    for name, mask in found.items():
        assert tile(app, name).label.startswith(f"**{mask.sum()}** · ")
    fixed, broke = int(found["fixed"].sum()), int(found["broke"].sum())
    assert f"Fixed {fixed}, broke {broke}:" in said(app)
    p = mcnemar(fixed, broke)
    assert ("p < 0.0001" if p < 0.0001 else f"p = {p:.2g}") in said(app)


def test_a_tile_filters_the_gallery(open_app, finished, logits):
    run = finished()
    kept = logits(run)
    broke = outcomes(kept["labels"], *(kept[arm][0].argmax(1) for arm in ARMS))["broke"]
    app = open_app(DIFFER)
    tile(app, "broke").click().run()
    assert any(f" of {broke.sum()}" in each.value for each in app.markdown)
    assert app.query_params["show"] in ("broke", ["broke"])
    chosen(app, "True class").set_value(int(kept["labels"][broke][0])).run()
    of_class = (kept["labels"][broke] == kept["labels"][broke][0]).sum()
    assert any(f" of {of_class}" in each.value for each in app.markdown)


def test_the_gallery_is_stepped_through(open_app, finished):
    finished()
    app = open_app(DIFFER, show="unsure")
    assert any(each.value == "1–12 of 500" for each in app.markdown)
    app.button(key="look.step.›").click().run()
    assert any(each.value == "13–24 of 500" for each in app.markdown)


def test_pooled_seeds_are_tested_one_by_one_and_the_page_says_why(open_app, finished, logits):
    run = finished()
    kept = logits(run)
    app = open_app(DIFFER)
    chosen(app, "Seed").set_value(-1).run()
    assert "each test sample counts once for each seed" in said(app)
    total = 0
    for seed in range(3):
        chose = (kept[arm][min(seed, len(kept[arm]) - 1)].argmax(1) for arm in ARMS)
        found = outcomes(kept["labels"], *chose)
        total += found["fixed"].sum()
        assert f"seed {seed}: {found['fixed'].sum()} to {found['broke'].sum()}, p " in said(app)
    assert tile(app, "fixed").label.startswith(f"**{total}** · ")


def test_a_run_of_one_seed_offers_no_pool(open_app, finished):
    finished(seeds=(7,))
    assert chosen(open_app(DIFFER), "Seed").options == ["7"]


@pytest.mark.parametrize(("name", "charts"), [("Confusions", 4), ("Classes", 1), ("Confidence", 3)])
def test_no_view_has_more_than_four_charts(open_app, finished, name, charts):
    finished()
    app = view(open_app(DIFFER), name)
    assert len(app.get("plotly_chart")) == charts


def test_two_classes_of_points_are_shown_on_their_plane(open_app, finished):
    finished(task="moons", transfer={"labelled": 20, "unlabelled": 100})
    app = open_app(DIFFER)
    shown = [name for name in ("fixed", "broke") if not tile(app, name).label.startswith("**0**")]
    if shown:
        tile(app, shown[0]).click().run()
        assert len(app.get("plotly_chart")) == 1
    assert "all 800 test samples" in said(app)
    assert not view(open_app(SOFT), "Likeness").exception
