from __future__ import annotations

import json

import numpy as np
import pytest

from repr_probe.errors import StoreError
from repr_probe.features.store import FeatureStore
from repr_probe.features.store_writer import StoreWriter

KEY = "ab" * 32
META = {"layer": "pooled", "class_names": ["x", "y"], "provenance": {"encoder": "e"}, "notes": ["n"]}


@pytest.fixture
def store(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    views = np.stack([values, -values], 1)
    with StoreWriter(tmp_path, KEY, n_samples=4, n_views=2, run={"batch_size": 2}) as writer:
        for start in (0, 2):
            writer.write(start, values[start : start + 2], views[start : start + 2])
        return writer.finish(META, ids=["a", "b\n", "ç", "\udcff"], labels=np.array([0, 1, -1, 0]))


def test_everything_comes_back(store):
    features = FeatureStore.open(store.path).features()
    np.testing.assert_array_equal(features.values, np.arange(12).reshape(4, 3))
    np.testing.assert_array_equal(features.views[:, 1], -features.values)
    assert features.labels.tolist() == [0, 1, -1, 0] and features.labels.dtype == np.int64
    assert features.ids == ("a", "b\n", "ç", "\udcff")
    assert (features.class_names, features.provenance, features.notes) == (("x", "y"), {"encoder": "e"}, ("n",))
    assert repr(store) == "FeatureStore(abababababab, pooled: 4 x 3 float32, 2 views)"


def test_values_and_views_are_mapped_and_read_only(store):
    features = store.features()
    for array in (features.values, features.views):
        assert isinstance(array, np.memmap) and not array.flags.writeable


@pytest.mark.parametrize("name", ["features.npy", "views.npy", "labels.npy", "ids.json"])
def test_cut_file_is_refused(store, name):
    with (store.path / name).open("r+b") as file:
        file.truncate((store.path / name).stat().st_size - 1)
    with pytest.raises(StoreError, match=rf"{name} must be \d+ bytes long; got \d+ bytes; remove the store"):
        FeatureStore.open(store.path)


@pytest.mark.parametrize("name", ["features.npy", "views.npy", "labels.npy", "ids.json"])
def test_missing_file_is_refused(store, name):
    (store.path / name).unlink()
    with pytest.raises(StoreError, match=rf"{name} must be present; got no such file"):
        FeatureStore.open(store.path)


def test_no_meta(store):
    (store.path / "meta.json").unlink()
    with pytest.raises(StoreError, match=r"^store must hold meta\.json; .* has none; remove the folder and extract again$"):
        FeatureStore.open(store.path)


def test_damaged_meta(store):
    (store.path / "meta.json").write_text('{"kind": ')
    with pytest.raises(StoreError, match=r"meta\.json must be readable JSON; got damaged JSON"):
        FeatureStore.open(store.path)


def test_meta_of_something_else(store):
    (store.path / "meta.json").write_text('{"schema": 1}')
    with pytest.raises(StoreError, match=r"must describe a feature store; got another kind of file"):
        FeatureStore.open(store.path)


def test_meta_with_fields_missing(store):
    meta = json.loads((store.path / "meta.json").read_text())
    del meta["files"]
    (store.path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(StoreError, match=r"meta\.json must name its files; got none"):
        FeatureStore.open(store.path)


def test_other_schema(store):
    meta = json.loads((store.path / "meta.json").read_text())
    (store.path / "meta.json").write_text(json.dumps({**meta, "schema": 99}))
    with pytest.raises(StoreError, match=r"^store schema must be 1; .* has 99; extract again with this version$"):
        FeatureStore.open(store.path)


def test_absent_folder_and_file(tmp_path):
    with pytest.raises(StoreError, match=r"^store must be a folder; got .*, which is absent$"):
        FeatureStore.open(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"which is a file$"):
        FeatureStore.open(tmp_path / "file")


def test_damaged_header_of_the_right_size(store):
    place = store.path / "features.npy"
    place.write_bytes(b"\0" * place.stat().st_size)
    with pytest.raises(StoreError, match=r"features\.npy must be a \.npy array; got a damaged file"):
        FeatureStore.open(store.path).features()


def test_array_of_another_shape(store):
    np.save(store.path / "labels.npy", np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(StoreError, match=r"labels\.npy must be of shape \(4,\); got \(2, 2\)"):
        FeatureStore.open(store.path).features()


def test_ids_of_another_length(store):
    text = (store.path / "ids.json").read_text()
    (store.path / "ids.json").write_text('["a", "b"]'.ljust(len(text)))
    with pytest.raises(StoreError, match=r"ids\.json must be 4 names; got 2"):
        FeatureStore.open(store.path).features()
