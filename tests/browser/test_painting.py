"""A map is painted from one click, live, and a click on a cell opens it."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

SMALL = "/sweep?from=digits-few-labels&x=temperature:1,4,16&y=soft_share:0.1,0.9&seeds=3"
NUMBER = re.compile(r"[+−]?\d+\.\d")


@pytest.fixture(scope="module")
def page(stay):
    """A map of six settings, painted."""
    tab = stay(SMALL)
    expect(tab.get_by_text("6 settings × 3 seeds")).to_be_visible()
    tab.locator(".st-key-paint button").click()
    expect(tab.get_by_text("6 of 6 settings.")).to_be_visible(timeout=120_000)
    expect(texts(tab)).to_have_count(7)
    return tab


def texts(tab):
    """What is written in the cells."""
    return tab.locator(".barlayer .bartext").filter(has_text=NUMBER)


def cell(tab, column: int, row: int):
    """The middle of a cell, counted from the lower left."""
    boxes = [point.bounding_box() for point in tab.locator(".barlayer .point path").all()]
    lefts = sorted({round(box["x"]) for box in boxes if box["width"] < 0.5 * _width(boxes)})
    tops = sorted({round(box["y"]) for box in boxes}, reverse=True)
    (found,) = [
        box
        for box in boxes
        if round(box["x"]) == lefts[column] and round(box["y"]) == tops[row + 1]  # 0: the control
    ]
    return found["x"] + found["width"] / 2, found["y"] + found["height"] / 2


def _width(boxes) -> float:
    return max(box["width"] for box in boxes)


def test_every_cell_has_its_measured_number_and_the_control_its_own_row(page):
    shown = [text for text in texts(page).all_text_contents() if text]
    assert sum(text.endswith(" %") for text in shown) == 1
    assert len(shown) == 7


def test_a_click_on_a_cell_tells_its_setting_and_the_address_keeps_it(page):
    page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    page.mouse.click(*cell(page, column=1, row=1))
    expect(page.get_by_text("Temperature T 4, Soft weight α 0.9")).to_be_visible()
    expect(page).to_have_url(re.compile(r"cell=3"))


def brush(tab) -> None:
    """Drag over the upper end of the first axis."""
    axis = tab.locator(".parallel .catch").first
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    middle = box["x"] + box["width"] / 2
    tab.mouse.move(middle, box["y"] + 2)
    tab.mouse.down()
    tab.mouse.move(middle, box["y"] + 0.3 * box["height"], steps=4)
    tab.mouse.up()


def test_lines_that_are_brushed_fill_the_table(page):
    told = page.get_by_text("2 of 6 settings, brushed above.")
    for _ in range(3):  # charts that are still being drawn above move the axis from under the mouse
        brush(page)
        page.wait_for_timeout(2000)
        if told.count():
            break
    expect(told).to_be_visible()


def test_the_link_shows_another_visitor_the_same_map(page, visit):
    other = visit(page.url.partition("127.0.0.1")[2].partition("/")[2].join(["/", ""]))
    expect(other.get_by_text("Temperature T 4, Soft weight α 0.9")).to_be_visible()
    expect(texts(other)).to_have_count(7)


def test_a_member_opens_as_a_run_and_leads_back(page):
    page.locator(".st-key-sweep-open button").click()
    expect(page.get_by_text("One setting of a map")).to_be_visible()
    expect(page.locator("[data-arm=distilled]")).to_be_visible()
    page.get_by_text("One setting of a map").click()
    expect(page.get_by_text("6 of 6 settings.")).to_be_visible()
