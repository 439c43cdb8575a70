"""A teacher brought as ONNX: uploaded, tried on its data, and made to teach, all on the pages."""

import re

import pytest

from kdcore import run
from kdcore.recipe import Recipe
from kdcore.shelf import Shelf
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def model(tmp_path):
    """A network that reads digits, as an ONNX file."""
    shelf = Shelf(tmp_path / "shelf")
    result = run(Recipe(training={"steps": 1}, seeds=(0,)), shelf=shelf)
    path = tmp_path / "reads digits.onnx"
    path.write_bytes(shelf.get(result.artifacts["teacher.onnx"]))
    return path


def test_an_onnx_model_is_brought_tried_and_teaches(visit, store, model):
    tab = visit("/teachers")
    tab.locator("input[type=file]").set_input_files(model)
    tab.get_by_text("gives 10 numbers a picture").wait_for()
    tab.get_by_role("button", name="Keep").click()
    tab.get_by_text("Kept: reads digits").wait_for()

    tab.get_by_role("button", name="Try it").click()  # it waits for an engine that is starting
    tab.get_by_text("On which scale of pixels").wait_for()
    tab.get_by_text(re.compile(r"^9\d\.\d\s%$")).first.wait_for()

    tab.get_by_role("button", name="Distill", exact=True).click()
    tab.get_by_role("heading", name="Does the teacher help?").wait_for()
    tab.get_by_text("ONNX model, 85,002 parameters").wait_for()
    tab.locator(".st-key-distill button").click()
    tab.get_by_text("Distillation helped").wait_for()
    tab.get_by_text("brought along as").wait_for()
    tab.get_by_text("What do the three models answer?").wait_for()
    assert eventually(lambda: tab.get_by_text("not counted").count() == 1)  # the old one may linger

    done = store.find()[0]
    assert (done.state, done.result.verdict) == ("done", "better")

    tab.get_by_test_id("stTopNavSection").filter(has_text="Bring your own").click()
    tab.get_by_test_id("stTopNavDropdownLink").filter(has_text="Teachers").click()
    tab.get_by_role("button", name="Delete").click()
    tab.get_by_text("1 run used it").wait_for()
    tab.get_by_role("button", name="Delete for good").click()
    tab.get_by_text("Nothing yet.").wait_for()
