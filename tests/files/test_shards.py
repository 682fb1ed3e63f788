"""Weights over several files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from repr_probe.errors import FileFormatError
from repr_probe.files.shards import read_shards

INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"a": torch.ones(2), "b": torch.zeros(3)}, tmp_path / "model-00001-of-00002.safetensors")
    torch.save({"c": torch.arange(4)}, tmp_path / "model-00002-of-00002.bin")
    write(tmp_path, {"a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors", "c": "model-00002-of-00002.bin"})
    return tmp_path


def write(folder: Path, places: Any) -> Path:
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 9}, "weight_map": places}))
    return folder / INDEX


def test_all_tensors(folder: Path) -> None:
    tensors, files = read_shards(folder / INDEX)
    assert sorted(tensors) == ["a", "b", "c"] and torch.equal(tensors["c"], torch.arange(4))
    assert [file.name for file in files] == ["model-00001-of-00002.safetensors", "model-00002-of-00002.bin"]


def test_links_as_in_the_cache_of_hugging_face(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    first = folder / "model-00001-of-00002.safetensors"
    first.rename(tmp_path / "blobs" / "abc")
    first.symlink_to(Path("blobs") / "abc")
    assert len(read_shards(folder / INDEX)[0]) == 3


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "c:x", "x\0", "x\x1b[2J"])
def test_names_stay_in_the_folder(folder: Path, name: str) -> None:
    with pytest.raises(FileFormatError, match=r"must name files beside it; got .*; nothing outside") as caught:
        read_shards(write(folder, {"a": name}))
    assert caught.value.code == "E_SHARD_NAME" and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("places", "message", "code"),
    [
        ({"a": "other.safetensors"}, "1 of 1 are missing", "E_MISSING_SHARD"),
        ({"z": "model-00002-of-00002.bin"}, "it lacks z", "E_MISSING_STORAGE"),
        ({}, "must map names of tensors to files", "E_CORRUPT"),
        ({"a": 3}, "must map names of tensors to files", "E_CORRUPT"),
        ([], "must map names of tensors to files", "E_CORRUPT"),
        ({f"t{n}": f"f{n}" for n in range(5000)}, "at most 4096 files", "E_CORRUPT"),
    ],
)
def test_tables_that_do_not_hold(folder: Path, places: Any, message: str, code: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_shards(write(folder, places))
    assert caught.value.code == code


def test_tensors_in_two_files(folder: Path) -> None:
    torch.save({"a": torch.ones(2)}, folder / "model-00002-of-00002.bin")
    with pytest.raises(FileFormatError, match="got some in two"):
        read_shards(write(folder, {"b": "model-00001-of-00002.safetensors", "a": "model-00002-of-00002.bin"}))


def test_files_of_something_else(folder: Path) -> None:
    torch.save([1], folder / "model-00002-of-00002.bin")
    with pytest.raises(FileFormatError, match="must hold tensors by name; got a list"):
        read_shards(folder / INDEX)
