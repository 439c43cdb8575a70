"""Own teachers once they are kept: one name for one answer, whole or not at all."""

import errno
from dataclasses import replace

import pytest

from kdcore import files, uploads
from kdcore.cli import main
from kdcore.errors import HomeError, UnknownNameError, UploadError
from tests.uploads.onnx_models import linear
from tests.uploads.test_weights import saved

CONTENT = linear().SerializeToString()


@pytest.fixture
def mine(home):
    return uploads.keep(uploads.look(CONTENT, "My net!", scale="0 to 1"), CONTENT, home)


def test_a_teacher_is_found_again_with_all_that_is_known_of_it(mine, home):
    assert mine.name.startswith("own-my-net-")
    assert (mine.parameters, mine.bytes, mine.info.classes) == (640, len(CONTENT), 10)
    assert uploads.get(mine.name, home) == mine
    assert uploads.kept(home) == [mine]
    assert uploads.load(mine, home) == CONTENT


def test_the_same_twice_is_one_teacher_and_another_scale_is_another(mine, home):
    assert uploads.keep(uploads.look(CONTENT, "My net!", scale="0 to 1"), CONTENT, home) == mine
    other = uploads.keep(uploads.look(CONTENT, "My net!", scale="ImageNet"), CONTENT, home)
    assert other.name != mine.name
    assert {each.name for each in uploads.kept(home)} == {mine.name, other.name}


def test_weights_are_kept_with_the_architecture_they_are_for(home):
    found = uploads.look(saved(), "Weights", architecture="mlp", options={"widths": [6]})
    assert found.parameters == 64 * 6 + 6 + 6 * 10 + 10
    own = uploads.keep(found, saved(), home)
    assert uploads.get(own.name, home).options == {"widths": [6]}
    assert "mlp weights, 460 parameters" in own.about


def test_a_renamed_teacher_stays_what_recipes_know(mine, home):
    assert uploads.rename(mine.name, "  Better  ", home).title == "Better"
    assert uploads.get(mine.name, home) == replace(mine, title="Better")
    assert uploads.load(uploads.get(mine.name, home), home) == CONTENT
    with pytest.raises(UploadError, match="needs a name"):
        uploads.rename(mine.name, " ", home)


def test_a_deleted_teacher_is_gone(mine, home):
    uploads.delete(mine.name, home)
    assert uploads.kept(home) == []
    assert list((home / "own-teachers").iterdir()) == []
    with pytest.raises(UploadError, match="bring it again"):
        uploads.delete(mine.name, home)


def test_a_name_that_is_nearly_right_is_put_right(mine, home):
    with pytest.raises(UnknownNameError, match=f"did you mean '{mine.name}'"):
        uploads.get(mine.name[:-1] + "x", home)


@pytest.mark.parametrize("name", ["own-../../etc-12345678", "../x", "", "own-a-123"])
def test_a_name_is_never_a_path(name, home):
    assert uploads.find(name, home) is None


def test_a_changed_file_is_not_used(mine, home):
    path = home / "own-teachers" / f"{mine.name}.model"
    path.write_bytes(CONTENT + b"\0")
    with pytest.raises(UploadError, match="is damaged; delete it"):
        uploads.load(mine, home)
    path.unlink()
    with pytest.raises(UploadError, match="is gone; bring it again"):
        uploads.load(mine, home)


def test_damaged_facts_hide_a_teacher_and_break_nothing(mine, home):
    (home / "own-teachers" / f"{mine.name}.json").write_text("{", encoding="utf-8")
    assert uploads.kept(home) == []


def test_a_teacher_needs_a_name_and_a_known_scale(home):
    with pytest.raises(UploadError, match="needs a name"):
        uploads.keep(uploads.look(CONTENT, " \n "), CONTENT, home)
    with pytest.raises(UploadError, match="Known: standardised, 0 to 1"):
        uploads.look(CONTENT, "x", scale="0 to 2")


def test_a_full_disk_is_said_and_leaves_nothing_behind(home, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(HomeError, match="No space left on device"):
        uploads.keep(uploads.look(CONTENT, "x"), CONTENT, home)
    assert list((home / "own-teachers").iterdir()) == []


def test_from_the_shell_a_teacher_is_kept_tried_and_printed_for_a_recipe(home, tmp_path, capsys):
    path = tmp_path / "net.onnx"
    path.write_bytes(CONTENT)
    assert (
        main(["teacher", str(path), "--name", "Net", "--pixels", "0 to 1", "--try", "digits"]) == 0
    )
    said = capsys.readouterr()
    (own,) = uploads.kept(home)
    assert said.out == (
        f'{{"teacher":{{"architecture":"onnx","options":{{}},"weights":"{own.name}"}}}}\n'
    )
    assert "takes 1×8×8 float32" in said.err
    assert said.err.count("of 200 validation pictures") == len(uploads.SCALES)
    assert said.err.count("(kept)") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.onnx"], "cannot read nowhere.onnx"),
        (["README.md"], "no ONNX model"),
        (["README.md", "--architecture", "mlp"], "no safetensors file"),
        (["README.md", "--architecture", "mpl"], "did you mean 'mlp'"),
        (["README.md", "--options", "{"], "--options is not valid JSON"),
        (["README.md", "--options", "3"], "--options must be a JSON object"),
    ],
)
def test_from_the_shell_what_is_wrong_is_one_sentence(arguments, said, capsys):
    assert main(["teacher", *arguments, "--name", "x"]) in (1, 2)
    found = capsys.readouterr()
    assert said in found.err
    assert (found.out, found.err.count("\n")) == ("", 1)
