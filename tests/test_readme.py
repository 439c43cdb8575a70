"""What the README says is true of the code."""

import importlib
import re
from pathlib import Path

import pytest
import torch

from kdcore import cli
from kdcore.methods import Signals
from kdcore.pipeline import Pipeline
from kdcore.recipe import Recipe
from kdcore.search import Search
from kdcore.settings import Settings
from kdcore.sweep import Sweep

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> set[str]:
    return set(re.findall(r"^    (\w+)\b", cli._parser().format_help(), re.MULTILINE))


def test_every_command_of_the_engine_is_in_the_readme():
    for command in commands():
        assert f"python -m kdcore {command}" in README


def test_every_command_in_the_readme_is_one_of_the_engine():
    named = set(re.findall(r"python -m kdcore (\w+)", README))
    assert named <= commands()


def test_every_make_target_in_the_readme_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_variable_is_in_the_readme():
    settings = Settings.from_environment({"KDCORE_HOME": "/somewhere"})
    for variable in settings.environment():
        assert f"`{variable}`" in README


def test_every_file_that_the_readme_names_is_there():
    for folder in ("assets", "kdcore", "pages", "tests"):
        for path in re.findall(rf"[`(]({folder}/[\w./-]*)[`)]", README):
            if path != "kdcore/methods/logit_match.py":
                assert (ROOT / path).exists(), path


def test_the_readmes_method_works_as_it_stands(example):
    teacher = Signals(torch.tensor([[1.0, 3.0]]), torch.tensor([0]))
    student = Signals(torch.tensor([[2.0, 1.0]]), torch.tensor([0]))
    options = example.settle({"scale": 2.0}, temperature=4.0)
    terms = example.function(student, teacher, torch.tensor([0]), **options)
    assert terms["distance"].item() == pytest.approx(2.0 * (1 + 4) / 2)
    assert [knob.name for knob in example.knobs] == ["scale"]


def test_the_readmes_notebook_lines_run(monkeypatch):
    code = next(block for block in blocks("python") if "kdcore.run" in block)
    monkeypatch.chdir(ROOT)
    load = Recipe.load  # with the fewest seeds that give a verdict
    fewer = {"seeds": (0, 1, 2)}
    monkeypatch.setattr(Recipe, "load", lambda path: load(path).model_copy(update=fewer))
    names: dict[str, object] = {}
    exec(code, names)
    assert names["result"].verdict == "better"


def test_the_table_of_gains_is_the_one_that_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table = importlib.import_module("gains").TABLE
    kept = table.known()
    assert table.standing() == table.text(kept)
    assert table.standing().count("\n") - 2 == len(kept) >= 16


def test_the_table_of_methods_is_the_one_that_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    measured = importlib.import_module("methods")
    kept = measured.TABLE.known()
    assert measured.TABLE.standing() == measured.TABLE.text(kept)
    for task in measured.TASKS:
        for line in measured.lines():
            assert f"{line.name} | {task}" in kept


def test_the_readmes_sweep_is_one():
    (text,) = (block for block in blocks("json") if '"axes"' in block)
    assert len(Sweep.from_json(text).members()) == 15


def test_the_readmes_search_is_one():
    (text,) = (block for block in blocks("json") if '"space"' in block)
    assert len(Search.from_json(text).space) == 3


def test_the_readmes_pipeline_is_one():
    (text,) = (block for block in blocks("json") if '"stages"' in block)
    assert [stage.kind for stage in Pipeline.from_json(text).stages] == [
        *("prune", "fine-tune", "quantize")
    ]
