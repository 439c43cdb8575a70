"""Own data once it is kept: one name for one content, whole or not at all, and found as a task."""

import errno
import json

import numpy as np
import pytest
import torch

from kdcore import tasks
from kdcore.catalogue import Catalogue, read_catalogue
from kdcore.cli import main
from kdcore.errors import DataError, UnknownNameError
from kdcore.ingest import delete, inspect, keep, kept, rename, storage
from kdcore.recipe import Recipe
from tests.drawn import class_folders, unpacked, zipped
from tests.verdicts import verdict_of


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The data folder that tasks are looked for in."""
    folder = tmp_path / "data"
    monkeypatch.setenv("KDCORE_DATA", str(folder))
    return folder


@pytest.fixture
def looked(tmp_path):
    def look(name="My pets!", files=None):
        return inspect(zipped(files or class_folders(), tmp_path / "own.zip"), name)

    return look


@pytest.fixture
def pets(looked, data):
    return keep(looked(), data)


def files(data):
    return sorted(path.name for path in (data / "own").iterdir())


# keeping


def test_what_is_kept_is_told_without_its_pictures_being_opened(pets, data):
    (data / "own" / f"{pets.task[4:]}.npz").write_bytes(b"")
    (found,) = kept(data)
    assert found == pets
    assert (found.name, found.class_names, found.shape) == ("My pets!", ("cats", "dogs"), (1, 8, 8))
    assert found.counts == ((7, 7), (1, 1), (2, 2))
    assert found.sizes == (14, 2, 4)
    assert "20 grey pictures of 8×8 pixels in 2 classes" in found.about


def test_a_task_is_named_by_its_name_and_content(pets, data):
    assert pets.task.startswith("own-my-pets-")
    assert files(data) == [f"{pets.task[4:]}.json", f"{pets.task[4:]}.npz"]


def test_the_same_data_kept_twice_are_one(pets, looked, data):
    assert keep(looked(), data) == pets
    assert len(files(data)) == 2


@pytest.mark.parametrize(
    "other", [class_folders(each=11), class_folders(("cats", "pigs")), class_folders(each=9)]
)
def test_other_pictures_or_class_names_are_another_task(pets, looked, data, other):
    again = keep(looked(files=other), data)
    assert again.task != pets.task
    assert again.task[:-8] == pets.task[:-8]
    assert {record.task for record in kept(data)} == {again.task, pets.task}


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Größe 7", "gr-e-7"), ("../../x", "x"), ("猫", "data"), ("a" * 99, "a" * 40), ("-", "data")],
)
def test_a_slug_has_letters_digits_and_hyphens_only(name, slug):
    assert storage.slug(name) == slug


def test_a_full_disk_is_a_sentence_and_leaves_nothing_behind(looked, data, monkeypatch):
    def full(file, **_):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(DataError, match=r"No space left on device. Free some space") as caught:
        keep(looked(), data)
    assert "KDCORE_DATA" in str(caught.value)
    assert files(data) == []


def test_facts_that_cannot_be_written_leave_nothing_that_is_found(looked, data, monkeypatch):
    def full(*_):
        raise DataError("full")

    monkeypatch.setattr(storage, "_write_facts", full)
    with pytest.raises(DataError):
        keep(looked(), data)
    assert kept(data) == []


def test_without_a_data_folder_nothing_is_kept(tmp_path):
    assert kept(tmp_path / "none") == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}'])
def test_facts_that_cannot_be_read_are_passed_over(pets, data, text):
    (data / "own" / f"{pets.task[4:]}.json").write_text(text)
    assert kept(data) == []


# renaming and deleting


def test_a_new_name_is_for_people_and_recipes_keep_theirs(pets, data):
    assert rename(pets.task, " New\x07 name ", data).name == "New name"
    (found,) = kept(data)
    assert (found.name, found.task) == ("New name", pets.task)
    assert tasks.get(pets.task).title == "New name"


def test_an_empty_name_is_refused(pets, data):
    with pytest.raises(DataError, match="needs a name"):
        rename(pets.task, " ", data)


def test_what_is_deleted_is_gone(pets, data):
    delete(pets.task, data)
    assert kept(data) == []
    assert files(data) == []
    with pytest.raises(UnknownNameError):
        tasks.get(pets.task)


@pytest.mark.parametrize("change", [delete, lambda task, data: rename(task, "x", data)])
@pytest.mark.parametrize("name", ["own-my-pets-00000000", "digits", "own-../../x-00000000"])
def test_what_is_not_there_cannot_be_changed(pets, data, change, name):
    with pytest.raises(UnknownNameError, match="no own data set"):
        change(name, data)


# as tasks


def test_own_data_are_a_task_by_their_name(pets, looked):
    task, preview = tasks.get(pets.task), looked()
    assert (task.title, task.kind, task.files) == ("My pets!", "image", ())
    loaded = task.load()
    assert task.facts.input_shape == loaded.input_shape == (1, 8, 8)
    assert task.facts.class_names == loaded.class_names == ("cats", "dogs")
    for place, name in enumerate(("train", "validation", "test")):
        part = getattr(loaded, name)
        assert len(part) == getattr(task.facts, name) == pets.sizes[place]
        assert part.inputs.dtype == torch.uint8
        assert np.array_equal(part.inputs.numpy(), preview.pictures[preview.places == place])
        assert part.labels.tolist() == preview.labels[preview.places == place].tolist()


def test_own_data_are_read_once_a_process(pets):
    assert tasks.get(pets.task).load() is tasks.get(pets.task).load()


def test_names_are_those_built_in_and_then_own_ones(pets):
    assert tasks.names() == (*tasks.built_in(), pets.task)


def test_an_unknown_name_is_answered_with_a_close_own_one(pets):
    with pytest.raises(UnknownNameError, match=f"did you mean '{pets.task}'"):
        tasks.get(pets.task[:-1] + "x")


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_pictures_that_are_damaged_or_others_are_a_sentence(pets, data, looked, content):
    path = data / "own" / f"{pets.task[4:]}.npz"
    if content is None:
        other = keep(looked(files=class_folders(each=12)), data)
        content = (data / "own" / f"{other.task[4:]}.npz").read_bytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged; delete My pets!, and keep it again"):
        tasks.get(pets.task).load()


def test_a_run_learns_from_own_data(pets, quick, shelf):
    result = verdict_of(Recipe(**{**quick.model_dump(), "task": pets.task}), shelf)
    assert len(result.arms["distilled"].accuracy) == 3


# the catalogue and the command line


def test_a_catalogue_shows_own_data_as_they_are_right_now(pets, data):
    catalogue = read_catalogue()
    assert pets.task not in {record.name for record in catalogue.tasks}  # what is stored lasts
    record = catalogue.with_own(data).task(pets.task)
    assert (record.title, record.kind, record.input_shape) == ("My pets!", "image", (1, 8, 8))
    assert (record.train, record.validation, record.test) == (14, 2, 4)
    assert record.megabytes == 0
    with_own = catalogue.with_own(data)
    assert Catalogue.from_json(with_own.to_json()).tasks == with_own.tasks


def test_the_shell_keeps_own_data_and_prints_their_task(tmp_path, data, capsys):
    folder = unpacked(class_folders(size=(20, 30)), tmp_path / "pets")
    assert main(["ingest", str(folder), "--name", "Pets", "--side", "10"]) == 0
    said = capsys.readouterr()
    (record,) = kept(data)
    assert said.out == f"{record.task}\n"
    assert record.shape == (1, 10, 10)
    assert said.err.splitlines() == [
        "20 pictures of 20×30 pixels, resized to 10×10, in grey.",
        "Pictures that are not square are stretched to a square.",
    ]


def test_what_the_shell_cannot_keep_is_one_sentence_and_exit_code_1(tmp_path, data, capsys):
    assert main(["ingest", str(tmp_path / "none.zip"), "--name", "Pets"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("kdcore: cannot read")
    assert said.err.count("\n") == 1


def test_tasks_are_a_table_with_own_data_last(pets, capsys):
    assert main(["tasks"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    columns = "NAME TITLE KIND SHAPE CLASSES TRAIN VALIDATION TEST DOWNLOAD"
    assert " ".join(head.split()) == columns
    assert [row.split()[0] for row in rows] == [*tasks.built_in(), pets.task]
    start = head.index("TITLE")
    assert all(row[start - 2 : start] == "  " and row[start] != " " for row in rows)
    mnist = next(row for row in rows if row.startswith("mnist"))
    assert mnist.split()[-8:] == ["image", "1×28×28", "10", "59,000", "1,000", "10,000", "12", "MB"]


def test_architectures_are_a_table_with_their_knobs(capsys):
    assert main(["architectures"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert any("resnet_cifar" in row and "depth=20" in row for row in rows)


@pytest.mark.parametrize("command", ["tasks", "architectures"])
def test_a_table_is_records_where_json_is_wanted(command, pets, data, capsys):
    assert main([command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    records = getattr(read_catalogue().with_own(data), command)
    assert [each["name"] for each in printed] == [each.name for each in records]
