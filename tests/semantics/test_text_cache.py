from __future__ import annotations

import numpy as np
import pytest

from repr_probe.errors import StoreError
from repr_probe.semantics.text_cache import cache_file, keep_embeddings, read_embeddings

DOG, CAT = np.array([1, 2], np.float32), np.array([3, 4], np.float32)


def test_what_was_kept_comes_back(tmp_path):
    file = tmp_path / "text" / "model.npz"
    assert read_embeddings(file, ["dog"]) == {}
    keep_embeddings(file, {"dog": DOG})
    keep_embeddings(file, {"a cat \ud83d": CAT})
    found = read_embeddings(file, ["a cat \ud83d", "dog", "ship"])
    assert list(found) == ["a cat \ud83d", "dog"]
    np.testing.assert_array_equal(found["dog"], DOG)
    assert found["dog"].dtype == np.float32
    assert [path.name for path in file.parent.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_a_damaged_file_keeps_nothing_and_is_written_anew(tmp_path, cut):
    file = tmp_path / "model.npz"
    keep_embeddings(file, {"dog": DOG})
    file.write_bytes(file.read_bytes()[:cut])
    assert read_embeddings(file, ["dog"]) == {}
    keep_embeddings(file, {"cat": CAT})
    assert list(read_embeddings(file, ["dog", "cat"])) == ["cat"]


KEYS = np.array(["0" * 64], dtype="S64")


@pytest.mark.parametrize(
    "arrays",
    [
        {"keys": KEYS},
        {"keys": np.array([object()]), "embeddings": np.ones((1, 2), np.float32)},
        {"keys": KEYS, "embeddings": np.ones((2, 2), np.float32)},
        {"keys": KEYS, "embeddings": np.full((1, 2), np.nan, np.float32)},
        {"keys": KEYS, "embeddings": np.ones((1, 2))},
        {"keys": KEYS, "embeddings": np.ones(1, np.float32)},
    ],
)
def test_a_file_of_another_shape_keeps_nothing(tmp_path, arrays):
    np.savez(tmp_path / "model.npz", **arrays)
    assert read_embeddings(tmp_path / "model.npz", ["dog"]) == {}


def test_another_width_replaces_what_was_kept(tmp_path):
    keep_embeddings(tmp_path / "model.npz", {"dog": DOG})
    keep_embeddings(tmp_path / "model.npz", {"cat": np.ones(3, np.float32)})
    assert list(read_embeddings(tmp_path / "model.npz", ["dog", "cat"])) == ["cat"]


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="must be a place for new files"):
        keep_embeddings(tmp_path / "file" / "model.npz", {"dog": DOG})


@pytest.mark.parametrize(("name", "word"), [("a/b/../c d", "c-d"), ("..", "model"), ("x" * 300, "x" * 60)])
def test_names_of_files(tmp_path, name, word):
    assert cache_file(tmp_path, name, "f" * 64) == tmp_path / f"{word}-{'f' * 16}.npz"
