"""Zips that would do harm are refused in a sentence, before anything in them is unpacked."""

import io
import struct
import time
import zipfile
from zipfile import ZIP_BZIP2, ZIP_LZMA, ZIP_STORED, ZipFile, ZipInfo

import pytest
from PIL import Image

from kdcore.errors import DataError
from kdcore.ingest import files, inspect, limits
from tests.drawn import class_folders, encoded, picture, upload, zipped


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own.zip"


def refused(source):
    with pytest.raises(DataError) as caught:
        inspect(source, "Own")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def many(count, path):
    """A zip's directory of so many empty files, written by hand for speed."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *[20] * 2, *[0] * 4, *[0] * 3, 9, *[0] * 6)
    directory = b"".join(entry + b"a/%07d" % number for number in range(count))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 7, 7, len(directory), 0, 0)
    path.write_bytes(directory + end)
    return path


def test_a_directory_made_by_hand_is_one_that_python_reads(path):
    assert len(ZipFile(many(10, path)).namelist()) == 10


@pytest.mark.parametrize("count", [300_000, 1_000_000])
def test_a_zip_of_too_many_files_is_refused_at_once_though_it_says_it_holds_seven(count, path):
    many(count, path)
    began = time.thread_time()
    assert refused(path) == (
        "own.zip holds more than 200,000 files, which is the most that is taken; leave some out"
    )
    assert time.thread_time() - began < 2


def test_marks_are_counted_across_the_blocks_in_which_a_file_is_read(monkeypatch):
    content = b"..PK\x01\x02..PK\x01\x02"
    for block in range(1, 15):
        monkeypatch.setattr(files, "BLOCK", block)
        assert files._directory_entries(io.BytesIO(content)) == 2


@pytest.mark.parametrize(
    "name",
    [
        "../x.png",
        "cats/../../x.png",
        "/etc/x.png",
        "C:/x.png",
        "c:\\x.png",
        "..\\x.png",
        "\\\\server\\x.png",
    ],
)
def test_a_path_that_leads_out_of_the_zip_is_refused(name, path):
    assert "has a path that leads out of the zip" in refused(
        zipped(class_folders() | {name: picture()}, path)
    )


def test_backslashes_part_folders_as_slashes_do(path):
    content = {name.replace("/", "\\"): data for name, data in class_folders().items()}
    assert inspect(zipped(content, path), "Own").class_names == ("cats", "dogs")


@pytest.mark.parametrize("name", ["", ".", "cats/", "cats\\", "./"])
def test_a_name_that_is_no_files_is_passed_over(name, path):
    files = class_folders() | {ZipInfo(name): b""}
    assert inspect(zipped(files, path), "Own").warnings == ()


def test_a_link_is_refused(path):
    link = ZipInfo("cats/link.png")
    link.external_attr = 0o120777 << 16
    assert "'cats/link.png' is a link" in refused(zipped(class_folders() | {link: "/etc/x"}, path))


def test_an_encrypted_zip_is_refused(path):
    content = bytearray(zipped(class_folders(), path).read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + 8] |= 1
    assert "is encrypted; make the zip again without a password" in refused(
        upload(bytes(content), "own.zip")
    )


@pytest.mark.parametrize("packing", [ZIP_BZIP2, ZIP_LZMA])
def test_unusual_packing_is_refused(packing, path):
    assert "is packed in an unusual way" in refused(zipped(class_folders(), path, packing))


def test_stored_pictures_are_taken(path):
    assert len(inspect(zipped(class_folders(), path, ZIP_STORED), "Own").pictures) == 20


def test_a_bomb_is_refused_by_what_the_directory_says(path):
    bomb = zipped(class_folders() | {"cats/bomb.png": bytes(10_000_000)}, path)
    assert "'cats/bomb.png' unpacks to more than 200 times its packed size" in refused(bomb)


def test_an_honest_drawing_that_packs_well_is_taken(path):
    drawing = encoded(Image.new("L", (500, 500), 255), "BMP")
    preview = inspect(zipped(class_folders() | {"cats/white.bmp": drawing}, path), "Own")
    assert len(preview.pictures) == 21


def test_one_huge_file_is_refused(path, monkeypatch):
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 100_000)
    content = class_folders() | {"cats/huge.png": bytes(200_000)}
    assert "'cats/huge.png' unpacks to 0 MB" in refused(zipped(content, path))


def test_a_zip_that_would_unpack_to_too_much_is_refused(path, monkeypatch):
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 1000)
    assert "own.zip would unpack to" in refused(zipped(class_folders(), path))


def test_a_file_longer_than_the_directory_says_is_cut_off_and_left_out(path, tmp_path):
    zipped(class_folders(each=20) | {"cats/x.png": bytes(5_000_000)}, path)
    content = bytearray(path.read_bytes())
    with ZipFile(path) as archive:
        info = archive.getinfo("cats/x.png")
    entry = content.rindex(b"cats/x.png") - 46
    content[entry + 24 : entry + 28] = struct.pack("<L", 1000)  # the directory's unpacked size
    content[info.header_offset + 22 : info.header_offset + 26] = struct.pack("<L", 1000)
    preview = inspect(upload(bytes(content), "own.zip"), "Own")
    assert len(preview.pictures) == 40
    assert "'cats/x.png'" in preview.warnings[0]


def test_a_file_damaged_in_the_zip_is_named_and_left_out(path):
    content = bytearray(zipped(class_folders(each=20), path, ZIP_STORED).read_bytes())
    content[content.index(b"IDAT") + 20] ^= 255
    preview = inspect(upload(bytes(content), "own.zip"), "Own")
    assert len(preview.pictures) == 39
    assert preview.warnings == ("Left out as unreadable (damaged): 'cats/000.png'.",)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 and then nothing"])
def test_what_is_no_zip_is_refused(content):
    assert "own.zip is damaged, or no zip at all" in refused(upload(content, "own.zip"))


def test_a_zip_that_breaks_off_is_refused(path):
    content = zipped(class_folders(), path).read_bytes()
    assert "is damaged" in refused(upload(content[:-200], "own.zip"))


def test_an_upload_is_left_open_for_its_owner(path):
    file = upload(zipped(class_folders(), path).read_bytes(), "own.zip")
    inspect(file, "Own")
    assert not file.closed
    assert zipfile.is_zipfile(file)
