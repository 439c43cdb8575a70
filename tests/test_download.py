"""Data sets are downloaded once, whole or not at all, and a sentence says what is missing."""

import errno
import gzip
import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from torchvision import datasets

from kdcore import tasks
from kdcore.errors import DataError
from kdcore.tasks import cifar, download, fashion_mnist, mnist
from kdcore.tasks.download import RemoteFile, fetch, missing

CONTENT = bytes(range(256)) * 4000
PACKED = gzip.compress(CONTENT, mtime=0)


@pytest.fixture
def site():
    """A web site on this machine: path to content, and the paths that were asked for."""
    pages: dict[str, bytes] = {"/images.gz": PACKED}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = pages.get(self.path)
            if content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", pages, asked
    server.shutdown()
    thread.join()
    server.server_close()


def remote(*urls, path="set/raw/images", content=PACKED):
    return RemoteFile(path, urls, hashlib.md5(content).hexdigest(), 0.5)


def test_a_file_is_fetched_unpacked_and_never_fetched_again(site, tmp_path):
    url, _, asked = site
    file = remote(f"{url}/images.gz")
    shares = list(fetch("Set", [file], tmp_path))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert (tmp_path / file.path).read_bytes() == CONTENT
    assert list(fetch("Set", [file], tmp_path)) == []
    assert asked == ["/images.gz"]


def test_an_archive_is_unpacked_as_a_folder(site, tmp_path):
    url, pages, _ = site
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("batches/one")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    pages["/b.tar.gz"] = packed.getvalue()
    file = remote(f"{url}/b.tar.gz", path="batches", content=packed.getvalue())
    list(fetch("Set", [file], tmp_path))
    assert (tmp_path / "batches" / "one").read_bytes() == b"abc"


def test_the_next_mirror_is_tried_where_one_is_dead(site, tmp_path):
    url, _, asked = site
    list(fetch("Set", [remote(f"{url}/gone/images.gz", f"{url}/images.gz")], tmp_path))
    assert asked == ["/gone/images.gz", "/images.gz"]


def test_two_who_want_the_same_download_it_once(site, tmp_path):
    url, _, asked = site
    file = remote(f"{url}/images.gz")
    pair = [threading.Thread(target=lambda: list(fetch("Set", [file], tmp_path))) for _ in "ab"]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()
    assert asked == ["/images.gz"]


def refused(file, folder):
    with pytest.raises(DataError) as caught:
        list(fetch("Set", [file], folder))
    left = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_offline_a_sentence_says_which_files_to_put_where(tmp_path):
    sentence = refused(remote("http://127.0.0.1:9/images.gz"), tmp_path)
    assert "Set could not be downloaded" in sentence
    assert f"unpack images.gz from http://127.0.0.1:9 into {tmp_path / 'set' / 'raw'}" in sentence


def test_a_file_that_is_not_what_it_should_be_is_not_kept(site, tmp_path):
    url, pages, _ = site
    pages["/images.gz"] = gzip.compress(b"something else")
    assert "its md5 differs" in refused(remote(f"{url}/images.gz"), tmp_path)


def test_a_download_that_breaks_off_is_not_kept(site, tmp_path, monkeypatch):
    url, pages, _ = site
    pages["/images.gz"] = PACKED[:100]
    assert "its md5 differs" in refused(remote(f"{url}/images.gz"), tmp_path)


def test_an_answer_in_chunks_that_breaks_off_is_a_sentence(tmp_path):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"ff\r\nnot so many")
            self.close_connection = True

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/images.gz"
        sentence = refused(remote(url), tmp_path)
        server.shutdown()
    assert "Set could not be downloaded" in sentence


@pytest.mark.parametrize("step", ["_download", "_unpack"])
def test_a_full_disk_is_said_and_no_other_mirror_is_tried(step, site, tmp_path, monkeypatch):
    tried = []

    def full(where, *_):
        tried.append(where)
        raise OSError(errno.ENOSPC, "No space left on device")

    url, _, _ = site
    monkeypatch.setattr(download, step, full)
    sentence = refused(remote(f"{url}/images.gz", f"{url}/again.gz"), tmp_path)
    assert "there is no space for Set" in sentence
    assert "KDCORE_DATA" in sentence
    assert len(tried) == 1


def test_a_data_folder_that_cannot_be_made_is_a_sentence(site, tmp_path):
    url, _, _ = site
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Not a directory"):
        list(fetch("Set", [remote(f"{url}/images.gz")], tmp_path / "file" / "data"))


def test_what_is_there_already_is_not_missing(tmp_path):
    file = remote("http://nowhere/images.gz")
    assert missing([file], tmp_path) == (file,)
    (tmp_path / "set" / "raw").mkdir(parents=True)
    (tmp_path / "set" / "raw" / "images").write_bytes(CONTENT)
    assert missing([file], tmp_path) == ()


# the files are those that torchvision knows


@pytest.mark.parametrize(
    ("files", "theirs", "folder"),
    [
        (mnist.FILES, datasets.MNIST, "MNIST/raw"),
        (fashion_mnist.FILES, datasets.FashionMNIST, "FashionMNIST/raw"),
    ],
)
def test_the_files_of_the_mnists_are_torchvisions(files, theirs, folder):
    ours = [(file.packed, file.md5) for file in files]
    assert ours == list(theirs.resources)
    mirrors = {url.rsplit("/", 1)[0] + "/" for file in files for url in file.urls}
    assert mirrors == set(theirs.mirrors)
    assert {file.path.rsplit("/", 1)[0] for file in files} == {folder}


@pytest.mark.parametrize(
    ("files", "theirs"),
    [(cifar.TEN_FILES, datasets.CIFAR10), (cifar.HUNDRED_FILES, datasets.CIFAR100)],
)
def test_the_files_of_the_cifars_are_torchvisions(files, theirs):
    (file,) = files
    assert (file.path, file.urls, file.md5) == (theirs.base_folder, (theirs.url,), theirs.tgz_md5)


def test_a_run_downloads_what_its_task_lacks(site, tmp_path, monkeypatch, quick, shelf):
    from kdcore.experiment import steps
    from kdcore.result import Progress

    url, _, _ = site
    monkeypatch.setenv("KDCORE_DATA", str(tmp_path / "data"))
    digits = tasks.get("digits")
    lacking = tasks.Task(**{**vars(digits), "files": (remote(f"{url}/images.gz"),)})
    monkeypatch.setitem(tasks._tasks._items, "digits", lacking)
    first = next(steps(quick, shelf))
    assert isinstance(first, Progress)
    assert first.phase == "data"


def test_blocks_are_small_enough_to_show_progress():
    assert 10 * download.BLOCK < 10_000_000
