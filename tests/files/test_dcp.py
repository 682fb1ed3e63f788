"""Folders of torch.distributed.checkpoint, compared with torch's own conversion; sharded and damaged ones are made here."""

from __future__ import annotations

import argparse
import io
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from repr_probe.errors import FileFormatError
from repr_probe.files.dcp import read_dcp
from repr_probe.files.inert import Dead


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and one == other


def assert_as_torch_reads_it(folder: Path, target: Path) -> None:
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_to_torch_save(str(folder), str(target))
    wanted, read = dict(leaves(torch.load(target, weights_only=False))), dict(leaves(read_dcp(folder)[0]))
    assert read.keys() == wanted.keys()
    assert [path for path in wanted if not equal(read[path], wanted[path])] == []


def save(content: Any, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(content, checkpoint_id=folder, no_dist=True)
    return folder


def test_equal_to_torch(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), nn.BatchNorm2d(4), nn.Linear(4, 2))
    content = {
        "state_dict": model.state_dict(),
        "epoch": 3, "half": torch.ones(3).half(), "brain": torch.ones(2, 2, dtype=torch.bfloat16), "scalar": torch.tensor(2.0),
        "none": torch.empty(0, 3), "list": [torch.ones(3), 5, {"deep": torch.arange(3)}], "text": "x", "empty": {},
    }  # fmt: skip
    folder = save(content, tmp_path / "dcp")
    assert_as_torch_reads_it(folder, tmp_path / "x.pt")
    assert [file.name for file in read_dcp(folder)[1]] == [".metadata", "__0_0.distcp"]


def test_optimizers_are_left_out_and_classes_stay_dead(tmp_path: Path) -> None:
    content = {"model": {"w": torch.ones(2)}, "optimizer": {"state": {"w": torch.ones(2)}}, "args": [argparse.Namespace(heads=6)]}
    read = read_dcp(save(content, tmp_path / "dcp"))[0]
    assert list(read) == ["model", "args"] and read["model"]["w"].tolist() == [1, 1]


def test_meta_of_lightning(tmp_path: Path) -> None:
    folder = save({"state_dict": {"w": torch.ones(2)}}, tmp_path / "dcp")
    torch.save({"hyper_parameters": {"arch": "resnet18"}, "state_dict": 3}, folder / "meta.pt")
    content, files = read_dcp(folder)
    assert content["hyper_parameters"] == {"arch": "resnet18"} and list(content["state_dict"]) == ["w"]
    assert files[-1].name == "meta.pt"


class Sharded:
    """A folder as several processes write it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.described, self.stored = folder, {}, {}  # type: ignore[var-annotated]
        self.files: dict[str, bytes] = {}
        self.paths: dict[str, tuple[Any, ...]] = {}

    def blob(self, content: Any, file: str) -> _StorageInfo:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        held = self.files.setdefault(file, b"")
        self.files[file] = held + buffer.getvalue()
        return _StorageInfo(file, len(held), len(buffer.getvalue()))

    def add(self, key: str, size: tuple[int, ...], chunks: list[tuple[tuple[int, ...], torch.Tensor]]) -> None:
        boxes = [ChunkStorageMetadata(torch.Size(start), tensor.shape) for start, tensor in chunks]
        dtype = chunks[0][1].dtype if chunks else torch.float32
        self.described[key] = TensorStorageMetadata(TensorProperties(dtype=dtype), torch.Size(size), boxes)
        self.paths[key] = (key,)
        for rank, (start, tensor) in enumerate(chunks):
            self.stored[MetadataIndex(key, torch.Size(start), rank)] = self.blob(tensor, f"__{rank}_0.distcp")

    def write(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)
        with (self.folder / ".metadata").open("wb") as file:
            pickle.dump(Metadata(self.described, self.paths, self.stored), file)
        return self.folder


WHOLE = torch.arange(7 * 5.0).reshape(7, 5)


@pytest.fixture
def sharded(tmp_path: Path) -> Sharded:
    folder = Sharded(tmp_path / "dcp")
    folder.add("rows", (7, 5), [((0, 0), WHOLE[:4].clone()), ((4, 0), WHOLE[4:].clone())])
    blocks = [((row, column), WHOLE[row : row + 4, column : column + 3].clone()) for row in (0, 4) for column in (0, 3)]
    folder.add("blocks", (7, 5), blocks)
    folder.add("bias", (3,), [((0,), torch.ones(3))])
    return folder


def test_chunks_are_put_together(sharded: Sharded, tmp_path: Path) -> None:
    assert_as_torch_reads_it(sharded.write(), tmp_path / "x.pt")
    read = read_dcp(sharded.folder)[0]
    assert torch.equal(read["rows"], WHOLE) and torch.equal(read["blocks"], WHOLE)


def refused(folder: Sharded, message: str, code: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_dcp(folder.write())
    assert caught.value.code == code and "\n" not in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("size", "chunks", "message", "code"),
    [
        ((7, 5), [((0, 0), WHOLE[:4])], "the chunks of w do not fill it", "E_CORRUPT"),
        ((7, 5), [((0, 0), WHOLE[:4]), ((5, 0), WHOLE[4:])], "the chunks of w do not fill it", "E_CORRUPT"),
        ((7, 5), [((0, 0), WHOLE[:4]), ((3, 0), WHOLE[4:])], "the chunks of w overlap", "E_CORRUPT"),
        ((7, 5), [], "w has 0 chunks", "E_CORRUPT"),
        ((7,), [((0, 0), WHOLE)], "do not fill it", "E_CORRUPT"),
        ((7, 5), [((0, 0), WHOLE[:4]), ((4, 0), WHOLE[4:].half())], "of different types", "E_CORRUPT"),
    ],
)
def test_chunks_that_do_not_make_the_tensor(sharded: Sharded, size: Any, chunks: Any, message: str, code: str) -> None:
    sharded.add("w", size, [(start, tensor.clone()) for start, tensor in chunks])
    refused(sharded, message, code)


def index_of(folder: Sharded, key: str) -> Any:
    return next(index for index in folder.stored if index.fqn == key)


@pytest.mark.parametrize(
    ("change", "message", "code"),
    [
        ({"relative_path": "../x"}, "names a file outside itself: '../x'", "E_SHARD_NAME"),
        ({"relative_path": "/etc/passwd"}, "names a file outside itself", "E_SHARD_NAME"),
        ({"relative_path": "__9_0.distcp"}, "its file __9_0.distcp is missing", "E_MISSING_SHARD"),
        ({"length": 1 << 40}, "is cut short", "E_TRUNCATED"),
        ({"offset": 1 << 40}, "is cut short", "E_TRUNCATED"),
        ({"offset": 0}, "overlaps another", "E_CORRUPT"),
        ({"offset": -1}, "overlaps another", "E_CORRUPT"),
        ({"length": 0}, "overlaps another", "E_CORRUPT"),
        ({"offset": True}, "its offset is a bool", "E_CORRUPT"),
        ({"length": "5"}, "its length is a str", "E_CORRUPT"),
        ({"transform_descriptors": ["zstd"]}, "is compressed, which has no reader", "E_DCP_EXTENSION"),
    ],
)
def test_places_that_lie(sharded: Sharded, change: dict[str, Any], message: str, code: str) -> None:
    info = sharded.stored[index_of(sharded, "bias")]
    for name, value in change.items():
        setattr(info, name, value)
    refused(sharded, message, code)


def test_a_chunk_that_is_not_as_described(sharded: Sharded) -> None:
    sharded.described["bias"].size = torch.Size([2])
    sharded.described["bias"].chunks[0].sizes = torch.Size([2])
    refused(sharded, r"bias in .* must be stored as described, a tensor of shape \[2\]; got \[3\]", "E_SIZE_MISMATCH")
    for value in ("sizes", "size"):
        setattr(sharded.described["bias"].chunks[0] if value == "sizes" else sharded.described["bias"], value, torch.Size([1 << 30, 1 << 10]))
    sharded.described["bias"].chunks[0].offsets = torch.Size([0, 0])
    refused(sharded, r"a chunk of bias is missing", "E_MISSING_STORAGE")
    sharded.stored[MetadataIndex("bias", torch.Size([0, 0]))] = sharded.stored.pop(index_of(sharded, "bias"))
    refused(sharded, r"bias in .* must be backed by its chunk", "E_TENSOR_BOMB")


def test_values_and_paths(sharded: Sharded) -> None:
    sharded.described["epoch"], sharded.paths["epoch"] = BytesStorageMetadata(), ("loop", "epoch")
    refused(sharded, "epoch is stored 0 times", "E_MISSING_STORAGE")
    sharded.stored[MetadataIndex("epoch")] = sharded.blob(5, "__0_0.distcp")
    assert read_dcp(sharded.write())[0]["loop"] == {"epoch": 5}
    for path, message in (
        (("rows",), "is there twice"),
        (("rows", "x"), "leads through a value"),
        (("a",) * 100, "is not a path"),
        ((1.5,), "is not a path"),
        ([], "is not a path"),
    ):
        sharded.paths["epoch"] = path  # type: ignore[assignment]
        refused(sharded, message, "E_CORRUPT")


def test_a_chunk_is_read_with_every_check(sharded: Sharded) -> None:
    sharded.files["__0_0.distcp"] = bytes(len(sharded.files["__0_0.distcp"]))
    with pytest.raises(FileFormatError, match=r"rows in \S+ must be complete; its zip directory is missing"):
        read_dcp(sharded.write())


class Hostile:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return Path.touch, (self.canary,)


def test_nothing_in_the_metadata_is_run(sharded: Sharded, tmp_path: Path) -> None:
    sharded.paths["rows"] = ("rows", Hostile(tmp_path / "canary"))  # type: ignore[assignment]
    with pytest.raises(FileFormatError):
        read_dcp(sharded.write())
    (sharded.folder / ".metadata").write_bytes(pickle.dumps(Hostile(tmp_path / "canary")))
    with pytest.raises(FileFormatError):
        read_dcp(sharded.folder)
    (sharded.folder / ".metadata").write_bytes(pickle.dumps({"state_dict_metadata": {}}))
    with pytest.raises(FileFormatError, match=r"its \.metadata describes none"):
        read_dcp(sharded.folder)
    (sharded.folder / ".metadata").unlink()
    with pytest.raises(FileFormatError, match="must be readable"):
        read_dcp(sharded.folder)
    assert not (tmp_path / "canary").exists()
    assert Dead is not None
