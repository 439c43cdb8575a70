"""The answers of the three models to one test digit: drawn, softened and stepped in the browser."""

import io
import re

import numpy as np
import pytest

from kdcore.shelf import Shelf

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(app):
    """A run of two seeds, under the app's home."""
    return app.ran("two seeds", (32, 6), 60, seeds=(3, 4))


@pytest.fixture(scope="module")
def logits(app, run):
    archive = Shelf(app.home / "artifacts").get(run.result.artifacts["logits"])
    return dict(np.load(io.BytesIO(archive)))


@pytest.fixture(scope="module")
def sent():
    """What the tab sends to the server."""
    return []


@pytest.fixture(scope="module")
def tab(stay, run, sent):
    tab = stay(f"/?run={run.id}", sent)
    tab.get_by_test_id("mirror").wait_for()
    return tab


def soften(logits, temperature):
    scaled = logits.astype(np.float64) / temperature
    return scaled - scaled.max() - np.log(np.exp(scaled - scaled.max()).sum())


def drag(tab, share):
    """Drag the slider's handle there, with the button held down all the way."""
    slider = tab.get_by_test_id("temperature")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + 0.16 * box["width"], middle)
    tab.mouse.down()
    for step in range(11):
        tab.mouse.move(box["x"] + box["width"] * (0.16 + (share - 0.16) * step / 10), middle)


def test_the_figures_are_the_softened_logits_that_the_run_kept(tab, logits):
    tab.get_by_test_id("filter").select_option("all")
    tab.get_by_test_id("seed").select_option("1")
    tab.get_by_test_id("next").click()
    sample, seed = 1, 1
    for temperature, button in ((4, "as-trained"), (1, "as-is")):
        tab.get_by_test_id(button).click()
        teacher = soften(logits["teacher"][0, sample], temperature)
        for name, row in (("control", logits["control"]), ("distilled", logits["distilled"])):
            student = soften(row[seed, sample], temperature)
            expected = (np.exp(teacher) * (teacher - student)).sum()
            shown = float(tab.get_by_test_id(f"kl-{name}").inner_text())
            assert shown == pytest.approx(expected, abs=6e-4)
            entropy = -(np.exp(student) * student).sum()
            shown = float(tab.get_by_test_id(f"entropy-{name}").inner_text())
            assert shown == pytest.approx(entropy, abs=6e-4)
        assert tab.get_by_test_id("kl-teacher").inner_text() == ""


def test_a_hotter_temperature_evens_out_every_answer(tab):
    entropies = []
    for share in (0.05, 0.3, 0.6, 0.95):
        drag(tab, share)
        tab.mouse.up()
        entropies.append(float(tab.get_by_test_id("entropy-distilled").inner_text()))
    assert entropies == sorted(entropies)
    assert entropies[-1] == pytest.approx(np.log(10), abs=0.2)


def test_one_steps_through_the_digits_on_which_the_models_disagree(tab, logits):
    chosen = [logits[name].argmax(-1) for name in ("teacher", "control", "distilled")]
    teacher, control, distilled = chosen[0][0], chosen[1][0], chosen[2][0]
    disagree = np.flatnonzero((teacher != control) | (teacher != distilled))
    fixed = np.flatnonzero((control != logits["labels"]) & (distilled == logits["labels"]))
    tab.get_by_test_id("seed").select_option("0")
    filters = tab.get_by_test_id("filter")
    filters.select_option("all")
    filters.select_option("disagree")  # from its first
    assert f"Models disagree ({len(disagree)})" in filters.inner_text()
    assert f"Distillation fixed ({len(fixed)})" in filters.inner_text()
    for place in range(3):
        sample = disagree[place]
        assert tab.get_by_test_id("label").inner_text() == str(logits["labels"][sample])
        for name, answer in (("teacher", teacher), ("control", control)):
            said = tab.get_by_test_id(f"answer-{name}").inner_text()
            assert said.startswith(str(answer[sample]))
        tab.get_by_test_id("next").click()
    assert tab.get_by_test_id("place").inner_text() == f"4 of {len(disagree)}"
    for _ in range(4):
        tab.get_by_test_id("previous").click()
    assert tab.get_by_test_id("place").inner_text() == f"{len(disagree)} of {len(disagree)}"


def test_the_digits_picture_is_drawn_pixel_by_pixel(tab, logits):
    tab.get_by_test_id("filter").select_option("disagree")
    tab.get_by_test_id("filter").select_option("all")  # from the first
    pixels = tab.get_by_test_id("picture").evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    )
    drawn = np.array(pixels, dtype=np.uint8).reshape(8, 8, 4)
    assert (drawn[..., 0] == logits["images"][0, 0]).all()
    assert (drawn[..., 3] == 255).all()


def test_on_a_phone_nothing_is_cut_off(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.get_by_test_id("mirror").scroll_into_view_if_needed()
    for name in ("temperature", "mirror", "filter", "next"):
        box = tab.get_by_test_id(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert re.match(r"\d+ of \d+", tab.get_by_test_id("place").inner_text())


def test_dragging_the_temperature_redraws_without_a_word_to_the_server(tab, sent):
    tab.get_by_test_id("as-is").click()
    tab.get_by_text("MACs (1/").wait_for()  # until the engine is warm, the form asks it again
    tab.wait_for_timeout(1500)
    before = len(sent)
    first = tab.get_by_test_id("entropy-teacher").inner_text()
    drag(tab, 0.9)
    assert float(tab.get_by_test_id("entropy-teacher").inner_text()) > float(first)
    held = tab.get_by_test_id("degrees").inner_text()
    assert float(held.removeprefix("T = ")) > 10
    tab.mouse.up()
    tab.wait_for_timeout(500)
    assert before > 0
    assert len(sent) == before


def test_a_point_of_the_plane_is_drawn_among_the_others(visit, app):
    moons = app.ran("moons", (16, 3), 40, task="moons", seeds=(0,))
    tab = visit(f"/?run={moons.id}")
    tab.get_by_test_id("mirror").wait_for()
    tab.get_by_test_id("filter").select_option("all")
    canvas = tab.get_by_test_id("picture")
    drawn = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.join()"
    first = canvas.evaluate(drawn)
    assert len(set(first.split(","))) > 3  # neither blank nor of one shade
    tab.get_by_test_id("next").click()
    assert canvas.evaluate(drawn) != first
    assert tab.get_by_test_id("answer-teacher").inner_text()
