"""Fetching, with the official addresses replaced by a server of this machine; torchvision's downloader and checks are the real ones."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import shutil
import tarfile
import threading

import pytest
import torchvision.datasets

from repr_probe.datasets import download
from repr_probe.datasets.catalog import find_entry
from repr_probe.datasets.download import fetch
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError

CIFAR10 = torchvision.datasets.CIFAR10


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def web(tmp_path):
    """(folder, address): what is put into the folder is served under the address."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SilentHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def published(cifar_root, web, monkeypatch):
    """A tiny CIFAR-10 archive under an address; gives its path."""
    root = cifar_root("cifar10", 2)
    folder, address = web
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "cifar-10-batches-py", "cifar-10-batches-py")
    shutil.rmtree(root / "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "url", address + archive.name)
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    return archive


def test_fetch_then_open(published, rgb, tmp_path, capfd):
    root = tmp_path / "data"
    place = fetch(find_entry("cifar10"), root)
    assert place == root / "cifar-10-batches-py"
    assert len(open_dataset("cifar10", rgb, data_root=root)) == 2
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-py"]  # neither the archive nor the temporary folder stays
    seen = capfd.readouterr()
    assert seen.out == ""
    assert "100%" in seen.err


def test_present_already(published, tmp_path):
    root = tmp_path / "data"
    first = fetch(find_entry("cifar10"), root)
    published.unlink()
    assert fetch(find_entry("cifar10"), root) == first


def test_fetch_several_compressed_files(fashion_root, web, rgb, tmp_path, monkeypatch):
    folder, address = web
    resources = []
    for path in (fashion_root / "FashionMNIST" / "raw").iterdir():
        content = gzip.compress(path.read_bytes())
        (folder / f"{path.name}.gz").write_bytes(content)
        resources.append((f"{path.name}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    place = fetch(find_entry("fashion-mnist"), tmp_path / "data")
    assert sorted(path.name for path in place.iterdir()) == sorted(name.removesuffix(".gz") for name, _ in resources)
    assert len(open_dataset("fashion-mnist", rgb, data_root=tmp_path / "data")) == 4


def test_wrong_checksum(published, tmp_path):
    published.write_bytes(published.read_bytes() + b"x")
    with pytest.raises(DatasetError, match="download of cifar10 must succeed; got a file whose md5 is not the published one; check"):
        fetch(find_entry("cifar10"), tmp_path / "data")
    assert not (tmp_path / "data" / "cifar-10-batches-py").exists()


def test_nothing_at_the_address(published, tmp_path):
    published.unlink()
    message = r"download of cifar10 must succeed; got (Not Found|File not found).*; check the network"
    with pytest.raises(DatasetError, match=message) as caught:
        fetch(find_entry("cifar10"), tmp_path / "data")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "data").iterdir()) == []


def test_killed_while_unpacking(published, rgb, tmp_path):
    """The archive that has arrived is used again; what was unpacked of it is not trusted."""
    partial = tmp_path / "data" / ".cifar10.partial"
    (partial / "cifar-10-batches-py").mkdir(parents=True)
    (partial / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"half")
    shutil.copy(published, partial)
    published.unlink()
    fetch(find_entry("cifar10"), tmp_path / "data")
    assert len(open_dataset("cifar10", rgb, split="train", data_root=tmp_path / "data")) == 10


def test_incomplete_set_is_not_overwritten(published, tmp_path):
    (tmp_path / "data" / "cifar-10-batches-py").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"must not overwrite an incomplete set; got files in .*cifar-10-batches-py; remove that folder"):
        fetch(find_entry("cifar10"), tmp_path / "data")


def test_full_disk(published, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage._replace(free=5_000_000))
    with pytest.raises(DatasetError, match="disk must have 356 MB free to download and unpack cifar10; got 5 MB in"):
        fetch(find_entry("cifar10"), tmp_path / "data")


def test_place_that_cannot_be_written(published, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match=r"download of cifar10 must succeed; got .*File exists"):
        fetch(find_entry("cifar10"), tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits", "comes with scikit-learn and is always there"),
        ("imagenet", r"asks for an account; get ILSVRC 2012 from https://image-net\.org.* with --data-root"),
        ("imagenet100", "asks for an account"),
    ],
)
def test_not_fetched(name, message, tmp_path):
    with pytest.raises(DatasetError, match=message):
        fetch(find_entry(name), tmp_path)
