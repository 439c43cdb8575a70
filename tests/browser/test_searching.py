"""A search from one click to a test figure, with a crash of the app on the way."""

import re

import pytest

from kdcore.runs.searches import Searches
from kdcore.settings import Settings
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def searches(app, store) -> Searches:
    home = app.home
    return Searches(store, Settings(home, home / "data", f"sqlite:///{home / 'kdcore.db'}"))


def test_a_search_outlives_the_app_is_stopped_goes_on_and_is_tested_once(visit, app, searches):
    tab = visit("/search")
    tab.get_by_label("settings", exact=True).fill("8")
    tab.get_by_label("settings", exact=True).press("Enter")
    tab.get_by_role("button", name="Search").first.click()
    tab.get_by_text("Which did best?").wait_for()
    (search,) = searches.find()
    assert f"search={search.id}" in tab.url
    app.kill()
    app.start()
    searches.request_stop(search.id)
    assert eventually(lambda: searches.get(search.id).ended)
    before = searches.tried(search.id)

    tab = visit(f"/search?search={search.id}")
    if len(before) < 8:
        tab.get_by_role("button", name="Go on").click()
    tab.get_by_text("8 settings in").wait_for()
    assert [each.setting for each in searches.tried(search.id)][: len(before)] == [
        each.setting for each in before
    ]
    tab.get_by_role("button", name="Take the test figure").click()
    tab.get_by_text(re.compile("the test figure is the one to tell")).wait_for()
    assert tab.get_by_role("button", name="Take the test figure").count() == 0
    tab.get_by_role("button", name="To Distill").click()
    tab.get_by_role("heading", name="Does the teacher help?").wait_for()
