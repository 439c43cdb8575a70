"""Optuna's figures, in the words and looks of all others."""

import optuna
import pytest

from kdcore import search_charts
from kdcore.charts import LOOKS

TITLES = {"temperature": "Temperature T", "method.name": "Method"}


def study(trials, goals=1):
    """Trials of known figures: hotter is better, and costs more."""
    directions = ["maximize", "minimize", "minimize"][:goals]
    found = optuna.create_study(
        directions=directions, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for _ in range(trials):
        trial = found.ask()
        heat = trial.suggest_float("temperature", 1, 16, log=True)
        trial.suggest_categorical("method.name", ["kd", "dkd"])
        found.tell(trial, [0.5 + heat / 40, 1000 * heat, 0.01][:goals])
    return found


def texts(figure) -> str:
    return figure.to_json()


@pytest.mark.parametrize("trials", [1, 2, 30])
@pytest.mark.parametrize("goals", [1, 2])
def test_every_figure_asks_its_question_and_has_our_size(trials, goals):
    made = study(trials, goals)
    figures = [
        search_charts.history(made),
        search_charts.slice_of(made, "temperature", TITLES),
        search_charts.slice_of(made, "method.name", TITLES),
        search_charts.contour(made, "temperature", "method.name", TITLES),
        search_charts.importance(made, TITLES),
    ]
    for figure in figures:
        assert "?" in figure.layout.title.text
        assert figure.layout.height == search_charts.HEIGHT
        assert figure.layout.width is None
        assert "Objective" not in texts(figure)


def test_fields_are_shown_by_their_titles():
    made = study(30)
    for figure in (
        search_charts.importance(made, TITLES),
        search_charts.contour(made, "temperature", "method.name", TITLES),
    ):
        assert "Temperature T" in texts(figure)
        assert '"text":"temperature"' not in texts(figure)


@pytest.mark.parametrize(("trials", "grey"), [(19, True), (20, False)])
def test_importance_is_grey_and_says_so_below_twenty_trials(trials, grey):
    figure = search_charts.importance(study(trials), TITLES)
    assert ("too few" in figure.layout.title.text) is grey
    colour = search_charts.GREY if grey else LOOKS["teacher"].colour
    assert {trace.marker.color for trace in figure.data} == {colour}


def test_what_decides_accuracy_is_found_with_one_goal_and_with_several():
    for goals in (1, 2):
        (bars,) = search_charts.importance(study(60, goals), TITLES).data
        assert max(zip(bars.x, bars.y, strict=True))[1] == "Temperature T"


def test_a_front_greys_what_is_beaten():
    made = study(10, goals=3)
    beaten, best = search_charts.front(made, ("accuracy", "size", "latency"), "size").data
    assert len(best.x) == 10  # hotter is better and larger: nothing beats anything
    assert len(beaten.x) == 0
    assert best.marker.color != beaten.marker.color
    assert max(best.x) < 17  # kilobytes


def test_two_fields_that_no_trial_has_both_of_make_an_empty_contour():
    made = study(0)
    for number in range(6):
        trial = made.ask()
        trial.suggest_float(
            "temperature" if number % 2 else "training.learning_rate", 1, 2, log=True
        )
        made.tell(trial, 0.5 + number / 100)
    figure = search_charts.contour(made, "temperature", "training.learning_rate", TITLES)
    assert "?" in figure.layout.title.text


def test_only_what_took_two_values_can_be_looked_at():
    assert search_charts.varied(study(1)) == []
    assert search_charts.varied(study(30)) == ["temperature", "method.name"]


def test_every_mark_says_a_sentence_and_none_what_optuna_would_say_of_it():
    made = study(5, 2)
    figures = [
        search_charts.history(made),
        search_charts.slice_of(made, "temperature", TITLES),
        search_charts.contour(made, "temperature", "method.name", TITLES),
        search_charts.importance(made, TITLES),
        search_charts.front(made, ("accuracy", "size"), "size"),
    ]
    for figure in figures:
        for trace in figure.data:
            said = trace.hovertemplate
            assert trace.hoverinfo == "none" or (" " in said and "<extra></extra>" in said)


def test_the_trials_are_taken_away_as_a_table():
    made = study(2, 2)
    table = search_charts.rows(made, ("accuracy", "size"), TITLES)
    heat = made.trials[1].params["temperature"]
    assert list(table["trial"]) == [0, 1]
    assert table.loc[1, "Temperature T"] == heat
    assert table.loc[1, "accuracy on validation"] == 0.5 + heat / 40
    assert table.loc[1, "file size, bytes"] == 1000 * heat
    assert search_charts.rows(study(0), ("accuracy",), TITLES).empty
