from __future__ import annotations

import pytest

from repr_probe.errors import DatasetError
from repr_probe.workflows.datasets import get_dataset, list_datasets


def test_list(tmp_path):
    for split in ("train", "test"):
        for part in ("images-idx3", "labels-idx1"):
            path = tmp_path / "FashionMNIST" / "raw" / f"{'t10k' if split == 'test' else split}-{part}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    (tmp_path / "imagenet" / "val" / "n01440764").mkdir(parents=True)
    records = {record.name: record for record in list_datasets(tmp_path)}
    assert records["digits"].present == ("train", "test")
    assert records["digits"].place == "scikit-learn"
    assert records["fashion-mnist"].present == ("train", "test")
    assert records["imagenet"].present == ("val",)
    assert records["cifar10"].present == ()
    assert records["cifar10"].place == str(tmp_path / "cifar-10-batches-py")
    assert records["stl10"].splits == {"train": 5000, "test": 8000, "unlabeled": 100_000}


def test_get_unknown():
    with pytest.raises(DatasetError, match="got 'cifra10'; nearest known: cifar10"):
        get_dataset("cifra10")


def test_get_digits():
    with pytest.raises(DatasetError, match="always there"):
        get_dataset("digits")
