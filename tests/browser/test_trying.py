"""One draws with the mouse or a finger, and three models answer."""

import re
from functools import partial

import pytest
from playwright.sync_api import expect

from kdcore.result import ARMS

pytestmark = pytest.mark.browser

FOUR = [[(480, 150), (280, 560), (720, 560)], [(600, 340), (600, 860)]]


@pytest.fixture(scope="module")
def done(app):
    """Have a recipe run under the app's home."""
    return partial(app.ran, "to be tried", (64, 16), 200, seeds=(0,))


def draw(tab, strokes):
    """With the button held down along each stroke."""
    box = tab.get_by_test_id("sheet").bounding_box()
    scale = box["width"] / 1000
    for stroke in strokes:
        (x, y), *rest = [(box["x"] + scale * x, box["y"] + scale * y) for x, y in stroke]
        tab.mouse.move(x, y)
        tab.mouse.down()
        for place in rest:
            tab.mouse.move(*place, steps=5)
        tab.mouse.up()


def test_a_drawn_digit_is_answered_by_all_three_and_clearing_begins_another(visit, done):
    tab = visit(f"/try_it?run={done().id}")
    sheet = tab.get_by_test_id("sheet")
    sheet.get_by_text("Draw a digit here").wait_for()
    sheet.scroll_into_view_if_needed()
    draw(tab, FOUR)
    tab.get_by_text(re.compile(r"of 1 so far")).wait_for()
    expect(sheet.locator("polyline")).to_have_count(2)
    expect(tab.get_by_test_id("choice-teacher")).to_have_text("4")  # after the second stroke
    for arm in ARMS:
        assert re.fullmatch(
            r"[\d.]+ (µs|ms)", tab.get_by_test_id(f"time-{arm}").inner_text().strip()
        )
    assert tab.get_by_test_id("seen").evaluate("i => [i.naturalWidth, i.naturalHeight]") == [8, 8]
    tab.get_by_test_id("undo").click()
    expect(sheet.locator("polyline")).to_have_count(1)
    tab.get_by_test_id("clear").click()
    tab.get_by_test_id("answers").wait_for(state="detached")
    draw(tab, [[(500, 100), (500, 900)]])
    tab.get_by_text(re.compile(r"of 2 so far")).wait_for()
    tab.get_by_role("radio", name="Test sample").click()
    tab.get_by_role("spinbutton").wait_for()
    tab.get_by_role("radio", name="Draw").click()
    sheet.locator("polyline").wait_for(state="attached")  # it is still there


def test_a_finger_draws_on_a_phone_and_nothing_is_cut_off(visit, done):
    tab = visit(f"/try_it?run={done().id}")
    tab.set_viewport_size({"width": 390, "height": 844})
    sheet = tab.get_by_test_id("sheet")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    finger = tab.context.new_cdp_session(tab)
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.5), ("touchMove", 0.8)):
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * share}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    answers = tab.get_by_test_id("answers")
    answers.wait_for()
    assert len(sheet.locator("polyline").get_attribute("points").split(" ")) >= 2
    for each in (sheet, answers):
        box = each.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_a_click_on_the_plane_is_answered_and_the_arrow_keys_move_it(visit, done):
    run = done(task="moons")
    tab = visit(f"/try_it?run={run.id}")
    plane = tab.get_by_test_id("plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    plane.click(position={"x": box["width"] * 0.35, "y": box["height"] * 0.2})
    tab.get_by_test_id("answers").wait_for()
    expect(tab.get_by_test_id("choice-teacher")).to_have_text("upper")
    ring = plane.locator("circle").first
    before = int(ring.get_attribute("cx"))
    plane.press("ArrowRight")
    tab.get_by_text(re.compile(r"of 2 so far")).wait_for()
    expect(ring).to_have_attribute("cx", str(before + 20))
