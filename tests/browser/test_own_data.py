"""Own pictures, from a zip to a verdict, all on the pages."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.drawn import encoded, zipped

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = ("zero", "one", "two", "three")


@pytest.fixture
def digits(tmp_path):
    """A zip of four class folders, some two hundred and forty pictures, sorted by class."""
    bunch = load_digits()
    files = {}
    for number, name in enumerate(NAMES):
        for index in np.flatnonzero(bunch.target == number)[:60]:
            pixels = (bunch.images[index] * 255 / 16).astype(np.uint8)
            files[f"{name}/{index:04}.png"] = encoded(Image.fromarray(pixels))
    return zipped(files, tmp_path / "my digits.zip")


def test_a_zip_of_class_folders_becomes_a_teacher_and_a_student(visit, app, store, digits):
    tab = visit("/data")
    tab.get_by_role("tab", name="Bring your own").click()
    tab.locator("input[type=file]").set_input_files(digits)
    tab.get_by_text("240 pictures of 8×8 pixels, in grey").wait_for()
    tab.locator("img[src^='data:image/png']:visible").nth(4 * 6 - 1).wait_for()
    tab.get_by_role("button", name="Keep").click()
    tab.get_by_text("Kept: my digits").wait_for()

    tab.get_by_role("button", name="Distill on it").first.click()
    tab.get_by_role("heading", name="Does the teacher help?").wait_for()
    tab.get_by_text("the teacher answers for 68 more samples").wait_for()
    tab.locator(".st-key-distill button").click()
    tab.get_by_text(re.compile(r"Distillation (helped|hurt|made no clear difference)")).wait_for()
    tab.get_by_text("What do the three models answer?").wait_for()

    run = store.find()[0]
    assert run.state == "done"
    assert run.recipe.task.startswith("own-my-digits-")
    assert min(run.result.arms["teacher"].accuracy) > 0.9
    archive = io.BytesIO((app.home / "artifacts" / run.result.artifacts["logits"]).read_bytes())
    assert tuple(np.load(archive)["class_names"]) == tuple(sorted(NAMES))
