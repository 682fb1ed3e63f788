"""torch.export archives, read without torch.export."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from repr_probe.errors import FileFormatError
from repr_probe.files.exported import read_exported

TABLE = "x/data/weights/model_weights_config.json"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.tied = self.fc.weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.bn(self.conv(images)).mean((2, 3))) @ self.tied


def test_equal_to_torch(tmp_path: Path) -> None:
    net = Net().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (torch.randn(2, 3, 8, 8),)), tmp_path / "x.pt2")
    read, wanted = read_exported(tmp_path / "x.pt2"), net.state_dict()
    assert read.keys() == wanted.keys()
    assert all(torch.equal(read[name], wanted[name]) and read[name].dtype == wanted[name].dtype for name in wanted)


def entry(path_name: str = "weight_0", **changes: Any) -> dict[str, Any]:
    meta = {
        "dtype": 7, "sizes": [{"as_int": 2}, {"as_int": 3}], "strides": [{"as_int": 3}, {"as_int": 1}], "storage_offset": {"as_int": 0},
        "layout": 7, **changes,
    }  # fmt: skip
    return {"path_name": path_name, "is_param": True, "use_pickle": False, "tensor_meta": meta}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def archive(entries: dict[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(tmp_path / "x.pt2", "w", compression) as file:
            for name, content in entries.items():
                file.writestr(name, content)
        return tmp_path / "x.pt2"

    return archive


def of(table: Any, weight: bytes = torch.arange(6.0).numpy().tobytes()) -> dict[str, bytes]:
    return {"x/archive_format": b"pt2", "x/data/weights/weight_0": weight, TABLE: json.dumps(table).encode()}


def test_strides(write: Callable[..., Path]) -> None:
    path = write(of({"config": {"a": entry(sizes=[{"as_int": 3}, {"as_int": 2}], strides=[{"as_int": 1}, {"as_int": 3}]), "b": entry()}}))
    read = read_exported(path)
    assert torch.equal(read["a"], torch.arange(6.0).reshape(2, 3).T) and torch.equal(read["b"], torch.arange(6.0).reshape(2, 3))


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_older_archives_and_pickled_weights(write: Callable[..., Path]) -> None:
    weights = {"conv.weight": torch.arange(6.0), "n": torch.tensor(3)}
    for name in ("x/data/weights/model.pt", "serialized_state_dict.pt"):
        read = read_exported(write({name: saved(weights), (name.rpartition("/")[0] + "/y").lstrip("/"): b""}))
        assert list(read) == ["conv.weight", "n"] and torch.equal(read["conv.weight"], torch.arange(6.0))
    pickled = {**entry(), "use_pickle": True, "tensor_meta": None}
    assert torch.equal(read_exported(write(of({"config": {"a": pickled}}, saved(torch.ones(2)))))["a"], torch.ones(2))


def test_several_models(write: Callable[..., Path]) -> None:
    entries = {**of({"config": {"a": entry()}}), "x/data/weights/other_weights_config.json": json.dumps({"config": {"b": entry()}}).encode()}
    read = read_exported(write(entries))
    assert {model: list(weights) for model, weights in read.items()} == {"model": ["a"], "other": ["b"]}


@pytest.mark.parametrize(
    ("changes", "message", "code"),
    [
        ({"sizes": [{"as_int": 1 << 20}, {"as_int": 1 << 20}], "strides": [{"as_int": 0}, {"as_int": 0}]}, "must be backed by its", "E_TENSOR_BOMB"),
        ({"strides": [{"as_int": 9}, {"as_int": 1}]}, "its strides reach further", "E_SIZE_MISMATCH"),
        ({"storage_offset": {"as_int": 1}}, "its strides reach further", "E_SIZE_MISMATCH"),
        ({"strides": [{"as_int": 1}]}, "as many strides as dimensions", "E_CORRUPT"),
        ({"sizes": [{"as_expr": "s0"}, {"as_int": 3}]}, "shape of a in .* whole numbers", "E_CORRUPT"),
        ({"sizes": 3}, "whole numbers", "E_CORRUPT"),
        ({"storage_offset": {"as_int": -1}}, "offset of a in .* whole numbers", "E_CORRUPT"),
        ({"dtype": 99}, "dense tensor of a known type", "E_DTYPE"),
        ({"layout": 1}, "dense tensor of a known type", "E_DTYPE"),
    ],
)
def test_entries_that_lie(write: Callable[..., Path], changes: dict[str, Any], message: str, code: str) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_exported(write(of({"config": {"a": entry(**changes)}})))
    assert caught.value.code == code and "\n" not in str(caught.value)


def test_archives_that_are_damaged(write: Callable[..., Path]) -> None:
    whole = of({"config": {"a": entry()}})
    for entries, message, code in (
        (of({"config": {"a": entry("weight_1")}}), "its entry data/weights/weight_1 is missing", "E_MISSING_STORAGE"),
        (of({"config": {"a": 3}}), "its table of weights is not", "E_CORRUPT"),
        (of([]), "its table of weights is not", "E_CORRUPT"),
        ({**whole, TABLE: b"{"}, "must be readable JSON", "E_JSON"),
        ({"x/archive_format": b"pt2"}, "must hold the weights", "E_NO_WEIGHTS"),
        ({**whole, "x/byteorder": b"big"}, "little-endian", "E_DTYPE"),
    ):
        with pytest.raises(FileFormatError, match=message) as caught:
            read_exported(write(entries))
        assert caught.value.code == code
    with pytest.raises(FileFormatError, match="must be uncompressed") as caught:
        read_exported(write({"x/data/weights/weight_0": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED))
    assert caught.value.code == "E_ZIP_COMPRESSED"
    path = write(whole)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileFormatError, match="must be complete"):
        read_exported(path)


def test_entries_that_share_bytes(write: Callable[..., Path]) -> None:
    """A directory that points several names at one place would make a small file into a large network."""
    path = write({"x/a": bytes(100), "x/b": bytes(100)})
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="its entries x/a and x/b overlap") as caught:
        read_exported(path)
    assert caught.value.code == "E_SIZE_MISMATCH"


def test_a_table_with_a_flipped_byte(write: Callable[..., Path]) -> None:
    path = write(of({"config": {"a": entry()}}))
    path.write_bytes(path.read_bytes().replace(b'"as_int": 3}], "str', b'"as_int": 2}], "str', 1))
    with pytest.raises(FileFormatError, match=r"model_weights_config.json is not \(checksum\)") as caught:
        read_exported(path)
    assert caught.value.code == "E_CORRUPT"
