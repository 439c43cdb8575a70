"""Soft targets and Where they differ: dragged, filtered and stepped through as a visitor does."""

import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect
from scipy.stats import kendalltau

from kdcore.measure import soft
from kdcore.measure.classes import mean_soft_targets
from kdcore.measure.outcomes import outcomes
from kdcore.result import ARMS, STUDENTS
from kdcore.shelf import Shelf
from tests.browser.tabs import charts, fits_a_phone

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(app):
    """A run of two seeds, under the app's home."""
    moving = {
        "temperature_schedule": {"how": "linear", "to": 2.0},
        "soft_schedule": {"how": "cosine", "to": 0.5},
    }
    return app.ran("to look into", (32, 6), 60, seeds=(3, 4), **moving)


@pytest.fixture(scope="module")
def kept(app, run):
    archive = Shelf(app.home / "artifacts").get(run.result.artifacts["logits"])
    return dict(np.load(io.BytesIO(archive)))


def number(tab, name):
    return float(tab.get_by_test_id(name).inner_text())


def heat(tab, temperature):
    """Drag the slider there."""
    tab.get_by_test_id("temperature").fill(str(temperature))


def test_the_loss_and_what_it_teaches_follow_the_slider_without_a_word_to_the_server(
    visit, run, kept
):
    sent = []
    tab = visit(f"/soft_targets?run={run.id}&sample=8&seed=4", sent)
    tab.get_by_test_id("mirror").locator("svg").wait_for()
    tab.wait_for_timeout(1500)
    expect(tab.get_by_test_id("place")).to_have_text("8 of 500")
    assert tab.get_by_test_id("seed").is_hidden()  # the page's own picker stands above
    before = len(sent)
    sample, labels = slice(7, 8), kept["labels"][7:8]
    for temperature in (1, 2.5, 20):
        heat(tab, temperature)
        expect(tab.get_by_test_id("degrees")).to_have_text(f"T = {temperature:g}")
        teacher = kept["teacher"][0, sample].astype(np.float64)
        for arm in STUDENTS:
            student = kept[arm][1, sample].astype(np.float64)
            weights = {"temperature": temperature, "hard": 0.1, "soft": 0.9}
            told = soft.loss(teacher, student, labels, **weights)
            assert number(tab, f"hard-{arm}") == pytest.approx(
                0.1 * told.cross_entropy[0], abs=6e-4
            )
            assert number(tab, f"soft-{arm}") == pytest.approx(0.9 * told.soft[0], abs=6e-4)
            assert number(tab, f"loss-{arm}") == pytest.approx(told.total[0], abs=6e-4)
            rho = soft.rank_agreement(teacher, student, labels)[0]
            wrong = np.arange(10) != labels[0]
            tau = kendalltau(teacher[0][wrong], student[0][wrong]).statistic
            said = tab.get_by_test_id(f"order-{arm}").inner_text().replace("−", "-")
            assert [float(n) for n in re.findall(r"-?\d+\.\d+", said)] == pytest.approx(
                [rho, tau], abs=6e-3
            )
        pulls = -soft.gradient(teacher, student, labels, **weights).total[0]
        label = tab.get_by_test_id("gradient").get_attribute("aria-label")
        assert f"raises {pulls.argmax()} most, by +{pulls.max():.3f}" in label
    for name, formula in (
        ("as-trained", "loss = 0.1 · CE(label) + 0.9 · 4² · KL(teacher ‖ student)"),
        ("as-ended", "loss = 0.1 · CE(label) + 0.5 · 2² · KL(teacher ‖ student)"),
    ):
        tab.get_by_test_id(name).click()
        assert tab.get_by_test_id("formula").inner_text() == formula
    moved = tab.get_by_test_id("moved").inner_text()
    assert "T moved from 4 to 2 in a line" in moved
    assert moved.endswith("The weights here are those at the end.")
    told = soft.loss(teacher, student, labels, temperature=2, hard=0.1, soft=0.5)
    assert number(tab, f"soft-{arm}") == pytest.approx(0.5 * told.soft[0], abs=6e-4)
    assert len(sent) == before > 0
    fits_a_phone(tab)


def test_the_dark_knowledge_map_is_the_mean_soft_target(visit, run, kept):
    tab = visit(f"/soft_targets?run={run.id}&view=Dark+knowledge")
    maps = tab.get_by_test_id("maps")
    maps.locator("svg").wait_for()
    heat(tab, 6)
    expected = mean_soft_targets(kept["teacher"][0], kept["labels"], 6.0)
    np.fill_diagonal(expected, 0)
    row, column = np.unravel_index(expected.argmax(), expected.shape)
    said = tab.get_by_test_id("said").inner_text()
    assert f"of a true {row} with {column}: {100 * expected.max():.0f} %" in said or re.search(
        rf"of a true {row} with {column}: {100 * expected.max():.1f} %", said
    )
    with tab.expect_download() as csv:
        tab.get_by_test_id("csv").click()
    rows = csv.value.path().read_text().splitlines()
    assert rows[0] == "true,class,teacher,control,distilled,T"
    cell = rows[1 + 10 * int(row) + int(column)].split(",")
    assert float(cell[2]) == pytest.approx(expected.max(), abs=1e-3)
    for kind, begins in (("svg", b"<svg"), ("png", b"\x89PNG")):
        with tab.expect_download() as picture:
            tab.get_by_test_id(kind).click()
        assert picture.value.path().read_bytes().startswith(begins)
    fits_a_phone(tab)


def test_a_tile_filters_the_samples_and_each_leads_to_its_soft_targets(visit, run, kept):
    tab = visit(f"/differences?run={run.id}")
    found = outcomes(kept["labels"], *(kept[arm][0].argmax(1) for arm in ARMS))
    name = max(("fixed", "broke"), key=lambda each: found[each].sum())
    count, first = int(found[name].sum()), int(np.flatnonzero(found[name])[0])
    title = {"fixed": "Distillation fixed it", "broke": "Distillation broke it"}[name]
    tab.get_by_role("button", name=f"{count} · {title}").click()
    tab.get_by_text(re.compile(rf"–\d+ of {count}$")).wait_for()
    card = tab.get_by_role("link", name=re.compile(rf"test sample {first + 1}, seed 3"))
    card.click()
    tab.get_by_test_id("mirror").locator("svg").wait_for()
    expect(tab.get_by_test_id("place")).to_have_text(f"{first + 1} of 500")
    expect(tab.get_by_test_id("label")).to_have_text(str(kept["labels"][first]))


def test_each_view_of_the_differences_draws_its_charts(visit, run):
    tab = visit(f"/differences?run={run.id}")
    tab.get_by_role("radio", name="Confusions", exact=True).wait_for()
    fits_a_phone(tab)
    tab.set_viewport_size({"width": 1440, "height": 900})
    for view, count in (("Confusions", 4), ("Classes", 1), ("Confidence", 3)):
        tab.get_by_role("radio", name=view, exact=True).click()
        charts(tab, count)
    tables = tab.get_by_role("button", name="CSV")
    expect(tables).to_have_count(3)  # the last one comes a moment after its chart
    with tab.expect_download() as csv:
        tables.last.click()
    assert csv.value.suggested_filename == "coverage.csv"
