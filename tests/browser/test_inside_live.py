"""Inside: points chosen in one model's panel and seen in all, and a plane that plays."""

import re

import pytest
from playwright.sync_api import expect

from kdcore import insides
from kdcore.result import ARMS
from kdcore.shelf import Shelf
from tests.browser.tabs import fits_a_phone

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(app):
    """A run of points, under the app's home."""
    return app.ran("points", (16, 6), 60, task="moons", seeds=(3,))


DISTILLED = "panel-distilled"
REDRAWN = "([canvas, before]) => canvas.toDataURL() != before"


def ink(tab, name):
    """A panel as the browser has drawn it."""
    return tab.get_by_test_id(f"panel-{name}").evaluate("canvas => canvas.toDataURL()")


COUNT = """() => {
  const own = CanvasRenderingContext2D.prototype.fillRect;
  window.points = 0;
  CanvasRenderingContext2D.prototype.fillRect = function (...all) {
    window.points += 1;
    return own.apply(this, all);
  };
}"""


def test_pointing_at_a_sample_rings_it_in_all_panels_and_draws_no_other_point_again(visit, run):
    tab = visit(f"/inside?run={run.id}")
    panel, said = tab.get_by_test_id("panel-control"), tab.get_by_test_id("said")
    panel.scroll_into_view_if_needed()
    before = {name: ink(tab, name) for name in ARMS}
    tab.evaluate(COUNT)
    box = panel.bounding_box()
    for share in range(5, 96, 2):
        tab.mouse.move(box["x"] + box["width"] * share / 100, box["y"] + box["height"] / 2)
        if said.inner_text().startswith("Test sample"):
            break
    assert re.match(
        r"Test sample \d+ is (upper|lower); teacher says (upper|lower)", said.inner_text()
    )
    assert all(ink(tab, name) != drawn for name, drawn in before.items())
    tab.mouse.move(box["x"] - 5, box["y"] - 5)
    assert {name: ink(tab, name) for name in ARMS} == before
    assert tab.evaluate("window.points") == 0


def test_what_is_chosen_in_one_panel_is_chosen_in_all_and_shown_below(visit, run):
    tab = visit(f"/inside?run={run.id}")
    panel = tab.get_by_test_id("panel-control")
    panel.scroll_into_view_if_needed()
    before = {name: ink(tab, name) for name in ("teacher", "control", "distilled")}
    box = panel.bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=2)
    tab.mouse.up()
    said = tab.get_by_test_id("said")
    tab.wait_for_function(
        "said => said.textContent.startsWith('800 samples')", arg=said.element_handle()
    )
    assert "400 of upper, 400 of lower" in said.inner_text()
    right = 100 * run.result.arms["teacher"].accuracy[0]
    assert f"teacher {right:.0f} %" in said.inner_text()
    tab.get_by_role("button", name="upper").click()
    tab.wait_for_function(
        "said => said.textContent.startsWith('400 samples: 400 of upper')",
        arg=said.element_handle(),
    )
    for name, drawn in before.items():
        canvas = tab.get_by_test_id(f"panel-{name}").element_handle()
        tab.wait_for_function(REDRAWN, arg=[canvas, drawn])
    tab.get_by_test_id("gallery").locator("a").nth(11).wait_for()
    with tab.expect_download() as csv:
        tab.get_by_test_id("csv").click()
    rows = csv.value.path().read_text().splitlines()
    assert rows[0].startswith(
        "sample,true,chosen,teacher answer,teacher x,teacher y,control answer"
    )
    assert sum(row.split(",")[2] == "1" for row in rows[1:]) == 400
    for kind, begins in (("svg", b"<svg"), ("png", b"\x89PNG")):
        with tab.expect_download() as picture:
            tab.get_by_test_id(kind).click()
        assert picture.value.path().read_bytes().startswith(begins)
        if kind == "svg":
            drawn = picture.value.path().read_text()
    assert all(f">{words}</text>" in drawn for words in ("upper", "lower"))
    assert "Where does each model put the test samples? PCA" in drawn
    assert ">points. 400 samples: 400 of upper. Right: teacher" in drawn


def test_the_plane_plays_from_the_first_step_to_the_last_without_a_word_to_the_server(
    visit, app, run
):
    sent = []
    tab = visit(f"/inside?run={run.id}&view=Boundaries", sent)
    step = tab.get_by_test_id("step")
    expect(step).to_have_text("Step 60 of 60")
    kept = insides.read(Shelf(app.home / "artifacts").get(run.result.artifacts[insides.ROLE]))
    end = kept.boundaries.accuracy["distilled"][-1]
    caption = tab.get_by_test_id("panels").get_by_text(re.compile("Student, distilled"))
    expect(caption).to_contain_text(f"{100 * end:.1f} % right")
    tab.wait_for_timeout(1000)
    before, last = len(sent), ink(tab, "distilled")
    tab.get_by_test_id("points").uncheck()
    tab.get_by_test_id("moment").fill("0")
    expect(step).to_have_text("Step 0 of 60")
    start = kept.boundaries.accuracy["distilled"][0]
    expect(caption).to_contain_text(f"{100 * start:.1f} % right")
    tab.wait_for_function(REDRAWN, arg=[tab.get_by_test_id(DISTILLED).element_handle(), last])
    tab.get_by_test_id("play").click()
    tab.get_by_text("Step 60 of 60").wait_for()
    tab.get_by_role("button", name="Play").wait_for()
    assert len(sent) == before > 0
    fits_a_phone(tab)
    tab.get_by_role("radio", name="Architecture", exact=True).click()
    tab.locator(".js-plotly-plot").first.wait_for()
    fits_a_phone(tab)


def test_pointing_at_the_plane_tells_the_point_and_each_models_answer_there(visit, app, run):
    tab = visit(f"/inside?run={run.id}&view=Boundaries")
    expect(tab.get_by_test_id("step")).to_have_text("Step 60 of 60")
    panel, said = tab.get_by_test_id("panel-control"), tab.get_by_test_id("said")
    panel.scroll_into_view_if_needed()
    expect(said).to_contain_text("Point at the plane")
    kept = insides.read(Shelf(app.home / "artifacts").get(run.result.artifacts[insides.ROLE]))
    tab.get_by_test_id("points").uncheck()
    before = {name: ink(tab, name) for name in ARMS}
    box = panel.bounding_box()
    tab.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + 0.25 * box["height"])
    (left, low), (right, high) = kept.boundaries.low, kept.boundaries.high
    row, column = round(0.75 * 55), round(0.05 * 55)
    place = re.match(r"At \((\S+), (\S+)\): teacher says (\w+), ", said.inner_text())
    assert [float(each.replace("−", "-")) for each in place.groups()[:2]] == pytest.approx(
        [left + 0.05 * (right - left), low + 0.75 * (high - low)], abs=0.03
    )
    assert place[3] == ("upper", "lower")[kept.boundaries.chosen["teacher"][-1][row][column]]
    sure = 100 * kept.boundaries.sure["distilled"][-1][row][column]
    told = re.search(r"(\d+) %\.$", said.inner_text())
    assert int(told[1]) == pytest.approx(sure, abs=1)
    assert all(ink(tab, name) != drawn for name, drawn in before.items())
    with tab.expect_download() as picture:
        tab.get_by_test_id("svg").click()
    drawn = picture.value.path().read_text()
    assert ">points. Step 60 of 60. Full colour: sure; faint: in doubt.</text>" in drawn
    assert all(f">{words}</text>" in drawn for words in ("upper", "lower"))
    tab.mouse.move(box["x"] - 5, box["y"] - 5)
    expect(said).to_contain_text("Point at the plane")
    assert {name: ink(tab, name) for name in ARMS} == before
