"""The page Compare: which runs, which reference, what is shown of them, and what is said if not."""

from dataclasses import replace

import numpy as np
import pytest

from kdcore.ingest import inspect, keep
from kdcore.recipe import Recipe
from kdcore.runs import gallery
from kdcore.shelf import Shelf
from kdcore.statistics import signed
from tests.pages.seen import charts, said

PAGE = "pages/compare.py"


@pytest.fixture
def look(open_app):
    """Open the page by an address."""

    def open_page(*runs, **query):
        if runs:
            query["runs"] = ",".join(getattr(run, "id", run) for run in runs)
        return open_app(PAGE, **query)

    return open_page


@pytest.fixture
def two(finished):
    return finished("one"), finished("two", temperature=9.0)


def asked(app, name):
    value = app.query_params[name]
    return value[0] if isinstance(value, list) else value


# which runs


def test_without_runs_the_page_says_what_to_do_first(look):
    app = look()
    assert "Choose 2 to 6 finished runs above, or tick them on the page Runs" in said(app)
    assert len(charts(app)) == 0


def test_the_gallerys_runs_are_offered_side_by_side(look, settings, store, finished):
    run = finished()
    shelf = Shelf(settings.home / "artifacts")
    for title in ("Few labels", "Few labels, T = 1", "Few labels, T = 20"):
        recipe = Recipe(**{**run.recipe.model_dump(), "title": title})
        gallery.keep(settings.gallery, title, 1e9, replace(run.result, recipe=recipe), (), shelf)
    offered = [each.proto.label for each in look().get("page_link")]
    assert "What does the temperature do?" in offered
    assert "How small may the student be?" not in offered  # this gallery lacks the others


def test_one_run_asks_for_another(look, finished):
    app = look(finished("one"))
    assert "Choose one more finished run" in said(app)


def test_a_link_names_its_runs_and_its_reference(look, two):
    app = look(*two, reference=two[1].id)
    assert app.multiselect[0].value == [run.id for run in two]
    assert app.selectbox(key="compare.reference").value == two[1].id
    assert app.table[1].value["Against B, points"].iloc[1] == "the reference"


def test_choosing_runs_and_a_reference_writes_the_address(look, two):
    app = look()
    app.multiselect[0].set_value([run.id for run in two]).run()
    assert asked(app, "runs") == ",".join(run.id for run in two)
    assert asked(app, "reference") == two[0].id
    app.selectbox(key="compare.reference").set_value(two[1].id).run()
    assert asked(app, "reference") == two[1].id
    assert "Against B, points" in app.table[1].value


def test_the_reference_may_be_taken_away_and_another_stands_in(look, two):
    app = look(*two, reference=two[1].id)
    app.multiselect[0].set_value([two[0].id]).run()
    assert "Choose one more" in said(app)
    app.multiselect[0].set_value([two[0].id, two[1].id]).run()
    assert app.selectbox(key="compare.reference").value == two[0].id


def test_a_reference_that_is_none_of_the_runs_is_said_until_another_is_chosen(look, two):
    app = look(*two, reference="zzz")
    assert "The reference 'zzz' in this link is none of the runs shown" in app.warning[0].value
    assert app.selectbox(key="compare.reference").value == two[0].id
    app.selectbox(key="compare.reference").set_value(two[1].id).run()
    assert not app.warning


def test_a_deleted_run_in_the_link_is_said_and_the_others_are_shown(look, two):
    app = look(*two, "0123456789")
    assert "The run '0123456789' in this link is not here" in app.warning[0].value
    assert len(app.table[0].value) == 2


def test_a_link_whose_runs_are_all_gone_says_so_and_what_to_do(look):
    app = look("0123456789", "9876543210")
    assert "0123456789" in said(app)
    assert "9876543210" in said(app)
    assert "Choose 2 to 6" in said(app)


def test_a_strangers_link_cannot_speak_markdown(look):
    app = look("[x](http://a.b)", "y")
    assert "[x](http" not in said(app)


def test_a_run_that_is_not_finished_says_how_it_stands(look, two, store, quick):
    waiting = store.submit(quick, "a waiting one")
    app = look(*two, waiting)
    assert "a waiting one is queued: only finished runs can be compared" in said(app)


def test_of_a_link_with_more_than_six_runs_the_first_six_are_shown(look, finished):
    runs = [finished(str(number)) for number in range(7)]
    app = look(*runs)
    assert "names 7 runs; 2 to 6 can be laid side by side" in said(app)
    assert app.multiselect[0].value == [run.id for run in runs[:6]]
    assert list(app.table[0].value.index) == list("ABCDEF")


def test_the_choice_is_kept_while_another_page_is_looked_at(look, two):
    app = look(*two)
    app.switch_page("pages/runs.py").run()
    app.query_params.clear()
    app.switch_page(PAGE).run()
    assert app.multiselect[0].value == [run.id for run in two]


# what is shown


def test_the_page_opens_with_only_what_differs_a_row_a_run(look, two):
    changes = look(*two).table[0].value
    assert list(changes.columns) == ["Temperature T"]
    assert list(changes["Temperature T"]) == ["4", "9"]
    assert list(changes.index) == ["A", "B"]


def test_all_settings_are_there_at_a_click(look, two):
    app = look(*two)
    app.toggle(key="all").set_value(True).run()
    every = app.table[0].value
    assert list(every.columns) == ["A", "B"]
    assert every.loc["Student's widths", "A"] == "4"
    assert len(every) > 30


def test_of_equal_recipes_nothing_differs(look, finished):
    app = look(finished("one"), finished("two"))
    assert "the same recipe" in said(app)
    outcomes = app.table[0].value
    assert outcomes["Distilled"].nunique() == 1


def test_each_row_holds_its_gain_and_its_difference_to_the_reference(look, two):
    first, second = (run.result for run in two)
    row = look(*two).table[1].value.loc["B"]
    assert row["Gain over labels alone, points"].startswith(signed(second.difference.mean))
    apart = [
        100 * (ours - theirs)
        for ours, theirs in zip(
            second.arms["distilled"].accuracy, first.arms["distilled"].accuracy, strict=True
        )
    ]
    assert row["Against A, points"].startswith(signed(np.mean(apart)))


def test_the_caption_tells_what_is_corrected_for_and_what_luck_would_make_clear(look, finished):
    app = look(finished("one"), finished("two"), finished("three", temperature=9.0))
    words = said(app)
    assert "2 runs are held against A: their verdicts are corrected for that (Holm, 1979)" in words
    assert "of 3 without any true gain, 0.15 would look clear on average" in words
    assert "A, B and C are the same network: their latencies differ by chance alone" in words
    assert app.multiselect[0].label == "Runs to lay side by side: 3 chosen"


def test_there_are_four_charts_whichever_is_looked_at(look, two):
    app = look(*two)
    assert len(charts(app)) == 4
    for name, value in (("Curve of", "control"), ("Look at", "All measures")):
        control = next(each for each in app.get("button_group") if each.label == name)
        control.set_value(value).run()
        assert not app.exception
        assert len(charts(app)) == 4


def test_the_link_to_copy_says_all_of_it(look, two):
    app = look(*two, reference=two[1].id)
    link = next(each.value for each in app.code if "runs=" in each.value)
    assert all(run.id in link for run in two)
    assert f"reference={two[1].id}" in link


# what can't be compared


def test_runs_on_different_data_stay_in_the_table_with_the_reason(look, finished):
    digits = finished("digits")
    moons = finished("moons", task="moons", transfer={"labelled": 20, "unlabelled": 100})
    app = look(digits, moons)
    assert "B and A can't be compared: B was tested on Two moons" in said(app)
    assert "other data: Two moons" in app.table[1].value.loc["B", "Against A, points"]
    assert len(charts(app)) == 1  # what distillation gained in each is still to be seen
    assert "No run can be paired with A" in said(app)


def test_runs_without_a_seed_in_common_keep_their_curves_but_are_not_paired(look, finished):
    app = look(finished("one"), finished("two", seeds=(7, 8, 9)))
    assert "they have no seed in common (7–9 and 0–2)" in said(app)
    assert len(charts(app)) == 3


def test_a_hundred_classes_stand_beside_two(look, finished, settings):
    pictures = np.random.default_rng(0).integers(0, 256, (1000, 8, 8), dtype=np.uint8)
    np.savez(settings.home / "hundred.npz", images=pictures, labels=np.arange(1000) % 100)
    many = keep(inspect(settings.home / "hundred.npz", "hundred"), settings.data).task
    app = look(
        finished("hundred", task=many, transfer={"labelled": "all"}),
        finished("hundred again", task=many, transfer={"labelled": "all"}, temperature=9.0),
        finished("two", task="moons", transfer={"labelled": 20, "unlabelled": 100}),
    )
    assert len(charts(app)) == 4
    assert "C was tested on Two moons, A on hundred" in said(app)
    assert "Below are A and B alone" in said(app)
