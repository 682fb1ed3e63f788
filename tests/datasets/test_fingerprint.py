from __future__ import annotations

import os
import shutil

import pytest

from repr_probe.datasets.fingerprint import fingerprint_of
from repr_probe.datasets.open import open_dataset
from repr_probe.datasets.split_contents import FileStamp
from repr_probe.errors import DatasetError


def fingerprint(root, rgb, **options):
    return open_dataset(root, rgb, **options).fingerprint


def test_same_files_same_fingerprint_anywhere(image_tree, rgb, tmp_path):
    root = image_tree("a/1.png", "b/2.png")
    first = fingerprint(root, rgb)
    assert len(first) == 64
    assert first == fingerprint(root, rgb)
    shutil.copytree(root, tmp_path / "copy")  # keeps the modification times
    assert first == fingerprint(tmp_path / "copy", rgb)


@pytest.mark.parametrize("change", ["touch", "grow", "rename", "add", "remove"])
def test_any_change_shows(image_tree, rgb, change):
    root = image_tree("a/1.png", "a/3.png", "b/2.png")
    before = fingerprint(root, rgb)
    path = root / "a" / "1.png"
    status = path.stat()
    match change:
        case "touch":
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        case "grow":
            path.write_bytes(path.read_bytes() + b"x")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        case "rename":
            path.rename(root / "a" / "0.png")
        case "add":
            shutil.copy2(path, root / "a" / "4.png")
        case "remove":
            path.unlink()
    assert fingerprint(root, rgb) != before


def test_verify_sees_contents_and_not_times(image_tree, rgb):
    root = image_tree("a/1.png", "b/2.png")
    path = root / "a" / "1.png"
    status = path.stat()
    quick, thorough = fingerprint(root, rgb), fingerprint(root, rgb, verify=True)
    assert quick != thorough
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(root, rgb) == quick
    assert fingerprint(root, rgb, verify=True) != thorough
    content[-1] ^= 1
    path.write_bytes(content)
    assert fingerprint(root, rgb) != quick
    assert fingerprint(root, rgb, verify=True) == thorough


def test_other_split_or_packed_file(cifar_root, rgb):
    root = cifar_root("cifar10", 2)
    test, train = (fingerprint("cifar10", rgb, split=split, data_root=root) for split in ("test", "train"))
    assert test != train
    os.utime(root / "cifar-10-batches-py" / "test_batch", ns=(0, 0))
    assert fingerprint("cifar10", rgb, data_root=root) != test
    assert fingerprint("cifar10", rgb, split="train", data_root=root) == train


def test_limit_does_not_matter(image_tree, rgb):
    root = image_tree("a/1.png", "a/3.png", "b/2.png")
    assert fingerprint(root, rgb, limit=2) == fingerprint(root, rgb)


def test_no_image_is_read_without_verify(image_tree, rgb):
    root = image_tree("a/1.png", "b/2.png")
    (root / "a" / "1.png").write_bytes(b"")
    dataset = open_dataset(root, rgb)
    with pytest.raises(DatasetError, match=r"image must be readable; got .*a/1\.png"):
        dataset[0]


def test_file_that_vanishes_before_it_is_hashed(tmp_path):
    with pytest.raises(DatasetError, match=r"dataset must be readable; got .*gone\.png \(No such file or directory\)"):
        fingerprint_of(str(tmp_path), [FileStamp("gone.png", 1, 1)], verify=True)
