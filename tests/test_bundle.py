"""A finished run as a zip that answers where there is neither kdcore nor torch."""

import io
import json
import subprocess
import sys
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load as read_weights

from kdcore.errors import HomeError, UploadError
from kdcore.handover import bundle, finished, measured
from kdcore.measure import here
from kdcore.recipe import Recipe
from tests.handed import handed

FOREIGN = """
import runpy, sys
from importlib.abc import MetaPathFinder
class Wall(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ImportError(name + " is behind the wall")
sys.meta_path.insert(0, Wall())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
BLOCKED = {"torch", "kdcore", "onnx", "scipy", "pandas", "pydantic", "PIL", "sklearn"}


@pytest.fixture(scope="module")
def of(tmp_path_factory):
    return handed(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module")
def folder(of, tmp_path_factory):
    """The bundle, unpacked; the control stands for a model that was made since."""
    more = replace(of, files={**of.files, "smaller": of.files["control"]})
    with zipfile.ZipFile(io.BytesIO(bundle.bundle(more))) as archive:
        root = tmp_path_factory.mktemp("bundle")
        archive.extractall(root)
    (inner,) = root.iterdir()
    return inner


def alone(folder: Path, *arguments: str, python: str = sys.executable):
    """Run a script of the bundle by an interpreter that finds onnxruntime and numpy alone."""
    wall = FOREIGN.replace("{blocked}", repr(BLOCKED))
    return subprocess.run(
        [python, "-I", "-c", wall, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_that_it_takes_is_in_it(folder, of):
    assert {path.name for path in folder.iterdir()} == {
        *("MODEL_CARD.md", "model.onnx", "smaller.onnx", "model.safetensors", "labels.json"),
        *("preprocessing.json", "check.npz", "recipe.json", "result.json", "predict.py"),
        *("measure_here.py", "requirements.txt"),
    }
    assert folder.name == f"kd-{of.result.recipe.id}"
    assert (folder / "model.onnx").read_bytes() == of.files["distilled"]
    assert Recipe.load(folder / "recipe.json") == of.result.recipe
    weights = read_weights((folder / "model.safetensors").read_bytes())
    assert sum(each.size for each in weights.values()) == of.result.arms["distilled"].parameters


def test_the_same_run_gives_the_same_bytes(of):
    assert bundle.bundle(of) == bundle.bundle(of)


def test_its_script_answers_as_the_run_did_with_onnxruntime_and_numpy_alone(folder, of):
    place = int(np.flatnonzero(of.answers.labels == 4)[0])
    np.save(folder / "four.npy", of.answers.inputs[place])
    done = alone(folder, "predict.py", "four.npy", "--top", "2")
    assert done.returncode == 0, done.stderr
    logits = of.answers.logits["distilled"][0, place].astype(np.float64)
    answer = np.exp(logits) / np.exp(logits).sum()
    first, second = answer.argsort()[::-1][:2]
    expected = f"{first} {100 * answer[first]:.1f} %, {second} {100 * answer[second]:.1f} %"
    assert done.stdout == f"four.npy 0: {expected}\n"


@pytest.mark.parametrize("model", ["model.onnx", "smaller.onnx"])
def test_its_script_checks_itself_against_the_samples_that_came_with_it(folder, model):
    done = alone(folder, "predict.py", "--check", "--model", model)
    assert done.stdout == f"all {bundle.SHIPPED} samples are answered as they were\n", done.stderr


def test_another_models_answers_do_not_pass_the_check(folder):
    other = folder / "other.onnx"
    other.write_bytes((folder / "smaller.onnx").read_bytes())
    kept = dict(np.load(folder / "check.npz"))
    np.savez(folder / "check.npz", **kept, **{"other.onnx": kept["model.onnx"]})
    done = alone(folder, "predict.py", "--check", "--model", "other.onnx")
    other.unlink()
    assert done.returncode == 1
    assert "predict: this machine answers otherwise" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("wide.npy", np.zeros((1, 9, 8), np.uint8), "a sample has the shape (1, 8, 8)"),
        ("scaled.npy", np.full((1, 8, 8), 0.5), "pixels go from 0 to 255"),
        ("text.npy", None, "cannot read text.npy"),
        ("picture.png", None, "install Pillow; or save the pixels as .npy"),
    ],
)
def test_a_sample_that_cannot_be_used_is_a_sentence(folder, name, content, says):
    if content is None:
        (folder / name).write_bytes(b"no sample")
    else:
        np.save(folder / name, content)
    done = alone(folder, "predict.py", name)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_its_card_says_what_the_model_is_and_what_it_is_not(folder, of):
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# a \\*bold\\* name \\| with a bar\n")
    accuracy = of.result.arms["distilled"].accuracy
    for part in ("`mlp-4`, distilled from `mlp-16`", "digits: all labels", "40 steps"):
        assert part in card
    assert f"{100 * np.mean(accuracy):.1f}\u00a0% (" in card
    assert "| Agrees with the whole student | – | – | – |" in card
    assert f"on {len(of.answers)} test samples" in card
    assert "## What was not tested" in card


def test_what_its_other_script_measures_is_read_back_under_the_runs_own_names(folder, of, tmp_path):
    out = tmp_path / "measured.json"
    quick = ("--batches", "1", "--threads", "1", "--rounds", "9", "--out", str(out))
    done = alone(folder, "measure_here.py", *quick, "--name", "my board")
    assert done.returncode == 0, done.stderr
    found = measured.matched(measured.load(str(out)), of.files)
    assert found.device.name == "my board"
    assert {each.model for each in found.latency} == {"distilled", "control"}
    assert all(each.memory.more > 0 for each in found.models)


MEASURED = {
    "format": here.FORMAT,
    "version": here.VERSION,
    "taken": "2025-01-01T00:00:00Z",
    "device": {"name": "a", "system": "b", "cores": 1, "onnxruntime": onnxruntime.__version__},
    "models": [{"name": "model", "bytes": 3, "sha256": "0" * 64}],
    "latency": [],
}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "no measurement that measure_here.py wrote"),
        ("{", "no measurement that measure_here.py wrote"),
        (json.dumps({**MEASURED, "models": []}), "models: "),
        (json.dumps({**MEASURED, "latency": [{"model": "a", "p50_ms": -1}]}), "latency.0"),
        ("x" * 1_000_001, "at most 1,000,000 bytes"),
    ],
)
def test_what_is_no_measurement_is_a_sentence(text, says):
    with pytest.raises(UploadError, match=says):
        measured.read(text)


def test_a_measurement_of_another_model_is_refused(of):
    with pytest.raises(UploadError, match=r"is of other files \(model\) than this run's"):
        measured.matched(measured.read(json.dumps(MEASURED)), of.files)


def test_a_file_that_answers_otherwise_is_not_handed_over(of):
    wrong = replace(of, files={**of.files, "distilled": of.files["control"]})
    with pytest.raises(HomeError, match="answers otherwise than the network did"):
        bundle.bundle(wrong)
    broken = replace(of, files={**of.files, "distilled": b"no model"})
    with pytest.raises(HomeError, match="is no valid ONNX"):
        bundle.bundle(broken)


def test_a_run_that_kept_no_model_says_so(of):
    with pytest.raises(HomeError, match="kept no model to hand over; run its recipe again"):
        bundle.bundle(replace(of, files={}))


def test_a_further_model_needs_a_name_of_its_own(of, tmp_path):
    with pytest.raises(HomeError, match="cannot be called 'control'"):
        finished._gathered("a run", of.result, lambda role: b"", {"control": b""})
    with pytest.raises(HomeError, match="is no folder that `python -m kdcore run --out` wrote"):
        finished.from_folder(tmp_path)


@pytest.mark.slow
def test_its_script_answers_in_a_clean_environment(folder, tmp_path):
    venv.create(tmp_path / "clean", with_pip=True)
    binaries = tmp_path / "clean" / ("Scripts" if sys.platform == "win32" else "bin")
    python = str(binaries / "python")
    wanted = [python, "-m", "pip", "install", "--quiet", "-r", str(folder / "requirements.txt")]
    installed = subprocess.run(wanted, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip("onnxruntime and numpy cannot be installed: no network, or no package index")
    done = subprocess.run(
        [python, "predict.py", "--check"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"all {bundle.SHIPPED} samples are answered as they were\n", done.stderr
    gone = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    assert gone.returncode
