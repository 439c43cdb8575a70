"""python -m kdcore: one JSON object on stdout, one sentence for a mistake."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import onnxruntime
import pandas as pd
import pytest

from kdcore import experiment, methods
from kdcore.cli import main
from kdcore.errors import HomeError
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.result import SHARE, Progress, Result
from kdcore.search import Search
from kdcore.shelf import Shelf
from kdcore.sweep import Sweep
from kdcore.waterfall import PipelineResult
from tests.verdicts import verdict_of

ROOT = Path(__file__).parents[1]


@pytest.fixture
def recipe_file(quick, tmp_path) -> Path:
    path = tmp_path / "recipe.json"
    path.write_text(quick.to_json())
    return path


@pytest.fixture(scope="module")
def shell(quick, tmp_path_factory):
    """One run from a real shell, whose locale knows ASCII alone; and the folder it wrote to."""
    folder = tmp_path_factory.mktemp("shell")
    recipe = Recipe(**{**quick.model_dump(), "title": "α"})
    (folder / "recipe.json").write_text(recipe.to_json(), encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    out = folder / "new" / "folder"
    done = subprocess.run(
        [sys.executable, "-m", "kdcore", "run", folder / "recipe.json", "--out", out],
        cwd=ROOT,
        env={**os.environ, **plain, "KDCORE_HOME": str(folder / "home")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return done, out


def test_a_run_prints_its_result_as_the_only_thing_on_stdout(shell):
    done, _ = shell
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verdict"] in ("better", "worse", "no clear difference", "too few seeds")
    assert result["difference"]["low"] < result["difference"]["mean"] < result["difference"]["high"]
    assert result["seconds"] > 0
    assert set(result["arms"]) == {"teacher", "control", "distilled"}
    for name, arm in result["arms"].items():
        assert len(arm["accuracy"]) == (1 if name == "teacher" else 3)
        assert all(0 <= each <= 1 for each in arm["accuracy"])
        for cost in ("parameters", "macs", "onnx_bytes", "latency_ms"):
            assert arm[cost] > 0
    assert done.stderr.split() == ["teacher", "students", "measuring"]


def test_the_shell_and_python_give_the_same_numbers(shell, quick, shelf):
    done, _ = shell
    arms = json.loads(done.stdout)["arms"]
    for name, arm in verdict_of(quick, shelf).arms.items():
        for numbers in ("accuracy", "best_on_validation"):
            assert arms[name][numbers] == list(getattr(arm, numbers))


def test_out_keeps_recipe_result_curves_and_models(shell):
    done, out = shell
    printed = json.loads(done.stdout)
    assert {file.name for file in out.iterdir()} == {
        *("recipe.json", "result.json", "curves.csv", "logits.npz", "scale.json", "insides.npz"),
        *(f"{arm}.{kind}" for arm in printed["arms"] for kind in ("onnx", "safetensors")),
    }
    assert Recipe.load(out / "recipe.json") == Recipe.load(out.parents[1] / "recipe.json")
    assert json.loads((out / "result.json").read_text(encoding="utf-8")) == printed
    for arm in printed["arms"]:
        onnxruntime.InferenceSession(out / f"{arm}.onnx")
        assert (out / f"{arm}.onnx").stat().st_size == printed["arms"][arm]["onnx_bytes"]


def test_the_curves_tell_of_every_arm_seed_and_step(shell):
    _, out = shell
    curves = pd.read_csv(out / "curves.csv")
    assert list(curves.columns) == ["arm", "seed", "step", "metric", "value", "seconds"]
    drawn = {name: (set(each.seed), set(each.step)) for name, each in curves.groupby("arm")}
    every = {4, 8, 12, 16, 20}
    assert drawn == {
        "teacher": ({0}, every),
        "control": ({0, 1, 2}, every),
        "distilled": ({0, 1, 2}, every),
    }
    terms = {"hard", "soft"}
    shares = {SHARE + term for term in terms}
    assert set(curves[curves.arm == "distilled"].metric) == {"accuracy", *terms, *shares}
    assert set(curves[curves.arm == "control"].metric) == {"accuracy", "hard"}
    assert curves.seconds.is_monotonic_increasing
    assert curves.seconds.iloc[-1] > 0


def test_on_a_terminal_progress_is_one_line_written_over(shell, recipe_file, monkeypatch, capsys):
    done, _ = shell
    result = Result.from_json(done.stdout)

    def short(recipe, on_event, shelf):
        on_event(Progress("teacher", 0.25, 3.4))
        on_event(Progress("measuring", 1.0, None))
        return result

    monkeypatch.setattr(experiment, "run", short)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["run", str(recipe_file)]) == 0
    said = capsys.readouterr()
    assert said.err.split("\r") == [
        "",
        "teacher  25%, 3 s left".ljust(49),
        "measuring 100%".ljust(49) + "\n",
    ]
    assert Result.from_json(said.out) == result


def test_a_run_that_is_interrupted_is_exit_code_130(recipe_file, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", interrupted)
    assert main(["run", str(recipe_file)]) == 130
    assert capsys.readouterr() == ("", "kdcore: stopped\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ('{"temperature": 0}', "temperature is 0; it must be greater than"),
        ('{"temperature": -1}', "temperature is -1; it must be greater than"),
        ('{"temprature": 4}', "did you mean 'temperature'?"),
        ('{"task": "digit"}', "did you mean 'digits'?"),
        ('{"method": {"name": "kdd"}}', "did you mean 'kd'?"),
        ('{"student": {"architecture": "mpl"}}', "did you mean 'mlp'?"),
        ('{"training": {"steps": 0}}', "training.steps is 0"),
        ('{"soft_weight": 0, "hard_weight": 0}', "are both 0"),
        ('{"transfer": {"labelled": 2000}}', "has 1,097 training samples"),
    ],
)
def test_a_bad_recipe_is_one_sentence_and_exit_code_2(text, sentence, tmp_path, capsys):
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert main(["run", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1


def test_a_recipe_that_is_not_there_is_exit_code_2(tmp_path, capsys):
    assert main(["run", str(tmp_path / "none.json")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "No such file" in said.err
    assert said.err.count("\n") == 1


def test_an_unwritable_home_is_one_sentence_and_exit_code_1(
    recipe_file, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDCORE_HOME", str(tmp_path / "file" / "home"))
    assert main(["run", str(recipe_file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "KDCORE_HOME" in said.err
    assert said.err.count("\n") == 1


def test_an_unwritable_out_is_said_before_anything_is_trained(recipe_file, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["run", str(recipe_file), "--out", str(tmp_path / "file" / "out")]) == 1
    said = capsys.readouterr()
    assert "--out" in said.err
    assert "teacher" not in said.err


def test_what_was_found_out_is_printed_though_the_files_cannot_be_written(
    recipe_file, tmp_path, capsys
):
    (tmp_path / "out" / "curves.csv").mkdir(parents=True)
    assert main(["run", str(recipe_file), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["verdict"]
    assert "give --out another folder" in said.err


def test_a_disk_that_fills_up_after_the_verdict_takes_nothing_from_it(
    recipe_file, monkeypatch, capsys
):
    def full(*_):
        raise HomeError("cannot keep 9 bytes: no space left")

    monkeypatch.setattr(Shelf, "put", full)
    assert main(["run", str(recipe_file)]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["verdict"]
    assert "no space left" in said.err


def test_the_methods_are_listed_with_their_papers_weights(capsys):
    assert main(["methods"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 1 + len(methods.names())
    (line,) = (line for line in listed if line.startswith("dkd "))
    assert "1 hard, 1 soft" in line
    assert "nontarget_weight=8.0" in line
    assert "arXiv:2203.08679" in line


def test_the_catalogue_is_printed_as_json(capsys):
    assert main(["catalogue"]) == 0
    assert {"tasks", "architectures", "methods"} == set(json.loads(capsys.readouterr().out))


# sweeps


@pytest.fixture
def sweep_file(quick, tmp_path) -> Path:
    axes = [{"field": "temperature", "values": [1, 4]}, {"field": "seeds", "values": [[0, 1, 2]]}]
    path = tmp_path / "sweep.json"
    path.write_text(Sweep(recipe=quick, axes=axes).to_json())
    return path


def test_a_sweep_prints_a_table_of_its_members_and_writes_it_down(sweep_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["sweep", str(sweep_file), "--out", str(out)]) == 0
    printed = pd.read_csv(StringIO(capsys.readouterr().out))
    assert list(printed["temperature"]) == [1, 4]
    assert printed["distilled.mean"].between(0, 1).all()
    assert set(printed["pairs"]) == {3}
    assert set(printed["seeds"]) == {"[0, 1, 2]"}
    assert len(pd.read_parquet(out / "sweep.parquet")) == 2
    assert len(pd.read_csv(out / "sweep.csv")) == 2
    assert Sweep.load(out / "sweep.json") == Sweep.load(sweep_file)


def test_a_bad_sweep_is_exit_code_2_and_a_sentence(tmp_path, capsys):
    path = tmp_path / "sweep.json"
    path.write_text('{"axes": [{"field": "temperature", "values": []}]}')
    assert main(["sweep", str(path)]) == 2
    assert capsys.readouterr().err == "kdcore: axes.0.values is []; give at least one\n"


# searches


def test_a_search_prints_what_it_tried_and_writes_the_best_down(quick, tmp_path, capsys):
    space = [{"field": "temperature", "low": 1, "high": 9}]
    path, out = tmp_path / "search.json", tmp_path / "out"
    path.write_text(Search(recipe=quick, space=space, trials=3).to_json())
    assert main(["search", str(path), "--out", str(out)]) == 0
    printed = pd.read_csv(StringIO(capsys.readouterr().out))
    assert len(printed) == len(pd.read_csv(out / "trials.csv")) == 3
    assert printed["temperature"].between(1, 9).all()
    best = printed.loc[printed["accuracy"].idxmax()]
    assert Recipe.load(out / "best.json").temperature == pytest.approx(best["temperature"])
    assert Search.load(out / "search.json") == Search.load(path)


def test_a_bad_search_is_exit_code_2_and_a_sentence(tmp_path, capsys):
    path = tmp_path / "search.json"
    path.write_text('{"space": [{"field": "temperature", "low": 1, "high": 4}]}')
    assert main(["search", str(path)]) == 2
    said = "kdcore: the search has no budget; give trials, minutes or both\n"
    assert capsys.readouterr().err == said


def test_a_pipeline_prints_a_line_for_each_model_and_writes_them(quick, tmp_path, capsys):
    path, out = tmp_path / "pipeline.json", tmp_path / "out"
    stages = [{"kind": "prune"}, {"kind": "share"}]
    path.write_text(Pipeline(recipe=quick, stages=stages).to_json())
    assert main(["pipeline", str(path), "--out", str(out)]) == 0
    told = capsys.readouterr()
    printed = pd.read_csv(StringIO(told.out))
    result = PipelineResult.from_json((out / "result.json").read_text(encoding="utf-8"))
    assert printed.model.tolist() == [row.name for row in result.rows]
    assert printed.bytes.tolist() == [row.bytes for row in result.rows]
    assert len(told.err.splitlines()) == len(result.rows) == 5
    assert (out / "3-prune-50-of-the-channels.onnx").stat().st_size == result.rows[3].bytes
    assert (out / "4-share-weights-by-5-bits.packed").stat().st_size == result.rows[4].bytes
    assert Pipeline.load(out / "pipeline.json").stages == Pipeline.load(path).stages


def test_a_swept_pipeline_tells_of_the_member_that_failed_and_writes_the_others(
    quick, tmp_path, capsys
):
    path, out = tmp_path / "pipeline.json", tmp_path / "out"
    keep = {"field": "stages.0.keep", "values": ["ends", "none"]}
    quantize = {"kind": "quantize", "how": "weights"}
    path.write_text(Pipeline(recipe=quick, stages=[quantize], axes=[keep]).to_json())
    assert main(["pipeline", str(path), "--out", str(out)]) == 1
    printed = pd.read_csv(StringIO(capsys.readouterr().out))
    assert printed["stages.0.keep"].tolist() == ["ends"] + ["none"] * 4
    assert "leaves nothing to quantize" in printed.error[0]
    assert (out / "member-002" / "result.json").exists()
    assert not (out / "member-001").exists()


@pytest.mark.parametrize("stages", ["[]", '[{"kind": "share"}, {"kind": "prune"}]'])
def test_a_pipeline_that_cannot_be_meant_is_one_sentence(stages, tmp_path, capsys):
    path = tmp_path / "pipeline.json"
    path.write_text(f'{{"stages": {stages}}}')
    assert main(["pipeline", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("kdcore: ")
    assert said.err.count("\n") == 1


def test_a_pipeline_that_cannot_be_run_is_one_sentence(quick, tmp_path, capsys):
    path = tmp_path / "pipeline.json"
    stages = [{"kind": "quantize", "how": "weights", "keep": "ends"}]
    path.write_text(Pipeline(recipe=quick, stages=stages).to_json())
    assert main(["pipeline", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["run", "sweep", "pipeline", "report", "bundle"])
def test_every_commands_help_says_what_it_does_and_gives_an_example(name, capsys):
    with pytest.raises(SystemExit):
        main([name, "--help"])
    said = capsys.readouterr().out
    assert f"example: python -m kdcore {name} " in said
    for word in said.split():
        if word.startswith("assets/"):
            assert (ROOT / word).exists()


def test_without_a_command_all_of_them_are_listed(capsys):
    assert main([]) == 2
    assert "run a recipe; the result is one JSON object" in capsys.readouterr().err
