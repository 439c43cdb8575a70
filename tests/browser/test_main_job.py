"""The main job as a visitor does it: choose, distill, read, compare, leave and come back."""

import re

import pytest
from playwright.sync_api import expect

from kdcore.errors import RunError
from kdcore.recipe import Recipe
from tests.processes import eventually, kill_cluster

pytestmark = pytest.mark.browser

VERDICT = re.compile(r"Distillation (helped|hurt|made no clear difference)")


def distill(tab) -> str:
    """Press the button; returns the id of the run that the address then names."""
    before = tab.url
    tab.locator(".st-key-distill button").click()
    tab.wait_for_url(lambda url: "run=" in url and url != before)
    return tab.url.split("run=")[1]


def lengthen(tab, steps: str = "End") -> None:
    """Drag the slider of steps to its end, so that a run is still under way when we look."""
    slider = tab.get_by_role("slider", name="Steps").first
    slider.focus()
    tab.keyboard.press(steps)
    tab.get_by_text("5000", exact=True).first.wait_for()


def fewest_seeds(tab) -> None:
    """Choose three seeds, the fewest that give a verdict."""
    seeds = tab.get_by_role("slider", name="Seeds").first
    seeds.focus()
    tab.keyboard.press("Home")
    tab.get_by_text("Under 3 seeds there is no verdict").wait_for()
    for _ in range(2):
        tab.keyboard.press("ArrowRight")
    tab.get_by_text("Under 3 seeds there is no verdict").wait_for(state="hidden")


def wait_for_end(tab, store, run: str) -> None:
    assert eventually(lambda: store.get(run).ended)
    tab.get_by_text("What do the three models answer?").wait_for()


def test_choose_distill_read_and_compare(visit, store):
    tab = visit()
    tab.get_by_text("100", exact=True).first.wait_for()
    fewest_seeds(tab)

    first = distill(tab)
    tab.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for(state="attached")
    verdict = tab.get_by_text(VERDICT).first  # while the page redraws, the old one is still there
    verdict.wait_for()
    wait_for_end(tab, store, first)
    expect(verdict).to_contain_text("helped")
    assert store.get(first).result.verdict == "better"
    for arm in ("teacher", "control", "distilled"):
        percent = re.compile(r"^\d\d\.\d(\s±\s\d+\.\d)?\s%$")
        expect(tab.locator(f"[data-arm={arm}]").first).to_have_text(percent, use_inner_text=True)
    expect(tab.get_by_text(re.compile(r"^[\d.]+\skB$"))).to_have_count(3)

    slider = tab.get_by_role("slider", name="Temperature T").first
    slider.focus()
    tab.keyboard.press("ArrowRight")
    tab.get_by_text("KL(teacher ‖ student at T = 4.5)").wait_for()
    second = distill(tab)
    wait_for_end(tab, store, second)
    assert [run.id for run in store.find(limit=2)] == [second, first]

    tab.get_by_role("link", name="Runs").click()
    table = tab.get_by_test_id("stDataFrame")
    table.wait_for()
    tick(tab, table, row=1)
    tab.get_by_label("Name").fill("the later one")
    tab.get_by_label("Note").fill("half a degree warmer")
    tab.get_by_role("button", name="Save").click()
    assert eventually(lambda: store.get(second).name == "the later one")
    assert store.get(second).note == "half a degree warmer"

    tick(tab, table, row=2)
    tab.get_by_role("button", name="Lay side by side").click()
    tab.get_by_text("What was set differently?").wait_for()
    tab.get_by_test_id("stTable").get_by_text("Temperature T", exact=True).wait_for()
    tab.wait_for_url(lambda url: first in url and second in url)


def test_a_run_is_deleted_only_after_a_second_yes(visit, store):
    run = store.claim(store.submit(Recipe(), "doomed").id)
    store.finish(run, "failed", "for the test")
    tab = visit("/runs")
    table = tab.get_by_test_id("stDataFrame")
    table.wait_for()
    tick(tab, table, row=1)
    tab.get_by_role("button", name="Delete").click()
    confirm = tab.get_by_role("button", name="Delete for good")
    confirm.wait_for()
    assert store.get(run.id).state == "failed"
    before = store.count()
    confirm.click()
    assert eventually(lambda: store.count() == before - 1)
    with pytest.raises(RunError):
        store.get(run.id)


def test_cancel_stops_a_run_and_keeps_what_it_had_measured(visit, store):
    tab = visit()
    lengthen(tab)
    run = distill(tab)
    tab.get_by_text(re.compile("about \\d+ (s|min) left")).wait_for()
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_text("You cancelled this run").wait_for()
    assert store.get(run).state == "cancelled"
    assert store.events(run)[0]


@pytest.mark.slow
def test_a_run_survives_its_tab_and_its_app(visit, app, store):
    tab = visit()
    seeds = tab.get_by_role("slider", name="Seeds").first
    seeds.focus()
    tab.keyboard.press("Home")
    tab.get_by_text("Under 3 seeds there is no verdict").wait_for()
    lengthen(tab)
    run = distill(tab)
    tab.get_by_text(re.compile("about \\d+ (s|min) left")).wait_for()
    tab.context.close()
    app.kill()
    assert store.get(run).state == "running"
    app.start()
    tab = visit(f"/?run={run}")
    tab.get_by_text("too few to tell luck from gain").wait_for(timeout=90_000)
    assert store.get(run).attempt == 1


@pytest.mark.slow
def test_a_killed_clusters_run_is_interrupted_and_starts_again_by_one_click(visit, app, store):
    tab = visit()
    lengthen(tab)
    run = distill(tab)
    tab.get_by_text(re.compile("about \\d+ (s|min) left")).wait_for()
    kill_cluster(app.home)
    tab.get_by_text("Interrupted").wait_for(timeout=40_000)
    tab.get_by_role("button", name="Start again").click()
    assert eventually(lambda: store.get(run).state == "running", within=60)
    tab.get_by_text(re.compile("about \\d+ (s|min) left")).wait_for(timeout=60_000)
    assert store.get(run).attempt == 2
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_text("You cancelled this run").wait_for()


def tick(tab, table, row: int) -> None:
    """Tick a row of a table that is drawn on a canvas: its box is in the first column."""
    table.evaluate("found => found.scrollIntoView({ block: 'center' })")
    box = table.bounding_box()
    tab.mouse.click(box["x"] + 20, box["y"] + 35 * row + 18)
    tab.get_by_role("button", name="Delete").wait_for()


def test_a_fresh_servers_first_visitor_finds_the_whole_app_on_any_page(visit, app):
    app.kill()
    app.start()
    tab = visit("/compare")
    for kind, names in (("Link", ("Distill", "Runs")), ("Section", ("Tune", "Look", "Choose"))):
        for name in names:
            expect(tab.get_by_test_id(f"stTopNav{kind}").filter(has_text=name)).to_have_count(1)
    tab.get_by_text("Runs to lay side by side").wait_for()
    expect(tab.get_by_test_id("stStatusWidget")).to_have_count(0)  # a page that runs shuts a menu
    tab.get_by_test_id("stTopNavSection").filter(has_text="Bring your own").click()
    for name in ("Data", "Teachers"):
        tab.get_by_test_id("stTopNavDropdownLink").filter(has_text=name).wait_for()
    expect(tab).to_have_title("Knowledge distillation, live")
