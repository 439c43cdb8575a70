"""Decide as a stakeholder does it: read, tighten a budget, look at a model, take it away."""

import csv

import pytest
from playwright.sync_api import expect

from tests.browser.tabs import charts, fits_a_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(app):
    """A run on data of its own, so that the budgets weigh its models alone."""
    return app.ran("to decide on", (16, 4), 20, task="circles", seeds=(0, 1, 2))


def test_a_budget_changes_the_sentence_and_a_click_leads_to_the_run(visit, run):
    tab = visit("/decide?v=1&data=circles&size=&latency=&accuracy=")
    tab.get_by_text("Ship").first.wait_for()
    charts(tab, 3)
    tab.get_by_text("1 thread, batch of 1, warmed up by 10 calls").first.wait_for()

    size = tab.get_by_label("Size at most, kB")
    size.fill("0.5")
    size.press("Enter")
    tab.get_by_text("No model keeps these budgets. Nearest is").wait_for()
    tab.wait_for_url(lambda url: "size=0.5" in url and "data=circles" in url)
    tab.get_by_text("Without the size budget").wait_for()

    copy = tab.get_by_role("button", name="Copy link")
    expect(copy).to_have_count(1)  # the row before it is taken away when the page is through
    copy.click()
    link = tab.get_by_test_id("stCode").last.inner_text().strip()
    other = visit("/" + link.split("/", 3)[3])
    other.get_by_text("No model keeps these budgets. Nearest is").wait_for()
    fits_a_phone(other)

    tab.keyboard.press("Escape")
    mark = tab.locator(".js-plotly-plot").first.locator(".scatterlayer .point").last
    mark.hover(force=True)
    tab.locator(".hoverlayer").get_by_text("misses the size budget").first.wait_for()
    mark.click(force=True)
    tab.get_by_role("link", name="Open the run").last.wait_for()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="All of these models as CSV").click()
    with open(taken.value.path(), encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["run"] == run.name]
    found = {row["role"]: float(row["onnx_bytes"]) for row in rows}
    assert found == {name: arm.onnx_bytes for name, arm in run.result.arms.items()}
    tab.get_by_role("link", name="Open the run").last.click()
    tab.wait_for_url(lambda url: "run=" in url)
