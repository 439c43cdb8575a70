"""python -m kdcore: one JSON object on stdout, one sentence for a mistake."""

import json
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pandas as pd
import pytest

import kdcore
from kdcore.cli import main
from kdcore.recipe import Recipe

ROOT = Path(__file__).parents[1]


@pytest.fixture
def recipe_file(quick, tmp_path) -> Path:
    path = tmp_path / "recipe.json"
    path.write_text(quick.to_json())
    return path


def test_a_run_prints_its_result_as_the_only_thing_on_stdout(recipe_file, home):
    done = subprocess.run(
        [sys.executable, "-m", "kdcore", "run", recipe_file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verdict"] in ("better", "worse", "no clear difference", "too few seeds")
    assert set(result["difference"]) >= {"mean", "low", "high"}
    assert result["seconds"] > 0
    assert set(result["arms"]) == {"teacher", "control", "distilled"}
    for name, arm in result["arms"].items():
        assert len(arm["accuracy"]) == (1 if name == "teacher" else 3)
        assert all(0 <= each <= 1 for each in arm["accuracy"])
        for cost in ("parameters", "macs", "onnx_bytes", "latency_ms"):
            assert arm[cost] > 0
    assert done.stderr.split() == ["teacher", "students", "measuring"]


def test_the_shell_and_python_give_the_same_numbers(recipe_file, quick, capsys, tmp_path):
    assert main(["run", str(recipe_file)]) == 0
    shell = json.loads(capsys.readouterr().out)["arms"]
    python = kdcore.run(quick).arms
    for name, arm in python.items():
        assert shell[name]["accuracy"] == list(arm.accuracy)


def test_out_keeps_recipe_result_curves_and_models(recipe_file, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert main(["run", str(recipe_file), "--out", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert Recipe.load(out / "recipe.json") == Recipe.load(recipe_file)
    assert json.loads((out / "result.json").read_text()) == printed
    curves = pd.read_csv(out / "curves.csv")
    assert set(curves["arm"]) == {"teacher", "control", "distilled"}
    assert curves["step"].max() == 20
    for arm in printed["arms"]:
        onnxruntime.InferenceSession(out / f"{arm}.onnx")
        assert (out / f"{arm}.onnx").stat().st_size == printed["arms"][arm]["onnx_bytes"]
    assert (out / "logits.npz").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ('{"temperature": 0}', "temperature is 0; it must be greater than 0"),
        ('{"temprature": 4}', "did you mean 'temperature'?"),
        ('{"task": "digit"}', "did you mean 'digits'?"),
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
    assert "No such file" in capsys.readouterr().err


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


def test_the_catalogue_is_printed_as_json(capsys):
    assert main(["catalogue"]) == 0
    assert {"tasks", "architectures", "methods"} == set(json.loads(capsys.readouterr().out))
