from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from repr_probe import progress
from repr_probe.datasets.open import open_dataset
from repr_probe.errors import DatasetError, UsageError
from repr_probe.preprocessing import InputSpec


def test_tensors_are_the_transform_of_the_images(image_tree, rgb):
    dataset = open_dataset(image_tree("a/1.png", "b/2.png"), rgb)
    assert dataset.name == "tree"
    assert dataset[1].shape == (3, 16, 16)
    assert torch.equal(dataset[1], dataset.transform(dataset.image(1)))
    assert repr(dataset) == "ImageDataset(tree, all, 2 images, 2 classes)"


def test_index_beyond_the_end(image_tree, rgb):
    dataset = open_dataset(image_tree("a/1.png", "b/2.png"), rgb)
    assert torch.equal(dataset[-1], dataset[1])
    with pytest.raises(IndexError, match="index must be below 2; got 2"):
        dataset[2]


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])  # a new interpreter imports torch again
def test_data_loader(image_tree, rgb, workers):
    dataset = open_dataset(image_tree(*(f"{c}/{i}.png" for c in "ab" for i in range(3))), rgb)
    batches = list(DataLoader(dataset, batch_size=4, num_workers=workers, multiprocessing_context="spawn" if workers else None))
    assert [len(batch) for batch in batches] == [4, 2]
    assert torch.equal(torch.cat(batches), torch.stack([dataset[i] for i in range(6)]))


def test_picklable_and_light(cifar_root, rgb):
    dataset = open_dataset("cifar10", rgb, data_root=cifar_root("cifar10", 20))
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 5000  # 61,440 bytes of pixels stay behind
    again = pickle.loads(pickled)
    assert torch.equal(again[7], dataset[7])
    assert again.fingerprint == dataset.fingerprint


def test_limit_draws_and_keeps_everything_together(image_tree, rgb):
    root = image_tree(*(f"{c}/{i}.png" for c in "abc" for i in range(5)))
    whole = open_dataset(root, rgb)
    drawn = open_dataset(root, rgb, limit=6, seed=2)
    assert np.bincount(drawn.labels).tolist() == [2, 2, 2]
    rows = [whole.ids.index(name) for name in drawn.ids]
    assert rows == sorted(rows)
    assert drawn.labels.tolist() == whole.labels[rows].tolist()
    for i, row in enumerate(rows):
        assert torch.equal(drawn[i], whole[row])
    assert drawn.class_names == whole.class_names
    assert drawn.ids == open_dataset(root, rgb, limit=6, seed=2).ids != open_dataset(root, rgb, limit=6, seed=3).ids


def test_limit_of_everything_is_noted(image_tree, rgb):
    root = image_tree("a/1.png", "b/2.png")
    dataset = open_dataset(root, rgb, limit=2)
    assert dataset.ids == open_dataset(root, rgb).ids
    assert dataset.notes == ("limit 2 is not below the 2 images of the split: all of them are used",)


def test_limit_below_the_number_of_classes_is_noted(image_tree, rgb):
    dataset = open_dataset(image_tree("a/1.png", "b/2.png", "c/3.png"), rgb, limit=2)
    assert dataset.notes == ("limit 2 leaves 1 of 3 classes without an image",)


def test_limit_on_an_unlabelled_set(image_tree, rgb):
    dataset = open_dataset(image_tree(*(f"{i}.png" for i in range(9))), rgb, limit=4)
    assert len(dataset) == 4
    assert dataset.labels is None
    assert dataset.notes == ()


@pytest.mark.parametrize("limit", [0, -3])
def test_bad_limit(rgb, limit):
    with pytest.raises(UsageError, match="limit must be a positive integer"):
        open_dataset("digits", rgb, limit=limit)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar-10", "must be a known name or a folder; got 'cifar-10'; nearest known: cifar10, cifar100"),
        ("food-101", "nearest known: food101"),
        ("qqqqq", "nearest known: digits, cifar10, cifar100, stl10, food101, fashion-mnist, imagenet, imagenet100"),
        ("no/such/place", "must be a folder of images; got .*no/such/place, which is not there"),
    ],
)
def test_unknown(rgb, name, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(name, rgb)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10", "food101", "fashion-mnist"])
def test_missing_set_names_the_command_and_the_place(rgb, name, tmp_path, monkeypatch):
    monkeypatch.setenv("REPR_PROBE_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match=rf"got no {name} in {tmp_path}.*; run `repro-probe datasets get {name}` \(.* MB\).*\(\./{name}\)"):
        open_dataset(name, rgb)


def test_half_a_set_names_the_missing_file(rgb, cifar_root):
    root = cifar_root("cifar10", 2)
    (root / "cifar-10-batches-py" / "data_batch_3").unlink()
    assert len(open_dataset("cifar10", rgb, data_root=root)) == 2
    with pytest.raises(DatasetError, match=r"no data_batch_3 in .*-batches-py; run `repro-probe datasets get cifar10 --data-root"):
        open_dataset("cifar10", rgb, split="train", data_root=root)


@pytest.mark.parametrize("place", [".", "cifar10/", "elsewhere"])
def test_where_a_set_may_lie(rgb, cifar_root, tmp_path, place):
    root = cifar_root("cifar10", 2)
    if place == "cifar10/":
        (tmp_path / "cifar10").mkdir()
        (tmp_path / "cifar-10-batches-py").rename(tmp_path / "cifar10" / "cifar-10-batches-py")
    if place == "elsewhere":
        root = (tmp_path / "cifar-10-batches-py").rename(tmp_path / "elsewhere")
    assert len(open_dataset("cifar10", rgb, data_root=root)) == 2


def test_unknown_split(rgb):
    with pytest.raises(DatasetError, match="split must be one of train, test for digits; got 'val'"):
        open_dataset("digits", rgb, split="val")


def test_known_name_in_any_case(rgb):
    assert open_dataset("DIGITS", rgb).name == "digits"


class Notes:
    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def test_a_path_is_always_a_folder_and_a_known_name_never(image_tree, rgb, tmp_path, monkeypatch):
    image_tree("a/1.png", "b/2.png", root=tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    notes = Notes()
    with progress.reporting(notes):
        assert len(open_dataset("digits", rgb)) == 450
        assert len(open_dataset(Path("digits"), rgb)) == 2
        assert len(open_dataset("./digits", rgb)) == 2
    assert notes.texts == ["digits is the known data set; the folder of that name here is read as ./digits"]


def test_folder_here_is_named_by_its_own_name(image_tree, rgb, monkeypatch):
    monkeypatch.chdir(image_tree("a/1.png", "b/2.png"))
    assert open_dataset(".", rgb).name == "tree"


def test_impossible_specification_comes_first():
    with pytest.raises(UsageError, match="mean must have 1"):
        open_dataset("nowhere", InputSpec((8, 8), (0.0, 0.0), (1.0, 1.0)))
