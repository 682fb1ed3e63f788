"""safetensors files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from repr_probe.errors import FileFormatError
from repr_probe.files.safe_tensors import read_safetensors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file({"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "x", metadata={"k": "v"})
    return tmp_path / "x"


def test_tensors_and_metadata(path: Path) -> None:
    tensors, metadata = read_safetensors(path)
    assert list(tensors) == ["a", "b"] and metadata == {"k": "v"}
    assert torch.equal(tensors["b"], torch.arange(6.0).reshape(2, 3)) and tensors["a"].dtype == torch.bfloat16


def test_no_metadata(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "x")
    assert read_safetensors(tmp_path / "x")[1] == {}


def test_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(FileFormatError, match="must be complete; its header claims"):
        read_safetensors(path)


def lying(path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 24)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"a": {"dtype": "F32", "shape": [10, 10], "data_offsets": [0, 24]}}, "its header does not fit"),
        ({key: {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]} for key in "ab"}, "does not fit"),
        ({"a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 2400]}}, "must be complete"),
        ({"a": {"dtype": "F32"}}, "not a list of tensors"),
        ({"a": 3}, "not a list of tensors"),
    ],
)
def test_headers_that_lie(tmp_path: Path, header: object, message: str) -> None:
    lying(tmp_path / "x", header)
    with pytest.raises(FileFormatError, match=message):
        read_safetensors(tmp_path / "x")


def test_other_formats_are_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a,b\n1,2\n")
    with pytest.raises(FileFormatError, match="got a file of kind csv"):
        read_safetensors(tmp_path / "x")


def test_headers_of_impossible_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repr_probe.files.safe_tensors.HEADER_LIMIT", 3)
    lying(tmp_path / "x", {})
    (tmp_path / "x").write_bytes((20).to_bytes(8, "little") + b"{" + b" " * 19)
    with pytest.raises(FileFormatError, match="must have a header below 0 MiB") as caught:
        read_safetensors(tmp_path / "x")
    assert caught.value.code == "E_CORRUPT"
