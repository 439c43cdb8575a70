"""The page Search."""

import pytest

from kdcore.runs.runner import Runner
from kdcore.runs.searches import Searches
from kdcore.runs.worker import execute, execute_search
from kdcore.search import Search
from tests.pages.seen import button, labels, said

PAGE = "pages/search.py"
SPACE = (
    {"field": "temperature", "low": 1, "high": 9},
    {"field": "training.steps", "low": 8, "high": 20, "whole": True},
)


@pytest.fixture
def searches(store, settings) -> Searches:
    return Searches(store, settings)


@pytest.fixture
def open_page(open_app, monkeypatch):
    """Open the page, against a cluster that takes searches and does nothing."""
    monkeypatch.setattr(Runner, "_hand_over_search", lambda self, client, search: search)
    return lambda **query: open_app(PAGE, **query)


@pytest.fixture
def done(searches, settings, quick):
    """A search that was really made, in this process."""

    def search(**changes):
        recipe = quick.model_copy(update={"seeds": (0, 1)})
        one = Search(**{"recipe": recipe, "space": SPACE, "trials": 4, **changes})
        submitted = searches.submit(one, "mine")
        while execute_search(submitted.id, searches.get(submitted.id).handed, settings) is not None:
            pass
        return searches.get(submitted.id)

    return search


def shown(open_page, search):
    """The page of a search, as a link to it opens it."""
    return open_page(search=search.id)


def test_a_new_visitor_is_told_what_to_do_and_that_test_samples_are_not_touched(open_page):
    app = open_page()
    assert "Tick what may vary" in app.subheader[0].value
    assert "The test samples are not touched" in said(app)
    assert not button(app, "Search").disabled


def test_one_click_queues_the_search_and_shows_it(open_page, searches):
    app = open_page()
    button(app, "Search").click().run()
    (submitted,) = searches.find()
    assert submitted.id in app.query_params["search"]
    fields = [span.field for span in submitted.search.space]
    assert fields == ["temperature", "soft_share", "training.learning_rate"]
    assert (submitted.search.trials, submitted.search.minutes) == (40, 5.0)
    assert submitted.search.prunes
    assert "Stop" in labels(app)


def test_ranges_goals_and_the_budget_are_as_they_were_set(open_page, searches):
    app = open_page()
    for field in ("soft_share", "training.learning_rate"):
        app.checkbox(key=f"search.on.{field}").uncheck()
    app.checkbox(key="search.on.method.name").check().run()
    app.number_input(key="search.low.temperature").set_value(2.5)
    app.multiselect(key="search.choices.method.name").set_value(["kd", "dkd"])
    app.button_group(key="search.many").set_value([True]).run()
    app.number_input(key="search.trials").set_value(None)
    app.run()
    button(app, "Search").click().run()
    (submitted,) = searches.find()
    heat, method = submitted.search.space
    assert (heat.low, heat.high, heat.log) == (2.5, 16.0, True)
    assert method.choices == ("kd", "dkd")
    assert submitted.search.goals == ("accuracy", "size", "latency")
    assert submitted.search.trials is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda app: app.number_input(key="search.low.temperature").set_value(30.0), "is empty"),
        (lambda app: app.number_input(key="search.trials").set_value(None), "has no budget"),
        (lambda app: app.checkbox(key="search.on.temperature").uncheck(), "Nothing may vary"),
    ],
)
def test_what_cannot_be_searched_is_said_in_a_sentence(open_page, change, said):
    app = open_page()
    for field in ("soft_share", "training.learning_rate"):
        app.checkbox(key=f"search.on.{field}").uncheck()
    app.number_input(key="search.minutes").set_value(None)
    app.run()
    change(app)
    app.run()
    assert said in app.error[0].value
    assert button(app, "Search").disabled


def test_a_search_that_is_done_shows_its_best_settings_and_four_charts(open_page, done):
    app = shown(open_page, done())
    table = app.dataframe[0].value
    assert list(table.columns) == ["Trial", "On validation", "Temperature T", "Steps"]
    assert 1 <= len(table) <= 4
    assert len(app.get("plotly_chart")) == 4
    assert "4 settings in" in said(app)
    assert "optimistic" in said(app)


def test_trade_offs_have_their_costs_and_a_front_for_each(open_page, done):
    search = done(goals=["accuracy", "size", "latency"])
    app = shown(open_page, search)
    assert {"File, kB", "Latency, µs"} <= set(app.dataframe[0].value.columns)
    assert len(app.get("plotly_chart")) == 5


def test_a_chosen_setting_goes_to_distill(open_page, done, searches):
    search = done()
    app = shown(open_page, search)
    best = int(app.dataframe[0].value["Trial"][0])
    button(app, "To Distill").click().run()
    app.switch_page("pages/distill.py").run()
    heat = searches.tried(search.id)[best].setting["temperature"]
    assert app.session_state["form.temperature"] == pytest.approx(heat)


def test_the_test_figure_is_taken_once_and_stands_beside_validations(
    open_page, done, searches, settings
):
    search = done()
    app = shown(open_page, search)
    button(app, "Take the test figure").click().run()
    test = searches.test_of(searches.get(search.id))
    assert len(test.recipe.seeds) == 5
    assert "Take the test figure" not in labels(app)
    assert [each.value for each in app.metric][1] == "queued …"
    execute(test.id, settings)
    app.run()
    validation, figure = (each.value for each in app.metric)
    assert "±" in validation
    assert "±" in figure
    assert "optimistic" in said(app)


def test_a_search_that_was_stopped_goes_on(open_page, searches, quick, done):
    search = searches.submit(Search(recipe=quick, space=SPACE, trials=9), "mine")
    app = shown(open_page, search)
    button(app, "Stop").click().run()
    assert searches.get(search.id).state == "cancelled"
    assert "You stopped this search" in said(app)
    button(app, "Go on").click().run()
    assert searches.get(search.id).state == "queued"


def test_a_search_that_is_done_is_extended(open_page, done, searches):
    search = done()
    app = shown(open_page, search)
    app.number_input(key="search.more").set_value(7).run()
    button(app, "Search on").click().run()
    assert searches.get(search.id).search.trials == 11
    assert searches.get(search.id).state == "queued"


def test_a_search_that_is_deleted_is_gone_with_its_trials(open_page, done, searches):
    app = shown(open_page, done())
    button(app, "Delete for good").click().run()
    assert searches.find() == []
    assert "Tick what may vary" in app.subheader[0].value


def test_a_search_of_which_nothing_came_says_why(open_page, done, quick):
    wrong = quick.model_copy(update={"task": "digit"})
    app = shown(open_page, done(recipe=wrong, trials=2))
    assert "No setting was tried to its end" in said(app)
    assert "did you mean" in said(app)
    assert not app.exception


def test_a_link_to_a_search_that_is_gone_is_a_sentence(open_page):
    app = open_page(search="nosuch")
    assert "there is no search 'nosuch'" in app.error[0].value


def test_a_link_fills_a_new_visitors_form_with_the_search(open_page, done):
    app = shown(open_page, done())
    assert app.number_input(key="search.high.temperature").value == 9.0
    assert app.checkbox(key="search.on.training.steps").value is True
    assert app.checkbox(key="search.on.soft_share").value is False
    assert app.number_input(key="search.trials").value == 4


def test_earlier_searches_are_listed(open_page, done):
    done()
    app = open_page()
    assert "Earlier searches" in [each.value for each in app.subheader]
