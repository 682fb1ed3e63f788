from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import torchvision.datasets

from repr_probe.datasets import cifar
from repr_probe.datasets.cifar import read_pickle
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError


def trusting_torchvision(name, folder):
    """torchvision's own reader, told the md5 sums of the tiny files."""
    parent = torchvision.datasets.CIFAR100 if name == "cifar100" else torchvision.datasets.CIFAR10

    def with_md5(files):
        return [[file, hashlib.md5((folder / file).read_bytes()).hexdigest()] for file, _ in files]

    meta = {**parent.meta, "md5": hashlib.md5((folder / parent.meta["filename"]).read_bytes()).hexdigest()}
    return type("Tiny", (parent,), {"train_list": with_md5(parent.train_list), "test_list": with_md5(parent.test_list), "meta": meta})


@pytest.mark.parametrize(("name", "place"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_same_images_and_labels_as_torchvision(cifar_root, rgb, name, place, split):
    root = cifar_root(name, 7)
    ours = open_dataset(name, rgb, split=split, data_root=root)
    theirs = trusting_torchvision(name, root / place)(root, train=split == "train")
    assert len(ours) == len(theirs) == (35 if (name, split) == ("cifar10", "train") else 7)
    for i, (image, label) in enumerate(theirs):
        assert np.array_equal(np.asarray(ours.image(i)), np.asarray(image))
        assert ours.labels[i] == label
    assert list(ours.class_names) == theirs.classes
    assert ours.ids[6] == f"{split}/00006"


def test_default_split_and_note_on_the_size(cifar_root, rgb):
    dataset = open_dataset("cifar10", rgb, data_root=cifar_root("cifar10", 3))
    assert dataset.split == "test"
    assert dataset.notes == ("cifar10 test has 3 images here; the published split has 10000",)


class Hostile:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Hostile(), protocol=2), r"one of the official ones; got .*asks for (__builtin__|builtins)\.print"),
        (b"", "one of the official ones; got"),
        (b"<html>", "one of the official ones; got"),
        (pickle.dumps([1], protocol=2), "must hold a dict; got list"),
        (pickle.dumps({"data": np.zeros((2, 3072))}, protocol=2), "row-major array of bytes"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, protocol=2)[:-40], "one of the official ones"),
        (pickle.dumps({"data": np.zeros((2, 100), np.uint8), "labels": [0, 1]}, protocol=2), "images of 3072 bytes under 'data'"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}, protocol=2), "labels 0 to 9 under 'labels'"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0]}, protocol=2), "one label per image; got 1 labels for 2"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8)}, protocol=2), "labels 0 to 9 under 'labels'"),
    ],
)
def test_bad_files(cifar_root, rgb, capsys, content, message):
    root = cifar_root("cifar10", 2)
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        open_dataset("cifar10", rgb, data_root=root)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_bad_class_names(cifar_root, rgb):
    root = cifar_root("cifar10", 2)
    (root / "cifar-10-batches-py" / "batches.meta").write_bytes(pickle.dumps({"label_names": [1]}, protocol=2))
    with pytest.raises(DatasetError, match="class names under 'label_names'"):
        open_dataset("cifar10", rgb, data_root=root)


@pytest.mark.parametrize("name", ["numpy\ndtype", "numpy\nndarray", "_codecs\nencode"])
@pytest.mark.parametrize("state", ["}X\x01\0\0\0aK\x01s", "N}X\x01\0\0\0aK\x01s\x86"])
def test_a_file_cannot_change_the_reader(tmp_path, name, state):
    """BUILD opcodes set attributes of what they are applied to; applied to what the reader hands out they must find nothing to set."""
    (tmp_path / "hostile").write_bytes(b"\x80\x02c" + f"{name}\n{state}b.".encode("latin1"))
    with pytest.raises(DatasetError):
        read_pickle(tmp_path / "hostile")
    assert not any(hasattr(kind, "a") for kind in cifar._PlainUnpickler._KNOWN.values())


def test_vanished_file(tmp_path):
    with pytest.raises(DatasetError, match=r"CIFAR file must be readable; got .*gone \(No such file or directory\)"):
        read_pickle(tmp_path / "gone")
