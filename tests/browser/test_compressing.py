"""Compressing as a visitor does it: set the stages, watch, take the models away."""

import json
import subprocess
import sys
import zipfile

import pytest

from kdcore.pipeline import Pipeline
from kdcore.runs.pipelines import Pipelines

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def run(app):
    """A finished run under the app's home, of tiny networks."""
    return app.ran("to compress", (16, 8), 20, seeds=(0, 1, 2))


def charts(tab, count):
    tab.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length >= {count}")


def test_stages_are_set_run_and_read_and_every_model_is_handed_out(visit, run, store, tmp_path):
    tab = visit(f"/compress?run={run.id}")
    tab.locator(".st-key-compress-remove-2 button").first.click()
    tab.get_by_text("3. Fewer bits").wait_for(state="detached")
    tab.get_by_text("Predicted sizes").click()
    tab.get_by_text("from shapes alone").wait_for()
    tab.get_by_role("button", name="Compress").click()
    tab.get_by_text("Does it get faster?").wait_for()
    charts(tab, 3)
    (kept,) = Pipelines(store).find()
    assert f"pipeline={kept.id}" in tab.url
    assert [stage.kind for stage in kept.pipeline.stages] == ["prune", "quantize"]
    assert kept.pipeline.recipe == run.recipe

    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Pipeline", exact=True).click()
    with open(taken.value.path(), encoding="utf-8") as file:
        assert Pipeline(**json.load(file)) == kept.pipeline
    tab.get_by_text("Every stage's model").click()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="ONNX").last.click()
    with open(taken.value.path(), "rb") as file:
        assert len(file.read()) == kept.members[0].rows[-1].bytes

    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Bundle").click()
    with zipfile.ZipFile(taken.value.path()) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    done = subprocess.run(
        [sys.executable, "predict.py", "--check"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "16 samples" in done.stdout, done.stderr

    other = visit(f"/compress?pipeline={kept.id}")
    other.set_viewport_size({"width": 390, "height": 844})
    charts(other, 3)
    other.get_by_text("2. Fewer bits").wait_for()
    assert other.get_by_text("3. Fewer bits").count() == 0
    widest = other.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth")
    assert widest <= 390
