from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torchvision.datasets

from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError


def trusting_torchvision(folder):
    parent = torchvision.datasets.STL10

    def with_md5(files):
        return [[file, hashlib.md5((folder / file).read_bytes()).hexdigest()] for file, _ in files]

    return type("Tiny", (parent,), {"train_list": with_md5(parent.train_list), "test_list": with_md5(parent.test_list)})


@pytest.mark.parametrize("split", ["train", "test", "unlabeled"])
def test_same_images_and_labels_as_torchvision(stl10_root, rgb, split):
    ours = open_dataset("stl10", rgb, split=split, data_root=stl10_root)
    theirs = trusting_torchvision(stl10_root / "stl10_binary")(stl10_root, split=split)
    assert len(ours) == len(theirs)
    for i, (image, label) in enumerate(theirs):
        assert np.array_equal(np.asarray(ours.image(i)), np.asarray(image))
        assert label == (-1 if ours.labels is None else ours.labels[i])
    if split != "unlabeled":
        assert list(ours.class_names) == theirs.classes


def test_unlabelled_split_has_no_classes(stl10_root, rgb):
    dataset = open_dataset("stl10", rgb, split="unlabeled", data_root=stl10_root)
    assert dataset.labels is None
    assert dataset.class_names == ()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("test_X.bin", b"x" * 100, "whole images of 27648 bytes; got 100 bytes"),
        ("test_X.bin", b"", "whole images of 27648 bytes; got 0 bytes"),
        ("test_y.bin", bytes((1, 2)), "one label per image; got 2 labels for 4 images"),
        ("test_y.bin", bytes((0, 1, 2, 3)), "labels must be 1 to 10; got 0 to 3"),
        ("test_y.bin", bytes((1, 1, 2, 11)), "labels must be 1 to 10; got 1 to 11"),
        ("class_names.txt", b"airplane\n", "name 10 classes; got 1"),
    ],
)
def test_bad_files(stl10_root, rgb, file, content, message):
    (stl10_root / "stl10_binary" / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        open_dataset("stl10", rgb, data_root=stl10_root)
