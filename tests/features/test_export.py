from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from repr_probe import progress
from repr_probe.errors import StoreError, UsageError
from repr_probe.features.door import as_features
from repr_probe.features.export import check_export, export_features
from repr_probe.features.feature_set import Features
from repr_probe.files.arrays import read_arrays

SUFFIXES = [".npz", ".safetensors", ".pt", ".npy", ".parquet", ".h5", ".csv"]


def sample(dtype="float32", **changes):
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(dtype)
    labels = np.arange(40) % 3
    given = {
        "labels": np.where(labels == 2, -1, labels).astype(np.int64),
        "class_names": ("crane", "crane"),  # ImageNet has two: names alone would make them one
        "ids": tuple(f"a/ü{row}.png" for row in range(40)),
        "provenance": {"encoder": "tiny", "size": [1, 2]},
    }
    return Features(values, **{**given, **changes})


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_number_comes_back(tmp_path, suffix, dtype):
    features = sample(dtype)
    read = read_arrays(export_features(features, tmp_path / f"out{suffix}"))
    np.testing.assert_array_equal(np.asarray(read.values).astype(dtype), features.values)
    if suffix != ".npy":
        np.testing.assert_array_equal(read.labels, features.labels)
    if suffix in (".npz", ".pt", ".h5", ".parquet", ".csv"):
        assert read.ids == features.ids
    if suffix in (".npz", ".pt", ".h5"):
        assert read.class_names == features.class_names
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".parquet", ".h5", ".csv"])
@pytest.mark.parametrize("names", [("crane", "crane"), ("ant", "bee", "cat")])
def test_everything_comes_back_through_the_door(tmp_path, suffix, names):
    features = sample(class_names=names, labels=np.arange(40) % (len(names) + 1) - 1, notes=("3 rows were dropped",))
    again = as_features(export_features(features, tmp_path / f"out{suffix}"))
    np.testing.assert_array_equal(again.values.astype(np.float32), features.values)
    np.testing.assert_array_equal(again.labels, features.labels)
    assert again.ids == features.ids and again.class_names == names
    if suffix != ".csv":
        assert again.values.dtype == np.float32
        assert again.notes == features.notes
        assert {name: again.provenance[name] for name in features.provenance} == features.provenance
    else:
        assert again.notes == ()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_opens_at_the_door(tmp_path, suffix):
    features = as_features(export_features(sample(), tmp_path / f"out{suffix}"))
    assert features.values.shape == (40, 3)
    assert features.n_classes == (0 if suffix == ".npy" else 2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unlabelled_and_nameless(tmp_path, suffix):
    features = sample(labels=None, class_names=(), ids=None)
    read = read_arrays(export_features(features, tmp_path / f"out{suffix}"))
    np.testing.assert_array_equal(np.asarray(read.values, dtype=np.float32), features.values)
    assert read.labels is None


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".h5"])
def test_views_are_kept(tmp_path, suffix):
    views = np.arange(240, dtype=np.float32).reshape(40, 2, 3)
    path = export_features(sample(views=views), tmp_path / f"out{suffix}")
    if suffix == ".npz":
        found = np.load(path)["views"]
    elif suffix == ".safetensors":
        from safetensors.numpy import load_file

        found = load_file(path)["views"]
    elif suffix == ".pt":
        import torch

        found = torch.load(path, weights_only=True)["views"].numpy()
    else:
        import h5py

        with h5py.File(path) as file:
            found = file["views"][()]
    np.testing.assert_array_equal(found, views)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".parquet", ".h5"])
def test_provenance_goes_along(tmp_path, suffix):
    path = export_features(sample(), tmp_path / f"out{suffix}")
    if suffix == ".npz":
        found = json.loads(str(np.load(path)["provenance"]))
    elif suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            found = json.loads(file.metadata()["provenance"])
            assert json.loads(file.metadata()["class_names"]) == ["crane", "crane"]
            assert json.loads(file.metadata()["ids"])[3] == "a/ü3.png"
    elif suffix == ".pt":
        import torch

        found = torch.load(path, weights_only=True)["provenance"]
    elif suffix == ".parquet":
        import pyarrow.parquet

        found = json.loads(pyarrow.parquet.read_schema(path).metadata[b"provenance"])
    else:
        import h5py

        with h5py.File(path) as file:
            found = json.loads(file.attrs["provenance"])
    assert found == {"encoder": "tiny", "size": [1, 2]}


def test_csv_is_a_table_for_people(tmp_path):
    with export_features(sample(), tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "label", "class_name", "feature_0", "feature_1", "feature_2"]
    assert rows[1][:3] == ["a/ü0.png", "0", "crane"] and rows[3][1:3] == ["-1", ""]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_that_are_no_valid_unicode(tmp_path, suffix):
    ids = ("\udcff", *map(str, range(39)))
    assert export_features(sample(ids=ids), tmp_path / f"out{suffix}").stat().st_size > 0


def test_memory_mapped_values(tmp_path):
    np.save(tmp_path / "values.npy", sample().values)
    features = sample()
    mapped = Features(np.load(tmp_path / "values.npy", mmap_mode="r"), features.labels, features.class_names, features.ids)
    for suffix in SUFFIXES:
        read = read_arrays(export_features(mapped, tmp_path / f"o{suffix}"))
        np.testing.assert_array_equal(np.asarray(read.values, np.float32), features.values)


def test_what_a_format_cannot_hold_is_said(tmp_path):
    notes = []

    class Listener:
        note = staticmethod(notes.append)

    with progress.reporting(Listener()):
        export_features(sample(), tmp_path / "a.npy")
        export_features(sample(), tmp_path / "a.npz")
    assert notes[0].endswith("a.npy (the matrix alone: .npy holds no labels, ids or views)") and notes[1].endswith("a.npz")


def test_unknown_suffix():
    with pytest.raises(UsageError, match=r"^export must end in one of .npz, .* .csv; got 'x.nzp'; did you mean .npz\?$"):
        check_export("x.nzp")
    with pytest.raises(UsageError, match=r"got 'features'$"):
        check_export("features")


def test_library_that_is_not_installed(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"^export to .parquet must have pyarrow; got no such package; pip install 'repr-probe\[parquet\]'$"
    with pytest.raises(UsageError, match=message):
        check_export("x.parquet")


def test_failure_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="must be a place for new files"):
        export_features(sample(), tmp_path / "file" / "out.npz")
    with pytest.raises(TypeError):
        export_features(sample(provenance={"x": object()}), tmp_path / "out.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
