"""Compressing as a visitor does it: set the stages, watch, take the models away."""

import json
import re
import subprocess
import sys
import zipfile

import pytest

from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.runs.pipelines import Pipelines
from kdcore.runs.worker import execute
from kdcore.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def run(app, store):
    """A finished run under the app's home, of tiny networks."""
    settings = Settings(app.home, app.home / "data", f"sqlite:///{app.home / 'kdcore.db'}")
    tiny = Recipe(
        teacher={"options": {"widths": [16]}},
        student={"options": {"widths": [8]}},
        teacher_training={"steps": 20},
        training={"steps": 20},
        seeds=(0, 1, 2),
    )
    submitted = store.submit(tiny, "to compress")
    execute(submitted.id, settings)
    return store.get(submitted.id)


def charts(tab, count):
    tab.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length >= {count}")


def measured_on_a_device(kit, folder):
    """What the kit's own script writes of its smallest and its largest model."""
    with zipfile.ZipFile(kit) as archive:
        archive.extractall(folder)
    (script,) = folder.rglob("measure_here.py")
    models = sorted(script.parent.glob("*.onnx"), key=lambda path: path.stat().st_size)
    few = ("--batches", "1", "--threads", "1", "--rounds", "3", "--name", "the next desk")
    command = [sys.executable, str(script), str(models[0]), str(models[-1]), *few]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "measured.json"


def test_stages_are_set_run_and_read_and_every_model_is_handed_out(visit, run, store, tmp_path):
    tab = visit(f"/compress?run={run.id}")
    tab.locator(".st-key-compress-remove-2 button").first.click()
    tab.get_by_text("3. Fewer bits").wait_for(state="detached")
    tab.get_by_text("Predicted sizes").click()
    tab.get_by_text("from shapes alone").wait_for()

    tab.get_by_text("Try several settings").click()
    tab.get_by_role("combobox", name="First axis").click()
    tab.get_by_role("option", name="Stage 1: share of channels pruned").click()
    values = tab.get_by_role("combobox", name="Its values")
    values.press("Backspace")
    values.press("Backspace")  # of 0.25, 0.5, 0.75 and 0.9
    tab.get_by_text("2 settings × 3 seeds").wait_for()
    tab.get_by_role("button", name=re.compile(r"Compress \((over|about) ")).first.click()
    tab.get_by_text("Does it get faster?").wait_for()
    tab.get_by_text("How fast is it on another device?").wait_for()  # both have ended
    charts(tab, 4)
    (kept,) = Pipelines(store).find()
    assert f"pipeline={kept.id}" in tab.url
    assert [stage.kind for stage in kept.pipeline.stages] == ["prune", "quantize"]
    assert kept.pipeline.recipe == run.recipe
    assert kept.pipeline.axes[0].values == (0.25, 0.5)

    marks = tab.locator(f".st-key-figure-settings-{kept.id} .scatterlayer .point")
    mark = marks.nth(marks.count() - 2)  # the last is the ring around the one shown
    mark.hover(force=True)
    tab.locator(".hoverlayer").get_by_text("right with").first.wait_for()
    mark.click(force=True)
    tab.get_by_text("Stage 1: share of channels pruned 0.5").wait_for()

    tab.get_by_text("How fast is it on another device?").click()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Kit").click()
    found = measured_on_a_device(taken.value.path(), tmp_path)
    tab.locator("input[type=file]").set_input_files(found)
    tab.get_by_text("the next desk").first.wait_for()
    tab.get_by_text("How fast is it there?").wait_for()

    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Pipeline", exact=True).click()
    with open(taken.value.path(), encoding="utf-8") as file:
        assert Pipeline(**json.load(file)) == kept.pipeline
    tab.get_by_text("Every stage's model").click()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="ONNX").last.click()
    with open(taken.value.path(), "rb") as file:
        assert len(file.read()) == kept.members[1].rows[-1].bytes

    other = visit(f"/compress?pipeline={kept.id}")
    other.set_viewport_size({"width": 390, "height": 844})
    charts(other, 4)
    other.get_by_text("2. Fewer bits").wait_for()
    assert other.get_by_text("3. Fewer bits").count() == 0
    widest = other.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth")
    assert widest <= 390
