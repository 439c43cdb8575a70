import errno
import hashlib
import os

import pytest

from kdcore.errors import HomeError
from kdcore.shelf import Shelf


def files(shelf):
    return sorted(path.name for path in shelf.folder.rglob("*") if path.is_file())


@pytest.fixture
def full_disk(monkeypatch):
    def replace(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", replace)


def test_what_is_put_is_what_is_got(shelf):
    assert shelf.get(shelf.put(b"abc", "onnx")) == b"abc"


def test_a_name_is_the_contents_hash_and_the_suffix(shelf):
    assert shelf.put(b"abc", "onnx") == hashlib.sha256(b"abc").hexdigest()[:32] + ".onnx"


def test_the_same_content_twice_is_one_file(shelf):
    assert shelf.put(b"abc", "onnx") == shelf.put(b"abc", "onnx")
    assert len(files(shelf)) == 1


def test_nothing_but_the_file_itself_is_left_behind(shelf):
    name = shelf.put(b"abc", "onnx")
    assert files(shelf) == [name]


def test_what_is_gone_is_named(shelf):
    name = shelf.put(b"abc", "onnx")
    shelf.remove(name)
    with pytest.raises(HomeError, match=f"the file {name} of this run is gone"):
        shelf.get(name)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a.onnx", "", f"{'0' * 32}.onnx/.."])
def test_only_an_artifacts_name_is_looked_up(shelf, name):
    with pytest.raises(HomeError, match="is no artifact's name"):
        shelf.get(name)


def test_removing_what_is_gone_is_fine(shelf):
    name = shelf.put(b"abc", "onnx")
    shelf.remove(name)
    shelf.remove(name)
    assert files(shelf) == []


def test_removing_reaches_nothing_but_artifacts(shelf, tmp_path):
    shelf.put(b"abc", "onnx")
    (tmp_path / "secret").write_text("kept")
    shelf.remove("../secret")
    assert (tmp_path / "secret").read_text() == "kept"


def test_a_teacher_is_kept_under_its_key(shelf):
    shelf.put_teacher("0123", b"weights", {"task": "digits"}, 0.97)
    assert shelf.get_teacher("0123") == b"weights"


def test_a_teacher_that_was_never_trained_is_none(shelf):
    assert shelf.get_teacher("0123") is None


def test_a_kept_teacher_never_changes(shelf):
    shelf.put_teacher("0123", b"first", {"task": "digits"}, 0.9)
    shelf.put_teacher("0123", b"second", {"task": "mnist"}, 0.8)
    assert shelf.find_teacher("0123").part == {"task": "digits"}
    assert shelf.get_teacher("0123") == b"first"


def test_a_full_disk_is_said_with_the_way_out(shelf, full_disk):
    with pytest.raises(HomeError) as caught:
        shelf.put(b"abc", "onnx")
    assert f"cannot keep 3 bytes in {shelf.folder}: No space left on device" in str(caught.value)
    assert "KDCORE_HOME" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_write_that_failed_leaves_nothing_behind(shelf, full_disk):
    with pytest.raises(HomeError):
        shelf.put(b"abc", "onnx")
    assert files(shelf) == []


def test_a_shelf_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="Not a directory"):
        Shelf(tmp_path / "file" / "shelf").put(b"abc", "onnx")


def test_trained_teachers_are_listed_the_newest_first(shelf):
    for number, key in enumerate(["aa", "bb"]):
        shelf.put_teacher(key, b"weights", {"seed": number}, 0.9 + number / 100)
        os.utime(shelf.folder / "teachers" / f"{key}.safetensors", (1000 + number,) * 2)
    newest, oldest = shelf.teachers()
    assert (newest.key, newest.trained, newest.part, newest.accuracy) == (
        "bb",
        1001,
        {"seed": 1},
        0.91,
    )
    assert oldest.key == "aa"


def test_a_teacher_of_which_nothing_can_be_read_is_not_listed(shelf):
    assert shelf.teachers() == []
    shelf.put_teacher("aa", b"weights", {}, 0.9)
    (shelf.folder / "teachers" / "aa.json").write_text("{", encoding="utf-8")
    assert shelf.teachers() == []
    assert shelf.find_teacher("aa") is None
    assert shelf.get_teacher("aa") == b"weights"


def aged(path, seconds):
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def test_what_no_run_needs_is_swept_away_once_it_is_old(shelf):
    needed, young, old = (shelf.put(content, "onnx") for content in (b"a", b"b", b"c"))
    shelf.put_teacher("aa", b"weights", {}, 0.9)
    for name in (needed, old):
        aged(shelf.folder / name, 100)
    shelf.sweep({needed}, older_than=50)
    assert sorted(path.name for path in shelf.folder.glob("*.onnx")) == sorted([needed, young])
    assert shelf.get_teacher("aa") == b"weights"


def test_what_is_put_again_is_young_again(shelf):
    name = shelf.put(b"a", "onnx")
    aged(shelf.folder / name, 100)
    shelf.put(b"a", "onnx")
    shelf.sweep(set(), older_than=50)
    assert shelf.get(name) == b"a"


def test_a_shelf_that_is_not_there_yet_needs_no_sweeping(shelf):
    shelf.sweep(set(), older_than=0)
    assert not shelf.folder.exists()


def test_a_forgotten_teacher_is_gone(shelf):
    shelf.put_teacher("aa", b"weights", {}, 0.9)
    shelf.remove_teacher("aa")
    shelf.remove_teacher("aa")
    assert (shelf.get_teacher("aa"), shelf.teachers()) == (None, [])
