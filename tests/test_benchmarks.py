"""The timings are fair, and their tables say what was measured and nothing else."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kdcore.classroom import Classroom
from kdcore.pipeline import Pipeline
from kdcore.recipe import ModelChoice
from kdcore.shelf import Shelf
from kdcore.train.loop import accuracy
from kdcore.train.order import batches

ROOT = Path(__file__).parents[1]
MACHINE = {"processor": "Abacus 9", "cores": "2", "system": "Linux", "torch": "2.15.0"}
LABELS = "kdcore", "torchdistill", "plain loop"


@pytest.fixture
def script(monkeypatch):
    """One of the benchmarks, imported as it finds its neighbours when it is run."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = list(sys.path)
    yield importlib.import_module
    sys.path[:] = before


# turns


def test_everybody_takes_a_turn_in_each_repeat_and_another_one_begins(script):
    taken = []
    found = script("turns").in_turns("ABC", 4, lambda name, turn: taken.append(name) or turn)
    assert "".join(taken) == "ABCBCACABABC"
    assert found == {name: [0, 1, 2, 3] for name in "ABC"}


def test_each_repeat_gives_one_ratio(script):
    assert script("turns").ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]


def test_a_spread_is_the_median_the_lowest_and_the_highest(script):
    assert script("turns").spread_of([3.0, 1.0, 2.0, 10.0]).text() == "2.5 (1.0 … 10.0)"


def test_time_that_went_to_others_is_told(script):
    assert script("turns").waited([1.0, 3.0], [1.0, 2.0]) == 0.25


def test_a_function_is_timed_and_gives_what_it_gives(script):
    found, timing = script("turns").timed(lambda: sum(range(1000)))
    assert found == 499500
    assert timing.clock > 0 <= timing.processor


def test_the_machine_has_a_name_and_versions(script):
    turns = script("turns")
    told = turns.machine("no-such-package")
    assert {"processor", "cores", "torch"} <= told.keys()
    assert "no-such-package" not in told
    assert turns.machine_lines([MACHINE, MACHINE]) == (
        "Measured on: Abacus 9, 2 cores, Linux, torch 2.15.0; one thread.\n"
    )


# pages


@pytest.fixture
def page(script, tmp_path):
    """A page of one table, which holds the keys of what is kept."""
    path = tmp_path / "page.md"
    path.write_text("above\n<!-- begin -->\nold\n<!-- end -->\nbelow\n")
    return script("tables").Table(
        path, "<!-- begin -->\n", "<!-- end -->", tmp_path / "kept.json", lambda k: f"{list(k)}\n"
    )


def test_a_table_stands_between_its_marks_and_its_figures_are_kept(page):
    assert page.known() == {}
    page.write({"a": 1})
    assert page.page.read_text() == "above\n<!-- begin -->\n['a']\n<!-- end -->\nbelow\n"
    assert page.known() == {"a": 1}
    assert page.standing() == page.text({"a": 1})


def test_a_page_without_the_marks_is_left_as_it_is(page):
    page.page.write_text("nothing here")
    with pytest.raises(SystemExit, match="lacks the line"):
        page.write({})
    assert page.page.read_text() == "nothing here"


def test_what_is_known_is_not_measured_again_unless_it_is_a_timing(script, page, monkeypatch):
    tables, measured = script("tables"), []
    jobs = [tables.Job(name, name, lambda name=name: measured.append(name)) for name in "ab"]
    page.write({"a": None})
    monkeypatch.setattr(sys, "argv", ["script"])
    tables.main("", page, jobs, str)
    assert measured == ["b"]
    tables.main("", page, jobs, str, always=True)
    assert measured == ["b", "a", "b"]
    monkeypatch.setattr(sys, "argv", ["script", "--only", "a"])
    tables.main("", page, jobs, str, always=True)
    assert measured == ["b", "a", "b", "a"]


@pytest.mark.parametrize("name", ["peers", "sweep", "peak", "clicks"])
def test_the_tables_of_timings_are_those_that_were_measured(script, name):
    table = script(name).TABLE
    assert table.standing() == table.text(table.known())
    assert table.known()


# beside others


def held(accuracy, seconds=(1.0, 1.5, 2.0)):
    """A contest of made-up figures: the others take four and ten times as long as kdcore."""
    clock = {
        name: [factor * each for each in seconds]
        for name, factor in zip(LABELS, (1, 4, 10), strict=True)
    }
    return {
        "clock": clock,
        "processor": {name: [each / 2 for each in taken] for name, taken in clock.items()},
        "accuracy": dict(zip(LABELS, accuracy, strict=True)),
        **{"tested": 500, "samples": 1024, "epochs": 2, "batch": 64},
        **{"precision": "float32", "machine": MACHINE},
    }


ALIKE = ([0.90, 0.92, 0.91], [0.91, 0.91, 0.92], [0.90, 0.93, 0.90])


def test_a_row_holds_seconds_ratios_and_accuracies(script):
    row = script("peers").text({"digits": held(ALIKE)}).splitlines()[2]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("digits", "1,024 × 2, 64"),
        *("1.50 (1.00 … 2.00)", "6.00 (4.00 … 8.00)", "15.00 (10.00 … 20.00)"),
        *("4.0 (4.0 … 4.0)", "10.0 (10.0 … 10.0)", "4.0 / 10.0"),
        *("91.0 ± 1.0", "91.3 ± 0.6", "91.0 ± 1.7"),
        *("−0.3 (−3.2 … +2.5)", "float32", "50 %"),
    ]


def test_a_row_whose_students_did_not_learn_the_same_is_void_and_says_so(script):
    peers = script("peers")
    facts = held(([0.80, 0.82, 0.81], *ALIKE[1:]))
    text = peers.text({"digits": facts})
    assert text.splitlines()[2].count("**void**") == 2
    assert "4.0 (" not in text
    assert "**digits**: void: kdcore's students are −10.3 points from those of the torch" in text
    assert "void" in peers.told(facts)


def test_chance_voids_nothing_and_neither_does_a_certain_difference_of_half_a_point(script):
    peers = script("peers")
    assert not peers.void(held(ALIKE))
    assert not peers.void(held(([0.900] * 3, [0.905] * 3, [0.895] * 3)))
    assert peers.void(held(([0.90] * 3, [0.92] * 3, [0.90] * 3)))


def test_two_seeds_show_nothing(script):
    facts = held([shares[:2] for shares in ALIKE], (1.0, 1.5))
    assert script("peers").void(facts).startswith("void: with fewer than three seeds")


def test_who_was_not_there_has_a_dash(script):
    facts = held(ALIKE)
    for part in ("clock", "processor", "accuracy"):
        del facts[part]["torchdistill"]
    cells = script("peers").text({"digits": facts}).splitlines()[2].split(" | ")
    assert [cells[place] for place in (3, 5, 7, 9)] == ["–", "–", "– / 10.0", "–"]


# a sweep


def test_a_sweep_compares_the_cost_of_one_student_and_says_how_many_were_measured(script):
    text = script("sweep").text({"the sweep": swept(0.998), "the curve": curve()})
    assert "| kdcore, all at once | 75 of 75 | 10.0 (10.0 … 10.0) | 1 | 1 |" in text
    assert "| plain loop | 15 of 75 | 1000.0 (1000.0 … 1000.0) | 100.0 (100.0 … 100.0) |" in text
    assert "99.80 %" in text
    assert "void" not in text
    assert "| 2 | 30.0 (30.0 … 30.0) | 15.0 (15.0 … 15.0) | 1.3 (1.3 … 1.3) |" in text


def test_a_sweep_whose_students_answer_otherwise_is_void(script):
    text = script("sweep").text({"the sweep": swept(0.98)})
    assert text.count("**void**") == 2
    assert "less than 99 %" in text


def swept(same):
    names = "kdcore", "kdcore, by autograd", "plain loop"
    clock = dict(zip(names, ([0.75] * 3, [2.5] * 3, [5.0] * 3), strict=True))
    counts = dict(zip(names, ([75] * 3, [25] * 3, [5] * 3), strict=True))
    return {
        **{"clock": clock, "processor": clock, "counts": counts, "students": 75},
        **{"same": [same] * 75, "gaps": [0.002, -0.004]},
        **{"accuracy": dict.fromkeys(names, 0.97), "machine": MACHINE},
    }


def curve():
    clock = {"1": [0.02] * 3, "2": [0.03] * 3}
    return {"clock": clock, "counts": {"1": [1] * 3, "2": [2] * 3}, "machine": MACHINE}


def test_the_five_that_the_slowest_way_trains_hold_every_setting_once(script):
    sweep = script("sweep")
    for seed in sweep.SEEDS:
        chosen = sweep.slow_ones(seed)
        assert sorted(each.temperature for each in chosen) == sorted(sweep.TEMPERATURES)
        assert sorted(each.soft for each in chosen) == sorted(sweep.WEIGHTS)
        assert set(chosen) <= set(sweep.members([seed]))


# the peak


def stepped(**seconds):
    return {
        **{"plain": seconds, "told": seconds},
        "operations": dict.fromkeys(seconds, 10**9),
        "batch": dict.fromkeys(seconds, 2),
        "precision": dict.fromkeys(seconds, "fp32"),
        "machine": MACHINE,
    }


def test_a_students_step_stands_beside_the_highest_rate_that_was_seen(script):
    rates = {"product, fp32": [80.0, 100.0], "convolution, fp32": [90.0]}
    text = script("peak").text({"students' steps": {"rates": rates, **stepped(cnn=[0.04])}})
    assert "| product, fp32 | 90 (80 … 100) |" in text
    assert "| cnn | fp32 | 1000.0 | 40.0 | 50 | 50 % | 50 % | 1.0 |" in text


def test_a_curve_says_where_it_bends(script):
    peak = script("peak")
    sizes = {"1": [8e-6], "2": [4e-6], "4": [3.9e-6]}
    curves = {"width": stepped(narrow=[1.0], wide=[0.1]), "batch": stepped(small=[1.0])}
    text = peak.text({"the curves": {**curves, "samples": sizes, "machine": MACHINE}})
    assert "| 2 | 4.0 |" in text
    assert "The cost of a sample is within a tenth of its lowest from 2 on." in text
    assert "The rate of arithmetic is within a tenth of its best from wide on." in text


def test_the_first_layer_needs_no_gradient_for_the_pictures(script):
    peak = script("peak")
    student = peak.Student(ModelChoice(architecture="mlp", options={"widths": [3]}), (1, 2, 2))
    # products 4 × 3 and 3 × 10, two operations each: twice, and the second once more
    assert peak.operations(student) == 2 * (2 * 12 + 3 * 30)


# who is compared


@pytest.fixture
def pair(script, digits):
    contenders = script("contenders")
    train = contenders.Split(digits.train.inputs[:128], digits.train.labels[:128])
    few = replace(digits, train=train)
    choices = [ModelChoice(architecture="mlp", options={"widths": widths}) for widths in ([8], [4])]
    teacher = contenders.built(choices[0], few, seed=0)
    return contenders.Pair(few, teacher, choices[1], epochs=3, rate=1e-2)


def test_the_plain_loop_shows_the_pictures_that_kdcore_shows(script, pair):
    contenders = script("contenders")
    pictures = contenders.Pictures(pair.data, contenders.moments_of(pair.data))
    shown = torch.stack([pictures[number][0] for number in range(128)])
    torch.testing.assert_close(shown, pair.data.normalise(pair.data.train.inputs))
    assert [pictures[number][1] for number in range(3)] == pair.data.train.labels[:3].tolist()


def test_the_plain_loops_loss_is_kdcores(script, pair):
    contenders = script("contenders")
    member, student = contenders.Member(0, 3.0, 0.7), pair.fresh(0)
    lesson = contenders.pupils(pair, [member], [student])[0].lesson
    batch = next(batches(lesson.orders()))
    inputs = pair.data.normalise(pair.data.train.inputs[batch.indices])
    labels = pair.data.train.labels[batch.indices]
    plain = contenders._loss(student(inputs), pair.teacher(inputs), labels, member)
    ours = sum(lesson.loss()(student, batch, 0.0).weighted.values())
    torch.testing.assert_close(plain, ours)


def test_all_of_kdcores_ways_train_the_same_students(script, pair):
    contenders = script("contenders")
    asked = [contenders.Member(0), contenders.Member(1, 2.0, 0.5)]
    ways = "kdcore", "kdcore, one at a time", "kdcore, by autograd"
    first, *others = (contenders.distil(way, pair, asked).predictions for way in ways)
    assert all(other == first for other in others)


def test_nobody_changes_the_teacher_or_takes_other_steps(script, pair):
    contenders = script("contenders")
    before = [weight.clone() for weight in pair.teacher.parameters()]
    outcome = contenders.distil("plain loop", pair, [contenders.Member(0)])
    assert pair.steps == 6
    assert len(outcome.predictions[0]) == len(pair.data.test)
    assert all(map(torch.equal, before, pair.teacher.parameters()))


# stability


def test_a_variation_is_the_deviation_over_the_mean(script):
    assert script("stability").variations([9.0, 9.5, 10.0, 10.5, 11.0] * 2) == pytest.approx(
        [7.9057, 7.9057], rel=1e-4
    )


def test_the_table_of_stability_is_the_one_that_was_measured(script):
    table = script("stability").TABLE
    kept = table.known()
    assert table.standing() == table.text(kept)
    assert len(kept) == len(script("stability").jobs()) == 4


# visits


def test_the_table_of_visits_is_the_one_that_was_measured(script):
    visits = script("visits")
    kept = visits.TABLE.known()
    assert visits.TABLE.standing() == visits.TABLE.text(kept)
    for figures in kept.values():
        for page in figures["pages"].values():
            assert len(page["again"]) == visits.MOVES


# compression


def weighed(*accuracy, size=4000, macs=2_000_000):
    return {"accuracy": accuracy, "bytes": size, "gzip": size // 2, "macs": macs, "file": "a.onnx"}


def dieted():
    """Made-up figures of a pair: four networks of three shapes, and one that is not trained on."""
    return {
        "rows": {
            "teacher": weighed(0.99, size=80_000, macs=40_000_000),
            "student on labels alone": weighed(0.90, 0.91, 0.92),
            "student on labels alone, trained on as long": weighed(0.94, 0.95, 0.96),
            "distilled student": weighed(0.93, 0.95, 0.96),
            "prune 50 % of the channels": weighed(0.4, 0.5, 0.6, size=1500, macs=500_000),
            "train on with the teacher, 30 steps": weighed(
                *(0.92, 0.93, 0.94), size=1500, macs=500_000
            ),
        },
        "stages": ["prune 50 % of the channels", "train on with the teacher, 30 steps"],
        **{"steps": [200, 100, 30], "tested": 1000, "machine": MACHINE},
    }


def test_a_compressed_model_is_held_against_the_plain_student_of_as_many_steps(script):
    found = dieted()
    lines = script("diet").text({"a pair": found}).splitlines()
    assert lines[0] == (
        "**a pair**: 200 steps of the teacher, 100 of the students, then 30 more; 3 seeds, "
        "1,000 test pictures"
    )
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:10]]
    assert cells[0] == ["teacher", "99.0", "", "80.0", "40.0", "40.00", "–", "–"]
    against = [cell[2] for cell in cells[1:]]
    # by hand: 3, 4 and 4 points, 0.577 of deviation, times 4.303 over the root of 3
    assert against == [
        *("", "", "+3.7 (+2.2 … +5.1), **better**"),
        "−41.0 (−63.4 … −18.6), **worse**",
        "−2.0 (−2.2 … −1.8), **worse**",
    ]


def test_networks_of_one_shape_are_timed_once_and_share_their_times(script):
    diet, found = script("diet"), dieted()
    alike = diet.distinct(found["rows"])
    first = ["teacher", "student on labels alone", "prune 50 % of the channels"]
    assert list(alike) == first
    times = [{"1": 4.0, "32": 100.0}, {"1": 0.5, "32": 20.0}, {"1": 0.8, "32": 200.0}]
    low = dict(zip(first, times, strict=True))
    kept = {"a pair": found, "a pair; latency": {"low_ms": low, "noisy": 0, "machine": MACHINE}}
    text = diet.text(kept)
    assert text.count("| 0.500 (8.0×) | 20.0 (5.0×) |") == 3
    assert text.count("| 0.800 (5.0×) | 200.0 (0.5×) |") == 2
    assert "| 4.00 | 100.0 |" in text
    assert "Others worked" not in text
    kept["a pair; latency"]["noisy"] = 2
    assert "Others worked on this machine while these were timed: a pair." in diet.text(kept)


def test_the_plain_twin_takes_the_further_steps_on_labels_alone(script, tmp_path):
    diet = script("diet")
    recipe = {"teacher_training": {"steps": 20}, "training": {"steps": 20}, "seeds": [0, 1, 2]}
    pipeline = Pipeline(recipe=recipe, stages=[{"kind": "fine-tune", "steps": 100}])
    room = Classroom(pipeline.recipe, Shelf(tmp_path))
    for _ in (each for part in (room.train_teachers(), room.train_students()) for each in part):
        pass
    members = room.members["control"]
    before = [accuracy(each.network, room.split("test")) for each in members]
    found = diet.twin(pipeline, room, room.shelf)
    assert min(found["accuracy"]) > max(before)
    assert [accuracy(each.network, room.split("test")) for each in members] == before
    assert found["macs"] == 64 * 16 + 16 * 10
    assert room.shelf.get(found["file"])


def test_the_tables_of_compression_are_those_that_were_measured(script):
    diet = script("diet")
    kept = diet.TABLE.known()
    assert diet.TABLE.standing() == diet.text(kept)
    assert len(kept) >= len(diet.jobs()) == 5
