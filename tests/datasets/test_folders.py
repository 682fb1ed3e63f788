from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from repr_probe.datasets.folders import read_folder
from repr_probe.errors import DatasetError

# files, what `split` is given -> split, ids, labels, class names
TREES = [
    pytest.param(["b/2.png", "a/1.png"], None, "all", ["a/1.png", "b/2.png"], [0, 1], ["a", "b"], id="classes"),
    pytest.param(["1.png", "0.JPEG", "x.BmP"], None, "all", ["0.JPEG", "1.png", "x.BmP"], None, [], id="flat, any case of the suffix"),
    pytest.param(["train/a/1.png", "test/a/2.png"], None, "test", ["test/a/2.png"], [0], ["a"], id="test by default"),
    pytest.param(["train/a/1.png", "val/a/2.png"], None, "val", ["val/a/2.png"], [0], ["a"], id="val without test"),
    pytest.param(["train/a/1.png", "valid/a/2.png"], None, "valid", ["valid/a/2.png"], [0], ["a"], id="valid"),
    pytest.param(["train/a/1.png"], None, "train", ["train/a/1.png"], [0], ["a"], id="the only split"),
    pytest.param(["train/a/1.png", "validation/2.png"], "val", "validation", ["validation/2.png"], None, [], id="val means validation"),
    pytest.param(["train/a/1.png", "test/a/2.png"], "train", "train", ["train/a/1.png"], [0], ["a"], id="named split"),
    pytest.param(["Train/a/1.png", "Test/a/2.png"], None, "test", ["Test/a/2.png"], [0], ["a"], id="splits in any case"),
    pytest.param(["train/1.png", "test/2.png"], None, "test", ["test/2.png"], None, [], id="unlabelled splits"),
    pytest.param(["a/x/2.png", "a/1.png", "b/y/3.png"], None, "all", ["a/1.png", "a/x/2.png", "b/y/3.png"], [0, 0, 1], ["a", "b"], id="x"),
    pytest.param([".h/1.png", "a/.2.png", "a/3.png", "b/4.png"], None, "all", ["a/3.png", "b/4.png"], [0, 1], ["a", "b"], id="hidden"),
    pytest.param(["car/1.png", "train/2.png"], None, "all", ["car/1.png", "train/2.png"], [0, 1], ["car", "train"], id="class train"),
]


@pytest.mark.parametrize(("files", "split", "found", "ids", "labels", "class_names"), TREES)
def test_rules(image_tree, files, split, found, ids, labels, class_names):
    contents = read_folder(image_tree(*files), split=split)
    assert contents.split == found
    assert list(contents.ids) == ids
    assert labels is None if contents.labels is None else contents.labels.tolist() == labels
    assert list(contents.class_names) == class_names
    assert len(contents.source) == len(ids)


def test_images_are_those_of_the_ids(image_tree):
    contents = read_folder(image_tree("b/2.png", "a/1.png"))
    assert contents.source.image(0).getpixel((0, 0))[0] == 1  # a/1.png was written second
    assert contents.source.image(1).getpixel((0, 0))[0] == 0


def test_wnid_folders_get_imagenet_names(image_tree):
    contents = read_folder(image_tree("n02012849/1.png", "n01440764/2.png", "n99999999/3.png"))
    assert contents.wnids == ("n01440764", "n02012849", "n99999999")
    assert contents.class_names == ("tench", "crane (n02012849)", "n99999999")


def test_one_folder_that_is_no_wnid_keeps_the_folder_names(image_tree):
    contents = read_folder(image_tree("n02012849/1.png", "dogs/2.png"))
    assert contents.wnids is None
    assert contents.class_names == ("dogs", "n02012849")


def test_folder_without_images_is_no_class_and_is_noted(image_tree):
    root = image_tree("a/1.png", "b/2.png")
    (root / "empty").mkdir()
    (root / "a" / "readme.txt").write_text("no image")
    contents = read_folder(root)
    assert contents.class_names == ("a", "b")
    assert any("1 folder without images left aside: empty" in note for note in contents.notes)


def test_folder_without_images_beside_splits_does_not_make_them_classes(image_tree):
    root = image_tree("train/a/1.png", "val/a/2.png")
    (root / "annotations").mkdir()
    assert read_folder(root).split == "val"


def test_class_called_train_is_noted(image_tree):
    assert any("'train' was read as a class" in note for note in read_folder(image_tree("car/1.png", "train/2.png")).notes)


def test_single_class_is_noted(image_tree):
    assert any("all images are of one class, 'a'" in note for note in read_folder(image_tree("a/1.png")).notes)


def test_links_in_a_circle_come_to_an_end(image_tree):
    root = image_tree("a/1.png", "b/2.png")
    (root / "a" / "up").symlink_to(root / "a")
    (root / "b" / "self").symlink_to("self")
    assert list(read_folder(root).ids) == ["a/1.png", "b/2.png"]


def test_linked_images_and_folders_are_read(image_tree, tmp_path):
    outside = image_tree("x.png", root=tmp_path / "elsewhere")
    root = image_tree("a/1.png")
    (root / "b").symlink_to(outside)
    assert list(read_folder(root).ids) == ["a/1.png", "b/x.png"]


def test_name_that_is_not_utf8_is_read_and_printable(image_tree):
    root = image_tree("a/1.png")
    (root / "a/1.png").rename(os.fsdecode(os.fsencode(root) + b"/a/caf\xe9.png"))
    contents = read_folder(root)
    assert contents.ids == ("a/caf\\xe9.png",)
    assert contents.source.image(0).size == (6, 5)


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        (["a/1.png", "2.png"], None, r"either images or class folders; got 1 loose images \(first 2.png\) beside a in"),
        (["train/a/1.png", "2.png"], None, r"either images or split folders; got 1 loose images \(first 2.png\) beside train in"),
        (["train/1.png", "test/2.png", "extra/3.png"], None, "either splits or classes; got test, train beside extra"),
        (["train/1.png", "Train/2.png"], None, "each split once; got Train, train"),
        (["train/1.png", "test/2.png"], "val", "split must be one of test, train; got 'val'"),
        (["a/1.png"], "test", "split must be left out for a folder without train, val or test inside; got 'test'"),
    ],
)
def test_refusals(image_tree, files, split, message):
    with pytest.raises(DatasetError, match=message):
        read_folder(image_tree(*files), split=split)


def test_empty_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"must hold images \(.*\.jpeg.*\); got none in"):
        read_folder(tmp_path)


@pytest.mark.parametrize(("name", "message"), [("gone", "which is not there"), ("file.txt", "which is a file")])
def test_not_a_folder(tmp_path, name, message):
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(DatasetError, match=message):
        read_folder(tmp_path / name)


def test_broken_link(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DatasetError, match=r"must hold readable images; got .*1\.png .*broken link"):
        read_folder(tmp_path)


def test_pipe(tmp_path):
    os.mkfifo(tmp_path / "1.png")
    with pytest.raises(DatasetError, match=r"must hold image files; got .*1\.png, which is no regular file"):
        read_folder(tmp_path)


def test_folder_that_may_not_be_read(image_tree, monkeypatch):
    root = image_tree("a/1.png", "b/2.png")
    real = os.scandir

    def guarded(path):  # the superuser, who often runs tests, is never refused
        if str(path).endswith("/b"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DatasetError, match=r"dataset folder must be readable; got .*/b \(Permission denied\)"):
        read_folder(root)


def test_order_is_sorted_whatever_the_disk_says(image_tree):
    names = [f"{c}/{i:02d}.png" for c in "ba" for i in np.random.default_rng(0).permutation(12)]
    contents = read_folder(image_tree(*names))
    assert list(contents.ids) == sorted(names)
    assert contents.labels.tolist() == [0] * 12 + [1] * 12


def test_real_photos():
    place = os.environ.get("REPR_PROBE_TEST_DATA")
    if not place:
        pytest.skip("REPR_PROBE_TEST_DATA names no folder of test data")
    contents = read_folder(Path(place) / "imagenet_samples")
    assert len(contents.ids) == 30
    assert contents.labels is None
