"""The pages Runs and Compare."""


def test_without_runs_the_page_says_what_to_do_first(open_app):
    app = open_app("pages/runs.py")
    assert "Press Distill" in app.info[0].value


def test_every_run_is_a_row_newest_first_with_its_verdict(open_app, finished, store, quick):
    first = finished("first")
    store.submit(quick, "second")
    table = open_app("pages/runs.py").dataframe[0].value
    assert list(table["Name"]) == ["second", "first"]
    assert list(table["State"]) == ["queued", "done"]
    assert list(table["Verdict"]) == ["", first.result.verdict]


def test_the_text_filter_finds_names_notes_and_tags(open_app, store, quick):
    for name in ("apple", "pear", "plum"):
        store.submit(quick, name)
    pear = store.find(text="pear")[0]
    store.annotate(pear.id, note="like an apple")
    app = open_app("pages/runs.py")
    app.text_input(key="runs.text").set_value("apple").run()
    assert set(app.dataframe[0].value["Name"]) == {"apple", "pear"}


def test_a_filter_that_finds_nothing_says_so(open_app, store, quick):
    store.submit(quick, "apple")
    app = open_app("pages/runs.py")
    app.text_input(key="runs.text").set_value("%").run()
    assert "No run matches" in app.info[0].value


def test_compare_shows_only_the_fields_that_differ(open_app, finished):
    one, two = finished("one"), finished("two", temperature=9.0)
    app = open_app("pages/compare.py")
    app.multiselect[0].set_value([one.id, two.id]).run()
    changes = app.table[0].value
    assert list(changes.index) == ["temperature"]
    assert list(changes.iloc[0]) == ["4.0", "9.0"]
    assert len(app.get("plotly_chart")) == 2


def test_compare_of_equal_recipes_says_that_nothing_differs(open_app, finished):
    one, two = finished("one"), finished("two")
    app = open_app("pages/compare.py")
    app.multiselect[0].set_value([one.id, two.id]).run()
    assert any("the same recipe" in caption.value for caption in app.caption)
    results = app.table[0].value
    assert list(results.iloc[:5, 0]) == list(results.iloc[:5, 1])


def test_compare_of_one_run_asks_for_another(open_app, finished):
    one = finished("one")
    app = open_app("pages/compare.py")
    app.multiselect[0].set_value([one.id]).run()
    assert "two to four" in app.info[0].value
