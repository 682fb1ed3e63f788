from __future__ import annotations

import gzip

import numpy as np
import pytest
import torchvision.datasets

from repr_probe.datasets.fashion_mnist import CLASS_NAMES
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("compressed", [False, True])
def test_same_images_and_labels_as_torchvision(fashion_root, rgb, split, compressed):
    theirs = torchvision.datasets.FashionMNIST(fashion_root, train=split == "train")
    if compressed:
        compress(fashion_root)
    ours = open_dataset("fashion-mnist", rgb, split=split, data_root=fashion_root)
    assert len(ours) == len(theirs)
    for i, (image, label) in enumerate(theirs):
        assert ours.image(i).mode == "L"
        assert np.array_equal(np.asarray(ours.image(i)), np.asarray(image))
        assert ours.labels[i] == label
    assert list(ours.class_names) == theirs.classes == list(CLASS_NAMES)


def compress(root):
    for path in list((root / "FashionMNIST/raw").iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def test_grey_images_become_three_equal_channels(fashion_root, rgb):
    dataset = open_dataset("fashion-mnist", rgb.override("test", mean=(0.0,) * 3, std=(1.0,) * 3), data_root=fashion_root)
    assert dataset[0].shape == (3, 16, 16)
    assert (dataset[0][0] == dataset[0][2]).all()


LABELS = "t10k-labels-idx1-ubyte"
IMAGES = "t10k-images-idx3-ubyte"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (IMAGES, lambda raw: raw[:-5], r"hold 4 x 28 x 28 bytes, as its header says; got 3131"),
        (IMAGES, lambda raw: b"<html>" + raw, "header of 3-dimensional bytes; got 3c 68 74 6d"),
        (IMAGES, lambda raw: b"", "header of 3-dimensional bytes; got nothing"),
        (LABELS, lambda raw: raw[:4] + bytes((0, 0, 0, 0)), r"hold something; got the shape \(0,\)"),
        (LABELS, lambda raw: raw[:4] + bytes((0, 0, 0, 2)) + raw[8:10], "one label per image; got 2 labels for 4 images"),
        (LABELS, lambda raw: raw[:8] + bytes((0, 1, 2, 10)), "labels must be below 10; got 10"),
    ],
)
def test_bad_files(fashion_root, rgb, file, change, message):
    path = fashion_root / "FashionMNIST/raw" / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DatasetError, match=message):
        open_dataset("fashion-mnist", rgb, data_root=fashion_root)


@pytest.mark.parametrize("damage", [lambda raw: raw[:30], lambda raw: b"not gzip at all", lambda raw: raw[:40] + bytes(40) + raw[80:]])
def test_bad_compressed_file(fashion_root, rgb, damage):
    compress(fashion_root)
    path = fashion_root / "FashionMNIST/raw" / (IMAGES + ".gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DatasetError, match=r"idx file must .*t10k-images-idx3-ubyte\.gz"):
        open_dataset("fashion-mnist", rgb, data_root=fashion_root)
