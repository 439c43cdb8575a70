"""The page Runs."""


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
