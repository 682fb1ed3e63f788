from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from repr_probe.datasets.digits import read_digits, rows_for_test
from repr_probe.datasets.open import open_dataset
from repr_probe.preprocessing import InputSpec

SPEC = InputSpec(size=(8, 8), mean=(0.0,), std=(1.0,))


def test_counts_and_proportions():
    labels = load_digits().target
    chosen = rows_for_test(labels)
    assert (chosen.sum(), (~chosen).sum()) == (450, 1347)
    assert np.abs(np.bincount(labels[chosen]) - np.bincount(labels) * 450 / 1797).max() < 1


def test_test_rows_are_spread_evenly_through_each_class():
    labels = load_digits().target
    chosen = rows_for_test(labels)
    for label in range(10):
        gaps = np.diff(np.flatnonzero(chosen[labels == label]))
        assert set(gaps) <= {3, 4, 5}


def test_the_split_never_changes():
    assert read_digits("test").ids[:6] == ("test/00010", "test/00011", "test/00013", "test/00015", "test/00017", "test/00022")
    assert read_digits("test").constant_fingerprint == FINGERPRINTS["test"]
    assert read_digits("train").constant_fingerprint == FINGERPRINTS["train"]


FINGERPRINTS = {
    "test": "4069aca56a355a0f9cb94f18888b0e8608d4866b2a57f2fb59e0df2d22fc3b36",
    "train": "311fc17ded35b4552eb8b575d9a911b5ad6ca7322fef1c92664b36f21285bb6c",
}


def test_splits_are_disjoint_and_whole():
    rows = {split: {int(name.split("/")[1]) for name in read_digits(split).ids} for split in ("train", "test")}
    assert not rows["train"] & rows["test"]
    assert rows["train"] | rows["test"] == set(range(1797))


@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_and_labels_are_scikit_learns(split):
    dataset = open_dataset("digits", SPEC, split=split)
    truth = load_digits()
    rows = [int(name.split("/")[1]) for name in dataset.ids]
    values = torch.stack([dataset[i] for i in range(len(dataset))]).squeeze(1)
    assert np.abs(values.numpy() - truth.images[rows] / 16).max() <= 1 / 510 + 1e-7
    assert dataset.labels.tolist() == truth.target[rows].tolist()
    assert dataset.class_names == tuple("0123456789")
