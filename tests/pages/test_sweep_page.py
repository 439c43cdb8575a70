"""The page Sweep, and the sweeps on the page Runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kdcore import Recipe
from kdcore.forecast import Forecast
from kdcore.outcome import Cost
from kdcore.runs.runner import Runner
from kdcore.runs.sweeps import Sweeps
from kdcore.sweep import Sweep
from tests.runs.test_store import result

EXAMPLES = Path(__file__).parents[2] / "assets" / "sweeps"


@pytest.fixture
def sweeps(store) -> Sweeps:
    return Sweeps(store)


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch):
    """Sweeps are queued and stay so."""
    monkeypatch.setattr(Runner, "_hand_over_parts", lambda *_: None)
    monkeypatch.setattr("kdcore.runs.runner.workers_of", lambda client: 2)


@pytest.fixture
def painted(sweeps, store, quick):
    """Submit a sweep of which so many members are done."""

    def paint(done: int, **axes: list) -> str:
        wanted = axes or {"temperature": [1, 4, 9], "soft_share": [0.1, 0.9]}
        sweep = Sweep(
            recipe=quick, axes=[{"field": f, "values": values} for f, values in wanted.items()]
        )
        run, (part,) = sweeps.submit(sweep, "a map", [range(len(sweep))])
        for run_id in part.run_ids[:done]:
            claimed = store.claim(run_id)
            store.record(claimed, result=replace(result(), recipe=claimed.recipe))
            store.finish(claimed, "done")
        return run.id

    return paint


def chart(app, key: str) -> dict:
    (found,) = [each for each in app.get("plotly_chart") if key in each.proto.id]
    return json.loads(found.proto.spec)


def texts(app, key: str = "sweep.map") -> list[str]:
    return [text for trace in chart(app, key)["data"] for text in trace.get("text", [])]


def caption(app, words: str) -> str:
    return next((each.value for each in app.caption if words in each.value), "")


# the form


def test_a_newcomers_map_is_said_in_full_before_it_is_painted(open_app):
    app = open_app("pages/sweep.py")
    assert "25 settings × 3 seeds, with and without the teacher" in caption(app, "settings")
    assert "all side by side" in caption(app, "settings")
    assert not app.button(key="paint").disabled


def test_the_map_to_be_painted_has_all_its_cells_and_no_number(open_app):
    app = open_app("pages/sweep.py")
    assert texts(app, "sweep.blank") == [""] * 25
    app.selectbox(key="sweep.y").set_value("").run()
    assert texts(app, "sweep.blank") == [""] * 5


def test_the_time_it_takes_is_told_once_it_is_known(open_app, monkeypatch):
    monkeypatch.setattr(Runner, "forecast", lambda *_: Forecast(teachers=2.0, students=10.0))
    app = open_app("pages/sweep.py")
    assert "About 12 s here, by a short trial" in caption(app, "settings")


def test_what_cannot_learn_side_by_side_is_said(open_app):
    app = open_app("pages/sweep.py")
    app.selectbox(key="sweep.y").set_value("method.name").run()
    assert "5 of them side by side" in caption(app, "settings")  # kd of four methods


def test_painting_queues_every_setting_and_names_the_sweep_in_the_address(open_app, sweeps):
    app = open_app("pages/sweep.py")
    app.button(key="paint").click().run()
    (run,) = sweeps.find()
    assert run.counts == {"queued": 25}
    assert run.name == "Temperature T × Soft weight α: Few labels"
    assert app.query_params["sweep"] == run.id
    assert run.sweep.recipe.seeds == (0, 1, 2)


def test_one_axis_is_enough(open_app, sweeps):
    app = open_app("pages/sweep.py")
    app.selectbox(key="sweep.y").set_value("").run()
    app.button(key="paint").click().run()
    (run,) = sweeps.find()
    assert [axis.field for axis in run.sweep.axes] == ["temperature"]


def test_an_axis_without_values_is_refused_in_a_sentence(open_app):
    app = open_app("pages/sweep.py")
    app.multiselect(key="sweep.x.temperature").set_value([]).run()
    assert "Temperature T: no values; type some" in app.error[0].value
    assert app.button(key="paint").disabled


def test_too_many_members_are_refused_in_a_sentence(open_app):
    many = ",".join(str(number / 100) for number in range(1, 101))
    rates = ",".join(str(number / 10_000) for number in range(1, 103))
    app = open_app("pages/sweep.py", x=f"temperature:{many}", y=f"training.learning_rate:{rates}")
    assert "these axes have 10,200 combinations; choose fewer values" in app.error[0].value


def test_axes_that_contradict_each_other_are_refused_in_a_sentence(open_app):
    app = open_app("pages/sweep.py", x="student.architecture:mlp,cnn", y="student.width:1,2")
    assert "student.width multiplies the widths that the student's options name" in (
        app.error[0].value
    )


def test_the_address_says_what_the_form_says(open_app):
    app = open_app("pages/sweep.py", x="training.steps:50,75", y="", seeds="7")
    assert app.multiselect(key="sweep.x.training.steps").value == ["50", "75"]
    assert app.selectbox(key="sweep.y").value == ""
    assert app.slider(key="sweep.seeds").value == 7
    app.slider(key="sweep.seeds").set_value(2).run()
    assert app.query_params["seeds"] == "2"
    assert app.query_params["x"] == "training.steps:50,75"
    assert app.query_params["from"] == "digits-few-labels"


def test_a_recipe_of_ones_own_travels_in_the_address(open_app):
    recipe = Recipe(task="moons", seeds=(0,))
    text = recipe.model_dump_json(exclude_defaults=True)
    app = open_app("pages/sweep.py", **{"from": text, "x": "temperature:1,2", "y": ""})
    assert json.loads(app.query_params["from"])["task"] == "moons"


def test_an_address_that_makes_no_sense_is_said_and_the_form_is_there(open_app):
    app = open_app("pages/sweep.py", **{"from": "{nonsense"})
    assert "JSON" in app.error[0].value
    assert not app.button(key="paint").disabled


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_an_example_fills_the_form_with_all_it_says(open_app, sweeps, path):
    app = open_app("pages/sweep.py")
    app.button(key=f"example.{path.stem}").click().run()
    app.button(key="paint").click().run()
    (run,) = sweeps.find()
    assert run.sweep.id == Sweep.load(path).id


@pytest.mark.parametrize("query", [{"seeds": "9" * 5000}, {"seeds": "²"}, {"cell": "9" * 5000}])
def test_numbers_that_are_none_are_not_taken_from_the_address(open_app, query):
    app = open_app("pages/sweep.py", **query)
    assert app.slider(key="sweep.seeds").value == 3


# the map


def test_only_measured_cells_have_a_number(open_app, painted):
    app = open_app("pages/sweep.py", sweep=painted(done=2))
    shown = [text for text in texts(app) if text]
    assert sorted(shown) == ["0.0", "0.0", "50.0 %"]  # two members, and the control's own row


def test_unclear_cells_are_hatched(open_app, painted):
    app = open_app("pages/sweep.py", sweep=painted(done=6))
    traces = chart(app, "sweep.map")["data"]
    hatched = [trace for trace in traces if trace["marker"]["pattern"]["shape"]]
    assert [len(trace["text"]) for trace in hatched] == [6]  # one seed each: too few
    assert "Hatched: no clear difference" in caption(app, "Hatched")


def test_a_map_under_way_says_how_far_it_is_and_can_be_cancelled(open_app, painted, sweeps):
    app = open_app("pages/sweep.py", sweep=painted(done=2))
    assert any("2 of 6 settings done" in each.proto.text for each in app.get("progress"))
    next(each for each in app.button if each.label == "Cancel").click().run()
    assert sweeps.find()[0].counts == {"done": 2, "cancelled": 4}
    assert any("4 of 6 settings were cancelled" in each.value for each in app.info)


def test_what_was_cancelled_goes_on_and_what_is_done_stays(open_app, painted, sweeps):
    sweep_id = painted(done=2)
    sweeps.request_stop(sweep_id)
    app = open_app("pages/sweep.py", sweep=sweep_id)
    next(each for each in app.button if each.label == "Go on").click().run()
    assert sweeps.get(sweep_id).counts == {"done": 2, "queued": 4}


def test_why_members_failed_is_said_once(open_app, painted, sweeps, store):
    sweep_id = painted(done=4)
    for member in sweeps.members(sweep_id, start=4):
        store.fail(member.run_id, "the teacher diverged")
    app = open_app("pages/sweep.py", sweep=sweep_id)
    assert [each.value for each in app.warning] == ["2 of 6 failed: the teacher diverged"]


def test_the_cell_in_the_address_is_told_and_its_setting_goes_to_distill(open_app, painted):
    app = open_app("pages/sweep.py", sweep=painted(done=6), cell="3")
    told = [each.value.replace("\\", "") for each in app.markdown]
    assert any("Temperature T 4, Soft weight α 0.9" in each for each in told)
    app.button(key="sweep.use").click().run()
    assert app.session_state["form.temperature"] == 4
    assert app.session_state["form.soft_weight"] == 0.9


def test_the_best_settings_alone_fill_the_table_when_asked(open_app, painted):
    app = open_app("pages/sweep.py", sweep=painted(done=6))
    assert len(app.dataframe[0].value) == 6
    app.toggle(key="best").set_value(True).run()
    assert len(app.dataframe[0].value) == 1


def test_where_students_differ_in_cost_there_is_a_front(open_app, painted, sweeps):
    sweep_id = painted(done=6)
    app = open_app("pages/sweep.py", sweep=sweep_id)
    assert not [each for each in app.selectbox if each.label == "Against"]
    of_two = painted(done=2, **{"student.width": [1, 2]})
    kinds = [row.summary["student.key"] for row in sweeps.members(of_two)]
    sweeps.keep_costs(of_two, {kind: Cost(1000 + n, 0.02) for n, kind in enumerate(kinds)})
    app = open_app("pages/sweep.py", sweep=of_two)
    (against,) = [each for each in app.selectbox if each.label == "Against"]
    assert against.options == ["File size"]


def test_a_sweep_of_three_axes_is_shown_a_slice_at_a_time(open_app, painted):
    axes = {"temperature": [1, 4], "soft_share": [0.1, 0.9], "training.steps": [20, 40]}
    app = open_app("pages/sweep.py", sweep=painted(done=8, **axes))
    assert len([text for text in texts(app) if text]) == 5  # four members, and the control
    app.selectbox(key="at.training.steps").set_value("40").run()
    assert not app.exception


def test_a_sweep_that_was_deleted_is_said(open_app):
    app = open_app("pages/sweep.py", sweep="gone")
    assert "there is no sweep 'gone'; it may have been deleted" in app.error[0].value


# the page Runs


def test_a_sweep_is_one_row_among_the_runs(open_app, painted):
    painted(done=2)
    (table,) = open_app("pages/runs.py").dataframe
    assert list(table.value["Name"]) == ["a map"]
    assert list(table.value["Members"]) == [6]
    assert list(table.value["State"]) == ["2 done, 4 queued"]


def test_a_member_links_back_to_its_map(open_app, painted, sweeps):
    sweep_id = painted(done=6)
    app = open_app(run=sweeps.members(sweep_id)[0].run_id)
    assert any("One setting of a map" in each.proto.label for each in app.get("page_link"))
