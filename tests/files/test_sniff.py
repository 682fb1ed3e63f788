"""What a file is: told from its content, whatever it is called."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from repr_probe.errors import FileFormatError
from repr_probe.files.sniff import sniff


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"\0" * 10_000, "nothing but zero bytes"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page"),
        (b"  \n<html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"),
        (b"\x1f\x8b\x08\x00rest", "gzip"),
        (b"just a few words\nand more of them\n", r'plain text that starts with "just a few words'),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00.", "bare pickle.*nothing was run"),
        (b"\x07\x01\x02\x03\xff\xfe", "starts with the bytes 07 01 02 03 ff fe"),
        (b"PK\x03\x04" + b"x" * 200, "cut short"),
        ((1 << 40).to_bytes(8, "little") + b'{"a":1}', "claims 1099511627776 bytes"),
    ],
)
def test_strangers_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "resnet50.pth"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        sniff(path)
    assert "\n" not in str(caught.value)


def test_a_long_run_of_zeros_before_data_is_unknown_not_empty(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\0" * 5000 + b"data")
    with pytest.raises(FileFormatError, match="starts with the bytes 00 00"):
        sniff(path)


def test_tar(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("x")
    with tarfile.open(tmp_path / "model.pth.tar", "w") as archive:
        archive.add(tmp_path / "inside")
    with pytest.raises(FileFormatError, match="tar archive"):
        sniff(tmp_path / "model.pth.tar")


def test_nothing_there_and_loops(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="nothing at this path"):
        sniff(tmp_path / "absent.pth")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileFormatError, match="must be an existing file"):
        sniff(tmp_path / "loop")


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="a folder of nothing"):
        sniff(tmp_path)
    (tmp_path / "meta.json").write_text("{}")
    assert sniff(tmp_path) == "store"


def test_a_pipe_is_refused_without_opening_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileFormatError, match="regular file"):
        sniff(tmp_path / "pipe")  # opening it would wait for a writer for ever


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(FileFormatError, match="must be readable"):
        sniff(path)


def test_known_formats(tmp_path: Path) -> None:
    path = tmp_path / "any_name"
    np.save(tmp_path / "a.npy", np.zeros(2))
    (tmp_path / "a.npy").replace(path)
    assert sniff(path) == "npy"
    np.savez(tmp_path / "a.npz", a=np.zeros(2))
    assert sniff(tmp_path / "a.npz") == "npz"
    for content, kind in (
        (b'{"a": 1}', "json"),
        (b"a,b\n1,2\n", "csv"),
        (b"1;2\n3;4\n", "csv"),
        (b"PAR1....", "parquet"),
        (b"\x89HDF\r\n\x1a\n..", "hdf5"),
    ):
        path.write_bytes(content)
        assert sniff(path) == kind


def test_other_zip_archives(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    for name, message in (("m/code/x.py", "TorchScript"), ("readme.txt", r"something else \(readme")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "x")
        with pytest.raises(FileFormatError, match=message):
            sniff(path)
