from __future__ import annotations

import pytest
import torchvision.datasets

from repr_probe.datasets.catalog import CATALOG, find_entry
from repr_probe.datasets.download import official_files
from repr_probe.errors import DatasetError


def test_the_names():
    assert set(CATALOG) == {"digits", "cifar10", "cifar100", "stl10", "food101", "fashion-mnist", "imagenet", "imagenet100"}


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
def test_entries_are_complete(entry):
    assert entry.default_split in entry.splits
    assert set(entry.files) == set(entry.splits)
    assert entry.homepage.startswith("https://")
    assert all([entry.terms, entry.image_size, entry.n_classes])
    assert bool(entry.torchvision_name) == bool(entry.archive_bytes) == bool(official_files(entry))


def test_files_are_those_of_torchvision():
    for name, kind in (("cifar10", torchvision.datasets.CIFAR10), ("cifar100", torchvision.datasets.CIFAR100)):
        entry = find_entry(name)
        assert entry.place == kind.base_folder
        assert entry.files["train"] == (*(file for file, _ in kind.train_list), kind.meta["filename"])
        assert entry.files["test"] == (*(file for file, _ in kind.test_list), kind.meta["filename"])
    stl10 = find_entry("stl10")
    theirs = {file for file, _ in torchvision.datasets.STL10.train_list + torchvision.datasets.STL10.test_list}
    assert {file for files in stl10.files.values() for file in files} == theirs | {torchvision.datasets.STL10.class_names_file}
    fashion = find_entry("fashion-mnist")
    theirs = {file.removesuffix(".gz") for file, _ in torchvision.datasets.FashionMNIST.resources}
    assert {file for files in fashion.files.values() for file in files} == theirs


def test_official_files_have_an_address_and_an_md5():
    assert official_files(find_entry("food101"))[0].url.endswith("/food-101.tar.gz")
    assert len(official_files(find_entry("fashion-mnist"))) == 4
    for entry in CATALOG.values():
        assert all(len(md5) == 32 and url.startswith("http") for url, md5 in official_files(entry))


def test_unknown_name():
    with pytest.raises(DatasetError, match="got 'imagnet'; nearest known: imagenet, imagenet100"):
        find_entry("imagnet")
