"""Runs side by side: only what differs, what came of it, and which may be compared."""

import pytest

from kdcore.compare_tables import (
    LETTERS,
    MOST,
    against,
    apart,
    exported,
    outcome_table,
    settings_table,
    together,
    with_interval,
)
from kdcore.result import Latency
from kdcore.statistics import Difference
from tests.compared import SAMPLES, finished, side_by_side


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def three():
    return side_by_side(
        finished((0.90, 0.91, 0.92)),
        finished((0.91, 0.93, 0.95), temperature=9.0),
        finished((0.80, 0.81, 0.82), task="moons"),
    )


def test_only_the_settings_that_differ_are_shown_a_row_a_run():
    one, two, _ = three()
    table = settings_table([one, two])
    assert list(table.columns) == ["Temperature T"]
    assert table["Temperature T"].to_dict() == {"A": "4", "B": "9"}
    assert list(settings_table([one, two], every=True)) == ["Data", "Temperature T", "Steps"]


def test_a_setting_that_one_run_has_and_another_lacks_differs():
    *start, settings = finished((0.9, 0.9))
    runs = side_by_side((*start, settings), (*start, settings | {"DKD: weight": "8"}))
    assert settings_table(runs)["DKD: weight"].to_dict() == {"A": "–", "B": "8"}


def test_a_run_is_told_by_what_is_different_about_it():
    assert [run.words for run in three()] == [
        "Data digits; Temperature T 4",
        "Data digits; Temperature T 9",
        "Data moons; Temperature T 4",
    ]
    assert [run.words for run in side_by_side(finished((0.9,)), finished((0.9,)))] == ["", ""]


def test_there_is_a_letter_for_every_run_that_fits():
    assert len(set(LETTERS)) == MOST


def test_two_students_are_paired_by_seed():
    one, two, _ = three()
    found = against(two, one, SAMPLES)
    # +1, +2, +3 points: mean 2, deviation 1, and t(0.975, 2) = 4.3027 (any table): ± 4.3027 / √3
    assert found.difference.mean == pytest.approx(2)
    assert found.difference.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-3)
    assert found.difference.high == pytest.approx(2 + 4.3027 / 3**0.5, abs=1e-3)
    assert found.verdict == "no clear difference"
    assert against(one, two, SAMPLES).difference.mean == pytest.approx(-2)


def test_the_seeds_are_matched_by_their_number_and_not_by_their_place():
    one, two = side_by_side(
        finished((0.90, 0.80, 0.70), seeds=(0, 1, 2)), finished((0.71, 0.91, 0.81), seeds=(2, 0, 1))
    )
    assert against(two, one, SAMPLES).difference.per_seed == pytest.approx((1, 1, 1))


def test_only_the_seeds_that_both_have_are_paired_and_this_is_said():
    one, two = side_by_side(
        finished((0.9, 0.9, 0.9, 0.9, 0.9)), finished((0.8, 0.8, 0.8, 0.2), seeds=(2, 3, 4, 9))
    )
    found = against(two, one, SAMPLES)
    assert found.seeds == (2, 3, 4)
    assert found.difference.per_seed == pytest.approx((-10, -10, -10))
    assert found.verdict == "worse"
    assert apart(two, one, found) == "B and A are paired on the seeds that both have: 2–4."


def test_two_shared_seeds_are_too_few_for_a_verdict():
    one, two = side_by_side(finished((0.9, 0.9)), finished((0.8, 0.8)))
    found = against(two, one, SAMPLES)
    assert (found.verdict, found.difference.low) == ("too few seeds", None)


def test_runs_on_different_data_are_not_compared_and_the_sentence_names_both():
    one, _, other = three()
    found = against(other, one, SAMPLES)
    assert (found.difference, found.verdict, found.obstacle) == (None, None, "data")
    assert found.reason == "other data: moons, not digits"
    assert "C and A can't be compared: C was tested on moons, A on digits." in apart(
        other, one, found
    )


def test_runs_without_a_seed_in_common_are_not_paired():
    one, two = side_by_side(finished((0.9, 0.9)), finished((0.8, 0.8), seeds=(7, 8)))
    found = against(two, one, SAMPLES)
    assert (found.difference, found.obstacle) == (None, "seeds")
    assert found.reason == "other seeds: 7, 8, not 0, 1; nothing to pair"
    assert "Run one of them again with the other's seeds" in apart(two, one, found)


def test_runs_whose_data_are_gone_are_not_paired_for_one_sample_may_be_any_share():
    one, two = side_by_side(finished((0.9, 0.9)), finished((0.8, 0.8)))
    found = against(two, one, None)
    assert (found.difference, found.obstacle) == (None, "unknown")
    assert "not here any more" in apart(two, one, found)


def test_of_runs_that_go_together_nothing_is_said():
    one, two, _ = three()
    assert apart(two, one, against(two, one, SAMPLES)) == ""


def test_the_outcomes_are_a_row_a_run_also_of_those_that_cannot_be_compared():
    runs = three()
    found = {run.letter: against(run, runs[0], SAMPLES) for run in runs[1:]}
    table = outcome_table(runs, runs[0], found).map(plain)
    assert list(table.index) == ["A", "B", "C"]
    assert table.loc["B", "Distilled"] == "93.0 ± 2.0 %"
    assert table.loc["B", "Labels alone"] == "91.0 ± 2.0 %"
    # 2 points for each seed; one sample of 500 is 0.2 points: ± 4.3027 · 0.2 / √3 = 0.5
    assert table.loc["A", "Gain over labels alone, points"] == "+2.0 (+1.5 … +2.5), better"
    against_a = "Against A, points"
    assert table.loc["A", against_a] == "the reference"
    assert table.loc["B", against_a] == "+2.0 (−0.5 … +4.5), no clear difference"
    assert table.loc["C", against_a] == "other data: moons, not digits"
    assert table.loc["A", "ONNX file, kB"] == "10.0"
    assert table.loc["A", "Latency, µs"] == "20"


def test_what_was_not_measured_is_said_and_never_a_number():
    runs = side_by_side(finished((0.9,), bytes=None, latency=None), finished((0.9,)))
    table = outcome_table(runs, runs[1], {"A": against(runs[0], runs[1], SAMPLES)})
    assert table.loc["A", "ONNX file, kB"] == table.loc["A", "Latency, µs"] == "not measured"
    assert plain(table.loc["A", "Distilled"]) == "90.0 %"


def test_a_latency_stands_with_where_eight_in_ten_calls_lie():
    several = (Latency(1, 0.02, 0.018, 0.031, 0.02), Latency(32, 0.5, 0.4, 0.6, 0.5))
    runs = side_by_side(finished((0.9,), timed=several), finished((0.9,)))
    table = outcome_table(runs, runs[1], {"A": against(runs[0], runs[1], SAMPLES)}).map(plain)
    assert list(table["Latency, µs"]) == ["20 (18 … 31)", "20"]
    rows = exported(runs, runs[1], {})
    assert list(rows.loc[0, ["latency_ms.low", "latency_ms.high"]]) == [0.018, 0.031]


def test_differences_that_may_be_clear_by_luck_are_counted():
    runs = three()
    found = [against(run, runs[0], SAMPLES).difference for run in runs[1:]]
    assert with_interval(found) == 1  # the one on other data has no interval
    assert with_interval([Difference(1.0, None, None, (1.0,))]) == 0


def test_a_verdict_beside_others_is_held_to_what_holds_for_all_of_them():
    """Points of 1, 2, 3 around their mean: t = mean / (1 / √3), so p is 0.044 for a mean of 2.65,
    and 0.004 for one of 9 (two degrees of freedom).
    """
    reference, *others = side_by_side(
        finished((0.80, 0.80, 0.80)),
        finished((0.80 + 0.0165, 0.80 + 0.0265, 0.80 + 0.0365)),
        finished((0.80 + 0.08, 0.80 + 0.09, 0.80 + 0.10)),
    )
    found = {run.letter: against(run, reference, SAMPLES) for run in others}
    assert [each.verdict for each in found.values()] == ["better", "better"]
    # Holm: 2 · 0.004 and then 1 · 0.044, both below 0.05
    assert [each.verdict for each in together(found).values()] == ["better", "better"]
    weak = {letter: found["B"] for letter in "BC"}  # 2 · 0.044 is not
    assert [each.verdict for each in together(weak).values()] == ["no clear difference"] * 2
    assert together({"B": found["B"]})["B"].verdict == "better"  # alone there is nothing to correct
    assert weak["B"].difference.low > 0
    rows = exported([reference, *others], reference, together(weak)).set_index("letter")
    assert rows.loc["B", "against.p"] == pytest.approx(0.044, abs=5e-4)
    assert rows.loc["B", "against.p_holm"] == pytest.approx(2 * rows.loc["B", "against.p"])
    assert rows["against.p_holm"].isna().tolist() == [True, False, False]  # none of the reference


def test_what_has_no_interval_needs_no_correction():
    one, _, other = three()
    few = side_by_side(finished((0.9, 0.9)), finished((0.8, 0.8)))
    found = {"B": against(few[1], few[0], SAMPLES), "C": against(other, one, SAMPLES)}
    told = together(found)
    assert (told["B"].verdict, told["C"].verdict) == ("too few seeds", None)


def test_the_export_holds_settings_numbers_and_reasons_of_every_run():
    runs = three()
    found = {run.letter: against(run, runs[0], SAMPLES) for run in runs[1:]}
    table = exported(runs, runs[0], found).set_index("letter")
    assert table.loc["B", "distilled.mean"] == pytest.approx(0.93)
    assert table.loc["B", "Temperature T"] == "9"
    assert table.loc["B", "against.mean"] == pytest.approx(2)
    assert table.loc["B", "against.seeds"] == "0–2"
    assert table.loc["C", "against.reason"] == "other data: moons, not digits"
    assert table.loc["C", "against.mean"] != table.loc["C", "against.mean"]  # none
    assert set(table["reference"]) == {"A"}
