"""Compare as a visitor does it: tick runs, read, hold against another, take away, hand on."""

import csv

import pytest
from playwright.sync_api import expect

from tests.browser.tabs import charts, fits_a_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def runs(app):
    """Three runs under the app's home, the last of them on other data."""
    return [
        app.ran(name, (16, 4), 20, seeds=(0, 1, 2), **changes)
        for name, changes in (
            ("to compare, cool", {}),
            ("to compare, warm", {"temperature": 9.0}),
            ("to compare, moons", {"task": "moons"}),
        )
    ]


def test_ticked_runs_are_compared_held_against_another_and_handed_on(visit, runs):
    cool, warm, _ = runs
    tab = visit("/runs")
    tab.get_by_label("Find").fill("to compare")
    tab.keyboard.press("Enter")
    table = tab.get_by_test_id("stDataFrame")
    tab.wait_for_timeout(1500)  # the list is drawn anew on a canvas, which tells nobody
    for row in (1, 2, 3):
        box = table.bounding_box()
        tab.mouse.click(box["x"] + 20, box["y"] + 35 * row + 18)
        tab.get_by_role("button", name="Delete").wait_for()
        tab.wait_for_timeout(400)
    tab.get_by_role("button", name="Lay side by side").click()
    tab.wait_for_url(lambda url: "/compare" in url and all(run.id in url for run in runs))
    tab.get_by_text("B and A can't be compared").wait_for()  # the newest, the moons, comes first

    tab.get_by_role("combobox", name="Reference").click()
    tab.get_by_role("option", name="B · to compare, warm").click()
    tab.wait_for_url(lambda url: f"reference={warm.id}" in url)
    charts(tab, 4)
    outcomes = tab.get_by_test_id("stTable").nth(1)
    expect(outcomes).to_contain_text("the reference")
    expect(outcomes).to_contain_text("other data: Two moons, not")

    tab.get_by_text("All settings", exact=True).click()
    tab.get_by_test_id("stTable").get_by_text("Teacher's learning rate").wait_for()
    tab.get_by_role("radio", name="All measures").click()
    tab.get_by_text("Which run is best at what?").wait_for()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="All of it as CSV").click()
    with open(taken.value.path(), encoding="utf-8") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert rows[cool.name]["Temperature T"] == "4"
    apart = [
        100 * (a - b)
        for a, b in zip(*(r.result.arms["distilled"].accuracy for r in (cool, warm)), strict=True)
    ]
    assert float(rows[cool.name]["against.mean"]) == pytest.approx(sum(apart) / 3)

    copy = tab.get_by_role("button", name="Copy link")
    expect(copy).to_have_count(1)  # what stood there before is taken away when the page is through
    copy.click()
    link = tab.get_by_test_id("stCode").last.inner_text().strip()
    assert link.startswith("http")
    other = visit("/" + link.split("/", 3)[3])
    other.get_by_text("Which run is best at what?").wait_for()
    other.get_by_test_id("stTable").get_by_text("Teacher's learning rate").wait_for()
    expect(other.get_by_test_id("stTable").nth(1)).to_contain_text("Against B, points")
    charts(other, 4)
    fits_a_phone(other)
