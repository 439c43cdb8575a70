"""The page Try it: what is shown to the models, what they answer, and the score of the game."""

import io
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from kdcore.result import ARMS

PAGE = "pages/try_it.py"
SEVEN = [280, 180, 720, 180, 560, 500, 460, 860]


@pytest.fixture
def look(open_app):
    """Open the page by an address."""
    return partial(open_app, PAGE)


def way(app, name):
    control = next(each for each in app.get("button_group") if each.label == "Give them")
    control.set_value(name).run()
    assert not app.exception
    return app


def drawing(app, name, *strokes):
    """As if it had been drawn on the sheet."""
    app.session_state["try.drawing"] = {"id": name, "strokes": list(strokes)}
    app.run()
    assert not app.exception
    return app


def table(app):
    """The answers as HTML; nothing where there are none."""
    return "".join(each.proto.body for each in app.get("html") if "answers" in each.proto.body)


def shares(app, arm):
    found = re.findall(rf'data-testid="share-{arm}-(\d+)">(\d+) %', table(app))
    return {int(number): int(share) for number, share in found}


def expected(logits, temperature=1.0):
    softened = np.exp((logits - logits.max()) / temperature)
    return dict(enumerate(100 * softened / softened.sum()))


def score(app):
    return next(each.value for each in app.markdown if "so far" in each.value)


def as_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "mine.png", file.getvalue(), "image/png"


# which run


def test_without_a_finished_run_the_page_says_what_to_do_first(look):
    assert "no finished run yet" in look().info[0].value


def test_an_older_run_says_that_its_recipe_has_to_be_run_again(look, finished, store):
    run = finished("older")
    bare = store.claim(store.submit(run.recipe, "bare").id)
    roles = {role: name for role, name in run.result.artifacts.items() if role != "scale"}
    store.record(bare, result=replace(run.result, artifacts=roles))
    store.finish(bare, "done")
    assert "run its recipe again to try its models" in look(run=bare.id).error[0].value


def test_a_model_that_is_gone_from_the_disk_is_a_sentence(look, finished, settings):
    run = finished()
    (settings.home / "artifacts" / run.result.artifacts["control.onnx"]).unlink()
    assert "is gone" in look().error[0].value


def test_a_teacher_that_never_runs_here_is_said_and_the_students_answer(look, finished, store):
    run = finished("own teacher")
    own = store.claim(store.submit(run.recipe, "own").id)
    roles = {k: name for k, name in run.result.artifacts.items() if k != "teacher.onnx"}
    store.record(own, result=replace(run.result, artifacts=roles))
    store.finish(own, "done")
    app = way(look(run=own.id), "Test sample")
    assert not shares(app, "teacher")
    assert shares(app, "control")
    assert any("The teacher is no single file: the two" in each.value for each in app.caption)


# what is shown, and what they answer


def test_an_empty_sheet_says_what_to_do_and_nobody_answers(look, finished):
    finished()
    app = look()
    assert "as soon as you let go" in app.info[0].value
    assert not table(app)
    assert not table(drawing(app, "cleared"))


def test_a_drawing_is_answered_by_all_three_each_with_its_time(look, finished):
    finished()
    app = drawing(look(), "a", SEVEN)
    for arm in ARMS:
        assert sum(shares(app, arm).values()) == pytest.approx(100, abs=5)
        assert re.search(rf'data-testid="time-{arm}">[\d.]+ (µs|ms)<', table(app))
    assert any("the median of" in each.value for each in app.caption)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_test_sample_is_answered_as_the_run_kept_it(look, finished, logits, temperature):
    answers = logits(finished())
    app = way(look(), "Test sample")
    app.number_input[0].set_value(8).run()
    if temperature != 1:
        control = next(each for each in app.get("button_group") if each.label == "Temperature")
        control.set_value(temperature).run()
    for arm in ARMS:
        assert shares(app, arm) == pytest.approx(
            expected(answers[arm][0, 7], temperature), abs=0.51
        )
    assert "✓" in table(app)


def test_an_uploaded_picture_of_the_tasks_size_goes_in_as_it_is(look, finished, logits):
    answers = logits(finished())
    app = way(look(), "Upload")
    app.file_uploader[0].set_value(as_png(answers["images"][3, 0])).run()
    for arm in ARMS:
        assert shares(app, arm) == pytest.approx(expected(answers[arm][0, 3]), abs=0.51)
    assert not app.toggle


def test_ink_on_an_uploaded_sheet_is_found_or_the_whole_picture_is_shrunk(look, finished):
    finished()
    sheet = np.full((120, 90), 220, np.uint8)
    sheet[20:60, 30:40] = 30
    app = way(look(), "Upload")
    app.file_uploader[0].set_value(as_png(sheet)).run()
    found = table(app)
    app.toggle[0].set_value(False).run()
    assert found != table(app) != ""


@pytest.mark.parametrize("content", [b"hello", b""])
def test_what_is_no_picture_is_a_sentence_and_nobody_answers(look, finished, content):
    finished()
    app = way(look(), "Upload")
    app.file_uploader[0].set_value(("no.png", content, "image/png")).run()
    assert not app.exception
    assert "'no.png' cannot be read" in app.error[0].value
    assert not table(app)


def test_a_plain_sheet_is_a_sentence(look, finished):
    finished()
    app = way(look(), "Upload")
    app.file_uploader[0].set_value(as_png(np.full((50, 50), 200, np.uint8))).run()
    assert "no ink to be seen" in app.error[0].value


def test_a_task_of_points_offers_its_plane_and_nothing_to_draw_on(look, finished, logits):
    answers = logits(finished(task="moons", transfer={"labelled": 20, "unlabelled": 100}))
    app = look()
    control = next(each for each in app.get("button_group") if each.label == "Give them")
    assert [each.content for each in control.proto.options] == ["Choose a point", "Test sample"]
    app = way(app, "Test sample")
    for arm in ARMS:
        assert shares(app, arm) == pytest.approx(expected(answers[arm][0, 0]), abs=0.51)


# the game


def test_a_drawing_counts_once_by_its_last_stroke_and_a_cleared_sheet_is_another(look, finished):
    finished()
    app = drawing(look(), "a", SEVEN)
    assert score(app).endswith("of **1** so far.")
    app = drawing(app, "a", SEVEN, [300, 500, 600, 500])
    assert score(app).endswith("of **1** so far.")
    app = drawing(app, "b", [500, 100, 500, 900])
    assert score(app).endswith("of **2** so far.")


def test_the_score_counts_those_on_which_the_models_disagree(look, finished):
    finished()
    app, disagreed = look(), 0
    for number in range(6):
        app = drawing(app, str(number), [100, 100, 100 + 150 * number, 900, 900, 80 * number])
        chosen = re.findall(r'data-testid="choice-\w+">(\d)<', table(app))
        assert len(chosen) == 3
        disagreed += len(set(chosen)) > 1
        words = "They disagree" if len(set(chosen)) > 1 else f"All say **{chosen[0]}**"
        assert any(words in each.value for each in app.markdown)
    assert f"**{disagreed}** of **6**" in score(app)
    app.button(key="try.over").click().run()
    assert score(app).endswith("of **1** so far.")  # the drawing that is still there


def test_a_test_sample_is_no_drawing(look, finished):
    finished()
    assert score(way(look(), "Test sample")).endswith("none so far.")
